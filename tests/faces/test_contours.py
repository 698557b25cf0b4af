import numpy as np
import pytest

from featviz.base.errors import FeatvizError
from featviz.faces.contours import CONTOUR_LINES, contours
from featviz.sketches.drawing import INK, rasterize


def test_every_landmark_is_on_a_line_and_its_pixel_is_ink(pairs):
    assert sorted(i for _, indices, _ in CONTOUR_LINES for i in indices) == list(range(68))
    image = rasterize(pairs.contour(0))
    for x, y in np.rint(pairs.landmarks[0]).astype(int):
        if 1 <= x < 511 and 1 <= y < 511:
            assert INK in image[y - 1 : y + 2, x - 1 : x + 2]


def test_eyes_and_mouth_are_closed_and_the_rest_is_open(pairs):
    drawing = pairs.contour(0)
    for stroke in drawing.strokes:
        closed = np.array_equal(stroke.points[0], stroke.points[-1])
        assert closed == (stroke.part in {"left-eye", "right-eye", "mouth"})


def test_left_is_the_left_of_the_image(pairs):
    drawing = pairs.contour(0)
    for part in ("eye", "eyebrow"):
        left, right = (
            np.concatenate([s.points for s in drawing.part(f"{side}-{part}")])
            for side in ("left", "right")
        )
        assert left[:, 0].max() < right[:, 0].min()


def test_other_than_68_points_are_refused():
    with pytest.raises(FeatvizError, match=r"\(68, 2\); got \(5, 2\)"):
        contours(np.zeros((5, 2)))
