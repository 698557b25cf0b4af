"""The pictures that the page carries, decoded again."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featviz.analysis.leakage import LeakageMaps
from featviz.figures.style import ADDED, REMOVED
from featviz.report import Contents
from featviz.report.leakage import picture_leakage
from featviz.report.pictures import edit_of, face_picture, sketch_picture
from featviz.sketches.sketch_set import read_sketches
from tests.report.conftest import Study


def decoded(picture: bytes, mode: str = "RGB") -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(picture)).convert(mode))


def test_a_sketch_keeps_every_pixel_and_its_edit_has_its_colours(
    study: Study, contents: Contents
) -> None:
    sketches = read_sketches(study.sketches)
    names = list(sketches.index["sketch"])
    edited = 0
    for sketch in contents.sketches:
        image = sketches.image(names.index(sketch.name))
        pixels = decoded(sketch.picture)
        assert pixels.shape == (512, 512, 3)
        blue, orange = ((pixels == color).all(axis=2) for color in (ADDED, REMOVED))
        black = (pixels == 32).all(axis=2)
        np.testing.assert_array_equal(black | blue, image == 0)
        if sketch.base and sketch.base != sketch.name:
            base = sketches.image(names.index(sketch.base))
            np.testing.assert_array_equal(blue, (image == 0) & (base != 0))
            np.testing.assert_array_equal(orange, (image != 0) & (base == 0))
            assert (sketch.added, sketch.removed) == (blue.sum(), orange.sum())
            edited += 1
        else:
            assert not blue.any()
            assert not orange.any()
            assert sketch.added is None
    assert edited > 10


def test_behind_an_edit_lies_a_band_of_five_pixels_up_to_the_edges() -> None:
    base = np.full((40, 50), 255, np.uint8)
    sketch = base.copy()
    places = [(0, 49), (20, 3), (37, 30)]
    for place in places:
        sketch[place] = 0
    rows, columns = np.mgrid[:40, :50]
    steps = np.min([abs(rows - row) + abs(columns - column) for row, column in places], axis=0)
    band = (decoded(sketch_picture(sketch, edit_of(sketch, base))) == (255, 240, 190)).all(axis=2)
    np.testing.assert_array_equal(band, (steps > 0) & (steps <= 5))
    unedited = decoded(sketch_picture(base, edit_of(base, base)))
    assert (unedited == 255).all()


def test_a_small_sketch_is_webp_and_a_whole_one_png_of_the_same_colours() -> None:
    sketch = np.full((64, 48), 255, np.uint8)
    sketch[10:20, 5:40] = 0
    whole, small = sketch_picture(sketch, None), sketch_picture(sketch, None, 64)
    assert [Image.open(io.BytesIO(each)).format for each in (whole, small)] == ["PNG", "WEBP"]
    np.testing.assert_array_equal(decoded(whole), decoded(small))


def test_changed_pixels_are_counted_in_boxes_with_both_ends() -> None:
    base = np.full((20, 20), 255, np.uint8)
    sketch = base.copy()
    base[5, 5], sketch[8, 9], sketch[0, 0] = 0, 0, 0
    edit = edit_of(sketch, base)
    assert edit.inside((5, 5, 9, 8)) == 2
    assert edit.inside((6, 5, 8, 8)) == 0
    assert edit.inside((0, 0, 19, 19)) == 3


def test_eyes_that_did_not_change_have_no_edit_in_the_field_of_the_eye_corner(
    contents: Contents,
) -> None:
    box = contents.rows[0].panels[0].box
    assert box is not None
    at = list(contents.boxes).index(box)
    for sketch in contents.sketches:
        if sketch.group in ("G8", "G9", "G11") and sketch.inside:
            assert sketch.inside[at] == 0
    assert any(s.inside[at] > 0 for s in contents.sketches if s.group == "G5" and s.inside)


def test_a_sketch_without_a_base_is_paper_and_ink_alone() -> None:
    image = np.full((16, 16), 255, np.uint8)
    image[4] = 0
    colors = np.unique(decoded(sketch_picture(image, None)).reshape(-1, 3), axis=0)
    assert colors.tolist() == [[32, 32, 32], [255, 255, 255]]


def test_a_face_is_small_and_keeps_its_proportions() -> None:
    face = np.random.default_rng(0).integers(0, 255, (256, 512, 3), np.uint8)
    assert decoded(face_picture(face, 128)).shape == (64, 128, 3)


def test_leakage_is_clear_exactly_where_nothing_changed() -> None:
    change = np.zeros((16, 16), np.float32)
    change[3, 4], change[8, 8] = 1.0, 1e-30
    reach = np.zeros((16, 16), bool)
    maps = LeakageMaps({("free", "A", "L0"): change}, {("A", "L0"): reach}, {"checkpoint": "c"})
    (leak,) = picture_leakage([maps]).maps
    pixels = decoded(leak.picture, "RGBA")
    cells = pixels.reshape(16, 8, 16, 8, 4)[:, 0, :, 0]
    np.testing.assert_array_equal(cells[..., 3] > 0, change > 0)
    assert leak.untouched == 254 / 256
    assert leak.reached == 0
    assert (cells[3, 4] != cells[8, 8]).any()


def test_the_outline_of_the_reach_hides_nothing_inside_it() -> None:
    change = np.full((16, 16), 0.5, np.float32)
    reach = np.zeros((16, 16), bool)
    reach[5:9, 6:12] = True
    maps = LeakageMaps({("free", "A", "L0"): change}, {("A", "L0"): reach}, {})
    plain = LeakageMaps({("free", "A", "L0"): change}, {}, {})
    drawn, bare = (decoded(picture_leakage([of]).maps[0].picture, "RGBA") for of in (maps, plain))
    assert picture_leakage([maps]).maps[0].reached == 24 / 256
    assert picture_leakage([plain]).maps[0].reached is None
    different = (drawn != bare).any(axis=2)
    inside = reach.repeat(8, axis=0).repeat(8, axis=1)
    assert different.any()
    assert not (different & inside).any()
