"""The same work on a real local Ray cluster of two workers."""

import contextlib
import os
import shutil
import signal
import threading
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from featviz.base.errors import FeatvizError, FeatvizWarning
from featviz.base.feature_table import read_features
from featviz.extraction import Settings, extract_checkpoints
from featviz.extraction.manifest import read_manifest
from featviz.sketches.sketch_set import read_sketches
from tests.extraction.small import (
    POINT,
    SIZE,
    arguments,
    write_checkpoints,
    write_sketches,
)
from tests.forks import featviz_process

pytestmark = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is not installed; pip install 'featviz[ray]'"
)

SETTINGS = Settings((POINT, (5, 6)), engine="dense")
SKETCHES = 22
PART = 4


@pytest.fixture(scope="module")
def cluster():
    from featviz.extraction.scale_out import _cluster

    with _cluster(None, 2):
        yield


@pytest.fixture
def sketches(tmp_path):
    return read_sketches(write_sketches(tmp_path / "drawn", SKETCHES), SIZE)


@pytest.fixture
def checkpoints(tmp_path):
    return write_checkpoints(tmp_path / "run", 2)


def extract_on_ray(checkpoints, sketches, out, settings=SETTINGS, workers=1, part=PART):
    from featviz.extraction.scale_out import extract_on_ray

    return list(extract_on_ray(checkpoints, sketches, out, settings, workers=workers, part=part))


def assert_same(path, expected):
    table, other = read_features(path), read_features(expected)
    assert table.rows.equals(other.rows)
    assert table.layers == other.layers
    for layer in table.layers:
        assert table.vectors[layer].tobytes() == other.vectors[layer].tobytes()
    assert {**table.metadata, "engine_reason": None} == {**other.metadata, "engine_reason": None}


def parent(process):
    status = Path(f"/proc/{process}/stat").read_text()
    return int(status.rpartition(")")[2].split()[1])


def workers():
    """The processes of the actors that make parts for this one, by id."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            name = (folder / "cmdline").read_bytes()
            # A worker's parent is the cluster's node, whose parent is this process.
            if name.startswith(b"ray::MapWorker") and parent(parent(folder.name)) == os.getpid():
                found.append(int(folder.name))
    return found


def test_with_a_worker_killed_in_the_middle_the_tables_are_those_of_one_process_to_the_last_bit(
    tmp_path, cluster, sketches, checkpoints
):
    before, killed, out = set(workers()), [], tmp_path / "out"

    def kill_one():
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            made = len(list(out.glob(".*.parts/part-*.parquet")))
            # To look through all processes takes a while, in which the cluster would wait.
            if made >= 2 and (mine := set(workers()) - before):
                killed.append((min(mine), made))
                os.kill(min(mine), signal.SIGKILL)
                return
            time.sleep(0.02)

    thread = threading.Thread(target=kill_one)
    thread.start()
    results = extract_on_ray(checkpoints, sketches, out, workers=2, part=1)
    thread.join()
    ((_, made),) = killed
    assert made < 2 * SKETCHES
    alone = list(extract_checkpoints(checkpoints, sketches, tmp_path / "alone", SETTINGS))
    assert {result.path.name for result in results} == {one.path.name for one in alone}
    for one in alone:
        path = out / one.path.name
        assert len(list(path.iterdir())) == SKETCHES
        assert_same(path, one.path)
        # Other programs read the folder as one table too.
        frame = pd.read_parquet(path)
        assert np.array_equal(np.stack(frame["L4"]), read_features(one.path).vectors["L4"])
        (count, width), *_ = duckdb.sql(
            f"select count(*), max(len(L4)) from read_parquet('{path}/*.parquet')"
        ).fetchall()
        assert (count, width) == (2 * SKETCHES, 32)
    assert [entry["rows"] for entry in read_manifest(out).values()] == [2 * SKETCHES] * 2
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")]
    # Whoever asks again, either way, is given the same table.
    again = list(extract_checkpoints(checkpoints, sketches, out, SETTINGS))
    assert all(result.kept for result in again)


def spoil(sketches, *numbers):
    for number in numbers:
        path = sketches.folder / sketches.index["file"].iloc[number]
        path.write_bytes(path.read_bytes()[:40])


def test_parts_that_are_there_are_not_made_again_and_bad_and_odd_sketches_are_told_by_name(
    tmp_path, cluster, sketches, checkpoints, monkeypatch
):
    from featviz.extraction import scale_out

    # The first sketches are looked at beforehand; these are to be met by a worker.
    monkeypatch.setattr(scale_out, "_LOOKED_AT", PART)
    odd = sketches.index["file"].iloc[PART]
    pale = np.full((SIZE, SIZE), 255, np.uint8)
    pale[3:5, 3:30] = 200
    Image.fromarray(pale).save(sketches.folder / odd)
    bad = range(4 * PART, 5 * PART)
    spoil(sketches, *bad)
    out = tmp_path / "out"
    with (
        warnings.catch_warnings(record=True) as caught,
        pytest.raises(FeatvizError, match=r"4 of 4 sketches cannot be read.*--skip-bad"),
    ):
        warnings.simplefilter("always")
        extract_on_ray(checkpoints[:1], sketches, out)
    told = [w.message for w in caught if isinstance(w.message, FeatvizWarning)]
    assert [warning.what for warning in told] == [f"sketch {odd}"]
    assert "is taken for blank" in told[0].remark
    assert not list(out.glob("[!.]*.parquet"))
    there = {path.name: path.stat().st_mtime_ns for path in out.glob(".*.parts/part-*.parquet")}
    assert there
    skipping = Settings(SETTINGS.points, engine="dense", skip_bad=True)
    (result,) = extract_on_ray(checkpoints[:1], sketches, out, skipping)
    # A part whose sketches are all bad has no rows and still says which they were.
    assert result.skipped == tuple(sketches.index["sketch"].iloc[list(bad)])
    (alone,) = extract_checkpoints(checkpoints[:1], sketches, tmp_path / "alone", skipping)
    assert_same(result.path, alone.path)
    assert {name: (result.path / name).stat().st_mtime_ns for name in there} == there


def test_the_sketch_to_try_may_come_after_many_bad_ones(sketches, monkeypatch):
    from featviz.extraction import scale_out

    monkeypatch.setattr(scale_out, "_LOOKED_AT", 3)
    spoil(sketches, *range(7))
    skipping = Settings(SETTINGS.points, skip_bad=True)
    found = scale_out._readable_few(sketches, skipping)
    assert found.index["sketch"].tolist() == [sketches.index["sketch"].iloc[7]]
    spoil(sketches, *range(len(sketches)))
    total = len(sketches)
    with pytest.raises(FeatvizError, match=f"{total} of {total} sketches cannot be read"):
        scale_out._readable_few(sketches, skipping)


def of_cluster(driver):
    """The processes and folders of the cluster that a process started."""
    session = f"_{driver}/"
    processes = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (folder / "cmdline").read_bytes().decode(errors="replace")
            if "/tmp/fv-" in line and session in line:
                processes.add(folder.name)
    return processes, set(Path("/tmp").glob(f"fv-*/session_*_{driver}"))


@pytest.mark.parametrize("is_killed", [False, True])
def test_the_command_leaves_no_process_behind_not_even_if_it_is_killed(
    tmp_path, sketches, checkpoints, is_killed
):
    out = tmp_path / "out"
    words = [*arguments(checkpoints[:1], sketches.folder, out), "--workers", "1", "--ray"]
    call = featviz_process(words)
    if is_killed:
        call.wait_until(lambda: of_cluster(call.pid)[0])
        call.kill()
        call.wait()
    else:
        assert call.wait() == 0, call.stderr.read()
        said, errors = call.stdout.read(), call.stderr.read()
        assert said.splitlines() == [
            f"{out}/n0.parquet: {SKETCHES} rows ({SKETCHES} sketches, 1 point), L0, L1, L2, L3, L4"
        ]
        assert errors == ""
        assert not of_cluster(call.pid)[1]
    deadline = time.monotonic() + 300
    while of_cluster(call.pid)[0] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not of_cluster(call.pid)[0]
    for session in of_cluster(call.pid)[1]:
        shutil.rmtree(session.parent, ignore_errors=True)
