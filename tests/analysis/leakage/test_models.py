"""`featviz leakage MODEL`: edits of photos in any network, statistics held by operation."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from featviz import cli
from featviz.analysis.leakage import Corners, read_leakage, read_maps
from tests.commands.own_code import importable

CODE = """
import torch
from torch import nn
from torch.nn import functional as F

class Norms(nn.Module):
    "A convolution behind group norm, a norm by hand behind that, and another convolution."

    def __init__(self, out=3):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.GroupNorm(2, 8)
        self.middle = nn.Conv2d(8, 4, 3, padding=1)
        self.last = nn.Conv2d(4, out, 3, padding=1)

    def forward(self, image):
        x = self.middle(torch.relu(self.norm(self.first(image))))
        x = (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), keepdim=True) + 0.1).sqrt()
        return self.last(x)

class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.start = nn.Parameter(torch.randn(1, 1, 8))
        self.norm = nn.LayerNorm(8)
        self.heads = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, image):
        tokens = self.patches(image).flatten(2).transpose(1, 2)
        tokens = self.norm(torch.cat([self.start, tokens], 1))
        return self.heads(tokens, tokens, tokens, need_weights=False)[0]
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Photos of 32 x 24 in two groups, each edited once in a corner."""
    with importable("leaky_nets", CODE, tmp_path, monkeypatch):
        random = np.random.default_rng(8)
        for group in ("cats", "dogs"):
            Path("photos", group).mkdir(parents=True)
            pixels = random.integers(0, 256, (24, 32, 3), np.uint8)
            for name in ("raw", "edit"):
                Image.fromarray(pixels).save(Path("photos", group, f"{name}.png"))
                pixels[2:5, 3:6] = 255 - pixels[2:5, 3:6]
        sys.path.insert(0, "")
        yield import_module("leaky_nets")


WORDS = ["leakage", "leaky_nets:Norms", "--random-weights", "5", "--images", "photos"]
BASED = [*WORDS, "--base", "raw", "--margin", "16"]


def test_attention_s_weights_are_held_alone(here, capsys):
    words = ["leakage", "leaky_nets:Tokens", "--random-weights", "5", "--images", "photos"]
    words += ["--base", "raw", "--layers", "heads", "--hold", "attention"]
    cli.main(words)
    rows = read_leakage(Path("leakage/Tokens.parquet")).rows.set_index(["sketch", "layer", "mode"])
    torch.manual_seed(5)
    model = here.Tokens().double().eval()
    heads = model.heads

    def parts(image):
        tokens = model.patches(image).flatten(2).transpose(1, 2)
        tokens = model.norm(torch.cat([model.start, tokens], 1))[0]
        found = F.linear(tokens, heads.in_proj_weight, heads.in_proj_bias).chunk(3, dim=-1)
        return [part.unflatten(1, (2, 4)).transpose(0, 1) for part in found]

    def attended(weights_of, values_of):
        queries, keys, _ = parts(weights_of)
        weights = (queries @ keys.transpose(1, 2) / 2).softmax(-1)
        joined = (weights @ parts(values_of)[2]).transpose(0, 1).flatten(1)
        return heads.out_proj(joined)[1:].T

    with torch.no_grad():
        base, edit = given("cats", "raw"), given("cats", "edit")
        before = attended(base, base)
        scale = before.square().sum(0).mean().sqrt()
        for mode, weights in (("free", edit), ("attention", base)):
            changes = (attended(weights, edit) - before).square().sum(0).sqrt() / scale
            row = rows.loc["cats/edit", "heads", mode]
            # The token at the middle of the image, in a grid of 6 x 8.
            assert row["at_point"] == pytest.approx(float(changes[3 * 8 + 4]), rel=1e-4)
    assert "not held, so it counts as convolutions: heads (attention)" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main([*WORDS, "--hold", "attention"])
    assert "mode 'attention' holds nothing; this network has no" in capsys.readouterr().err


def given(group, name):
    pixels = np.asarray(Image.open(f"photos/{group}/{name}.png")).astype(np.float32)
    return (torch.from_numpy(pixels) / 127.5 - 1).permute(2, 0, 1)[None].double()


def by_hand(model, content, statistics):
    """The image of some content with the statistics of something else, in plain arithmetic."""
    x, s = model.first(content), model.first(statistics)
    own = []
    for maps in (x, s):
        grouped = s.reshape(1, 2, -1)
        mean = grouped.mean(2).repeat_interleave(4, 1)[..., None, None]
        deviation = (grouped.var(2, correction=0) + 1e-5).sqrt()
        scaled = (maps - mean) / deviation.repeat_interleave(4, 1)[..., None, None]
        own.append(scaled * model.norm.weight[:, None, None] + model.norm.bias[:, None, None])
    x, s = (model.middle(torch.relu(each)) for each in own)
    x = (x - s.mean((2, 3), keepdim=True)) / (s.var((2, 3), keepdim=True) + 0.1).sqrt()
    return model.last(x)


def test_the_four_corners_of_norms_of_any_kind_are_those_of_plain_arithmetic(here, capsys):
    cli.main([*BASED, "--layers", "first", "image"])
    out, err = capsys.readouterr()
    assert out.splitlines()[:2] == ["leakage/Norms.parquet", "leakage/Norms-maps.npz"]
    assert "not held" not in err
    table = read_leakage(Path("leakage/Norms.parquet"))
    assert table.modes == ("free", "all", "statistics")
    assert table.rows[["sketch", "base", "group"]].drop_duplicates().values.tolist() == [
        ["cats/edit", "cats/raw", "cats"], ["dogs/edit", "dogs/raw", "dogs"],
    ]  # fmt: skip
    torch.manual_seed(5)
    model = here.Norms().double()
    for group in ("cats", "dogs"):
        base, edit = given(group, "raw"), given(group, "edit")
        with torch.no_grad():
            corners = {
                (one, other): by_hand(model, content, statistics)
                for one, content in (("base", base), ("edit", edit))
                for other, statistics in (("base", base), ("edit", edit))
            }
            assert torch.allclose(corners["edit", "edit"], model(edit))
        rows = table.values(layer="image").set_index(["group", "mode"]).loc[group]
        changed = (base != edit)[0].any(dim=0).float()[None, None]
        reach = F.max_pool2d(changed, 7, 1, 3)[0, 0].bool().numpy()
        area = F.max_pool2d(changed, 3, 1, 1)[0, 0].bool().numpy()
        area[[1, 1, 5, 5], [2, 6, 2, 6]] = False  # within one pixel as the crow flies
        for mode, corner in (
            ("free", ("edit", "edit")), ("all", ("edit", "base")), ("statistics", ("base", "edit")),
        ):  # fmt: skip
            change = (corners[corner] - corners["base", "base"]).abs()[0].mean(dim=0).numpy() / 2
            for name, cells in (
                ("inside_reach", reach), ("outside_reach", ~reach), ("outside_area", ~area),
            ):  # fmt: skip
                assert rows.loc[mode, name] == pytest.approx(
                    change[cells].mean(), rel=1e-4, abs=1e-9
                )
        assert rows.loc["all", "zero_share_outside"] == 1
        assert rows.loc["free", "zero_share_outside"] < 0.1
        order = [corners[pair] for pair in (("base", "base"), ("edit", "base"), ("base", "edit"),
                                            ("edit", "edit"))]  # fmt: skip
        shares = Corners(*order).shares(~area)
        assert rows.loc["statistics", "outside_statistics_first"] == pytest.approx(
            shares.first, rel=1e-3
        )
        assert rows.loc["statistics", "outside_statistics_last"] == pytest.approx(
            shares.last, rel=1e-3
        )


def test_changes_of_an_image_are_told_in_its_own_range(here):
    cli.main([*BASED, "--layers", "image", "--mean", "0.1", "--std", "0.25", "--edits", "1"])
    rows = read_leakage(Path("leakage/Norms.parquet")).values(mode="free").set_index("group")
    torch.manual_seed(5)
    model = here.Norms()
    with torch.no_grad():
        images = [
            model(((given("cats", name).float() + 1) / 2 - 0.1) / 0.25) for name in ("raw", "edit")
        ]
    expected = float((images[1] - images[0]).abs().mean(dim=1)[0, 12, 16]) * 0.25
    assert rows.loc["cats", "at_point"] == pytest.approx(expected, rel=1e-4)


def test_one_module_is_held_or_free_by_itself(here):
    cli.main([*BASED, "--layers", "norm", "last", "--hold", "norm", "all-but-norm"])
    table = read_leakage(Path("leakage/Norms.parquet"))
    stays = table.rows.groupby(["mode", "layer"])["zero_share_outside"].min()
    assert (stays["norm", "norm"], stays["all-but-norm", "norm"] < 0.1) == (1, True)
    assert stays["norm", "last"] < 0.1


def test_tokens_are_measured_as_maps_and_attention_is_named(here, capsys):
    words = ["leakage", "leaky_nets:Tokens", "--random-weights", "5", *BASED[4:]]
    cli.main([*words, "--layers", "patches", "norm", "heads"])
    assert "Tokens: not held, so it counts as convolutions: heads (attention)" in (
        capsys.readouterr().err
    )
    table = read_leakage(Path("leakage/Tokens.parquet"))
    assert table.modes == ("free",)
    rows = table.values(layer="norm").set_index("group")
    torch.manual_seed(5)
    model = here.Tokens().double()
    with torch.no_grad():
        base, edit = (
            model.norm(model.patches(given("dogs", name)).flatten(2).transpose(1, 2))[0]
            for name in ("raw", "edit")
        )
    length = (edit - base).norm(dim=1).reshape(6, 8)
    scale = base.pow(2).sum(dim=1).mean().sqrt()
    assert rows.loc["dogs", "inside_reach"] == pytest.approx(
        float(length[:2, :2].mean() / scale), rel=1e-4
    )
    assert (rows["zero_share_outside"] == 1).all()
    assert (table.values(layer="heads")["zero_share_outside"] == 0).all()
    maps = read_maps(Path("leakage/Tokens-maps.npz"))
    assert maps.changes["free", "dogs", "heads"].shape == (6, 8)


def test_without_layers_the_outermost_modules_and_the_image_are_measured(here):
    cli.main([*BASED, "--hold", "all"])
    table = read_leakage(Path("leakage/Norms.parquet"))
    assert table.layers == ("first", "norm", "middle", "last", "image")
    assert table.metadata["point"] == [16, 12]
    told = table.metadata["checkpoints"]["Norms"]
    assert (told["random_weights"], told["normalisation"]["std"]) == (5, [0.5])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([*BASED, "--layers", "firs"], "unknown layer 'firs'; this model has first, norm, middle"),
        ([*BASED, "--hold", "first"], "mode 'first' holds nothing; statistics are taken in norm, "),
        ([*BASED, "--point", "32", "0"], "point (32, 0) lies outside the image of 32x24"),
        ([*BASED, "--variant", "no-norm"], "--variant is for checkpoints; 'leaky_nets:Norms' is n"),
        ([*WORDS, "--base", "none"], "group 'cats' has no photos called 'none'; there are cats/ed"),
        ([*WORDS[:4], "--base", "raw"], "--base is of photos in groups; give --images FOLDER"),
        (["leakage", "leaky_nets:Tokens", *BASED[2:], "--layers", "image"], "which is no image"),
        ([*BASED, "--model-args", "out=7", "--layers", "image"], "makes (1, 7, 24, 32), which is"),
        (["leakage", "modified", *WORDS[1:]], "give it in a call of its own"),
        (["leakage", "modified", "--images", "photos"], "--images and --base are for networks of"),
        (
            ["leakage", "modified", "--std", "1", "--mean", "1"],
            "--resize, --mean, --std and --name",
        ),
    ],
)
def test_what_does_not_fit_is_one_line_and_nothing_is_written(here, capsys, words, told):
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    error = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert len(error) == 1
    assert told in error[0]
    assert not Path("leakage").exists()


def test_photos_of_many_sizes_are_told(here, capsys):
    Image.new("RGB", (8, 8)).save("photos/dogs/edit.png")
    with pytest.raises(SystemExit):
        cli.main(BASED)
    assert "photos/dogs/edit.png is 8x8; expected 32x24 as the first" in capsys.readouterr().err
