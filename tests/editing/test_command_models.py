"""`featviz edit MODEL` and `featviz generate MODEL`: networks of anybody's, photos, the shell."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from featviz import cli
from featviz.editing import edit
from tests.commands.own_code import importable

CODE = """
import torch
from torch import nn

class Net(nn.Module):
    "Groups, a gate of the whole map, and an image among other outputs."

    def __init__(self, width=8, out=3):
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.norm = nn.GroupNorm(2, width)
        self.last = nn.Conv2d(width, out, 3, padding=1)

    def forward(self, image, strength=1.0):
        x = torch.relu(self.norm(self.first(image))) * strength
        return {"score": x.mean((2, 3)), "image": torch.tanh(self.last(x)), "half": x[:, :1] / 9}

def twice():
    first, last = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 3, 1)
    return nn.Sequential(first, nn.Upsample(scale_factor=2), last)

class Lacking(Net):
    def forward(self, image, strength):
        return super().forward(image, strength)

def classifier():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with code, weights, and a photo with two edits of it, 24 x 16."""
    with importable("edit_nets", CODE, tmp_path, monkeypatch):
        yield _weights_and_photos()


def _weights_and_photos():
    base = np.random.default_rng(4).integers(0, 256, (16, 24, 3), np.uint8)
    edits = {"plain.png": base}
    for name, part in (("a.png", (slice(2, 4), slice(3, 5))), ("b.png", (slice(9, 12), 20))):
        edits[name] = base.copy()
        edits[name][part] = 255 - base[part]
    Path("photos").mkdir()
    for name, pixels in edits.items():
        Image.fromarray(pixels).save(Path("photos") / name)
    sys.path.insert(0, "")
    network = import_module("edit_nets").Net
    torch.manual_seed(2)
    model = network().eval()
    torch.save(model.state_dict(), "net.pth")
    return model


WORDS = ["edit_nets:Net", "--weights", "net.pth"]
PHOTOS = [f"photos/{name}.png" for name in ("plain", "a", "b")]


def shown(path):
    return np.asarray(Image.open(path)).astype(int)


def given(name, mean=0.5, std=0.5):
    pixels = np.asarray(Image.open(f"photos/{name}.png")).astype(np.float32) / 255
    return ((torch.from_numpy(pixels) - torch.tensor(mean)) / torch.tensor(std)).permute(2, 0, 1)


def test_photos_in_give_the_networks_own_image_on_the_scale_of_its_input(here, capsys):
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)
    scaled = ["--mean", *map(str, mean), "--std", *map(str, std)]
    cli.main(["generate", *WORDS, *PHOTOS[:2], *scaled, "--input", "strength=2.0"])
    assert capsys.readouterr().out.split() == ["generated/plain-Net.png", "generated/a-Net.png"]
    with torch.no_grad():
        made = here(given("a", mean, std)[None], 2.0)["image"][0].permute(1, 2, 0).numpy()
    expected = np.clip((made * np.array(std) + np.array(mean)) * 255, 0, 255)
    assert np.abs(shown("generated/a-Net.png") - expected).max() <= 0.51


def test_another_output_is_chosen_by_name_and_one_channel_is_grey(here):
    cli.main(["generate", *WORDS, PHOTOS[0], "--output", "half", "--resize", "12", "8"])
    pixels = shown("generated/plain-Net.png")
    assert pixels.shape == (8, 12, 3)
    assert (pixels == pixels[..., :1]).all()
    assert pixels.std() > 0


def test_an_edit_of_a_photo_is_that_of_the_definition_and_stays_behind_group_norm(here, capsys):
    cli.main(["edit", *WORDS, *PHOTOS, "--out", "out", "--margin", "32", "--output", "image"])
    base, edited = given("plain"), given("a")
    expected = edit(Image_(here), base, edited, margin=32)
    assert np.array_equal(shown("out/a-Net.png"), expected.pixels)
    assert np.array_equal(shown("out/plain-Net.png"), expected.base_pixels)
    rows = pd.read_csv("out/edits.csv")
    assert rows[["sketch", "base", "way"]].values.tolist() == [
        [sketch, "plain", way] for sketch in ("a", "b") for way in ("free", "kept")
    ]
    free, kept = rows.iloc[0], rows.iloc[1]
    with torch.no_grad():
        own = here(edited[None])["image"]
    for row, image in ((free, own), (kept, expected.image)):
        change = (image - expected.base_image).abs()[0].mean(dim=0).numpy() * 127.5
        assert row["inside"] == pytest.approx(change[expected.area].mean(), rel=1e-5)
        assert row["outside"] == pytest.approx(change[~expected.area].mean(), rel=1e-5)
        assert row["equal"] == pytest.approx((change == 0).mean())
    assert free["equal"] < 0.1 < 0.8 < kept["equal"]
    assert kept["reach"] == pytest.approx(expected.reach.mean())
    assert np.isnan(kept["eyes"])
    assert set(rows["size"]) == {"24x16"}
    assert "2 edits, mean change" in capsys.readouterr().out


class Image_(torch.nn.Module):  # noqa: N801
    """The image alone, without featviz's own choice among outputs."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x)["image"]


def test_a_folder_of_photos_is_edited_group_by_group_from_the_base_that_is_named(here):
    cli.main(["edit", *WORDS, "--images", "photos", "--base", "plain", "--edits", "1"])
    rows = pd.read_csv("edited/edits.csv")
    assert rows[["sketch", "base"]].drop_duplicates().values.tolist() == [["a", "plain"]]
    Path("photos/index.csv").write_text("file,base\na.png,b\nb.png,\nplain.png,b\n")
    cli.main(["edit", *WORDS, "--images", "photos", "--out", "other", "--name", "mine"])
    assert Path("other/a-mine.png").is_file()
    rows = pd.read_csv("other/edits.csv")
    assert rows[["sketch", "base"]].drop_duplicates().values.tolist() == [
        ["a", "b"], ["plain", "b"],
    ]  # fmt: skip


def test_where_the_image_is_larger_the_area_lies_at_the_same_share(here):
    words = ["edit_nets:twice", "--random-weights", "1"]
    cli.main(["edit", *words, *PHOTOS[:2], "--margin", "0"])
    row = pd.read_csv("edited/edits.csv").iloc[0]
    assert shown("edited/a-twice.png").shape == (32, 48, 3)
    assert row["area"] == pytest.approx(4 / (16 * 24))
    torch.manual_seed(1)
    network = sys.modules["edit_nets"].twice()
    with torch.no_grad():
        change = (network(given("a")[None]) - network(given("plain")[None])).abs()[0].mean(dim=0)
    assert row["inside"] == pytest.approx(127.5 * float(change[4:8, 6:10].mean()), rel=1e-5)


@pytest.mark.parametrize("command", ["generate", "edit"])
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["edit_nets:classifier", "--random-weights", "0", *PHOTOS],
         "'edit_nets:classifier' makes (1, 1232), which is no image (1, 3, H, W)"),
        ([*WORDS, *PHOTOS, "--output", "score"],
         "'edit_nets:Net' makes (1, 8), which is no image (1, 3, H, W); --output chooses another "
         "of score (1, 8), image (1, 3, 16, 24), half (1, 1, 16, 24)"),
        (["edit_nets:Net", "--model-args", "out=5", "--random-weights", "0", *PHOTOS],
         "makes (1, 5, 16, 24), which is no image"),
        ([*WORDS, *PHOTOS, "--output", "picture"], "gives no output 'picture'; there are score, i"),
        ([*WORDS, *PHOTOS, "--input", "noise=1"], "'edit_nets:Net' cannot run on a 24x16 image of"),
        (["edit_nets:Lacking", *WORDS[1:], *PHOTOS],
         "'strength'; give it with --input NAME=VALUE, in Python with call="),
        ([*WORDS, *PHOTOS, "--name", "a/b"], "cannot call a checkpoint 'a/b'"),
        ([*WORDS, *PHOTOS, "--mean", "0.5"], "--mean and --std go together"),
        ([*WORDS, *PHOTOS, "--resize", "0", "4"], "expected a size of at least 1 px; got 0x4"),
        ([*WORDS, *PHOTOS[:1], "photos/none.png"], "photos/none.png: no such photo"),
        ([*WORDS, *PHOTOS, "--variant", "no-norm"], "for checkpoints; 'edit_nets:Net' is none"),
        (["none.safetensors", *PHOTOS, "--resize", "8", "8"], "--mean, --std and --name are for"),
        (["none.safetensors", *PHOTOS, "--weights", "net.pth"], "leave out --weights"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line_and_nothing_is_written(here, capsys, command, words, told):
    with pytest.raises(SystemExit) as ended:
        cli.main([command, *words, "--out", "out"])
    error = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert len(error) == 1
    assert told in error[0]
    assert not Path("out").exists()


def test_photos_of_another_size_than_their_base_are_told(here, capsys):
    Image.new("RGB", (8, 8)).save("photos/small.png")
    with pytest.raises(SystemExit):
        cli.main(["edit", *WORDS, PHOTOS[0], "photos/small.png"])
    assert "the base is 24x16 of 3 channels and the edit 8x8" in capsys.readouterr().err
