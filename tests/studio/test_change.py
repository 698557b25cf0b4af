from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import distance_transform_edt

from featviz.drawing import rasterize, read_svg
from featviz.studio.change import (
    BRIGHTEST,
    MARGIN,
    difference_of,
    edited_area,
    heat,
    jpeg,
    measure,
)

REPOSITORY = Path(__file__).parents[2] / "sketches"

Parts = dict[str, list[tuple[float, ...]]]


def parts(name: str) -> Parts:
    found: Parts = {}
    for stroke in read_svg(REPOSITORY / f"{name}.svg").strokes:
        found.setdefault(stroke.part, []).append(tuple(stroke.points.ravel()))
    return found


def pixels(name: str) -> np.ndarray:
    return rasterize(read_svg(REPOSITORY / f"{name}.svg"))


@pytest.mark.parametrize(
    ("base", "edit", "part"), [("G8/001", "G8/007", "mouth"), ("G9/001", "G9/012", "nose")]
)
def test_every_pixel_that_an_edit_changes_lies_well_inside_its_area(
    base: str, edit: str, part: str
) -> None:
    area = edited_area(parts(base), parts(edit))
    assert area is not None and area.parts == (part,)
    changed = pixels(base) != pixels(edit)
    assert changed.any()
    # Nothing that changed is nearer to the border than the margin, but for rounding.
    assert distance_transform_edt(area.mask)[changed].min() >= MARGIN - 2
    # And the area is no larger than the margin makes it.
    reach = distance_transform_edt(~np.asarray(_filled(area.polygons)))
    assert reach[area.mask].max() <= MARGIN + 1.5
    assert area.mask.mean() < 0.25


def _filled(polygons: tuple[tuple[float, ...], ...]) -> np.ndarray:
    from skimage.draw import polygon2mask

    mask = np.zeros((512, 512), bool)
    for polygon in polygons:
        corners = np.array(polygon).reshape(-1, 2)[:, ::-1]
        mask |= polygon2mask((512, 512), corners)
        for row, column in corners.round().astype(int):
            mask[np.clip(row, 0, 511), np.clip(column, 0, 511)] = True
    return mask


def test_two_edited_parts_have_two_areas_and_what_lies_between_is_outside() -> None:
    before: Parts = {"left-brow": [(100.0, 200.0, 150.0, 190.0)], "nose": [(250.0, 300.0)]}
    after: Parts = {
        "left-brow": [(100.0, 190.0, 150.0, 190.0)],
        "nose": [(250.0, 300.0)],
        "right-brow": [(350.0, 190.0, 400.0, 200.0)],
    }
    area = edited_area(before, after)
    assert area is not None and area.parts == ("left-brow", "right-brow")
    assert area.mask[195, 120] and area.mask[195, 380]
    assert not area.mask[195, 250] and not area.mask[300, 250]


def test_an_edit_taken_back_is_no_edit_and_order_is_none_either() -> None:
    before: Parts = {"mouth": [(1.0, 2.0), (3.0, 4.0)]}
    assert edited_area(before, before) is None
    assert edited_area(before, {"mouth": [(3.0, 4.0), (1.0, 2.0)]}) is None


@pytest.mark.parametrize(
    "stroke",
    [(5.0, 5.0), (5.0, 5.0, 5.0, 5.0), (0.0, 7.0, 90.0, 7.0), (-400.0, -9.0, 900.0, 600.0)],
)
def test_strokes_without_an_inside_have_an_area_too(stroke: tuple[float, ...]) -> None:
    area = edited_area({}, {"mouth": [stroke]})
    assert area is not None and area.mask.any()


def test_differences_and_their_shares_are_those_of_plain_arithmetic(
    rng: np.random.Generator,
) -> None:
    face, start = rng.integers(0, 256, (2, 512, 512, 3)).astype(np.uint8)
    difference = difference_of(face, start)
    plain = np.abs(face.astype(float) - start.astype(float)).mean(axis=2)
    assert np.allclose(difference, plain, atol=1e-4)
    area = edited_area({}, {"mouth": [(100.0, 100.0, 300.0, 120.0, 200.0, 400.0)]})
    assert area is not None
    change = measure(difference, area)
    assert change.outside == pytest.approx(plain[~area.mask].sum() / plain.sum(), rel=1e-4)
    assert change.mean_inside == pytest.approx(plain[area.mask].mean(), rel=1e-4)
    assert change.mean_outside == pytest.approx(plain[~area.mask].mean(), rel=1e-4)


def test_no_change_has_no_share_and_without_an_edit_all_change_is_outside() -> None:
    nothing = np.zeros((512, 512), np.float32)
    assert measure(nothing, None).outside is None
    some = nothing.copy()
    some[3, 4] = 10
    assert measure(some, None).outside == 1


def test_the_map_is_black_without_change_and_brightest_at_the_limit() -> None:
    difference = np.zeros((2, 2), np.float32)
    difference[0] = BRIGHTEST, 2 * BRIGHTEST
    colours = heat(difference)
    assert (colours[1] < 8).all() and np.array_equal(colours[0, 0], colours[0, 1])
    assert colours[0, 0].mean() > 200
    shown = np.asarray(Image.open(BytesIO(jpeg(np.full((64, 64, 3), 200, np.uint8)))))
    assert shown.shape == (64, 64, 3) and np.abs(shown.astype(int) - 200).max() <= 2
