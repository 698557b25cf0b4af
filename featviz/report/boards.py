"""How Bokeh draws a row of panels: what is drawn and which tools there are, without the data.

The page fills the sources, for the coordinates of all methods lie in the page once and the source
takes those of the chosen one. The panels of a row draw from one source, so a selection in one is
a selection in all; rows mirror each other's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bokeh.document import Document
from bokeh.models import (
    BooleanFilter,
    BoxSelectTool,
    BoxZoomTool,
    CDSView,
    ColumnDataSource,
    FixedTicker,
    Grid,
    HoverTool,
    LassoSelectTool,
    PanTool,
    Plot,
    Range1d,
    Scatter,
    TapTool,
    Text,
    WheelZoomTool,
)
from bokeh.models.renderers import GlyphRenderer
from bokeh.resources import Resources

MARKERS: dict[str, tuple[str, float, float]] = {
    "o": ("circle", 0, 1.0),
    "s": ("square", 0, 0.9),
    "^": ("triangle", 0, 1.05),
    "v": ("inverted_triangle", 0, 1.05),
    "D": ("square", 45, 0.8),
    "X": ("plus", 45, 1.15),
    "*": ("star", 0, 1.35),
    "P": ("plus", 0, 1.15),
    ">": ("triangle", -90, 1.05),
    "<": ("triangle", 90, 1.05),
    "d": ("diamond", 0, 1.15),
}
"""matplotlib's markers as Bokeh's: marker, degrees it is turned, and a size that looks equal."""

POINT = 7.0
RING = 13.0
_CURRENT = 17.0
_FOUND = 12.0


@dataclass(frozen=True)
class Board:
    """A row of panels: Bokeh's document as JSON, and the ids of its roots in panel order."""

    document: dict[str, Any]
    roots: tuple[str, ...]


def bokeh_script() -> str:
    """BokehJS itself, which the page carries."""
    return "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw)


def board(panels: int) -> Board:
    """A row of so many panels."""
    document = Document()
    places = [f"{axis}-{number}" for number in range(panels) for axis in ("x", "y")]
    sizes = [f"size-{number}" for number in range(panels)]
    looks = [f"{look}-{number}" for number in range(panels) for look in ("color", "edge")]
    points = _source("points", [*places, *sizes, *looks, "marker", "angle"])
    current, found = _source("current", places), _source("found", places)
    shown = BooleanFilter(name="shown")
    views = [CDSView(filter=shown) for _ in range(panels)]
    roots = [_plot(number, points, current, found, view) for number, view in enumerate(views)]
    # Frozen, or all that belongs together would be looked through anew for each.
    with document.models.freeze():
        for root in roots:
            document.add_root(root)
    content = document.to_json(deferred=False)
    return Board(dict(content), tuple(root.id for root in roots))


def _source(name: str, columns: Sequence[str]) -> ColumnDataSource:
    """A source without rows; the columns are there, or BokehJS complains until they are."""
    return ColumnDataSource(name=name, data={column: [] for column in columns})


def _plot(
    number: int,
    points: ColumnDataSource,
    current: ColumnDataSource,
    found: ColumnDataSource,
    view: CDSView,
) -> Plot:
    ties = _source(f"ties-{number}", ["x", "y", "size", "text", "dx", "dy", "align"])
    plot = Plot(
        name=f"plot-{number}",
        x_range=Range1d(start=-1, end=1),
        y_range=Range1d(start=-1, end=1),
        sizing_mode="stretch_both",
        toolbar_location=None,
        min_border=0,
        outline_line_color=None,
        background_fill_color=None,
        border_fill_color=None,
        lod_threshold=None,
    )
    for dimension in (0, 1):
        plot.add_layout(
            Grid(dimension=dimension, ticker=FixedTicker(), name=f"grid-{dimension}-{number}")
        )
    x, y = f"x-{number}", f"y-{number}"
    look: Any = {
        "x": x,
        "y": y,
        "size": f"size-{number}",
        "marker": "marker",
        "angle": "angle",
        "fill_color": f"color-{number}",
        "line_color": f"edge-{number}",
    }
    drawn = plot.add_glyph(
        points,
        Scatter(**look, line_width=0.7),
        selection_glyph=Scatter(**look, line_width=0.7),
        nonselection_glyph=Scatter(**look, fill_alpha=0.14, line_alpha=0.14, line_width=0.7),
        view=view,
    )
    plot.add_glyph(
        ties,
        Scatter(x="x", y="y", size="size", marker="circle", fill_color=None, line_width=0.9),
        name=f"rings-{number}",
        level="annotation",
    )
    plot.add_glyph(
        ties,
        Text(
            x="x",
            y="y",
            text="text",
            x_offset="dx",
            y_offset="dy",
            text_align="align",
            text_baseline="middle",
            background_fill_alpha=0.6,
        ),
        name=f"counts-{number}",
        level="annotation",
    )
    plot.add_glyph(
        found,
        Scatter(x=x, y=y, size=_FOUND, marker="circle", fill_color=None, line_width=1.6),
        name=f"found-{number}",
        level="annotation",
    )
    plot.add_glyph(
        current,
        Scatter(x=x, y=y, size=_CURRENT, marker="circle", fill_color=None, line_width=2),
        name=f"mark-{number}",
        level="overlay",
    )
    _add_tools(plot, drawn, number)
    return plot


def _add_tools(plot: Plot, drawn: "GlyphRenderer[Any]", number: int) -> None:
    """What points, selects, moves and zooms, by the points that are drawn."""
    plot.add_tools(
        HoverTool(tooltips=None, renderers=[drawn], name=f"hover-{number}"),
        TapTool(renderers=[drawn], name=f"tap-{number}"),
        LassoSelectTool(renderers=[drawn], name=f"lasso-{number}", continuous=True),
        BoxSelectTool(renderers=[drawn], name=f"box-{number}", continuous=True),
        BoxZoomTool(match_aspect=True, name=f"zoom-{number}"),
        PanTool(name=f"pan-{number}"),
        wheel := WheelZoomTool(name=f"wheel-{number}"),
    )
    plot.toolbar.active_drag = None
    plot.toolbar.active_scroll = wheel
    plot.toolbar.name = f"toolbar-{number}"
