"""From an SVG document to the lines that a viewer would show, or one line that says why not.

Only what is known is read: every element, attribute and value is on a list here or refused by name.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError
from featviz.sketches import svg_shapes as shapes
from featviz.sketches import svg_styles as styles
from featviz.sketches.strokes import UNNAMED

LARGEST_SVG = 2_000_000
"""Characters that a document may have; a face takes some 20 000."""
_LARGEST_CANVAS = 8192

_MOST_ELEMENTS = 20_000
_MOST_RULES = 2_000
_MOST_WORK = 2_500_000
_WORK = {"polyline": 100, "path": 500}
"""What an element costs to read besides its text, about as many as characters of points."""
_MOST_MATCHES = 2_000_000
_DEEPEST = 100
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_UNSHOWN = {"title", "desc", "metadata", "defs", "style", "symbol", "linearGradient"} | {
    "radialGradient", "pattern", "clipPath", "mask", "filter", "marker"
}  # fmt: skip
"""Elements that are not drawn where they stand."""

_INHERITED = {"stroke", "fill", "stroke-width", "stroke-linecap", "visibility", "color"} | {
    "stroke-opacity", "fill-opacity"
}  # fmt: skip
_OWN = {"display", "opacity", "transform"}
_FIXED = re.compile("id|class|style|data-.*|aria-.*|role|tabindex|lang")
_OF_ELEMENT = {
    "line": {"x1", "y1", "x2", "y2"},
    "polyline": {"points"},
    "polygon": {"points"},
    "rect": {"x", "y", "width", "height", "rx", "ry"},
    "circle": {"cx", "cy", "r"},
    "ellipse": {"cx", "cy", "rx", "ry"},
    "path": {"d", "pathLength"},
    "use": {"x", "y", "width", "height", "href"},
    "svg": {"x", "y", "width", "height", "viewBox", "preserveAspectRatio", "version"}
    | {"baseProfile", "contentStyleType", "zoomAndPan"},
}


@dataclass(frozen=True)
class InkLine:
    """A line of 2 px. points: (n, 2), pixels, the centre of the top-left one at (0, 0)."""

    part: str
    points: NDArray[np.float64]


@dataclass(frozen=True)
class White:
    """White paint over all before it. low, high: the corners of the box around it, in pixels."""

    name: str
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def read(text: str) -> tuple[int, list[InkLine | White]]:
    """The size of the canvas in pixels and what is painted, in order. Raises FeatvizError."""
    root = _parse(text)
    reader = _Reader(root)
    size, matrix = reader.canvas(root)
    style = reader.style(root, {})
    for name in sorted(_OWN & style.keys()):
        # Viewers do not agree on what these do to a whole document.
        raise styles.not_drawn(f"<svg> with {name} {style[name][:40]!r}")
    painted = list(reader.children(root, _State(matrix, UNNAMED, style, 0)))
    if reader.hidden and not any(isinstance(each, InkLine) for each in painted):
        raise FeatvizError("all that it draws is hidden or white")
    return size, painted


def _parse(text: str) -> ElementTree.Element:
    if len(text) > LARGEST_SVG:
        raise FeatvizError(
            f"an SVG drawing of {len(text)} characters is too large; expected at most {LARGEST_SVG}"
        )
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise FeatvizError("an SVG drawing must not declare a document type or entities")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, UnicodeEncodeError) as error:
        raise FeatvizError(f"not an SVG drawing: {error}") from None
    if root.tag != f"{_SVG}svg":
        raise FeatvizError(f"not an SVG drawing: the root element is <{root.tag[:80]}>")
    if (count := sum(1 for _ in root.iter())) > _MOST_ELEMENTS:
        raise FeatvizError(f"{count} elements are too many; expected at most {_MOST_ELEMENTS}")
    return root


@dataclass(frozen=True)
class _State:
    """What an element has from those around it."""

    matrix: shapes.Matrix
    part: str
    style: Mapping[str, str]
    depth: int


class _Reader:
    def __init__(self, root: ElementTree.Element) -> None:
        self.hidden = 0
        self._work = 0
        self._view = 0.0
        elements = list(root.iter())
        self._by_id = {element.get("id"): element for element in reversed(elements)}
        sheets = ["".join(element.itertext()) for element in root.iter(f"{_SVG}style")]
        count = sum(sheet.count("}") + sheet.count(",") for sheet in sheets)
        if count > _MOST_RULES or count * len(elements) > _MOST_MATCHES:
            raise FeatvizError(f"{count} style rules for {len(elements)} elements are too many")
        rules = [rule for sheet in sheets for rule in styles.rules(sheet)]
        self._rules = sorted(rules, key=lambda rule: rule.weight)

    def canvas(self, root: ElementTree.Element) -> tuple[int, shapes.Matrix]:
        """The size in pixels and the transform from user units to pixels."""
        box = root.get("viewBox", "")
        # A side in percent is one of what is around the picture; on its own it has that of its box.
        given = [root.get(name, "auto").strip() for name in ("width", "height")]
        try:
            sides = [shapes.length(side) for side in given if side != "auto" and side[-1:] != "%"]
            x, y, width, height = shapes.numbers(box) if box else [0.0, 0.0, *sides]
        except ValueError:
            raise FeatvizError(
                f"expected viewBox '0 0 N N'; got {box!r}, width and height {', '.join(given)}"
            ) from None
        across, down = (sides[0], sides[-1]) if sides else (width, height)
        if abs(width - height) > 1e-6 * abs(width) or abs(across - down) > 0.01:
            raise FeatvizError(
                f"expected viewBox '0 0 N N', a square; got {box!r}, width and height "
                f"{', '.join(given)}"
            )
        size = round(across)
        # Editors write the millimetres of 512 px with some five digits.
        if abs(across - size) > 0.01 or size < 1 or width <= 0:
            raise FeatvizError(
                f"expected a whole, positive canvas size; got '{across:g}' px, viewBox {box!r}"
            )
        if size > _LARGEST_CANVAS:
            raise FeatvizError(f"a canvas of {size} px is too large; expected {_LARGEST_CANVAS}")
        self._view = width
        scale = 1.0 if width == size else size / width
        return size, (scale, 0.0, 0.0, scale, -x * scale - 0.5, -y * scale - 0.5)

    def style(self, element: ElementTree.Element, around: Mapping[str, str]) -> Mapping[str, str]:
        """The properties of an element, its own and those it inherits (`around`)."""
        given = element.attrib
        if not self._rules and not given.keys() - {"points", "id", "d"}:
            return around
        tag = element.tag.removeprefix(_SVG)
        # What editors keep for themselves has a namespace, and so has the link of <use>.
        known = _OF_ELEMENT.get(tag, set())
        own = {
            name: value
            for name, value in given.items()
            if not (name.startswith("{") or name in known or _FIXED.fullmatch(name))
        }
        for rule in self._rules:
            if rule.matches(tag, element):
                own |= rule.declared
        own |= styles.declarations(given.get("style", ""))
        style = dict(around)
        for name, value in own.items():
            if name in _INHERITED | _OWN:
                if value != "inherit" or name in _OWN:
                    style[name] = value
            elif not styles.changes_nothing(tag, name, value):
                raise styles.not_drawn(f"<{tag}> with {name[:40]} {value[:40]!r}")
        return style

    def children(self, element: ElementTree.Element, state: _State) -> Iterator[InkLine | White]:
        if state.depth > _DEEPEST:
            raise FeatvizError("not an SVG drawing: its groups are nested too deep")
        for child in element:
            yield from self.element(child, state)

    def element(self, element: ElementTree.Element, around: _State) -> Iterator[InkLine | White]:
        """What an element paints."""
        tag = element.tag if isinstance(element.tag, str) else ""
        if not tag.startswith(_SVG) or tag.removeprefix(_SVG) in _UNSHOWN:
            # Comments, what editors keep for themselves, and what is drawn only where it is named.
            if "{" not in tag and tag:
                raise FeatvizError(f"cannot read <{tag[:80]}>: it is in no SVG namespace")
            return
        tag = tag.removeprefix(_SVG)
        if tag not in (*shapes.SHAPES, "g", "a", "use"):
            raise FeatvizError(
                f"<{tag[:80]}> cannot be drawn; expected <g> and lines of 2 px: "
                f"{', '.join(f'<{shape}>' for shape in shapes.SHAPES)}"
            )
        # Here because <use> draws the same element any number of times.
        text = len(element.get("points", "")) + 8 * len(element.get("d", ""))
        self._spend(_WORK.get(tag, 200) + text)
        style = self.style(element, around.style)
        if style.get("display") == "none" or styles.opacity(tag, style, "opacity") == 0:
            self.hidden += 1
            return
        matrix = around.matrix
        if "transform" in style:
            matrix = shapes.then(matrix, _transform(tag, element, style["transform"]))
        if style is not around.style:
            style = {name: value for name, value in style.items() if name in _INHERITED}
        inner = _State(matrix, around.part, style, around.depth + 1)
        if tag in ("g", "a"):
            part = element.get("id", around.part) if tag == "g" else around.part
            yield from self.children(element, replace(inner, part=part))
        elif tag == "use":
            yield from self._used(element, inner)
        elif style.get("visibility", "visible") != "visible":
            self.hidden += 1
        else:
            yield from self._shape(tag, element, inner)

    def _spend(self, work: int) -> None:
        self._work += work
        if self._work > _MOST_WORK:
            raise FeatvizError("it draws too much, more than some 5000 shapes or 100000 points")

    def _used(self, element: ElementTree.Element, state: _State) -> Iterator[InkLine | White]:
        link = element.get("href", element.get(_LINK, ""))
        target = self._by_id.get(link[1:]) if link.startswith("#") and link != "#" else None
        if target is None:
            raise FeatvizError(f"<use> of {link[:40]!r} cannot be drawn: there is no such element")
        try:
            x, y = (shapes.length(element.get(name, "0"), self._view) for name in ("x", "y"))
        except ValueError as error:
            raise FeatvizError(f"<use> cannot be drawn: {error}") from None
        if state.depth > _DEEPEST:
            raise FeatvizError("not an SVG drawing: its groups are nested too deep")
        matrix = shapes.then(state.matrix, (1.0, 0.0, 0.0, 1.0, x, y))
        if target.tag in (f"{_SVG}symbol", f"{_SVG}svg"):
            raise FeatvizError(
                f"<use> of {link[:40]!r} cannot be drawn: expected a group or a shape"
            )
        yield from self.element(target, replace(state, matrix=matrix))

    def _shape(
        self, tag: str, element: ElementTree.Element, state: _State
    ) -> Iterator[InkLine | White]:
        style, matrix = state.style, state.matrix
        is_bare = tag == "polyline" and not {"stroke", "fill"} & style.keys()
        if is_bare and matrix[:4] == (1, 0, 0, 1) and matrix[4:] == (-0.5, -0.5):
            # Nothing at all is said of these lines: featviz has always read their points as pixels.
            matrix = shapes.IDENTITY
        try:
            lines = shapes.shape_lines(tag, element.get, matrix, self._view)
        except ValueError as error:
            if tag in ("polyline", "polygon"):
                what, why = f"the points of a {tag}", repr(element.get("points", "")[:40])
            else:
                what, why = f"a <{tag}>", str(error)
            raise FeatvizError(f"cannot read {what} in part '{state.part}': {why}") from None
        if not lines:
            return
        stroke = styles.paint(tag, style, "stroke")
        fill = styles.paint(tag, style, "fill")
        if is_bare:
            stroke, fill = "ink", "ink" if any(map(_has_area, lines)) else None
        if tag == "line":
            fill = None
        if fill == "ink":
            raise styles.not_drawn(f"a filled <{tag}>", 'fill="none" stroke="black"')
        if fill is None and stroke is None:
            self.hidden += 1
            return
        every = np.concatenate(lines) if "white" in (fill, stroke) else lines[0]
        if "white" in (fill, stroke):
            self._spend(1000)
        if fill == "white":
            # Its own line covers its edge.
            yield White(tag, every.min(axis=0) + 1, every.max(axis=0) - 1)
        if stroke is None:
            return
        width = style.get("stroke-width")
        if width is not None and not styles.is_width(tag, width, state.matrix):
            return
        if stroke == "white":
            self.hidden += 1
            yield White(tag, every.min(axis=0) - 1, every.max(axis=0) + 1)
            return
        for points in lines:
            is_dot = bool((points[-1] == points[0]).all() and (points == points[0]).all())
            if is_dot and (tag, len(points)) != ("polyline", 1):
                if style.get("stroke-linecap", "round" if is_bare else "butt") == "butt":
                    continue
                points = points[:1]
            yield InkLine(state.part, points)


def _transform(tag: str, element: ElementTree.Element, text: str) -> shapes.Matrix:
    try:
        return shapes.transform(text, is_css=element.get("transform") != text)
    except ValueError as error:
        raise FeatvizError(f"cannot read the transform {text[:40]!r} of <{tag}>: {error}") from None


def _has_area(points: NDArray[np.float64]) -> bool:
    """Whether points enclose anything that a viewer would fill."""
    if len(points) < 3:
        return False
    away = points - points[0]
    far = away[np.argmax(np.hypot(*away.T))]
    beside = np.abs(away[:, 0] * far[1] - away[:, 1] * far[0])
    return bool((beside > 0.01 * np.hypot(*far)).any())
