import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from featviz.editing.engine_places import cost, rectangles, widened
from featviz.editing.rectangles import Rectangle


def area_of(*parts, size=(300, 400)):
    area = np.zeros(size, bool)
    for top, bottom, left, right in parts:
        area[top:bottom, left:right] = True
    return area


def test_boxes_hold_all_pixels_of_an_area_and_cost_no_more_than_one(rng):
    for _ in range(30):
        corners = rng.integers(0, 280, (rng.integers(1, 6), 2))
        area = area_of(*((y, y + 20, x, x + 15) for y, x in corners))
        parts = rectangles(area)
        held = np.zeros_like(area)
        for box in parts:
            assert box.of_mask(area).any()
            assert not box.of_mask(held).any()
            box.of_mask(held)[...] = True
        assert not (area & ~held).any()
        rows, columns = (np.flatnonzero(area.any(axis=axis)) for axis in (1, 0))
        around = Rectangle(rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)
        assert cost(parts) <= cost([around])


def test_pieces_far_apart_have_boxes_of_their_own_and_near_ones_one():
    far = [(10, 40, 10, 50), (200, 260, 300, 390)]
    assert sorted(rectangles(area_of(*far))) == [Rectangle(*part) for part in far]
    assert rectangles(area_of((10, 40, 10, 50), (20, 45, 55, 80))) == [Rectangle(10, 45, 10, 80)]
    assert rectangles(area_of()) == []
    assert rectangles(area_of((0, 300, 0, 400))) == [Rectangle(0, 300, 0, 400)]


def test_an_angle_is_cut_into_its_legs():
    area = area_of((20, 280, 20, 60), (240, 280, 20, 380))
    assert len(rectangles(area)) == 2
    assert cost(rectangles(area)) < 0.5 * cost([Rectangle(20, 280, 20, 380)])


@pytest.mark.parametrize("cells", [0, 1, 2, 3, 5, 8])
def test_a_mask_is_widened_by_a_square(rng, cells):
    mask = rng.random((23, 31)) < 0.02
    square = np.ones((2 * cells + 1, 2 * cells + 1))
    assert np.array_equal(widened(mask, cells), binary_dilation(mask, square))
