"""`featviz` as a process that starts at once: a fork of one that has imported all it needs.

What is tested of a process (that it is killed, what it prints, how it ends) needs a real one; the
seconds in which Python imports PyTorch show nothing. `python -m featviz` is run in test_cli.py.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TextIO

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
        "tyro.extras",
        "uvicorn.lifespan.on",
        "uvicorn.loops.auto",
        "uvicorn.protocols.websockets.auto",
    ]
)


class Forked:
    """`featviz WORDS`, run in a folder; its output can be read while it runs.

    returncode is as in subprocess: None while it runs, negative for a signal.
    """

    def __init__(
        self,
        words: Sequence[object],
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        reading, writing = zip(*(_FORKS.Pipe(duplex=False) for _ in range(2)), strict=True)
        self._process = _FORKS.Process(
            target=_run,
            args=(
                [str(word) for word in words],
                folder or Path.cwd(),
                dict(os.environ if environment is None else environment),
                writing,
            ),
            daemon=True,
        )
        self._process.start()
        for end in writing:
            end.close()
        self.stdout, self.stderr = map(_as_text, reading)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, seconds: float = 300) -> int:
        """How it ended; killed and an error if it does not end."""
        self._process.join(seconds)
        if self.returncode is None:
            self.kill()
            raise TimeoutError(f"featviz still runs after {seconds} s")
        return self.returncode


def _as_text(reading: Connection) -> TextIO:
    return os.fdopen(os.dup(reading.fileno()), encoding="utf-8")


def _run(
    words: list[str], folder: Path, environment: Mapping[str, str], writing: Sequence[Connection]
) -> None:
    for number, end in zip((1, 2), writing, strict=True):
        os.dup2(end.fileno(), number)
        end.close()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["featviz", *words]
    import torch

    torch.set_num_threads(1)
    from featviz.__main__ import main

    main()
