"""What kills, full disks and neighbours do to an extraction, with real processes."""

import fcntl
import random
import resource
import signal
import subprocess
import sys
import threading
import time

import pytest

from featviz.base.feature_table import read_features
from featviz.cli import main
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
from tests.forks import Forked, featviz_process

KILLS = 50


def killed_when(process, condition, then):
    """How a process ended that was killed so many seconds after a condition, if it still ran."""
    while process.returncode is None and not condition():
        time.sleep(0.002)
    time.sleep(then)
    process.kill()
    return process.wait()


def run(words):
    process = featviz_process(words)
    process.wait()
    return process


def tables(folder):
    return folder.glob("[!.]*.parquet")


def contents(folder):
    return {path.name: path.read_bytes() for path in tables(folder)}


def test_killed_at_fifty_random_moments_every_file_is_whole_and_a_rerun_completes(tmp_path):
    checkpoints = write_checkpoints(tmp_path / "run", 4)
    sketches = write_sketches(tmp_path / "drawn")
    assert run(arguments(checkpoints, sketches, tmp_path / "whole")).returncode == 0
    start = time.perf_counter()
    assert run(arguments(checkpoints, sketches, tmp_path / "again")).returncode == 0
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
        status = killed_when(
            featviz_process(words),
            lambda out=out, wanted=wanted: len(list(tables(out))) >= wanted,
            then=moments.uniform(0, takes / len(checkpoints)),
        )
        assert status in (0, -signal.SIGKILL)
        kills += status != 0
        there = contents(out)
        stages.add(len(there))
        # A file that is there is the whole file of the undisturbed run, to the last byte.
        assert there == {name: undisturbed[name] for name in there}
        assert set(read_manifest(out)) <= {name.removesuffix(".parquet") for name in there}
        if (out / MANIFEST).exists():
            assert read_manifest(out)
        if len(there) == len(checkpoints) or moments.random() < 0.3:
            assert run(words).returncode == 0
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


def test_two_calls_at_once_share_the_work_and_make_each_table_once(tmp_path):
    checkpoints = write_checkpoints(tmp_path / "run", 5)
    sketches = write_sketches(tmp_path / "drawn", count=30)
    words = arguments(checkpoints, sketches, tmp_path / "out")
    calls = [featviz_process(words) for _ in range(2)]
    assert [call.wait() for call in calls] == [0, 0]
    said = [call.stdout.read().splitlines() for call in calls]
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


def with_little_room(words):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))
    main(words)


def test_a_disk_that_is_full_at_the_second_table_leaves_the_first_whole_and_goes_on_later(tmp_path):
    """A limit on the size of files makes the system refuse writes, as a full disk does."""
    checkpoints = [
        write_checkpoint(tmp_path / "small.safetensors"),
        write_checkpoint(tmp_path / "wide.safetensors", width=12),
    ]
    words = arguments(checkpoints, write_sketches(tmp_path / "drawn", count=12), tmp_path / "out")
    process = Forked(with_little_room, words)
    assert process.wait() == 2
    told = process.stderr.read()
    assert told.count("\n") == 1
    assert "error" in told
    left = [path.name for path in (tmp_path / "out").iterdir()]
    assert sorted(left) == [MANIFEST, "small.parquet"]
    assert len(read_features(tmp_path / "out" / "small.parquet")) == 12
    again = run(words)
    assert again.returncode == 0
    assert again.stdout.read().count("was there already") == 1
    assert len(read_features(tmp_path / "out" / "wide.parquet")) == 12
