"""Pictures of leakage: maps of one edit with its reach outlined, and ways through the network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from featviz.analysis.leakage.decomposition import both_orders
from featviz.analysis.leakage.maps import shrink
from featviz.analysis.leakage.summary import change_number
from featviz.analysis.leakage.table import ALL, FREE, IMAGE, STATISTICS
from featviz.base.table import ALL_GROUPS
from featviz.figures.labels import shortened
from featviz.figures.style import (
    ADDED,
    GREY,
    REMOVED,
    draw_caption,
    draw_image,
    plain_text,
    wrap_caption,
)
from featviz.sketches.edits import Mask

_LIMITS = (1e-4, 1.0)
"""Where the colours of maps end; what is beyond has the colour of the end."""
ZERO = "#BFD3E6"
"""The colour of exactly no change, which is none of the scale's."""
_COLORS = "magma_r"
_OUTLINE = "#009E73"
_SIDE, _GAP, _EDGE, _LABELS, _SCALE, _BELOW = 0.95, 0.06, 0.12, 0.8, 0.62, 0.13

_LOOKS: dict[str, dict[str, Any]] = {
    FREE: {"color": "#000000", "marker": "o", "markersize": 4, "label": "as it is"},
    ALL: {"color": "#D55E00", "marker": "s", "markersize": 5.5, "markerfacecolor": "none"},
}
_LOOKS[ALL]["label"] = "left with statistics held"

_ORDERS = {"gone if held alone": "#0072B2", "made if free alone": "#E69F00"}
"""Colours of what some norms' statistics make, last and first of all."""


@dataclass(frozen=True, eq=False)
class MapRow:
    """One row of maps: the changes and the reach of an edit by layer, and what to call it.

    outside: by layer, the mean change out of reach; NaN where all is in reach. edit: the sketch and
    its base, drawn in front; none if they are those of the row above.
    """

    title: str
    changes: Mapping[str, NDArray[np.floating[Any]]]
    reach: Mapping[str, Mask]
    outside: Mapping[str, float]
    edit: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None


def draw_leakage(change: NDArray[np.floating[Any]], reach: Mask, ax: Axes) -> Axes:
    """A map of changes (h, w) in logarithmic colours, exactly 0 in a colour apart, reach outlined.

    A large map is drawn with means of cells; it is 0 only where all of them are.
    """
    small = shrink(change)
    colors = mpl.colormaps[_COLORS].with_extremes(bad=ZERO)
    shown = np.ma.masked_where(small == 0, small.clip(*_LIMITS))
    draw_image(shown, ax, cmap=colors, norm=LogNorm(*_LIMITS), interpolation="nearest")
    outline = shrink(reach)
    if outline.any() and not outline.all():
        # Along the edges of cells, not through their middles.
        scale = max(1, 256 // max(outline.shape))
        fine = np.kron(outline, np.ones((scale, scale)))
        height, width = outline.shape
        x = (np.arange(width * scale) + 0.5) / scale - 0.5
        y = (np.arange(height * scale) + 0.5) / scale - 0.5
        ax.contour(x, y, fine, levels=[0.5], colors=_OUTLINE, linewidths=0.8)
    elif outline.all():
        for spine in ax.spines.values():
            spine.set(color=_OUTLINE, linewidth=1.2)
    return ax


@plain_text()
def maps_figure(rows: Sequence[MapRow], text: str) -> Figure:
    """Leakage maps of edits: a row an edit and mode, a column a layer, the sketch in front if any.

    Below each map is its mean change out of reach, "0" only if that is exact.
    """
    layers = list(rows[0].changes)
    drawn = [number for number, row in enumerate(rows) if row.edit is not None]
    columns = len(layers) + bool(drawn)
    width = _EDGE + _LABELS + columns * (_SIDE + _GAP) + _SCALE
    lines = wrap_caption(text, width)
    tall = _SIDE + _BELOW + _GAP
    # The scale is as tall as two rows.
    height = _EDGE + 0.18 + max(len(rows), 2) * tall + 0.1 + 0.135 * len(lines)
    figure = Figure(figsize=(width, height))

    def box(row: int, column: int) -> tuple[float, float, float, float]:
        left = _EDGE + _LABELS + column * (_SIDE + _GAP)
        bottom = height - _EDGE - 0.18 - row * tall - _SIDE
        return left / width, bottom / height, _SIDE / width, _SIDE / height

    for number_of_row, row in enumerate(rows):
        _, bottom, _, side = box(number_of_row, 0)
        place = (_EDGE / width, bottom + side / 2)
        figure.text(*place, row.title, va="center", size=8, linespacing=1.3)
        if row.edit is not None:
            ax = draw_edit(*row.edit, figure.add_axes(box(number_of_row, 0)))
            ax.set_title("edit" if number_of_row == drawn[0] else "", fontsize=8, pad=3)
        for column, layer in enumerate(layers, start=bool(drawn)):
            ax = figure.add_axes(box(number_of_row, column))
            draw_leakage(row.changes[layer], row.reach[layer], ax)
            outside = row.outside[layer]
            told = "all in reach" if np.isnan(outside) else f"out: {change_number(outside)}"
            ax.set_xlabel(told, fontsize=6.5, color=GREY, labelpad=2)
            if number_of_row == 0:
                ax.set_title(layer, fontsize=8, pad=3)
    _draw_scale(figure, ((width - _SCALE + 0.08) / width, box(0, 0)[1] - 0.6 * tall / height))
    draw_caption(figure, lines)
    return figure


def draw_edit(sketch: NDArray[np.uint8], base: NDArray[np.uint8], ax: Axes) -> Axes:
    """The edited sketch in grey, with what was added and taken away in their colours."""
    picture = np.full((*sketch.shape, 3), 255, dtype=np.uint8)
    grow = [(dy, dx) for dy in (0, 1, 2) for dx in (0, 1, 2)]
    ink, before = (
        np.logical_or.reduce([np.roll(image == 0, shift, axis=(0, 1)) for shift in grow])
        for image in (sketch, base)
    )
    picture[ink & before] = (150, 150, 150)
    picture[before & ~ink] = REMOVED
    picture[ink & ~before] = ADDED
    return draw_image(picture, ax)


def _draw_scale(figure: Figure, corner: tuple[float, float]) -> None:
    """The scale of colours, with a field of its own for no change at all."""
    width, height = figure.get_size_inches()
    ax = figure.add_axes((*corner, 0.09 / width, 1.35 / height))
    bar = figure.colorbar(ScalarMappable(LogNorm(*_LIMITS), _COLORS), cax=ax)
    bar.set_ticks([1e-4, 1e-3, 1e-2, 1e-1, 1], labels=["≤10⁻⁴", "10⁻³", "10⁻²", "0.1", "≥1"])
    bar.ax.tick_params(labelsize=6.5, length=2)
    bar.ax.minorticks_off()
    outline: Any = bar.outline
    outline.set(linewidth=0.5)
    zero = figure.add_axes((corner[0], corner[1] - 0.2 / height, 0.09 / width, 0.12 / height))
    zero.add_patch(Rectangle((0, 0), 1, 1, facecolor=ZERO))
    zero.set(xticks=[], yticks=[0.5], yticklabels=["0"], xlim=(0, 1), ylim=(0, 1))
    zero.yaxis.tick_right()
    zero.tick_params(labelsize=6.5, length=2)


@plain_text()
def paths_figure(summary: pd.DataFrame, checkpoints: Sequence[str], text: str) -> Figure:
    """Change at the eyes, layer by layer as it is and with all held, and by part at the image.

    summary: what `summarize` gives; its rows of group "all" are drawn.
    """
    found = summary[summary["group"] == ALL_GROUPS]
    found = found[found["checkpoint"].isin(checkpoints)]
    width = 1.9 * len(checkpoints) + 1.05
    lines = wrap_caption(text, width)
    height = 4.95 + 0.135 * len(lines)
    figure = Figure(figsize=(width, height))
    floor = _floor(found["eyes"])
    top = float(found["eyes"].max()) * 2
    last = found[found["layer"] == found["layer"].iloc[-1]]
    made = ["eyes_by_statistics", "eyes_by_free_statistics"]
    free = last[last["mode"] == FREE]["eyes"]
    parts = last[~last["mode"].isin([STATISTICS])][made]
    most = 255 * 1.08 * max(float(free.max()), float(parts.max(axis=None)))
    for column, name in enumerate(checkpoints):
        left, wide = (0.95 + 1.9 * column) / width, 1.68 / width
        rows = found[found["checkpoint"] == name]
        ax = figure.add_axes((left, (height - 2.35) / height, wide, 1.9 / height))
        draw_layers(rows, ax, floor, top)
        ax.set_title(shortened(name, 1.6, 9), fontsize=9)
        below = figure.add_axes((left, (height - 4.4) / height, wide, 1.55 / height))
        draw_modes(rows, below, most)
        if column:
            ax.set(ylabel="", yticklabels=[])
            below.set(yticklabels=[])
    handles = [
        *(Line2D([], [], linewidth=1, **_LOOKS[mode]) for mode in (FREE, ALL)),
        Patch(facecolor=ZERO, label="exactly 0"),
        *(Patch(facecolor=color, label=label) for label, color in _ORDERS.items()),
    ]
    figure.legend(
        handles=handles, loc="upper center", ncols=5, frameon=False, bbox_to_anchor=(0.5, 1.0)
    )
    draw_caption(figure, lines)
    return figure


def draw_layers(rows: pd.DataFrame, ax: Axes, floor: float, top: float) -> Axes:
    """The change at the eyes over the layers, logarithmic; exactly 0 has a band of its own.

    rows: of one checkpoint and group. floor: lowest value of the logarithmic part.
    """
    layers = list(dict.fromkeys(rows["layer"]))
    zero = floor / 3
    ax.axhspan(zero / 1.8, zero * 1.8, color=ZERO, linewidth=0)
    for mode in (FREE, ALL):
        eyes = rows[rows["mode"] == mode].set_index("layer")["eyes"].reindex(layers)
        heights = eyes.where(eyes > 0, zero).where(eyes.notna())
        # The image's unit is another: no line leads from the layers to it.
        values = [np.nan if layer == IMAGE else float(heights[layer]) for layer in layers]
        ax.plot(range(len(layers)), values, linewidth=1, **_LOOKS[mode])
        if IMAGE in layers:
            ax.plot([layers.index(IMAGE)], [heights[IMAGE]], linestyle="", **_LOOKS[mode])
    ax.set_yscale("log")
    ticks = 10.0 ** np.arange(np.ceil(np.log10(floor)), np.log10(top) + 0.01)
    ax.set_yticks([zero, *ticks], labels=["0", *(_power_of_ten(t) for t in ticks)])
    ax.minorticks_off()
    ax.set(
        ylim=(zero / 1.8, top),
        xlim=(-0.4, len(layers) - 0.6),
        ylabel="change at the eyes",
    )
    ax.set_xticks(range(len(layers)), labels=layers)
    return ax


def draw_modes(rows: pd.DataFrame, ax: Axes, most: float) -> Axes:
    """What the statistics of each part make at the eyes of the last layer, in both orders.

    rows: of one checkpoint and group. In grey levels; a line stands at the change as it is.
    """
    last: Any = rows[rows["layer"] == rows["layer"].iloc[-1]].set_index("mode")
    of_mode = {str(mode): row for mode, row in last.iterrows()}
    names = ["all", "front-end", "L0", "L1", "L2", "L3", "L4", "residual", "back-end"]
    for line, mode in enumerate(names):
        if mode not in of_mode:
            ax.text(most * 0.02, line, "no norm", va="center", fontsize=6.5, color=GREY)
            continue
        orders = zip((-0.2, 0.2), both_orders(of_mode, mode), _ORDERS.values(), strict=True)
        for shift, value, color in orders:
            ax.barh(line + shift, 255 * value, height=0.4, color=color)
    ax.axvline(255 * float(last.loc[FREE, "eyes"]), color="#000000", linewidth=1)
    ax.set(ylim=(len(names) - 0.5, -0.5), xlim=(0, most), xlabel="eyes of the image, grey levels")
    ax.set_yticks(range(len(names)), labels=names)
    ax.tick_params(axis="y", length=0)
    return ax


def _power_of_ten(value: float) -> str:
    return "10" + f"{np.log10(value):.0f}".translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _floor(values: pd.Series) -> float:
    """A power of ten that no value but 0 lies below."""
    least = float(values[values > 0].min())
    return float(10.0 ** np.floor(np.log10(least)))
