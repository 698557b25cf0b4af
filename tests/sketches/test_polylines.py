"""Lengths and places along polylines."""

import numpy as np

from featviz.sketches.polylines import lengths_along, points_at

CORNER = np.array([[0, 0], [3, 4], [3, 4], [9, 12]])


def test_lengths_are_of_all_segments_before_a_point():
    assert lengths_along(CORNER).tolist() == [0, 5, 5, 15]
    assert lengths_along(CORNER[:1]).tolist() == [0]


def test_places_lie_so_far_along_and_no_farther_than_the_ends():
    places = points_at(CORNER, np.array([0, 2.5, 5, 10, 99]))
    assert places.tolist() == [[0, 0], [1.5, 2], [3, 4], [6, 8], [9, 12]]
