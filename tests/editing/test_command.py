import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from featviz.cli import main
from featviz.editing import edit
from featviz.generators.checkpoint_files import save_network
from featviz.generators.generation import generate
from featviz.sketches.edits import Edit, absolute_change, edits_of
from featviz.sketches.sketch_set import read_sketch


@pytest.fixture(scope="module")
def small(make, tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "small.safetensors"
    save_network(make("modified"), path, "generator", {}, torch.float32)
    return path


@pytest.fixture(scope="module")
def drawings(shipped):
    return [shipped.folder / "G8" / f"{number}.svg" for number in ("001", "009", "015")]


def run(*arguments):
    main(["edit", *map(str, arguments), "--size", "128"])


def pixels(path):
    return np.asarray(Image.open(path))


def equal_but_for_rounding(path, image):
    difference = np.abs(pixels(path).astype(int) - image)
    return difference.max() <= 1 and (difference > 0).mean() < 1e-3


def test_faces_are_those_of_the_definition_and_numbers_are_theirs(
    small, drawings, make, tmp_path, capsys
):
    run(small, *drawings, "--out", tmp_path)
    printed = capsys.readouterr().out.splitlines()
    base, edited, _ = (read_sketch(path, 128) for path in drawings)
    expected = edit(make("modified"), base, edited)
    assert equal_but_for_rounding(tmp_path / "001-small.png", generate(make("modified"), base))
    assert equal_but_for_rounding(tmp_path / "009-small.png", expected.pixels)
    assert pixels(tmp_path / "015-small-change.png").shape == (128, 128, 3)
    rows = pd.read_csv(tmp_path / "edits.csv", dtype={"sketch": str})
    assert list(zip(rows["sketch"], rows["way"], strict=True)) == [
        (sketch, way) for sketch in ("009", "015") for way in ("free", "kept")
    ]
    kept = rows.iloc[1]
    change = absolute_change(expected.image, expected.base_image)
    area = Edit(base, edited).area
    assert kept["inside"] == pytest.approx(change[area].mean(), rel=1e-3)
    assert kept["outside"] == pytest.approx(change[~area].mean(), rel=1e-3)
    assert kept["equal"] == pytest.approx((change == 0).mean(), abs=1e-3)
    assert kept["reach"] == pytest.approx(expected.reach.mean())
    assert kept["outside"] < rows.iloc[0]["outside"]
    assert printed[-3].startswith("2 edits")
    assert {"digest", "keep", "margin"} <= set(rows.columns)
    assert list(rows["statistics"]) == ["own", "base", "own", "base"]


def test_every_edit_of_a_set_is_made_with_the_base_that_its_index_names(small, shipped, tmp_path):
    run(small, "--sketches", shipped.folder, "--edits", 1, "--out", tmp_path)
    rows = pd.read_csv(tmp_path / "edits.csv")
    assert len(rows) == 2 * len(edits_of(shipped, 1)) == 20
    assert (tmp_path / f"{rows['sketch'].iloc[-1]}-small.png").exists()
    assert (tmp_path / f"{rows['base'].iloc[-1]}-small.png").exists()
    kept, free = (rows[rows["way"] == way] for way in ("kept", "free"))
    assert (kept["outside"].to_numpy() < free["outside"].to_numpy()).all()


def test_two_sketches_whose_faces_would_be_one_file_are_refused(small, shipped, tmp_path, capsys):
    rows = "a/b,g,1.svg,a/b\na-b,g,2.svg,a/b\n"
    (tmp_path / "index.csv").write_text("sketch,group,file,base\n" + rows)
    for name, number in (("1.svg", "001"), ("2.svg", "009")):
        (tmp_path / name).write_bytes((shipped.folder / "G8" / f"{number}.svg").read_bytes())
    with pytest.raises(SystemExit):
        run(small, "--sketches", tmp_path, "--out", tmp_path / "out")
    assert "two of the sketches would be called 'a-b'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_where_much_ink_is_added_the_edits_statistics_are_taken(small, shipped, make, tmp_path):
    bald, haired = (shipped.folder / "G1" / f"{number}.svg" for number in ("001", "018"))
    run(small, bald, haired, "--out", tmp_path)
    base, edited = (read_sketch(path, 128) for path in (bald, haired))
    expected = edit(make("modified"), base, edited, statistics="edit")
    assert equal_but_for_rounding(tmp_path / "018-small.png", expected.pixels)
    assert pd.read_csv(tmp_path / "edits.csv")["statistics"].iloc[1] == "edit"


def test_options_reach_the_edit(small, drawings, make, tmp_path):
    options = {"margin": 32.0, "keep": ["L1", "R1"], "statistics": 0.25}
    run(small, *drawings[:2], "--out", tmp_path, "--margin", 32, "--statistics", 0.25,
        "--keep", "L1", "R1")  # fmt: skip
    expected = edit(make("modified"), *(read_sketch(path, 128) for path in drawings[:2]), **options)
    assert (pixels(tmp_path / "009-small.png") == expected.pixels).all()


def test_an_edit_that_is_none_and_one_of_everything_are_told(small, drawings, tmp_path, capsys):
    Image.new("L", (128, 128), 255).save(tmp_path / "blank.png")
    # Far enough from each other to leave ink, near enough for the margin to cover all.
    dots = np.full((128, 128), 255, np.uint8)
    dots[4::8, 4::8] = 0
    Image.fromarray(dots).save(tmp_path / "dots.png")
    out = tmp_path / "out"
    run(small, tmp_path / "blank.png", tmp_path / "dots.png", "--out", out, "--margin", 64)
    assert "dots covers everything, so no map is kept" in capsys.readouterr().err
    same = tmp_path / "same.svg"
    same.write_bytes(drawings[0].read_bytes())
    run(small, drawings[0], same, "--out", out)
    told = capsys.readouterr()
    assert "same equals its base" in told.err
    # There is nothing to take a mean of.
    assert told.out.splitlines()[-1] == str(out / "edits.csv")
    assert (pixels(out / "same-small.png") == pixels(out / "001-small.png")).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected a base and one or more edited sketches, or --sketches FOLDER"),
        (["a.svg"], "expected a base and one or more edited sketches"),
        (["a.svg", "b.svg"], "a.svg: no such drawing"),
        (["a.svg", "x/a.svg", "x/a.svg"], "2 of the sketches would be written as 'x-a'"),
        (["a.svg", "b.svg", "--sketches", "."], "not both"),
        (["a.svg", "b.svg", "--statistics", "half"], "expected auto, base, edit, composite or a"),
        (
            ["a.svg", "b.svg", "--statistics", "1.5"],
            "cannot normalise with the statistics of '1.5'",
        ),
    ],
)
def test_what_is_missing_is_said_in_one_line_and_nothing_is_written(
    small, arguments, message, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        run(small, *arguments)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
