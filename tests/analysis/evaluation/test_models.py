"""`featviz evaluate MODEL`: how much edits of photos change elsewhere, in networks of anybody's."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from featviz import cli
from featviz.sketches.edits import edits_of, read_edits
from tests.commands.own_code import importable

CODE = """
from torch import nn

class Gain(nn.Module):
    "What every pixel is multiplied by follows from the mean of all."

    def __init__(self, by=2):
        super().__init__()
        self.by = by

    def forward(self, image):
        return (image * image.mean()).repeat_interleave(self.by, 2).repeat_interleave(self.by, 3)

def head():
    return nn.Sequential(nn.Conv2d(3, 3, 1), nn.Flatten())
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Photos of 24 x 16: two groups, a base and two edits each."""
    with importable("gains", CODE, tmp_path, monkeypatch):
        random = np.random.default_rng(8)
        for group in ("cats", "dogs"):
            Path("photos", group).mkdir(parents=True)
            base = random.integers(0, 256, (16, 24, 3), np.uint8)
            Image.fromarray(base).save(Path("photos", group, "base.png"))
            for number in (1, 2):
                pixels = base.copy()
                pixels[2 : 4 + number, 3 * number : 9] = 0
                Image.fromarray(pixels).save(Path("photos", group, f"{number}.png"))
        sys.path.insert(0, "")
        yield import_module("gains")


WORDS = ["evaluate", "gains:Gain", "--images", "photos", "--margin", "0"]


def test_means_and_ratios_over_edits_and_groups_are_those_of_plain_arithmetic(here, capsys):
    cli.main([*WORDS, "--mean", "0", "--std", "2", "--out", "numbers.csv", "--plot", "plot.png"])
    assert "Gain" in capsys.readouterr().out
    rows = pd.read_csv("numbers.csv").set_index(["group", "measure"])["value"]
    inside, outside = {}, {}
    for group in ("cats", "dogs"):
        values = {
            name: np.asarray(Image.open(f"photos/{group}/{name}.png")).astype(float)
            for name in ("base", "1", "2")
        }
        made = {name: each * each.mean() / 255 / 2 for name, each in values.items()}
        for found in (inside, outside):
            found[group] = []
        for name in ("1", "2"):
            area = (values[name] != values["base"]).any(axis=2)
            change = np.abs(made[name] - made["base"]).mean(axis=2)
            inside[group].append(change[area].mean())
            outside[group].append(change[~area].mean())
        assert rows[group, "inside"] == pytest.approx(np.mean(inside[group]), rel=1e-4)
        assert rows[group, "outside"] == pytest.approx(np.mean(outside[group]), rel=1e-4)
        ratio = np.mean(outside[group]) / np.mean(inside[group])
        assert rows[group, "outside / inside"] == pytest.approx(ratio, rel=1e-4)
        assert np.isnan(rows[group, "eyes"])
    assert rows["all", "outside"] == pytest.approx(
        np.mean([np.mean(each) for each in outside.values()]), rel=1e-4
    )
    assert Path("plot.png").is_file()


def test_sketches_are_measured_at_the_eyes_too(here, shipped, capsys):
    words = ["evaluate", "gains:Gain", "--model-args", "by=1", "--sketches", str(shipped.folder)]
    cli.main([*words, "--size", "64", "--edits", "1", "--out", "numbers.csv"])
    rows = pd.read_csv("numbers.csv").set_index(["group", "measure"])["value"]
    part = shipped.at(64).of_groups("G8")
    (edit,) = read_edits(part, edits_of(part, 1))
    means = [1 - 2 * float((pixels == 0).mean()) for pixels in (edit.base, edit.edited)]
    assert (edit.base == edit.edited)[edit.around_eyes].all()
    # The same pixels there, multiplied by another mean.
    assert rows["G8", "eyes"] == pytest.approx(127.5 * abs(means[1] - means[0]), rel=1e-4)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([*WORDS, "--measures", "quality"], "of 'gains:Gain' edit locality alone is measured"),
        ([*WORDS, "--local"], "`featviz edit` makes its edits stay and tells their numbers"),
        (["evaluate", "gains:head", *WORDS[2:], "--random-weights", "1"], "which is no image"),
        ([*WORDS, "--base", "3"], "group 'cats' has no photos called '3'"),
        ([*WORDS[:2], "--base", "3"], "--base is of photos in groups; give --images FOLDER"),
        ([*WORDS[:2]], "photos are --images FOLDER"),
        ([*WORDS, "--margin", "400"], "nothing is left of photos: photo cats/1 is edited everywhe"),
        (["evaluate", "modified", *WORDS[2:]], "--images and --base are for networks of anybody"),
        (["evaluate", "modified", *WORDS[1:]], "give it in a call of its own"),
    ],
)
def test_what_does_not_fit_is_one_line(here, capsys, words, told):
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--out", "numbers.csv"])
    error = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert told in error[-1]
    assert not Path("numbers.csv").exists()


def test_photos_of_another_size_than_their_base_are_told(here, capsys):
    Image.new("RGB", (8, 8)).save("photos/dogs/1.png")
    with pytest.raises(SystemExit):
        cli.main(WORDS)
    assert "photo dogs/1 is 8x8; expected 24x16 as dogs/base is" in capsys.readouterr().err
