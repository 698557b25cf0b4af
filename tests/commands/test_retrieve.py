"""`featviz retrieve`, driven as one types it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featviz.cli import main
from featviz.faces.pairs import PairSet, write_pairs
from featviz.retrieval.shapes import SEARCHED_PARTS
from featviz.sketches.drawing import Drawing, Stroke, rasterize, write_svg


@pytest.fixture(scope="module")
def place(pairs: PairSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `faces`, of which all but the first are in the data base `base`, and sketches:
    the first face's contour as `whole.svg` and pixels, one with an odd mouth, and lines afar."""
    place = tmp_path_factory.mktemp("retrieve")
    faces = place / "faces"
    faces.mkdir()
    (faces / "photos").symlink_to(pairs.folder / "photos")
    splits = ("test", *("train",) * (len(pairs) - 1))
    write_pairs(replace(pairs, folder=faces, splits=splits))
    main(["retrieve", "build", str(faces), "--out", str(place / "base")])
    drawing = pairs.contour(0, 512)
    upright = Stroke("mouth", np.array([[256.0, 300], [256, 420]]))
    write_svg(drawing, place / "whole.svg")
    write_svg(drawing.with_part("mouth", [upright]).with_part("nose", ()), place / "odd.svg")
    write_svg(Drawing((Stroke("hair", np.array([[100.0, 20], [400, 20]])),)), place / "hair.svg")
    Image.fromarray(rasterize(drawing.scaled(128))).save(place / "pixels.png")
    return place


def test_faces_their_table_and_a_picture_of_their_parts_are_written(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    words = ["retrieve", "generate", "base", "whole.svg", "odd.svg", "--size", "64"]
    main([*words, "--out", "made", "--table", "t.json", "--plot", "p.png"])
    told = capsys.readouterr()
    assert "made/whole-base.png" in told.out and "made/odd-base.png" in told.out
    assert told.err.startswith("odd: no match for mouth: the nearest, 000")
    assert "0.15 is the most, and is not taken" in told.err and told.err.count("\n") == 1
    mouth = next(line.split() for line in told.out.splitlines() if line.startswith("mouth"))
    assert mouth[1:4] == ["1", "1", "0"]
    with Image.open("made/whole-base.png") as face, Image.open("p.png") as picture:
        assert face.size == (64, 64) and picture.width > 1000
    rows = json.loads(Path("t.json").read_text())["rows"]
    assert [(row["sketch"], row["part"]) for row in rows] == [
        (sketch, part) for sketch in ("whole", "odd") for part in SEARCHED_PARTS
    ]
    states = {row["part"]: row["state"] for row in rows[len(SEARCHED_PARTS) :]}
    assert {part: states.pop(part) for part in ("mouth", "nose")} == {
        "mouth": "no match",
        "nose": "not drawn",
    }
    assert set(states.values()) == {"matched"}
    words = ["retrieve", "generate", "base", "pixels.png", "--parts", "place", "--size", "128"]
    main([*words, "--out", "made"])
    assert "made/pixels-base.png" in capsys.readouterr().out
    main(["retrieve", "build", "faces", "--out", "base"])
    assert capsys.readouterr().out == "base: 5 faces, there already\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["generate", "faces", "whole.svg"], "faces is no data base; `featviz retrieve build"),
        (["generate", "base"], "takes one or more sketches; given none"),
        (["generate", "base", "hair.svg"], "no part of a face by name (hair); expected some of"),
        (["generate", "base", "hair.svg", "--parts", "place"], "no line lies near a part"),
        (
            ["generate", "base", "pixels.png", "--size", "128"],
            "is made of pixels, which have no named parts",
        ),
        (["generate", "base", "whole.svg", "--size", "0"], "a size of at least 1 px; got 0"),
        (["generate", "base", "whole.svg", "--table", "t.txt"], "cannot write a retrieval table"),
        (["generate", "base", "whole.svg", "--photos", "made"], "the photos of base are not there"),
        (["build", "base", "--out", "new"], "base has no landmarks.parquet"),
        (["build", "faces", "--out", "whole.svg"], "whole.svg is a file; expected a folder"),
    ],
)
def test_bad_input_is_told_in_one_line_and_nothing_is_written(
    place, capsys, monkeypatch, words, told
):
    monkeypatch.chdir(place)
    there = set(place.rglob("*"))
    with pytest.raises(SystemExit) as stop:
        main(["retrieve", *words, *(["--out", "fresh"] if words[0] == "generate" else [])])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1, error
    assert set(place.rglob("*")) == there
