import numpy as np
import pytest
from scipy.spatial import cKDTree

from featviz.retrieval.drawn_parts import parts_by_name
from featviz.retrieval.shapes import (
    POINTS,
    SEARCHED_PARTS,
    along_strokes,
    chamfer,
    distance_maps,
    frame_of,
    normalised,
    of_landmarks,
)


def test_points_are_equally_far_from_each_other_along_all_strokes_and_none_between_them():
    # 30 and 10 px long: each of 64 points stands for 40 / 64 of it.
    found = along_strokes([np.array([[0.0, 0], [30, 0]]), np.array([[100.0, 5], [100, 15]])])
    places = (np.arange(POINTS) + 0.5) * 40 / POINTS
    on_first = places < 30
    np.testing.assert_allclose(found[on_first, 0], places[on_first])
    np.testing.assert_allclose(found[~on_first, 1], 5 + places[~on_first] - 30)
    assert (found[on_first, 1] == 0).all() and (found[~on_first, 0] == 100).all()


def test_a_dot_is_a_shape_without_extent():
    found = along_strokes([np.array([[7.0, 9.0]])])
    assert (found == [7, 9]).all()
    assert np.isfinite(normalised(found, frame_of(found))).all()


def test_landmarks_have_the_points_of_the_contours_that_are_drawn_of_them(pairs):
    drawn = parts_by_name(pairs.contour(2, 512))
    at_512 = (pairs.landmarks[2:3].astype(float) + 0.5) * (512 / pairs.size) - 0.5
    assert tuple(drawn) == SEARCHED_PARTS
    for part, points in drawn.items():
        np.testing.assert_allclose(of_landmarks(at_512, part)[0], points, atol=1e-3)


def test_chamfer_and_distance_maps_are_those_of_a_search_tree(rng):
    shapes = rng.normal(0, 0.6, (3, POINTS, 2))
    trees = [cKDTree(shape) for shape in shapes]
    wanted = [
        (trees[0].query(shape)[0].mean() + tree.query(shapes[0])[0].mean()) / 2
        for shape, tree in zip(shapes, trees, strict=True)
    ]
    assert chamfer(shapes[0], shapes) == pytest.approx(wanted)
    axis = -2 + 0.125 + 0.25 * np.arange(16)
    cells = [(x, y) for y in axis for x in axis]
    for found, tree in zip(distance_maps(shapes), trees, strict=True):
        np.testing.assert_allclose(found, np.minimum(tree.query(cells)[0], 0.75), atol=1e-3)
