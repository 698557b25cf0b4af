import numpy as np
import pytest
from scipy import ndimage

from featviz.base.errors import FeatvizError
from featviz.faces.instances import INSTANCES, boundary_map, instance_map
from featviz.sketches.drawing import Drawing, Stroke, from_svg, rasterize


def drawing(*parts, size=64):
    return Drawing(tuple(Stroke(name, np.array(points)) for name, points in parts), size)


def region(instances, name):
    return instances == INSTANCES.index(name)


def test_a_face_has_all_instances_each_in_one_piece_around_its_landmarks(pairs):
    for index in range(len(pairs)):
        instances = instance_map(pairs.contour(index))
        assert instances.shape == (512, 512)
        assert instances.dtype == np.uint8
        assert sorted(np.unique(instances)) == list(range(len(INSTANCES)))
        for name, landmarks in (("mouth", range(48, 68)), ("left-eye", range(36, 42))):
            _, pieces = ndimage.label(region(instances, name))
            assert pieces == 1
            x, y = pairs.landmarks[index][landmarks].mean(axis=0).round().astype(int)
            assert region(instances, name)[y, x]


def test_a_region_holds_the_lines_that_make_it(pairs):
    whole = pairs.contour(0)
    instances = instance_map(whole)
    for name in INSTANCES[2:]:
        lines = rasterize(Drawing(whole.part(name), whole.size)) == 0
        # Lines are 2 px wide around the outline, so nearly half of them lies outside.
        assert region(instances, name)[lines].mean() > 0.4


def test_closed_lines_enclose_their_inside_and_open_ones_their_convex_hull():
    square = [(10, 10), (20, 10), (20, 20), (10, 20), (10, 10)]
    dented = [(10, 10), (15, 18), (20, 10), (20, 20), (10, 20), (10, 10)]
    assert region(instance_map(drawing(("mouth", square))), "mouth").sum() == 11 * 11
    assert not region(instance_map(drawing(("mouth", dented))), "mouth")[11, 15]
    opened = instance_map(drawing(("mouth", dented[:-1])))
    assert region(opened, "mouth").sum() == 11 * 11
    both = instance_map(drawing(("nose", [(10, 10), (10, 20)]), ("nose", [(20, 10), (20, 20)])))
    assert region(both, "nose").sum() == 11 * 11


@pytest.mark.parametrize(
    "points", [[(5, 5)], [(5, 5), (9, 5)], [(5, 5), (7, 5), (9, 5)], [(5, 5), (9, 5), (5, 5)]]
)
def test_lines_that_enclose_nothing_are_themselves(points):
    rows, columns = np.nonzero(region(instance_map(drawing(("left-eye", points))), "left-eye"))
    assert set(rows) == {5}
    assert set(columns) == set(range(5, max(x for x, _ in points) + 1))


def test_the_face_reaches_over_brows_and_the_later_part_is_in_front():
    jaw = ("face-shape", [(10, 30), (32, 60), (54, 30)])
    brow = ("left-eyebrow", [(15, 10), (25, 10)])
    nose = ("nose", [(30, 30), (34, 30), (34, 50), (30, 50)])
    mouth = ("mouth", [(25, 40), (40, 40), (40, 48), (25, 48)])
    for order in ((jaw, brow, nose, mouth), (mouth, nose, brow, jaw)):
        instances = instance_map(drawing(*order))
        assert INSTANCES[instances[10, 20]] == "left-eyebrow"
        assert INSTANCES[instances[20, 24]] == "face"
        assert INSTANCES[instances[44, 32]] == "mouth"
        assert INSTANCES[instances[5, 5]] == "background"


def test_what_lies_outside_the_canvas_is_cut_off():
    instances = instance_map(drawing(("mouth", [(-50, -50), (5, -50), (5, 5), (-50, 5)])))
    assert region(instances, "mouth").sum() == 6 * 6


def test_other_things_and_nothing_are_background_but_parts_without_names_are_refused():
    assert not instance_map(drawing(("doodle", [(5, 5), (9, 9)]))).any()
    assert not instance_map(drawing()).any()
    text = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">{}</svg>'
    unnamed = from_svg(text.format('<polyline points="1,1 9,9"/>'))
    with pytest.raises(FeatvizError, match=r"no names .* expected groups such as"):
        instance_map(unnamed)


def test_boundaries_are_the_pixels_with_another_instance_beside_them(rng):
    instances = rng.integers(0, 3, (7, 9)).astype(np.uint8)
    expected = np.zeros((7, 9), np.uint8)
    for y in range(7):
        for x in range(9):
            for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                if 0 <= y + dy < 7 and 0 <= x + dx < 9:
                    expected[y, x] |= instances[y, x] != instances[y + dy, x + dx]
    assert np.array_equal(boundary_map(instances), expected)
