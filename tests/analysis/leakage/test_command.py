import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from featviz.analysis.leakage import edit_reach, read_leakage, read_maps, write_maps
from featviz.analysis.leakage.checkpoints import leakage_of_checkpoints
from featviz.analysis.leakage.map_rows import shown_rows
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
    leakage(small, "--sketches", few, *options, "--hold", "both-orders")
    printed = capsys.readouterr().out
    assert "makes alone" in printed
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


def test_what_was_measured_is_drawn_again_without_the_network(few, small, tmp_path, capsys):
    out, plots = tmp_path / "out", [tmp_path / "first.svg", tmp_path / "again.svg"]
    options = ("--size", 128, "--point", 42, 62, "--edits", 1, "--out", out)
    shown = ("--show", "G9", "G8/002", "--plot")
    leakage(small, "--sketches", few, *options, "--layers", "L0", "L2", *shown, plots[0])
    first = capsys.readouterr().out.splitlines()
    small.unlink()
    leakage(out / "small.parquet", "--sketches", few, *shown, plots[1])
    assert capsys.readouterr().out.splitlines()[:-1] == first[2:-1]
    figures = [without_its_names(path.read_text()) for path in plots]
    assert figures[0] == figures[1] and figures[0].count("out: 0<") > 3
    # All groups if none is named, and no sketch in front then; of others' sketches none is drawn.
    maps = read_maps(out / "small-maps.npz")
    table = read_leakage(out / "small.parquet")
    rows = shown_rows([(table, maps)])
    titles = [row.title.replace("\n", " ") for row in rows]
    ways = ("as it is", "statistics held")
    assert titles == [f"{group}, {way}" for group in ("G8", "G9") for way in ways]
    of_group = table.values(group="G9", mode="free", layer="L2")["outside_reach"]
    assert rows[2].outside["L2"] == of_group.mean() > 0
    np.testing.assert_array_equal(rows[2].changes["L2"], maps.changes["free", "G9", "L2"])
    (few / "G8" / "003.svg").write_bytes((few / "G8" / "001.svg").read_bytes())
    leakage(out / "small.parquet", "--sketches", few, *shown, plots[1])
    assert "not the sketches that were measured" in capsys.readouterr().err
    assert plots[1].read_text().count("<image") == figures[0].count("<image") - 1
    for arguments, message in (
        (("--show", "G8/003", "--plot", plots[0]), "no maps of 'G8/003' were kept of small"),
        (("--show", "G8"), "give --plot FILE, too"),
        (("--edits", 2), "--edits: only what is measured can be told how"),
    ):
        with pytest.raises(SystemExit):
            leakage(out / "small.parquet", *arguments)
        assert message in capsys.readouterr().err
    write_maps(replace(maps, metadata=maps.metadata | {"digest": "other"}), out / "small-maps.npz")
    with pytest.raises(SystemExit):
        leakage(out / "small.parquet")
    assert "small-maps.npz is not of what" in capsys.readouterr().err


def without_its_names(svg: str) -> str:
    """An SVG figure without what is another one in each: the time, and the names of its parts."""
    return re.sub(r"<dc:date>.*?</dc:date>|id=\"\w+\"|#\w+", "", svg)


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
        (("--plot", "a.png", "--show", "G8/001"), "'G8/001' is no group and no edit that is"),
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
