"""Faces of corrected drawings: what the page's sliders ask for is what `featviz edit` would do."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from featviz.faces.correction import Correction
from featviz.sketches.drawing import Drawing, rasterize, read_svg
from featviz.studio.correcting import Corrections, moved
from featviz.studio.engine import Engine, FaceJob, Start, WantedFace
from featviz.studio.networks import Networks
from featviz.studio.rasters import RasterCache

SET = Path(__file__).parents[2] / "sketches" / "G8"
AMOUNTS = {"outline": 1.0, "mouth": 0.5}


def strokes_of(drawing: Drawing):
    return tuple((one.part, tuple(one.points.ravel())) for one in drawing.strokes)


@pytest.fixture(scope="module")
def drawings():
    return read_svg(SET / "001.svg"), read_svg(SET / "009.svg")


@pytest.fixture(scope="module")
def engine(checkpoints) -> Engine:
    return Engine(Networks([str(path) for path in checkpoints]), RasterCache())


def answer(engine, strokes, start=None, correct=AMOUNTS, kept=False):
    wanted = (WantedFace("plain", kept),)
    return engine.answer(FaceJob(1, strokes, wanted, start, True, True, 0.0, 0, correct))


def test_a_base_and_its_edit_are_corrected_as_the_command_corrects_them(drawings):
    base, edited = drawings
    correction = Correction(AMOUNTS)
    found = Corrections()(list(map(strokes_of, drawings)), AMOUNTS)
    corrected = correction(base)
    expected = corrected, correction.of_edit(corrected, base, edited)
    assert found == [strokes_of(drawing) for drawing in expected]
    # What was not edited is the same in both, to the last bit.
    assert {part for part, _ in set(found[0]) ^ set(found[1])} == {"mouth"}


def test_a_part_that_is_not_drawn_yet_is_left_out(drawings):
    base, _ = drawings
    bare = replace(base, strokes=base.part("face-shape"))
    (both,) = Corrections()([strokes_of(bare)], AMOUNTS)
    (alone,) = Corrections()([strokes_of(bare)], {"outline": 1.0})
    assert both == alone != strokes_of(bare)
    dot = (("mouth", (250.0, 350.0)),)
    assert Corrections()([dot], AMOUNTS) == [dot]
    assert Corrections()([()], AMOUNTS) == [()]


def test_the_engine_is_given_the_corrected_drawing_and_tells_its_lines(engine, drawings):
    base, edited = map(strokes_of, drawings)
    start = Start("start:0", base)
    found = answer(engine, edited, start)
    first, last = Corrections()([base, edited], AMOUNTS)
    there = answer(engine, last, Start("corrected", first), correct={})
    assert found.raster == there.raster
    assert found.faces[0].image == there.faces[0].image
    assert found.faces[0].difference.image == there.faces[0].difference.image
    assert found.edited == there.edited and found.edited["parts"] == ("mouth",)
    assert found.corrected == moved(edited, last) and there.corrected == []
    as_drawn = answer(engine, edited, start, correct={})
    assert as_drawn.faces[0].image != found.faces[0].image
    # The outline and the lips are elsewhere, and nothing else.
    assert len(found.corrected) == sum(part in ("face-shape", "mouth") for part, _ in edited)


def test_a_kept_face_keeps_that_of_the_corrected_base(engine, drawings):
    base, edited = map(strokes_of, drawings)
    start = Start("start:0", base, (base,))
    free, kept = (answer(engine, edited, start, kept=kept).faces[0] for kept in (False, True))
    assert kept.difference.beyond == 0 < free.difference.change.mean_outside
    # With other amounts the base is another one.
    other = answer(engine, edited, start, correct={"outline": 0.5}, kept=True).faces[0]
    assert other.image != kept.image


def test_what_is_drawn_of_a_corrected_drawing_is_what_its_svg_would_be(drawings):
    base, _ = drawings
    (found,) = Corrections()([strokes_of(base)], AMOUNTS)
    picture = RasterCache().picture(points for _, points in found)
    assert np.array_equal(picture, rasterize(Correction(AMOUNTS)(base)))
