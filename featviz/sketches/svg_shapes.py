"""The numbers, lengths, transforms and shapes of SVG, as points in pixels.

Everything here is strict: text that a viewer would read otherwise, or not at all, is refused.
"""

import math
import re
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

_Point = tuple[float, float]
_Points = NDArray[np.float64]
Matrix = tuple[float, float, float, float, float, float]
"""(a, b, c, d, e, f): x becomes a x + c y + e, y becomes b x + d y + f."""
_Get = Callable[[str, str], str]
"""An attribute of an element, or what it is if the element has none."""

IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
SHAPES = ("line", "polyline", "polygon", "rect", "circle", "ellipse", "path")
_FLATNESS = 0.05
"""How far a line drawn for a curve may be from it, in pixels."""

_FARTHEST = 1e9
_MOST_PIECES = 20_000
_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_A_NUMBER = re.compile(_NUMBER)
_NEXT_NUMBER = re.compile(rf"[\s,]*({_NUMBER})")
_A_FLAG = re.compile(r"[\s,]*([01])")
_A_LENGTH = re.compile(rf"\s*({_NUMBER})\s*([a-z]*|%)\s*")
_A_FUNCTION = re.compile(r" ?,? ?([a-zA-Z]+) ?\(([^()]*)\) ?")
_PIXELS = {
    "": 1.0,
    "px": 1.0,
    "pt": 4 / 3,
    "pc": 16.0,
    "mm": 96 / 25.4,
    "cm": 96 / 2.54,
    "in": 96.0,
}
_ARGUMENTS = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "A": 7, "Z": 0}
_A_COMMAND = re.compile(r"([MmLlHhVvCcSsQqTtAaZz])([^MmLlHhVvCcSsQqTtAaZz]*)")


def numbers(text: str) -> list[float]:
    """Numbers apart by spaces, commas or nothing (`1-2`); raises ValueError for anything else."""
    if _A_NUMBER.sub("", text).strip(" \t\r\n,"):
        raise ValueError(f"{text[:40]!r} are no numbers")
    values = [float(number) for number in _A_NUMBER.findall(text)]
    if values:
        _bounded(max(max(values), -min(values)))
    return values


def length(text: str, whole: float | None = None) -> float:
    """A length in user units, `5`, `5px`, `5mm`; a percentage of `whole` where there is one."""
    # A text of any length would take the pattern for ever.
    match = _A_LENGTH.fullmatch(text[:80])
    if match is None:
        raise ValueError(f"{text[:40]!r} is no length")
    number, unit = _bounded(float(match[1])), match[2]
    if unit == "%" and whole is not None:
        return number / 100 * whole
    if unit not in _PIXELS:
        raise ValueError(f"{text[:40]!r} has no unit of {', '.join(filter(None, _PIXELS))}")
    return number * _PIXELS[unit]


def _bounded(number: float) -> float:
    if not abs(number) <= _FARTHEST:
        raise ValueError(f"{number:g} is too far away; expected at most {_FARTHEST:g}")
    return number


def then(outer: Matrix, inner: Matrix) -> Matrix:
    """The transform that does `inner` first and `outer` on its result."""
    a, b, c, d, e, f = outer
    p, q, r, s, t, u = inner
    return (
        a * p + c * q,
        b * p + d * q,
        a * r + c * s,
        b * r + d * s,
        a * t + c * u + e,
        b * t + d * u + f,
    )


def stretches(matrix: Matrix) -> tuple[float, float]:
    """By how much a transform lengthens at least, and at most (its singular values)."""
    a, b, c, d = matrix[:4]
    one, other = math.hypot(a + d, b - c), math.hypot(a - d, b + c)
    return abs(one - other) / 2, (one + other) / 2


def apply(matrix: Matrix, points: _Points) -> _Points:
    """Points (..., 2) moved by a transform."""
    if matrix == IDENTITY:
        return points
    a, b, c, d, e, f = matrix
    x, y = points[..., 0], points[..., 1]
    # What becomes infinite is refused where strokes are made.
    with np.errstate(all="ignore"):
        return np.stack([a * x + c * y + e, b * x + d * y + f], axis=-1)


def transform(text: str, is_css: bool = False) -> Matrix:
    """A list of transforms as one, from an attribute, or from CSS, where lengths have units."""
    matrix, end, text = IDENTITY, 0, " ".join(text.split())
    if text in ("", "none"):
        return matrix
    while end < len(text):
        match = _A_FUNCTION.match(text, end)
        if match is None:
            raise ValueError(f"{text[end : end + 40]!r} is no transform")
        matrix, end = then(matrix, _function(match[1], match[2], is_css)), match.end()
    return matrix


def _function(name: str, text: str, is_css: bool) -> Matrix:
    unit = {"translate": "px", "rotate": "deg", "skewX": "deg", "skewY": "deg"}.get(name, "")
    if is_css and unit:
        plain = [part for part in re.split(r"[\s,]+", text.strip()) if not part.endswith(unit)]
        if any(float(part) != 0 for part in plain):
            raise ValueError(f"'{name}({text[:40]})' lacks units; expected {unit}")
    values = numbers(re.sub(rf"(?<=[0-9.]){unit}(?=[\s,]|$)", "", text) if unit else text)
    match name, len(values):
        case "matrix", 6:
            a, b, c, d, e, f = values
            return a, b, c, d, e, f
        case "translate", 1 | 2:
            return 1, 0, 0, 1, values[0], values[1] if len(values) == 2 else 0
        case "scale", 1 | 2:
            return values[0], 0, 0, values[-1], 0, 0
        case "rotate", 1 | 3:
            turn = math.radians(values[0])
            x, y = values[1:] or (0.0, 0.0)
            cos, sin = math.cos(turn), math.sin(turn)
            return cos, sin, -sin, cos, x - cos * x + sin * y, y - sin * x - cos * y
        case "skewX", 1:
            return 1, 0, math.tan(math.radians(values[0])), 1, 0, 0
        case "skewY", 1:
            return 1, math.tan(math.radians(values[0])), 0, 1, 0, 0
    raise ValueError(f"'{name}({text[:40]})' is no transform")


def shape_lines(tag: str, get: _Get, matrix: Matrix, view: float) -> list[_Points]:
    """The lines of a shape in pixels, (n, 2) each; none if a viewer draws nothing.

    view: the width of the view box, which percentages are of. Raises ValueError.
    """
    if tag in ("polyline", "polygon"):
        values = numbers(get("points", ""))
        if len(values) % 2 or not values:
            raise ValueError(f"{len(values)} numbers are no points")
        points = np.array(values).reshape(-1, 2)
        if tag == "polygon":
            points = np.concatenate([points, points[:1]])
        return [apply(matrix, points)]
    if tag == "path":
        return list(_path(get("d", ""), matrix))

    def size(name: str, otherwise: str = "0") -> float:
        return length(get(name, otherwise), view)

    if tag == "line":
        ends = [[size("x1"), size("y1")], [size("x2"), size("y2")]]
        return [apply(matrix, np.array(ends))]
    if tag == "rect":
        x, y, width, height = (size(name) for name in ("x", "y", "width", "height"))
        return _rectangle(x, y, width, height, get("rx", "auto"), get("ry", "auto"), matrix)
    round_ = tag == "circle"
    rx, ry = (size("r"), size("r")) if round_ else (size("rx"), size("ry"))
    if rx < 0 or ry < 0:
        raise ValueError("a radius is negative")
    return [_ellipse(size("cx"), size("cy"), rx, ry, matrix)] if rx and ry else []


def _rectangle(
    x: float, y: float, width: float, height: float, rx: str, ry: str, matrix: Matrix
) -> list[_Points]:
    if width < 0 or height < 0:
        raise ValueError("a side is negative")
    if not width or not height:
        return []
    if any(r != "auto" and length(r) != 0 for r in (rx, ry)):
        raise ValueError("its corners are round")
    corners = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height], [x, y]])
    return [apply(matrix, corners)]


def _ellipse(x: float, y: float, rx: float, ry: float, matrix: Matrix) -> _Points:
    # Between two points of a circle of radius R, an angle t apart, a chord is R t^2 / 8 off.
    turns = math.sqrt(max(rx, ry) * stretches(matrix)[1] / (8 * _FLATNESS))
    angles = np.linspace(0, 2 * np.pi, _pieces(2 * math.pi * turns) + 1)
    angles[-1] = 0
    return apply(matrix, np.stack([x + rx * np.cos(angles), y + ry * np.sin(angles)], axis=1))


def _pieces(count: float) -> int:
    if not count <= _MOST_PIECES:
        raise ValueError("it is too large")
    return max(8, math.ceil(count))


class _Pen:
    """What fontTools draws a path with: keeps the corners of its curves, 4 each, line by line."""

    def __init__(self) -> None:
        self.lines: list[tuple[_Point, list[tuple[_Point, ...]]]] = []
        self._at = (0.0, 0.0)

    def moveTo(self, point: _Point) -> None:  # noqa: N802
        self._at = point
        self.lines.append((point, []))

    def lineTo(self, point: _Point) -> None:  # noqa: N802
        self.lines[-1][1].append((self._at, self._at, point, point))
        self._at = point

    def curveTo(self, *points: _Point) -> None:  # noqa: N802
        self.lines[-1][1].append((self._at, *points))
        self._at = points[-1]

    def qCurveTo(self, control: _Point, end: _Point) -> None:  # noqa: N802
        (x, y), (u, v), (s, t) = self._at, control, end
        towards = (
            (x + (u - x) * 2 / 3, y + (v - y) * 2 / 3),
            (s + (u - s) * 2 / 3, t + (v - t) * 2 / 3),
        )
        self.curveTo(*towards, end)

    def closePath(self) -> None:  # noqa: N802
        # A path of one point that is closed is a dot, one that is not closed is nothing.
        self.lineTo(self.lines[-1][0])

    def endPath(self) -> None:  # noqa: N802
        pass


def _flat(curves: _Points) -> _Points:
    """Points along curves whose corners (n, 4, 2) are in pixels, the first one left out."""
    with np.errstate(all="ignore"):
        # The second derivative is at most 6 bends; a chord of 1 / n of a curve is / (8 n^2) off.
        bends = np.hypot(*np.moveaxis(np.diff(curves, 2, axis=1), 2, 0)).max(axis=1)
        is_line = (curves[:, 0] == curves[:, 1]).all(axis=1) & (curves[:, 2] == curves[:, 3]).all(
            axis=1
        )
        pieces = np.where(is_line, 1, np.ceil(np.sqrt(6 * bends / (8 * _FLATNESS))))
    if not pieces.sum() <= _MOST_PIECES * (1 + len(curves) / 100):
        raise ValueError("its curves are too long")
    count = np.maximum(pieces, 1).astype(int)
    of = np.repeat(np.arange(len(curves)), count)
    step = np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count) + 1
    t = (step / count[of])[:, None]
    s = 1 - t
    a, b, c, d = np.moveaxis(curves[of], 1, 0)
    return np.asarray(
        np.where(t == 1, d, s**3 * a + 3 * s * s * t * b + 3 * s * t * t * c + t**3 * d)
    )


def _path(text: str, matrix: Matrix) -> Iterator[_Points]:
    from fontTools.svgLib.path.parser import parse_path

    if not text.strip() or text.strip() == "none":
        return
    pen = _Pen()
    try:
        parse_path(_plain(text), pen)
    except (ArithmeticError, IndexError) as error:
        raise ValueError(f"its curves are out of bounds ({error})") from None
    for start, curves in pen.lines:
        if curves:
            first = apply(matrix, np.array([start]))
            yield np.concatenate([first, _flat(apply(matrix, np.array(curves)))])


def _plain(text: str) -> str:
    """The same path, without what a reader that is less strict would pass over in silence."""
    if _A_COMMAND.sub("", text).strip():
        raise ValueError(f"{text[:40]!r} is no path")
    plain = []
    for command, rest in _A_COMMAND.findall(text):
        count = _ARGUMENTS[command.upper()]
        values = _arcs(rest) if command in "Aa" else numbers(rest)
        if (count == 0 and values) or (count and (not values or len(values) % count)):
            raise ValueError(
                f"'{command}' has {len(values)} numbers; expected {count} or multiples"
            )
        # An arc that ends where it begins is passed over, and viewers show it as a dot.
        step = count if command in "Aa" else len(values) or 1
        dot = " l0 0" if command in "Aa" else ""
        for first in range(0, len(values) or 1, step):
            told = " ".join(f"{value:.17g}" for value in values[first : first + step])
            plain.append(f"{command}{told}{dot}")
    return " ".join(plain)


def _arcs(text: str) -> list[float]:
    """The numbers of arcs; their two flags need nothing between them and the next number."""
    values: list[float] = []
    end = 0
    while match := (_A_FLAG if len(values) % 7 in (3, 4) else _NEXT_NUMBER).match(text, end):
        values.append(_bounded(float(match[1])))
        end = match.end()
    if text[end:].strip(" \t\r\n,"):
        raise ValueError(f"{text[end : end + 40]!r} is no part of an arc")
    return values
