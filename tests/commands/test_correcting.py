"""`--correct` of generate, edit and sketches correct."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from featviz import cli
from featviz.faces.correction import Correction
from featviz.generators.checkpoint_files import save_network
from featviz.sketches.drawing import changed_parts, read_svg
from featviz.sketches.sketch_set import read_drawing


@pytest.fixture(scope="module")
def net(tmp_path_factory, make):
    path = tmp_path_factory.mktemp("nets") / "net.safetensors"
    save_network(make(), path, "generator", {"step": 1}, torch.float32)
    return str(path)


@pytest.fixture
def drawn(pytestconfig):
    return [pytestconfig.rootpath / "sketches" / f"G8/{n}.svg" for n in ("001", "009")]


def test_the_face_of_a_corrected_drawing_is_that_of_the_drawing_which_is_written(
    net, drawn, tmp_path, capsys
):
    size = ["--size", "128"]
    words = ["generate", net, str(drawn[0]), "--correct", "outline=0.7", *size]
    cli.main([*words, "--out", str(tmp_path / "first")])
    written = tmp_path / "first" / "corrected" / "001.svg"
    assert str(written) in capsys.readouterr().out
    cli.main(["generate", net, str(written), "--out", str(tmp_path / "again"), *size])
    first, again = (
        np.asarray(Image.open(tmp_path / folder / "001-net.png")) for folder in ("first", "again")
    )
    assert np.array_equal(first, again)
    expected = Correction({"outline": 0.7})(read_drawing(drawn[0]))
    cli.main(["sketches", "correct", str(drawn[0]), "--correct", "outline=0.7", "--out",
              str(tmp_path / "alone")])  # fmt: skip
    alone = read_svg(tmp_path / "alone" / "corrected" / "001.svg")
    assert changed_parts(read_drawing(drawn[0]), alone) == ("face-shape",)
    for stroke, other in zip(alone.strokes, expected.strokes, strict=True):
        assert np.abs(stroke.points - other.points).max() < 0.01


def test_an_edit_of_the_mouth_is_still_one_of_the_mouth_when_the_outline_is_corrected(
    net, drawn, tmp_path
):
    areas = []
    for more in ([], ["--correct", "outline=1"]):
        out = tmp_path / f"out{len(more)}"
        words = ["edit", net, *map(str, drawn), "--size", "128", "--out", str(out), *more]
        cli.main(words)
        areas.append(pd.read_csv(out / "edits.csv"))
    columns = [column for column in areas[0] if "area" in column]
    assert columns
    assert areas[0][columns].equals(areas[1][columns])
    base, edited = (read_svg(tmp_path / f"out2/corrected/{n}.svg") for n in ("001", "009"))
    assert changed_parts(base, edited) == ("mouth",)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--correct", "chin=1"], "no part 'chin' to correct"),
        (["--correct", "outline=2"], "cannot be corrected by 2"),
        ([], "made of pixels; expected an SVG drawing"),
    ],
)
def test_what_cannot_be_corrected_is_one_line_and_writes_nothing(
    words, message, net, drawn, tmp_path, capsys
):
    picture = tmp_path / "001.png"
    Image.new("L", (128, 128), 255).save(picture)
    sketch = [str(drawn[0])] if words else [str(picture), "--correct", "outline=1"]
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as caught:
        cli.main(["generate", net, *sketch, *words, "--out", str(out)])
    error = capsys.readouterr().err.strip()
    assert caught.value.code == 2
    assert message in error and "\n" not in error
    assert not out.exists()
