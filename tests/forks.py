"""Processes that start at once: forks of one that has imported all that `featviz` needs.

What is tested of a process (that it is killed, what it prints, how it ends) needs a real one; the
seconds in which Python imports PyTorch show nothing. `python -m featviz` is run in test_cli.py.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "featviz.cli",
        "featviz.export.sketches",
        "featviz.extraction",
        "featviz.studio.change",
        "featviz.studio.importing",
        "featviz.studio.server",
        "featviz.training.loop",
        "contourpy",
        "matplotlib.path",
        "pyarrow.parquet",
        "sqlalchemy.dialects.sqlite",
        "torch._dynamo",
        "tyro.extras",
        "uvicorn.lifespan.on",
        "uvicorn.loops.auto",
        "uvicorn.protocols.websockets.auto",
    ]
)


class Forked:
    """A function in a process of its own, whose output can be read while it runs.

    returncode is as in subprocess: None while it runs, negative for a signal.
    """

    def __init__(
        self,
        run: Callable[..., object],
        *arguments: object,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        reading, writing = zip(*(_FORKS.Pipe(duplex=False) for _ in range(3)), strict=True)
        theirs = (reading[0], *writing[1:])
        place = (folder or Path.cwd(), dict(os.environ if environment is None else environment))
        self._process = _FORKS.Process(
            target=_begin, args=(theirs, *place, run, arguments), daemon=True
        )
        self._process.start()
        for end in theirs:
            end.close()
        self.stdin = os.fdopen(os.dup(writing[0].fileno()), "w", encoding="utf-8")
        self.stdout, self.stderr = (
            os.fdopen(os.dup(end.fileno()), encoding="utf-8") for end in reading[1:]
        )
        for end in (writing[0], *reading[1:]):
            end.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        # It may end by itself at this very moment.
        with contextlib.suppress(ProcessLookupError):
            if self.returncode is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait_until(self, true: Callable[[], object], seconds: float = 300) -> None:
        """Wait for something that the process does; killed and an error if it never comes."""
        deadline = time.monotonic() + seconds
        while not true():
            assert self.returncode is None, f"ended with {self.returncode}: {self.stderr.read()}"
            if time.monotonic() > deadline:
                self.kill()
                raise TimeoutError(f"waited {seconds} s in vain")
            time.sleep(0.02)

    def wait(self, seconds: float = 300) -> int:
        """How it ended; killed and an error if it does not end."""
        self._process.join(seconds)
        if self.returncode is None:
            self.kill()
            raise TimeoutError(f"process {self.pid} still ran after {seconds} s")
        return self.returncode


def featviz_process(words: Sequence[object], **place: Any) -> Forked:
    """`featviz WORDS` as a process; place: its folder and environment, if not ours."""
    return Forked(_featviz, [str(word) for word in words], **place)


def _begin(
    ends: Sequence[Connection],
    folder: Path,
    environment: Mapping[str, str],
    run: Callable[..., object],
    arguments: Sequence[object],
) -> None:
    for number, end in enumerate(ends):
        os.dup2(end.fileno(), number)
        end.close()
    sys.stdin = os.fdopen(0, encoding="utf-8")
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    import torch

    torch.set_num_threads(1)
    run(*arguments)


def _featviz(words: list[str]) -> None:
    sys.argv = ["featviz", *words]
    from featviz.__main__ import main

    main()
