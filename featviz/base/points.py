"""Points: pixels of the input image, x to the right and y down from the top left (0, 0)."""

from collections.abc import Iterable
from typing import Any

from featviz.base.errors import FeatvizError

Point = tuple[int, int]

PROBE_POINT: Point = (170, 250)
"""Where the study reads its vectors: the left-eye corner of the faces in `sketches/`."""


def whole_pair(pair: Iterable[Any], name: str = "point") -> tuple[int, int]:
    """Two whole numbers of any type (170, 170.0, NumPy's) as a pair of int.

    Nothing is rounded: raises FeatvizError, which calls the pair `name`, for anything else.
    """
    try:
        x, y = pair
        whole = (int(x), int(y))
        exact = whole == (x, y)
    except (TypeError, ValueError, OverflowError):
        exact = False
    if not exact:
        given = " ".join(str(pair).split())
        raise FeatvizError(f"{name} {given} is no pair of whole numbers; expected e.g. (170, 250)")
    return whole


def check_point(point: Point, image_size: tuple[int, int]) -> None:
    """Raise FeatvizError if a point (x, y) is not a pixel of an image of (width, height)."""
    (x, y), (width, height) = point, image_size
    if not (0 <= x < width and 0 <= y < height):
        raise FeatvizError(
            f"point ({x}, {y}) lies outside the image of {width}x{height}; "
            f"expected x from 0 to {width - 1} and y from 0 to {height - 1}"
        )
