"""The report of very many sketches, before it is opened."""

import base64
import dataclasses
import importlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from featviz.base.errors import FeatvizError
from featviz.report import Contents, ReportRequest, gather, page, render_report
from featviz.report.pictures import SMALL_SIDE, edit_of, sketch_picture
from featviz.sketches.sketch_set import read_sketch, read_sketches
from tests.report import test_pictures
from tests.report.conftest import LAYERS, Study
from tests.report.test_gather import strange


@pytest.fixture(scope="module")
def large(study: Study) -> Contents:
    request = ReportRequest(study.features, study.sketches, methods=("pca",), large=True)
    return gather(request)


def test_a_small_picture_loses_no_line_and_shows_an_edit_before_ink(study: Study) -> None:
    found = read_sketches(study.sketches)
    numbers = {name: i for i, name in enumerate(found.index["sketch"])}
    edited, base = (read_sketch(found.path(numbers[f"G8/00{i}"]), 512) for i in (3, 1))
    edit = edit_of(edited, base)
    small = test_pictures.decoded(sketch_picture(edited, edit, SMALL_SIDE))
    whole = test_pictures.decoded(sketch_picture(edited, edit))
    assert small.shape == (SMALL_SIDE, SMALL_SIDE, 3)
    sides = [range(512 * i // SMALL_SIDE, 512 * (i + 1) // SMALL_SIDE) for i in range(SMALL_SIDE)]
    # From what matters most to what matters least, by the colours of the whole picture.
    ranks = [(0, 90, 156), (200, 78, 0), (32, 32, 32), (255, 240, 190), (255, 255, 255)]
    for i, rows in enumerate(sides):
        for j, columns in enumerate(sides):
            patch = {tuple(map(int, whole[y, x])) for y in rows for x in columns}
            assert tuple(map(int, small[i, j])) == next(color for color in ranks if color in patch)


def test_a_large_page_holds_what_a_small_one_tells_of_each_sketch(
    large: Contents, contents: Contents
) -> None:
    text = render_report(large)
    told = json.loads(re.findall(r'id="contents">(.*?)</script>', text, re.DOTALL)[0])
    (pictures,) = re.findall(r'id="pictures">(.*?)</script>', text, re.DOTALL)
    columns, start = told["sketches"], 0
    for i, (sketch, whole) in enumerate(zip(large.sketches, contents.sketches, strict=True)):
        assert columns["name"][i] == whole.name
        assert columns["base"][i] == whole.base
        counts = [columns[key][i] for key in ("added", "removed")]
        assert counts == [whole.added, whole.removed]
        # Boxes are the same, but for their order.
        inside = {
            box: count[i]
            for box, count in zip(large.boxes, columns["inside"], strict=True)
            if count[i] is not None
        }
        assert inside == dict(zip(contents.boxes, whole.inside, strict=False))
        length = columns["lengths"][i]
        assert base64.b64decode(pictures[start : start + length]) == sketch.picture
        start += length
    assert start == len(pictures)
    for row, panels in zip(told["rows"], large.rows, strict=True):
        for panel, drawn in zip(row["panels"], panels.panels, strict=True):
            x = np.frombuffer(base64.b64decode(panel["maps"]["pca"]["x"]), "<f4")
            np.testing.assert_array_equal(x, drawn.maps["pca"].x.astype(np.float32))
            moved = np.frombuffer(base64.b64decode(panel["moved"]), "<f4")
            np.testing.assert_array_equal(moved, drawn.moved.astype(np.float32))
    assert [panel["layer"] for panel in told["rows"][0]["panels"]] == list(LAYERS)
    assert "Bokeh.embed" not in text
    policy = re.findall(r'Content-Security-Policy" content="(.*?)"', text)
    assert len(re.findall("'sha256-", policy[0])) == 1
    assert "connect-src" not in policy[0]
    assert policy[0].startswith("default-src 'none'")


def test_many_sketches_make_a_large_page_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = strange(tmp_path / "a.parquet")
    assert not gather(ReportRequest([path], methods=("pca",))).is_large
    # The name `gather` of the package is the function's.
    monkeypatch.setattr(importlib.import_module("featviz.report.gather"), "MOST_SKETCHES", 7)
    contents = gather(ReportRequest([path], methods=("pca",)))
    assert contents.is_large
    assert "faces" in contents.notes
    assert not contents.movements
    with pytest.raises(FeatvizError, match="a large report shows no faces, and this one is of 8"):
        gather(ReportRequest([path], generators=["modified"]))


def test_a_large_page_that_is_too_large_says_what_takes_the_room(
    large: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "LARGEST_LARGE_REPORT", 1_000_000)
    heavy = dataclasses.replace(large.sketches[0], picture=bytes(900_000))
    with pytest.raises(FeatvizError, match=r"at most 1 are allowed \(sketches 1\.2[^-]*or tables$"):
        render_report(dataclasses.replace(large, sketches=[heavy], rows=[]))
