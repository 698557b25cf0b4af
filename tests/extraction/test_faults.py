"""What kills, full disks and neighbours do to an extraction, with real processes."""

import contextlib
import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from featviz.base.feature_table import read_features
from featviz.extraction import Settings, extract_checkpoints
from featviz.extraction.locks import lock_file, table_lock
from featviz.extraction.manifest import MANIFEST, read_manifest
from featviz.sketches.sketch_set import read_sketches
from tests.extraction.small import (
    POINT,
    SIZE,
    arguments,
    write_checkpoint,
    write_checkpoints,
    write_sketches,
)

KILLS = 50

# A process that has imported all it needs and forks for each run, so that fifty runs do not spend
# their time on fifty imports. What runs and is killed is the whole command.
FORKING = """
import json, os, sys, torch, torch._dynamo, pyarrow.parquet
import featviz.extraction, featviz.sketches.sketch_set
from featviz.cli import main
torch.set_num_threads(1)
print("ready", flush=True)
for line in sys.stdin:
    words, before, said = json.loads(line)
    if not (child := os.fork()):
        for number, name in enumerate(("out", "err"), 1):
            os.dup2(os.open(said + name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        code = 0
        try:
            exec(before)
            main(words)
        except SystemExit as ended:
            code = ended.code
        sys.stdout.flush()
        os._exit(code)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


class Runner:
    def __init__(self, said):
        self.said = str(said)
        self.process = subprocess.Popen(
            [sys.executable, "-c", FORKING],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def answer(self):
        return self.process.stdout.readline().strip()

    def start(self, words, before=""):
        """Begin one run of the command, after some Python; the id of its process."""
        self.process.stdin.write(json.dumps([words, before, self.said]) + "\n")
        self.process.stdin.flush()
        return int(self.answer())

    def ended(self):
        """The wait status of the run that was begun."""
        return int(self.answer())

    def printed(self, name):
        """What it wrote to "out" or "err"."""
        return Path(self.said + name).read_text()

    def run(self, words, kill_when=None, then=0.0, before=""):
        """The wait status of one run of the command, killed `then` seconds after a condition."""
        child = self.start(words, before)
        if kill_when is not None:
            while is_running(child) and not kill_when():
                time.sleep(0.002)
            time.sleep(then)
            # It may have ended by itself; until its parent has said so, nobody else has its id.
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return self.ended()

    def close(self):
        # It has nothing to tidy up, and would take seconds for it.
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def runners(tmp_path_factory):
    """Two of them: each has one run at a time."""
    folder = tmp_path_factory.mktemp("said")
    runners = [Runner(folder / name) for name in ("one.", "two.")]
    assert [runner.answer() for runner in runners] == ["ready", "ready"]
    yield runners
    for runner in runners:
        runner.close()


@pytest.fixture
def runner(runners):
    return runners[0]


def tables(folder):
    return folder.glob("[!.]*.parquet")


def contents(folder):
    return {path.name: path.read_bytes() for path in tables(folder)}


def test_killed_at_fifty_random_moments_every_file_is_whole_and_a_rerun_completes(tmp_path, runner):
    checkpoints = write_checkpoints(tmp_path / "run", 4)
    sketches = write_sketches(tmp_path / "drawn")
    assert runner.run(arguments(checkpoints, sketches, tmp_path / "whole")) == 0
    start = time.perf_counter()
    assert runner.run(arguments(checkpoints, sketches, tmp_path / "again")) == 0
    takes = time.perf_counter() - start
    undisturbed = contents(tmp_path / "whole")
    assert contents(tmp_path / "again") == undisturbed

    moments = random.Random(11)
    kills, folders, stages = 0, 0, set()
    out = tmp_path / "out0"
    while kills < KILLS:
        words = arguments(checkpoints, sketches, out)
        # Work is counted, not time: none or one more table must be there, however slow it is;
        # what is random is how far the next one has come.
        wanted = len(list(tables(out))) + moments.randint(0, 1)
        status = runner.run(
            words,
            kill_when=lambda out=out, wanted=wanted: len(list(tables(out))) >= wanted,
            then=moments.uniform(0, takes / len(checkpoints)),
        )
        assert status in (0, signal.SIGKILL)
        kills += status == signal.SIGKILL
        there = contents(out)
        stages.add(len(there))
        # A file that is there is the whole file of the undisturbed run, to the last byte.
        assert there == {name: undisturbed[name] for name in there}
        assert set(read_manifest(out)) <= {name.removesuffix(".parquet") for name in there}
        if (out / MANIFEST).exists():
            assert read_manifest(out)
        if len(there) == len(checkpoints) or moments.random() < 0.3:
            assert runner.run(words) == 0
            assert contents(out) == undisturbed
            assert set(read_manifest(out)) == {path.stem for path in checkpoints}
            for path in out.glob("[!.]*.parquet"):
                assert len(read_features(path)) == 6
            # Nothing that killed writers left is left, but for the empty file of a lock.
            hidden = {path for path in out.iterdir() if path.name.startswith(".")}
            locks = {path for path in hidden if path.suffix == ".lock" and not path.stat().st_size}
            assert hidden == locks
            folders += 1
            out = tmp_path / f"out{folders}"
    assert len(stages) > 2
    assert folders > 2


def test_two_calls_at_once_share_the_work_and_make_each_table_once(tmp_path, runners):
    checkpoints = write_checkpoints(tmp_path / "run", 5)
    sketches = write_sketches(tmp_path / "drawn", count=30)
    words = arguments(checkpoints, sketches, tmp_path / "out")
    for runner in runners:
        runner.start(words)
    assert [runner.ended() for runner in runners] == [0, 0]
    said = [runner.printed("out").splitlines() for runner in runners]
    for lines in said:
        assert len(lines) == len(checkpoints)
    made = [line for lines in said for line in lines if "was there already" not in line]
    assert len(made) == len(checkpoints)
    assert len(set(made)) == len(checkpoints)
    list(
        extract_checkpoints(
            checkpoints, read_sketches(sketches, SIZE), tmp_path / "alone", Settings((POINT,))
        )
    )
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")
    assert set(read_manifest(tmp_path / "out")) == {path.stem for path in checkpoints}


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of n0.parquet, as any program that locks files would."""
    out = tmp_path / "out"
    out.mkdir()
    script = (
        "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX);"
        "print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(lock_file(out / "n0.parquet"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_a_table_that_another_call_writes_is_left_to_it_until_the_others_are_made(
    tmp_path, holder, capsys
):
    checkpoints = write_checkpoints(tmp_path / "run", 3)
    sketches = read_sketches(write_sketches(tmp_path / "drawn"), SIZE)
    made = []

    def work():
        results = extract_checkpoints(checkpoints, sketches, tmp_path / "out", Settings((POINT,)))
        made.extend(result.path.stem for result in results)

    thread = threading.Thread(target=work)
    thread.start()
    deadline = time.monotonic() + 300
    said = ""
    while "waiting" not in said and time.monotonic() < deadline:
        time.sleep(0.02)
        said += capsys.readouterr().err
    assert "another call writes" in said
    assert "n0.parquet; waiting for it" in said
    assert made == ["n1", "n2"]
    holder.kill()  # with kill -9: its lock is gone with it
    thread.join(300)
    assert made == ["n1", "n2", "n0"]


def test_the_lock_of_a_killed_process_blocks_nobody(tmp_path, holder):
    path = tmp_path / "out" / "n0.parquet"
    with table_lock(path, wait=False) as held:
        assert not held
    holder.kill()
    holder.wait()
    assert lock_file(path).exists()
    with table_lock(path, wait=False) as held:
        assert held
        with lock_file(path).open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not lock_file(path).exists()


def test_a_disk_that_is_full_at_the_second_table_leaves_the_first_whole_and_goes_on_later(
    tmp_path, runner
):
    """A limit on the size of files makes the system refuse writes, as a full disk does."""
    checkpoints = [
        write_checkpoint(tmp_path / "small.safetensors"),
        write_checkpoint(tmp_path / "wide.safetensors", width=12),
    ]
    words = arguments(checkpoints, write_sketches(tmp_path / "drawn", count=12), tmp_path / "out")
    limit = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))"
    )
    assert os.waitstatus_to_exitcode(runner.run(words, before=limit)) == 2
    told = runner.printed("err")
    assert told.count("\n") == 1
    assert "error" in told
    left = [path.name for path in (tmp_path / "out").iterdir()]
    assert sorted(left) == [MANIFEST, "small.parquet"]
    assert len(read_features(tmp_path / "out" / "small.parquet")) == 12
    assert runner.run(words) == 0
    assert runner.printed("out").count("was there already") == 1
    assert len(read_features(tmp_path / "out" / "wide.parquet")) == 12
