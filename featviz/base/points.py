"""Points: pixels of the input image, x to the right and y down from the top left (0, 0).

Beside these, tokens of a transformer that stand for no place: (-1, 0) is its class token, (-1, 1)
the first of its registers.
"""

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


_BESIDE = -1
"""x of what is no pixel."""
_REGISTER = "register-"


def as_point(given: Any) -> Point:
    """A pixel as a pair of int, see `whole_pair`, or a token by its name: cls, register-1, ...

    Raises FeatvizError for anything else.
    """
    if not isinstance(given, str):
        return whole_pair(given)
    number = given.removeprefix(_REGISTER)
    if given == "cls":
        return _BESIDE, 0
    if number != given and number.isascii() and number.isdecimal() and int(number) > 0:
        return _BESIDE, int(number)
    raise FeatvizError(
        f"point '{given}' is unknown; expected a pixel, x and y, or of a transformer cls, "
        f"{_REGISTER}1, {_REGISTER}2, ..."
    )


def token_of(point: Point) -> int | None:
    """Which of the tokens without a place a point is; None for a pixel."""
    return point[1] if point[0] == _BESIDE and point[1] >= 0 else None


def named_point(point: Point) -> str:
    """What a point is called: cls, register-1, or (170, 250)."""
    token = token_of(point)
    if token is None:
        return str(point)
    return f"{_REGISTER}{token}" if token else "cls"


def check_point(point: Point, image_size: tuple[int, int]) -> None:
    """Raise FeatvizError if a point (x, y) is not a pixel of an image of (width, height)."""
    (x, y), (width, height) = point, image_size
    if not (0 <= x < width and 0 <= y < height):
        raise FeatvizError(
            f"point ({x}, {y}) lies outside the image of {width}x{height}; "
            f"expected x from 0 to {width - 1} and y from 0 to {height - 1}"
        )
