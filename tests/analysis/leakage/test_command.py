import shutil

import pytest
import torch
from torch import nn

from featviz.analysis.leakage import edit_reach, read_leakage, read_maps
from featviz.analysis.leakage.checkpoints import leakage_of_checkpoints
from featviz.base.errors import FeatvizError
from featviz.cli import main
from featviz.generators.checkpoint_files import load_generator, save_network
from featviz.generators.network_input import encode_drawing
from featviz.sketches.drawing import read_svg
from featviz.sketches.sketch_set import read_sketches


@pytest.fixture
def few(shipped, tmp_path):
    """Two groups of three sketches each, in a folder of their own."""
    index = shipped.index[
        shipped.index["sketch"].isin(
            [f"{group}/00{number}" for group in ("G8", "G9") for number in (1, 2, 3)]
        )
    ]
    for file in index["file"]:
        (tmp_path / "set" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(shipped.folder / file, tmp_path / "set" / file)
    index.to_csv(tmp_path / "set" / "index.csv", index=False)
    return tmp_path / "set"


@pytest.fixture
def small(make, tmp_path):
    path = tmp_path / "small.safetensors"
    save_network(make("modified"), path, "generator", {}, torch.float32)
    return path


def leakage(*arguments: object) -> None:
    main(["leakage", *map(str, arguments)])


def test_the_command_writes_table_and_maps_and_prints_a_summary(few, small, tmp_path, capsys):
    out = tmp_path / "out"
    options = ("--size", 128, "--point", 42, 62, "--edits", 1, "--out", out)
    leakage(small, "--sketches", few, *options)
    printed = capsys.readouterr().out
    assert printed.splitlines()[:2] == [str(out / "small.parquet"), str(out / "small-maps.npz")]
    assert "at most 1 edits a group" in printed
    table, maps = read_leakage(out / "small.parquet"), read_maps(out / "small-maps.npz")
    assert table.layers == ("L0", "L1", "L2", "L3", "L4", "image")
    parts = ("front-end", "L2", "L3", "L4", "residual", "back-end")
    others = tuple(f"all-but-{part}" for part in parts)
    assert table.modes == ("free", "all", "statistics", *parts, *others)
    assert len(table.rows) == 2 * 6 * 15
    assert maps.metadata["checkpoint"] == "small"
    assert maps.metadata["variant"] == table.metadata["checkpoints"]["small"]["variant"]
    assert sorted(path.name for path in out.iterdir()) == ["small-maps.npz", "small.parquet"]


def test_what_cannot_be_held_is_told_on_the_screen(few, small, tmp_path, capsys, monkeypatch):
    options = ("--size", 128, "--point", 42, 62, "--edits", 1, "--out", tmp_path / "out")
    leakage(small, "--sketches", few, *options, "--layers", "L2", "--hold", "all")
    assert "not held" not in capsys.readouterr().err

    def with_group_norm(source, variant=None):
        loaded = load_generator(source, variant)
        loaded.generator.front_end.L1.norm = nn.GroupNorm(2, 8)
        return loaded

    monkeypatch.setattr("featviz.generators.checkpoint.load_generator", with_group_norm)
    leakage(small, "--sketches", few, *options, "--layers", "L2", "--hold", "all")
    assert "small: not held, so it counts as convolutions: front_end.L1.norm (group norm)" in (
        capsys.readouterr().err
    )


def test_layers_and_modes_are_those_asked_for(few, small, tmp_path):
    options = ("--size", 128, "--point", 42, 62, "--edits", "all", "--out", tmp_path)
    leakage(small, "--sketches", few, *options, "--layers", "L1", "R0", "--hold", "residual")
    table = read_leakage(tmp_path / "small.parquet")
    assert (table.layers, table.modes) == (("L1", "R0"), ("free", "residual"))
    assert len(table.rows) == 4 * 2 * 2
    assert table.metadata["edits_a_group"] == "all"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--edits", 0), "at least 1 edit a group, or all; got 0"),
        (("--hold", "L0"), "small: layer 'L0' has no instance norm"),
        (("--layers", "L8"), "small: unknown layer 'L8'"),
        (("--margin", -1), "margin must be 0 px or more"),
        (("--point", 512, 0), "point (512, 0) lies outside"),
        (("--sketches", "nowhere"), "nowhere does not exist"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line_and_nothing_is_written(
    few, small, tmp_path, capsys, options, message
):
    with pytest.raises(SystemExit) as ended:
        leakage(small, "--sketches", few, "--out", tmp_path / "out", *options)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_no_checkpoint_and_one_given_twice_are_told(shipped, small, tmp_path):
    with pytest.raises(FeatvizError, match="no checkpoint given; the shipped ones are augmented"):
        next(leakage_of_checkpoints([], shipped))
    with pytest.raises(FeatvizError, match="is given twice"):
        next(leakage_of_checkpoints([small, small], shipped))
    with pytest.raises(FeatvizError, match="'image'"):
        next(leakage_of_checkpoints(["paper-modified"], shipped, ["image"]))


def test_a_generator_with_conditions_is_given_them(few, make, tmp_path):
    path = tmp_path / "conditioned.safetensors"
    model = make(input_channels=4)
    details = {"conditions": {"boundaries": True, "appearance_channels": 0}}
    save_network(model, path, "generator", details, torch.float32)
    ((name, found),) = leakage_of_checkpoints(
        [path], read_sketches(few), ["L0"], ["all"], point=(42, 62), size=128, most=1
    )
    assert name == "conditioned"
    sketch = found.table.rows["sketch"].iloc[0]
    drawings = [read_svg(few / f"{each}.svg").scaled(128) for each in ("G8/001", sketch)]
    inputs = [encode_drawing(drawing, boundaries=True)[None] for drawing in drawings]
    expected = edit_reach(model, *inputs, ["L0"])["L0"].mean()
    assert found.table.rows["reach_share"].iloc[0] == pytest.approx(expected)
