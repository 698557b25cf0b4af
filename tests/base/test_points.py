import numpy as np
import pytest
import torch

from featviz.base.errors import FeatvizError
from featviz.base.points import PROBE_POINT, whole_pair
from featviz.faces.landmarks import LEFT_EYE_CORNER
from sketches.compose.base import read_faces


@pytest.mark.parametrize(
    "pair", [(3, 7), [3.0, 7.0], np.array([3, 7]), np.array([3.0, 7.0]), torch.tensor([3, 7])]
)
def test_whole_numbers_of_any_type_become_ints(pair):
    whole = whole_pair(pair)
    assert whole == (3, 7)
    assert [type(number) for number in whole] == [int, int]


@pytest.mark.parametrize(
    "pair",
    [
        (1.9, 1.2),
        (1, 1.5),
        np.array([0.5, 3]),
        (np.nan, 1),
        (np.inf, 1),
        ("1", "2"),
        "12",
        (1,),
        (1, 2, 3),
        ((1, 2), (3, 4)),
        np.ones((2, 2)),
        5,
        None,
    ],
    ids=str,
)
def test_nothing_is_rounded_and_the_refusal_names_what_was_given(pair):
    with pytest.raises(FeatvizError, match="no pair of whole numbers") as caught:
        whole_pair(pair, "position")
    assert str(caught.value).startswith("position ")
    assert "\n" not in str(caught.value)


def test_the_probe_point_is_the_left_eye_corner_of_every_face_of_the_sketches():
    faces = read_faces()
    assert len(faces) == 8
    for face in faces.values():
        assert tuple(face.landmarks[LEFT_EYE_CORNER]) == PROBE_POINT == (170, 250)
