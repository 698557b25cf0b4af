from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.path import Path as Outline
from PIL import Image

from featviz.analysis.evaluation.locality import measure_locality
from featviz.figures.change import BRIGHTEST, heat
from featviz.figures.outlines import area_outlines
from featviz.sketches.drawing import read_svg
from featviz.sketches.edits import MARGIN, Edit, edits_of
from featviz.sketches.sketch_set import read_sketches
from featviz.sketches.tensors import encode_image
from featviz.studio.change import describe, difference_of, jpeg, measure
from featviz.studio.engine import Engine, FaceJob, Start, WantedFace
from featviz.studio.networks import Networks
from featviz.studio.rasters import RasterCache
from tests.studio.conftest import small_checkpoint

REPOSITORY = Path(__file__).parents[2] / "sketches"

Strokes = tuple[tuple[str, tuple[float, ...]], ...]


def strokes(name: str) -> Strokes:
    found = read_svg(REPOSITORY / f"{name}.svg").strokes
    return tuple((stroke.part, tuple(stroke.points.ravel())) for stroke in found)


def edit_of(before: Strokes, after: Strokes) -> Edit:
    rasters = RasterCache()
    base, edited = (rasters.picture(points for _, points in each) for each in (before, after))
    return Edit(base, edited)


def test_the_numbers_of_the_page_are_those_of_the_evaluation_of_the_same_edits(
    tmp_path: Path,
) -> None:
    checkpoint = small_checkpoint(tmp_path / "small.safetensors")
    engine = Engine(Networks([str(checkpoint)]), RasterCache())

    class Sheet:
        """A drawing of which there are pixels alone."""

        def __init__(self, sketch: np.ndarray) -> None:
            self.pixels = lambda _: sketch

    def paint(sketch: np.ndarray) -> torch.Tensor:
        return encode_image(engine.networks.generate("small", Sheet(sketch)).face)[None]

    sketches = read_sketches(REPOSITORY).of_groups("G1", "G5", "G8", "G9", "G10")
    changes = measure_locality(paint, sketches, 512, most=2).changes.set_index("sketch")
    names = sketches.index["sketch"]
    assert len(changes) == 10
    for number, base in edits_of(sketches, 2):
        start = Start(names[base], strokes(names[base]))
        wanted = (WantedFace("small"),)
        job = FaceJob(1, strokes(names[number]), wanted, start, True, False, 0.0, 0)
        answer = engine.answer(job)
        expected, (face,) = changes.loc[names[number]], answer.faces
        assert answer.edited is not None and face.difference is not None
        assert answer.edited["pixels"] == round(expected["area"] * 512**2)
        assert face.difference.change.mean_inside == pytest.approx(expected["inside"], rel=1e-5)
        assert face.difference.change.mean_outside == pytest.approx(expected["outside"], rel=1e-5)


@pytest.mark.parametrize(
    ("base", "edit", "part"), [("G8/001", "G8/007", "mouth"), ("G9/001", "G9/012", "nose")]
)
def test_the_outline_that_the_page_draws_is_that_of_the_area(
    base: str, edit: str, part: str
) -> None:
    found = edit_of(strokes(base), strokes(edit))
    told = describe(found, strokes(base), strokes(edit))
    assert told is not None and told["parts"] == (part,)
    centres = np.stack(np.meshgrid(np.arange(512), np.arange(512)), axis=-1).reshape(-1, 2)
    inside = np.zeros(512 * 512, bool)
    for polygon in told["polygons"]:
        # Inside of an odd number of borders is inside.
        inside ^= Outline(np.array(polygon).reshape(-1, 2)).contains_points(centres)
    wrong = inside.reshape(512, 512) != found.area
    # An outline may cut corners by less than a pixel.
    assert wrong.sum() < 0.01 * found.area.sum()
    assert not wrong[found.changed].any()
    assert sum(map(len, told["polygons"])) < 1000


def test_an_outline_runs_along_the_edge_of_the_canvas_and_around_holes() -> None:
    area = np.zeros((64, 64), bool)
    area[:30, 20:60] = True
    area[5:15, 30:40] = False
    outer, hole = sorted(
        (np.array(polygon).reshape(-1, 2) for polygon in area_outlines(area)),
        key=lambda p: -np.ptp(p),
    )
    assert np.allclose(np.concatenate([outer.min(0), outer.max(0)]), [19.5, -0.5, 59.5, 29.5])
    assert np.allclose(np.concatenate([hole.min(0), hole.max(0)]), [29.5, 4.5, 39.5, 14.5])


def test_two_edited_parts_have_two_areas_and_what_lies_between_is_outside() -> None:
    before: Strokes = (("left-brow", (100.0, 200.0, 150.0, 190.0)), ("nose", (250.0, 300.0)))
    after: Strokes = (
        ("left-brow", (100.0, 190.0, 150.0, 190.0)),
        ("nose", (250.0, 300.0)),
        ("right-brow", (350.0, 190.0, 400.0, 200.0)),
    )
    edit = edit_of(before, after)
    told = describe(edit, before, after)
    assert told is not None and told["parts"] == ("left-brow", "right-brow")
    assert len(told["polygons"]) == 2
    assert edit.area[195, 120] and edit.area[195, 380]
    assert not edit.area[195, 250] and not edit.area[300, 250]


def test_an_edit_taken_back_is_no_edit_and_order_is_none_either() -> None:
    before: Strokes = (("mouth", (1.0, 2.0)), ("mouth", (30.0, 4.0)))
    assert describe(edit_of(before, before), before, before) is None
    turned = before[::-1]
    assert describe(edit_of(before, turned), before, turned) is None
    # What lies outside of the canvas changes no pixel, so no face.
    more = (*before, ("nose", (-90.0, -90.0)))
    assert describe(edit_of(before, more), before, more) is None


@pytest.mark.parametrize(
    "stroke",
    [(5.0, 5.0), (5.0, 5.0, 5.0, 5.0), (0.0, 7.0, 90.0, 7.0), (-400.0, -9.0, 900.0, 600.0)],
)
def test_strokes_without_an_inside_have_an_area_too(stroke: tuple[float, ...]) -> None:
    edit = edit_of((), (("mouth", stroke),))
    assert edit.changed.any()
    assert edit.area.sum() > MARGIN**2 and not edit.area.all()


def test_differences_and_their_shares_are_those_of_plain_arithmetic(
    rng: np.random.Generator,
) -> None:
    face, start = rng.integers(0, 256, (2, 512, 512, 3)).astype(np.uint8)
    difference = difference_of(face, start)
    plain = np.abs(face.astype(float) - start.astype(float)).mean(axis=2)
    assert np.allclose(difference, plain, atol=1e-4)
    area = edit_of((), (("mouth", (100.0, 100.0, 300.0, 120.0, 200.0, 400.0)),)).area
    change = measure(difference, area)
    assert change.outside == pytest.approx(plain[~area].sum() / plain.sum(), rel=1e-4)
    assert change.mean_inside == pytest.approx(plain[area].mean(), rel=1e-4)
    assert change.mean_outside == pytest.approx(plain[~area].mean(), rel=1e-4)


def test_no_change_has_no_share_and_without_an_edit_all_change_is_outside() -> None:
    nothing, nowhere = np.zeros((512, 512), np.float32), np.zeros((512, 512), bool)
    assert measure(nothing, nowhere).outside is None
    some = nothing.copy()
    some[3, 4] = 10
    assert measure(some, nowhere).outside == 1
    assert measure(some, nowhere).mean_inside is None


def test_the_map_is_black_without_change_and_brightest_at_the_limit() -> None:
    difference = np.zeros((2, 2), np.float32)
    difference[0] = BRIGHTEST, 2 * BRIGHTEST
    colours = heat(difference)
    assert (colours[1] < 8).all() and np.array_equal(colours[0, 0], colours[0, 1])
    assert colours[0, 0].mean() > 200
    shown = np.asarray(Image.open(BytesIO(jpeg(np.full((64, 64, 3), 200, np.uint8)))))
    assert shown.shape == (64, 64, 3) and np.abs(shown.astype(int) - 200).max() <= 2
