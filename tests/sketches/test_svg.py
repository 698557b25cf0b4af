import io
import math
import time
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import resvg_py
import skia
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import binary_dilation

from featviz.base.errors import FeatvizError
from featviz.sketches.drawing import INK, Drawing, Stroke, from_svg, rasterize, read_svg, to_svg

PEN = (
    '<g fill="none" stroke="black" stroke-width="2" stroke-linecap="round" '
    'stroke-linejoin="round">{}</g>'
)
LINE = '<polyline points="5,5 40,40"/>'


def document(body: str, root: str = 'viewBox="0 0 64 64"', pen: str = PEN) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" {root}>{pen.format(body)}</svg>'


def bare(body: str) -> str:
    return document(body, pen="{}")


def ink(text: str) -> np.ndarray:
    return rasterize(from_svg(text)) == INK


def by_resvg(text: str) -> np.ndarray:
    png = resvg_py.svg_to_bytes(svg_string=text, background="white", skip_system_fonts=True, dpi=96)
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("L"))


def by_skia(text: str) -> np.ndarray:
    size = from_svg(text).size
    picture = skia.SVGDOM.MakeFromStream(skia.MemoryStream(text.encode()))
    picture.setContainerSize(skia.Size(size, size))
    surface = skia.Surface(size, size)
    surface.getCanvas().clear(skia.ColorWHITE)
    picture.render(surface.getCanvas())
    return np.asarray(surface.makeImageSnapshot().toarray())[..., 0]


RENDERERS = {"resvg": by_resvg, "skia": by_skia}


def assert_alike(mine: np.ndarray, rendered: np.ndarray) -> None:
    """All ink within one pixel of the other's; edges are grey in a viewer's picture."""
    around = np.ones((3, 3), dtype=bool)
    assert not (mine & ~binary_dilation(rendered < 160, around)).any()
    assert not ((rendered < 96) & ~binary_dilation(mine, around)).any()


numbers = st.floats(-20, 84).map(lambda value: round(value, 2))
sizes = st.floats(0.5, 60).map(lambda value: round(value, 2))
pairs = st.tuples(numbers, numbers).map(lambda pair: f"{pair[0]:g},{pair[1]:g}")


def written(template: str, *values: st.SearchStrategy) -> st.SearchStrategy[str]:
    return st.tuples(*values).map(lambda given: template.format(*given))


commands = st.one_of(
    written("L{}", pairs),
    written("l{}", pairs),
    written("H{}", numbers),
    written("v{}", numbers),
    written("C{} {} {}", pairs, pairs, pairs),
    written("s{} {}", pairs, pairs),
    written("Q{} {}", pairs, pairs),
    written("t{}", pairs),
    written("A{} {} {} {}{}{}", sizes, sizes, numbers, *[st.sampled_from("01")] * 2, pairs),
    st.just("Z"),
)


def no_arc_stays(path: list[str]) -> bool:
    """Whether no arc ends where another did just before: resvg rounds, and may draw an ellipse."""
    ends = [command.split()[-1][2:] if command[0] == "A" else "" for command in path]
    return not any(one and one == other for one, other in pairwise(ends))


paths = written(
    '<path d="M{} {}"/>',
    pairs,
    st.lists(commands, min_size=1, max_size=5).filter(no_arc_stays).map(" ".join),
)
drawn = st.one_of(
    paths,
    written('<polyline points="{}"/>', st.lists(pairs, min_size=2, max_size=5).map(" ".join)),
    written('<polygon points="{}"/>', st.lists(pairs, min_size=3, max_size=5).map(" ".join)),
    written('<line x1="{}" y1="{}" x2="{}" y2="{}"/>', *[numbers] * 4),
    written('<rect x="{}" y="{}" width="{}" height="{}"/>', numbers, numbers, sizes, sizes),
    written('<circle cx="{}" cy="{}" r="{}"/>', numbers, numbers, sizes),
    written('<ellipse cx="{}" cy="{}" rx="{}" ry="{}"/>', numbers, numbers, sizes, sizes),
)
# What keeps the width of lines: 2 px is all that can be drawn.
moves = st.one_of(
    written("translate({} {})", numbers, numbers),
    written("rotate({})", numbers),
    written("rotate({} {} {})", numbers, numbers, numbers),
    st.just("scale(-1 1) translate(-64)"),
    st.just("matrix(0 1 1 0 3 4)"),
)
moved = written('<g transform="{}">{}</g>', st.lists(moves, max_size=2).map(" ".join), drawn)
roots = st.sampled_from(
    [
        'viewBox="0 0 64 64"',
        'viewBox="-10 7.5 64 64" width="64" height="64"',
        'width="48pt" height="48pt"',
    ]
)


@settings(max_examples=100)
@given(st.one_of(drawn, moved), roots)
def test_what_is_read_is_what_an_independent_viewer_shows(body: str, root: str) -> None:
    text = document(body, root)
    try:
        mine = ink(text)
    except FeatvizError as error:
        assert "hidden" in str(error)
        return
    assert_alike(mine, by_resvg(text))


def test_an_arc_that_ends_where_another_did_is_a_dot_there() -> None:
    text = document('<path d="M20,20 H40 A15 10 0 0 0 20,20 A9 9 0 1 0 20,20"/>')
    assert_alike(ink(text), by_skia(text))


SHOWN = {
    "css": "<style>.thin, #x { fill:none } polyline { stroke: #111 }</style>"
    f'<g class="thin">{LINE}</g>',
    "style": '<polyline style="fill:none;stroke:rgb(10,20,30)" points="5,5 40,40 9,50"/>',
    "nested": f'<g transform="translate(9)"><g transform="rotate(20)">{LINE}</g></g>',
    "use": '<defs><g id="a"><circle r="9"/></g></defs><use href="#a" x="30" y="20"/>',
    "paper": f'<rect width="100%" height="100%" fill="white" stroke="none"/>{LINE}',
    "scaled pen": f'<g transform="scale(2)" stroke-width="1">{LINE}</g>',
    "hidden layer": f'<g style="display:none"><text>a</text></g>{LINE}',
    "shown inside hidden": '<g visibility="hidden"><rect width="30" height="9"/>'
    f'<g visibility="visible">{LINE}</g></g>',
    "current color": f'<g color="#222" stroke="currentColor">{LINE}</g>',
    "white apart": f'{LINE}<circle cx="50" cy="10" r="5" fill="white"/>',
    "editor's own": '<g xmlns:k="http://editor" k:label="a" data-x="1"><k:view/>'
    f"{LINE}</g><metadata><x/></metadata>",
    "dot": '<path d="M20 20h0"/><path d="M40 40"/>',
    "arcs": '<path d="M20 20A5 5 0 0 0 20 20"/><path d="M30 30a5 5 0 0 1 10 0 0 3 0 1 0 0 0z"/>',
}
UNITS = {
    'viewBox="0 0 135.46667 135.46667" width="135.46667mm" height="135.46667mm"': 0.5291666,
    'viewBox="0 0 32 32" width="64" height="64"': 1,
    'viewBox="0 0 64 64" width="100%" height="100%"': 2,
    'width="1in" height="1in"': 2,
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_other_programs_write_is_read_as_viewers_show_it(name: str) -> None:
    text = document(SHOWN[name])
    assert ink(text).any()
    assert_alike(ink(text), by_resvg(text))


@pytest.mark.parametrize("root", UNITS)
def test_units_and_view_boxes_give_the_size_and_the_width_that_viewers_give(root: str) -> None:
    text = document(LINE, root, PEN.replace('"2"', f'"{UNITS[root]}"'))
    assert ink(text).any()
    assert_alike(ink(text), by_resvg(text))


@pytest.mark.parametrize("viewer", RENDERERS)
def test_every_stroke_that_has_ink_here_has_ink_in_every_viewer(viewer: str) -> None:
    for points in (
        [[20, 20]],
        [[40.25, 9]],
        [[8, 50], [8, 50]],
        [[50, 50], [50.001, 50]],
        [[5, 5], [9, 9]],
    ):
        text = to_svg(Drawing((Stroke("tap", np.array(points, dtype=float)),), 64))
        assert ink(text).any()
        assert_alike(ink(text), RENDERERS[viewer](text))


REFUSED = {
    "filled": (bare('<polyline points="1,1 40,40 40,1"/>'), "a filled <polyline> cannot be drawn"),
    "black rect": (bare('<rect width="20" height="20"/>'), "a filled <rect>"),
    "all hidden": (document(f'<g style="display:none">{LINE}</g>'), "all that it draws is hidden"),
    "no opacity": (document(f'<g opacity="0">{LINE}</g>'), "all that it draws is hidden"),
    "white": (document(f'<g stroke="white">{LINE}</g>'), "all that it draws is hidden or white"),
    "none": (document(f'<g stroke="none">{LINE}</g>'), "all that it draws is hidden"),
    "pale": (document(f'<g stroke="#ccc">{LINE}</g>'), "<polyline> with stroke '#ccc'"),
    "half": (document(f'<g opacity=".5">{LINE}</g>'), "<g> with opacity '.5'"),
    "thick": (document(f'<g style="stroke-width:9">{LINE}</g>'), "stroke-width '9', 9 px on the"),
    "thickened": (document(f'<g transform="scale(3 1)">{LINE}</g>'), "2 to 6 px on the canvas"),
    "dashes": (document(f'<g stroke-dasharray="4 2">{LINE}</g>'), "<g> with stroke-dasharray"),
    "marker": (document(f'<g marker-end="url(#m)">{LINE}</g>'), "with marker-end"),
    "clip": (document(f'<g style="clip-path:url(#c)">{LINE}</g>'), "with clip-path"),
    "gradient": (document(f'<g stroke="url(#g)">{LINE}</g>'), "with stroke 'url(#g)'"),
    "text": (document("<text>a</text>"), "<text> cannot be drawn; expected <g> and lines of 2 px"),
    "image": (document('<image href="a.png"/>'), "<image> cannot be drawn"),
    "script": (document("<script/>"), "<script> cannot be drawn"),
    "inner svg": (document("<svg/>"), "<svg> cannot be drawn"),
    "over": (document(f'{LINE}<rect fill="#fff" width="9" height="9"/>'), "a white <rect> over"),
    "white line": (document(f'{LINE}<g stroke="white">{LINE}</g>'), "a white <polyline> over"),
    "root": (document(LINE, 'viewBox="0 0 64 64" transform="scale(1)"'), "<svg> with transform"),
    "unknown": (document(f'<g systemLanguage="fr">{LINE}</g>'), "with systemLanguage 'fr'"),
    "important": (document('<g style="display:none !important"/>'), "the style 'display:none !"),
    "sheet": (document(f"<style>@import 'a.css';</style>{LINE}"), "a style sheet with \"@import"),
    "selector": (document("<style>g > a { display:none }</style>"), "a style sheet with 'g > a'"),
    "unitless css": (document(f'<g style="transform:rotate(5)">{LINE}</g>'), "lacks units"),
    "unknown move": (document(f'<g transform="shift(5)">{LINE}</g>'), "is no transform"),
    "round corners": (document('<rect width="9" height="9" rx="2"/>'), "its corners are round"),
    "percentage": (document('<line x1="2em"/>'), "'2em' has no unit of px, pt"),
    "path": (document('<path d="M1 1L5"/>'), "'L' has 1 numbers; expected 2 or multiples"),
    "garbage": (document('<path d="M1 1L5 5x6"/>'), "cannot read a <path>"),
    "arc": (document('<path d="M1 1A5 5 0 2 0 9 9"/>'), "is no part of an arc"),
    "no start": (document('<path d="L5 5"/>'), "must start with a moveto"),
    "far": (document('<line x1="1e10"/>'), "too far away"),
    "no target": (document('<use href="#nothing"/>'), "<use> of '#nothing' cannot be drawn"),
    "other file": (document('<use href="a.svg#b"/>'), "<use> of 'a.svg#b' cannot be drawn"),
    "namespace": (document('<g xmlns="">a</g>'), "it is in no SVG namespace"),
    "flat": (document(LINE, 'viewBox="0 0 64 64" width="64" height="32"'), "a square"),
    "canvas": (document(LINE, 'viewBox="0 0 99999 99999"'), "too large; expected 8192"),
    "part of a pixel": (document(LINE, 'viewBox="0 0 64.5 64.5"'), "whole, positive canvas size"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_drawn_wrongly_is_refused_by_name(name: str) -> None:
    text, message = REFUSED[name]
    with pytest.raises(FeatvizError) as error:
        from_svg(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_transforms_in_css_are_those_of_attributes() -> None:
    for css, attribute in (
        ("translate(4px, -9px)", "translate(4-9)"),
        ("rotate(20deg) scale(1,-1)", "rotate(20),scale(1 -1)"),
    ):
        (mine,) = from_svg(document(f'<g style="transform:{css}">{LINE}</g>')).strokes
        (other,) = from_svg(document(f'<g transform="{attribute}">{LINE}</g>')).strokes
        np.testing.assert_array_equal(mine.points, other.points)


def test_nested_groups_name_parts_as_deep_as_they_go() -> None:
    inner = f'<g transform="translate(1)"><g id="left-eye"><g>{LINE}</g></g>{LINE}</g>'
    assert from_svg(document(f'<g id="eyes">{inner}</g>{LINE}')).parts == (
        "left-eye",
        "eyes",
        "unnamed",
    )


def test_lines_of_which_nothing_is_said_are_read_as_pixels() -> None:
    (stroke,) = from_svg(bare('<g id="mouth"><polyline points="1.23456,2 30,40"/></g>')).strokes
    np.testing.assert_array_equal(stroke.points, [[1.23456, 2], [30, 40]])
    (stroke,) = from_svg(document('<polyline points="1,2 30,40"/>')).strokes
    np.testing.assert_array_equal(stroke.points, [[0.5, 1.5], [29.5, 39.5]])


def test_the_points_of_shipped_sketches_are_those_of_their_files() -> None:
    paths = sorted((Path(__file__).parents[2] / "sketches").glob("G*/*.svg"))
    assert len(paths) == 200
    for path in paths:
        written = [
            (part.get("id"), [pair.split(",") for pair in line.get("points", "").split()])
            for part in ElementTree.parse(path).getroot().iterfind(".//{*}g[@id]")
            for line in part
        ]
        read = read_svg(path).strokes
        assert [stroke.part for stroke in read] == [part for part, _ in written]
        for stroke, (_, pairs) in zip(read, written, strict=True):
            assert np.array_equal(stroke.points, np.array(pairs, dtype=float)), path


def test_curves_stay_within_a_tenth_of_a_pixel() -> None:
    body = '<circle cx="32" cy="32" r="20"/><path d="M10,32A22 22 0 1154,32"/>'
    circle, arc = (stroke.points + 0.5 - 32 for stroke in from_svg(document(body)).strokes)
    for points, radius in ((circle, 20), (arc, 22)):
        middles = (points[1:] + points[:-1]) / 2
        assert abs(np.hypot(*points.T) - radius).max() < 0.02
        assert abs(np.hypot(*middles.T) - radius).max() < 0.1
    assert math.dist(circle[0], circle[-1]) == 0


HARMFUL = {
    "deep": "<g>" * 9000 + "</g>" * 9000,
    "many": "<g/>" * 100_000,
    "numbers": f'<polyline points="{"1 " * 990_000}"/>',
    "digits": f'<path d="M1 1A{"1" * 1_900_000}"/>',
    "arcs": f'<path d="M0 0{"a1 1 0 01 .1 0" * 30_000}"/>',
    "curves": f'<path d="M0 0{"C1e6 1e6 1 2 2 1" * 30_000}"/>',
    "spaces": f'<g transform="{" " * 1_900_000}"/>',
    "comments": f'<g style="{"/*" * 900_000}"/>',
    "rules": f"<style>{'.a{}' * 400_000}</style>",
    "selectors": f"<style>{'a,' * 900_000}</style>",
    "braces": f"<style>{'{' * 1_900_000}</style>",
    "loop": '<g id="a"><use href="#a"/></g>',
    "doubling": "".join(
        f'<g id="a{k}"><use href="#a{k + 1}"/><use href="#a{k + 1}"/></g>' for k in range(40)
    )
    + f'<g id="a40">{LINE}</g>',
    "copies": f'<path id="p" d="M0 0{"l9 9" * 9000}"/>' + '<use href="#p"/>' * 5000,
    "whites": f'{LINE}<rect x="50" y="2" width="4" height="4" fill="white"/>' * 9000,
    "scales": '<g transform="scale(1e9)">' * 40 + '<path d="M1 1L2 2"/>' + "</g>" * 40,
    "big": '<circle r="1e9"/>',
}


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_documents_end_in_a_drawing_or_a_line_within_seconds(name: str) -> None:
    start = time.process_time()
    try:
        rasterize(from_svg(document(HARMFUL[name])))
    except FeatvizError as error:
        assert "\n" not in str(error) and len(str(error)) < 400
    assert time.process_time() - start < 5


odd = st.sampled_from(
    ["", "0", "-1", "1e400", "nan", "1e9", "1,2 3", "none", "url(#a)", "#fff", "black", "inherit",
     "50%", "2", "9mm", "rotate(", "scale(1e9)", "translate(1 2 3)", "M", "M1 1a", "a:b;;c",
     "\u00b2", "display:none", "hidden", "M1 1q1 1 1e9 1e9z", "#a", "0 0 8 8", "!", "{}", "\u0661"]
)  # fmt: skip
names = st.sampled_from(
    ["points", "d", "fill", "stroke", "stroke-width", "style", "class", "id", "transform", "r",
     "rx", "cx", "x", "x1", "width", "height", "viewBox", "opacity", "display", "visibility",
     "href", "stroke-dasharray", "stroke-linecap", "onload", "font-size", "color", "background"]
)  # fmt: skip
tags = st.sampled_from(
    ["g", "g", "polyline", "polygon", "path", "rect", "circle", "ellipse", "line", "use", "style",
     "defs", "text", "svg", "a", "clipPath", "title", "b"]
)  # fmt: skip


def element(inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda tag, attributes, body: (
            f"<{tag} " + " ".join(f'{k}="{v}"' for k, v in attributes) + f">{body}</{tag}>"
        ),
        tags,
        st.lists(st.tuples(names, odd), max_size=3, unique_by=lambda pair: pair[0]),
        inside,
    )


trees = st.recursive(
    st.one_of(element(st.just("")), paths, st.sampled_from([LINE, "a", "&", "\0", "<!--x-->"])),
    lambda inside: element(st.lists(inside, max_size=2).map("".join)),
    max_leaves=4,
)
any_document = st.one_of(
    trees.map(document),
    trees.map(bare),
    st.tuples(trees, names, odd).map(
        lambda given: document(given[0], f'viewBox="0 0 64 64" {given[1]}="{given[2]}"')
    ),
    st.tuples(trees.map(document), st.integers(0, 400)).map(lambda given: given[0][: given[1]]),
)


@settings(
    max_examples=500, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(any_document)
def test_whatever_is_read_becomes_a_drawing_or_one_line(text: str) -> None:
    try:
        drawing = from_svg(text)
    except FeatvizError as error:
        assert "\n" not in str(error)
    else:
        assert rasterize(drawing).shape == (drawing.size, drawing.size)
