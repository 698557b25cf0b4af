"""The benchmark of the training step, on a pix2pixHD in miniature and on a real one if named."""

import os
import re
import runpy
import shutil
import sys
from pathlib import Path

import pytest

from benchmarks import training
from featviz.base.errors import FeatvizError

STAND_IN = Path(__file__).parent / "pix2pixhd_stand_in"


def measure(reference, size=32):
    training.main(training.Training(reference, 2, 2, size=size, runs=1, threads=1))


def test_both_sides_are_measured_and_give_the_same_losses(capsys):
    measure(STAND_IN)
    said = capsys.readouterr().out
    assert "4 by name" in said
    difference = float(re.search(r"largest relative difference (\S+)", said)[1])
    assert 0 < difference <= 1e-4
    times = dict(re.findall(r"(reference|featviz) +\S+ images/s on cpu: median (\S+) s", said))
    ratio = float(re.search(r"ratio +(\S+) on cpu", said)[1])
    assert ratio == pytest.approx(float(times["reference"]) / float(times["featviz"]), abs=0.3)
    # Both do the same, but for passes that ours saves: the discriminators see the fake pair once.
    work = dict(re.findall(r"work +(\S+): (\S+) GFLOP", said))
    assert 0 < float(work["featviz"]) < float(work["reference"])
    shares = re.search(r"profile +featviz.*?: (.*)", said)[1]
    assert sum(map(float, re.findall(r"(\S+)%", shares))) == pytest.approx(100, abs=1)


def test_a_loss_that_differs_fails_the_benchmark(tmp_path, capsys):
    shutil.copytree(STAND_IN, tmp_path, dirs_exist_ok=True)
    model = tmp_path / "models" / "models.py"
    changed = model.read_text().replace("self.weight / len(real)", "self.weight / 3.001")
    assert changed != model.read_text()
    model.write_text(changed)
    with pytest.raises(SystemExit) as ended:
        measure(tmp_path)
    assert ended.value.code == 1
    assert re.search(r"feature-matching\); target <= 0.0001: missed", capsys.readouterr().out)


def test_a_folder_that_is_no_checkout_is_refused_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["training", "--reference", str(tmp_path)])
    monkeypatch.delitem(sys.modules, "benchmarks.training")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("benchmarks.training", run_name="__main__")
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "models/models.py" in said


def test_no_run_at_all_is_refused_before_anything_is_measured(capsys):
    with pytest.raises(FeatvizError, match="runs must be a whole number, 1 or more; got 0"):
        training.main(training.Training(STAND_IN, runs=0))
    assert capsys.readouterr().out == ""


def test_the_released_code_gives_our_losses():
    checkout = os.environ.get("FEATVIZ_PIX2PIXHD")
    if checkout is None:
        pytest.skip("no checkout of NVIDIA's pix2pixHD; name one with FEATVIZ_PIX2PIXHD")
    measure(Path(checkout), size=64)
