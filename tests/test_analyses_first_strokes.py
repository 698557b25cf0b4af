from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analyses import first_strokes as module
from analyses.first_strokes import Revealed, curves, main, revealed
from featviz.faces.pairs import write_pairs
from featviz.sketches.drawing import Drawing, Stroke
from tests.studio.conftest import small_checkpoint


def test_the_first_strokes_are_revealed_in_their_order_and_none_is_taken_back():
    strokes = tuple(Stroke("hair", np.array([[n, n], [n, 9]])) for n in range(13))
    drawing = Drawing(strokes, 64)
    shown = [revealed(drawing, share).strokes for share in module.SHARES]
    assert [len(each) for each in shown] == [0, 1, 3, 4, 5, 7, 8, 9, 10, 12, 13]
    assert all(each == strokes[: len(each)] for each in shown)
    assert revealed(drawing, 0.5).size == 64


def test_each_generator_has_a_curve_in_both_panels_without_the_blank_sheet():
    rows = [
        {"generator": name, "digest": name, "share": share, "distinct": 3}
        | {"distance": 2 - share, "error": 0.1, "ratio": 2 - share}
        for name in ("one", "other")
        for share in module.SHARES
    ]
    figure = curves(Revealed(pd.DataFrame(rows), {}))
    left, right = figure.axes
    assert len(left.containers) == 2
    told = [line for line in right.lines if len(line.get_xdata()) == 10]
    assert len(told) == 2 and min(told[0].get_xdata()) == pytest.approx(10)


def test_sketches_are_judged_drawn_and_none_is_painted_twice(
    pairs, tmp_path: Path, pytestconfig, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    data = tmp_path / "faces"
    data.mkdir()
    (data / "photos").symlink_to(pairs.folder / "photos")
    write_pairs(replace(pairs, folder=data))
    small = small_checkpoint(tmp_path / "small.safetensors")
    table, figure = tmp_path / "t.csv", tmp_path / "f.png"
    words = ["--generators", small, "--data", data, "--count", 3, "--lpips-size", 32]
    words += ["--shares", 0, 0.5, 1]
    words += ["--sketches", pytestconfig.rootpath / "sketches", "--kept", tmp_path / "kept"]
    words += ["--table", table, "--figure", figure, "--picture", tmp_path / "p.png"]
    main([str(word) for word in words])
    rows = pd.read_csv(table).set_index("share")
    assert list(rows["distinct"]) == [1, 3, 3]
    np.testing.assert_allclose(rows["ratio"], rows["distance"] / rows.loc[1.0, "distance"])
    for path in (figure, tmp_path / "p.png"):
        with Image.open(path) as picture:
            assert picture.width > picture.height > 300

    def refuse(*_):
        raise AssertionError("made before")

    monkeypatch.setattr(module.Perception, "described", refuse)
    main([str(word) for word in words])
    pd.testing.assert_frame_equal(pd.read_csv(table).set_index("share"), rows)
    for wrong, told in ((["--count", "7"], "7"), (["--shares", "0.5", "0.9"], "end with 1")):
        capsys.readouterr()
        with pytest.raises(SystemExit):
            main([*(str(word) for word in words), *wrong])
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and told in error
