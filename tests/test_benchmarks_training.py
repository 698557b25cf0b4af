"""The benchmark of the training step, on a pix2pixHD in miniature and on a real one if named."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import training
from featviz.base.errors import FeatvizError

ROOT = Path(__file__).parent.parent
STAND_IN = Path(__file__).parent / "pix2pixhd_stand_in"
SMALL = ["--width", "2", "--discriminator-width", "2", "--size", "32", "--runs", "1"]


def measured(reference, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.training", "--reference", reference, *SMALL, *arguments],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


def test_both_sides_are_measured_and_give_the_same_losses():
    result = measured(STAND_IN)
    assert result.returncode == 0, result.stderr
    assert "4 by name" in result.stdout
    difference = float(re.search(r"largest relative difference (\S+)", result.stdout)[1])
    assert 0 < difference <= 1e-4
    times = dict(
        re.findall(r"(reference|featviz) +\S+ images/s on cpu: median (\S+) s", result.stdout)
    )
    ratio = float(re.search(r"ratio +(\S+) on cpu", result.stdout)[1])
    assert ratio == pytest.approx(float(times["reference"]) / float(times["featviz"]), abs=0.3)
    # Both do the same, but for passes that ours saves: the discriminators see the fake pair once.
    work = dict(re.findall(r"work +(\S+): (\S+) GFLOP", result.stdout))
    assert 0 < float(work["featviz"]) < float(work["reference"])
    shares = re.search(r"profile +featviz.*?: (.*)", result.stdout)[1]
    assert sum(map(float, re.findall(r"(\S+)%", shares))) == pytest.approx(100, abs=1)


def test_a_loss_that_differs_fails_the_benchmark(tmp_path):
    shutil.copytree(STAND_IN, tmp_path, dirs_exist_ok=True)
    model = tmp_path / "models" / "models.py"
    changed = model.read_text().replace("self.weight / len(real)", "self.weight / 3.001")
    assert changed != model.read_text()
    model.write_text(changed)
    result = measured(tmp_path)
    assert result.returncode == 1
    assert re.search(r"feature-matching\); target <= 0.0001: missed", result.stdout)


def test_a_folder_that_is_no_checkout_is_refused_in_one_line(tmp_path):
    result = measured(tmp_path)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "models/models.py" in result.stderr


def test_no_run_at_all_is_refused_before_anything_is_measured(capsys):
    with pytest.raises(FeatvizError, match="runs must be a whole number, 1 or more; got 0"):
        training.main(training.Training(STAND_IN, runs=0))
    assert capsys.readouterr().out == ""


def test_the_released_code_gives_our_losses():
    checkout = os.environ.get("FEATVIZ_PIX2PIXHD")
    if checkout is None:
        pytest.skip("no checkout of NVIDIA's pix2pixHD; name one with FEATVIZ_PIX2PIXHD")
    result = measured(checkout, "--size", "64")
    assert result.returncode == 0, result.stdout + result.stderr
