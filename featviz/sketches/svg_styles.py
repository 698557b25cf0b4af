"""What attributes and style sheets of an SVG document say of how an element is painted."""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

from featviz.base.errors import FeatvizError
from featviz.sketches import svg_shapes as shapes
from featviz.sketches.strokes import STROKE_WIDTH

_ANY_VALUE = re.compile(
    "stroke-(linejoin|miterlimit|dashoffset)|fill-rule|clip-rule|(shape|text|color|image)-rendering"
    "|font.*|text-.*|(letter|word)-spacing|line-height|writing-mode|white-space"
    "|direction|color-interpolation.*|pointer-events|cursor|enable-background|overflow|isolation"
    "|stop-.*|flood-.*|lighting-color|-inkscape-.*|paint-order|solid-.*|baseline-shift"
)
"""Properties that change no line that can be drawn, whatever they are."""
_ONE_VALUE = {
    **dict.fromkeys(("stroke-dasharray", "marker", "marker-start", "marker-mid"), "none"),
    **dict.fromkeys(("marker-end", "filter", "mask", "clip-path", "vector-effect"), "none"),
    "mix-blend-mode": "normal",
}
_PAPER = {"none", "transparent", "white", "#fff", "#ffffff"}
_WIDTH_ERROR = 0.02
_MID_GREY = 128
_COLOR = re.compile(r"[a-z]+|#[0-9a-f]{3,8}|(rgb|hsl)a?\([0-9., %]*\)")
_SELECTOR = re.compile(r"(\*|[A-Za-z][\w-]*)?((?:[.#][A-Za-z_][\w-]*)*)")


@dataclass(frozen=True)
class Rule:
    """A rule of a style sheet."""

    tag: str
    names: tuple[str, ...]
    ids: tuple[str, ...]
    declared: Mapping[str, str]

    @property
    def weight(self) -> tuple[int, int, int]:
        """The more it says of an element, the later it is applied."""
        return len(self.ids), len(self.names), int(bool(self.tag))

    def matches(self, tag: str, element: ElementTree.Element) -> bool:
        """Whether the rule is about this element."""
        if self.tag not in ("", tag) or any(one != element.get("id") for one in self.ids):
            return False
        return not self.names or set(self.names) <= set(element.get("class", "").split())


def rules(sheet: str) -> Iterator[Rule]:
    """The rules of a style sheet with selectors such as `path`, `.st0`, `#eye` and `g.thin`."""
    *found, rest = _without_comments(sheet).split("}")
    if rest.strip():
        raise not_drawn(f"a style sheet with {rest.strip()[:40]!r}")
    for rule in found:
        selectors, brace, body = rule.partition("{")
        for selector in selectors.split(","):
            match = _SELECTOR.fullmatch(selector.strip()[:200])
            if match is None or not brace or not selector.strip():
                raise not_drawn(f"a style sheet with {selector.strip()[:40]!r}")
            names = re.findall(r"([.#])([^.#]+)", match[2])
            yield Rule(
                (match[1] or "").removeprefix("*"),
                tuple(name for kind, name in names if kind == "."),
                tuple(name for kind, name in names if kind == "#"),
                declarations(body),
            )


@functools.lru_cache(maxsize=1024)
def declarations(text: str) -> Mapping[str, str]:
    """The properties of a `style`."""
    declared = {}
    for declaration in _without_comments(text).split(";"):
        name, colon, value = (part.strip() for part in declaration.partition(":"))
        if not name and not colon:
            continue
        is_odd = re.search(r"[!\\{}\"']", name + value) and "font" not in name
        if not colon or not value or is_odd:
            raise not_drawn(f"the style {declaration.strip()[:40]!r}")
        declared[name.lower()] = value
    return declared


def _without_comments(text: str) -> str:
    first, *others = text.split("/*")
    return " ".join([first, *(other.partition("*/")[2] for other in others)])


def changes_nothing(tag: str, name: str, value: str) -> bool:
    """Whether a property of an element leaves every line that can be drawn as it is."""
    if _ANY_VALUE.fullmatch(name):
        return True
    if name.startswith("background"):
        return tag == "svg" and value.lower() in _PAPER
    return _ONE_VALUE.get(name) == value


def paint(tag: str, style: Mapping[str, str], name: str) -> str | None:
    """What a stroke or fill leaves on white paper: "ink", "white" or nothing, None."""
    value = style.get(name, "none" if name == "stroke" else "black")
    if value.lower() == "currentcolor":
        value = style.get("color", "black")
    try:
        tone = _tone(value)
    except ValueError:
        raise not_drawn(f"<{tag}> with {name} {value[:40]!r}") from None
    if tone is None or opacity(tag, style, f"{name}-opacity") == 0:
        return None
    return tone


@functools.lru_cache(maxsize=1024)
def _tone(color: str) -> str | None:
    """What a colour is: "ink" if dark, "white", or None; raises ValueError for any other."""
    from PIL.ImageColor import getrgb

    color = color.strip().lower()
    if color in ("none", "transparent"):
        return None
    if not _COLOR.fullmatch(color):
        raise ValueError("no colour")
    red, green, blue, *alpha = getrgb(color)
    if alpha not in ([], [255]):
        raise ValueError("half transparent")
    if min(red, green, blue) >= 255:
        return "white"
    if 0.299 * red + 0.587 * green + 0.114 * blue >= _MID_GREY:
        raise ValueError("pale")
    return "ink"


def opacity(tag: str, style: Mapping[str, str], name: str) -> float:
    """0 or 1; raises FeatvizError for what lies between."""
    text = style.get(name, "1")
    if text == "1":
        return 1
    try:
        (value,) = shapes.numbers(text.removesuffix("%"))
    except ValueError:
        value = 0.5
    if value <= 0:
        return 0
    if value < (100 if text.endswith("%") else 1):
        raise not_drawn(f"<{tag}> with {name} {text[:40]!r}")
    return 1


def is_width(tag: str, text: str, matrix: shapes.Matrix) -> bool:
    """Whether a stroke has a width at all; raises FeatvizError if it is not that of all lines."""
    try:
        width = shapes.length(text)
    except ValueError:
        raise not_drawn(f"<{tag}> with stroke-width {text[:40]!r}") from None
    if width == 0:
        return False
    least, most = (width * stretch for stretch in shapes.stretches(matrix))
    if not (abs(least - STROKE_WIDTH) <= _WIDTH_ERROR and abs(most - STROKE_WIDTH) <= _WIDTH_ERROR):
        there = f"{most:.3g} px" if most - least < _WIDTH_ERROR else f"{least:.3g} to {most:.3g} px"
        raise not_drawn(f"<{tag}> with stroke-width {text[:40]!r}, {there} on the canvas")
    return True


def not_drawn(
    what: str, expected: str = f"lines of {STROKE_WIDTH:g} px, dark on white"
) -> FeatvizError:
    """The error for something that is on no list."""
    return FeatvizError(f"{what} cannot be drawn; expected {expected}")
