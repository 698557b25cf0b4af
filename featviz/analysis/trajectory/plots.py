"""Curves over training steps."""

import math

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from featviz.analysis.trajectory.measure import TrajectoryTable
from featviz.figures.labels import shortened
from featviz.figures.style import LINE, draw_caption, plain_text, wrap_caption

_TITLES = {
    "ratio": "within / between",
    "relative within": "within / scale",
    "distinct": "distinct vectors",
    "leakage": "leakage at the point",
}
_MARKERS = "osD^vPX*"
_VERDICTS = {
    "holds": ("o", "#1B7837", "green disc"),
    "does not hold": ("x", "#B2182B", "red cross"),
    "cannot be judged": ("o", "#8C6D00", "empty circle"),
}
"""Marker, colour, and both in words."""


def _draw_trajectory(table: TrajectoryTable, ax: Axes, run: str, measure: str) -> Axes:
    """One measure of one run over the steps, a curve a layer: dark is shallow, light is deep."""
    layers = table.layers
    colors = mpl.colormaps["viridis"](np.linspace(0.0, 0.88, len(layers)))
    for number, (layer, color) in enumerate(zip(layers, colors, strict=True)):
        curve = table.curve(run, layer, measure)
        ax.plot(
            curve["step"],
            curve["value"],
            color=color,
            marker=_MARKERS[number % len(_MARKERS)],
            # Where curves coincide, those below still show around those on top.
            markersize=max(2.4, 5.0 - 0.6 * number),
            linewidth=max(0.8, 1.6 - 0.2 * number),
            markeredgewidth=0,
            label=layer,
            clip_on=False,
        )
    top = table.rows.loc[table.rows["measure"] == measure, "value"].max()
    ax.set_ylim(0, 1.05 * top if top > 0 else 1)
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.grid(color="#E6E6E6", linewidth=0.5)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return ax


def _draw_verdicts(verdicts: pd.DataFrame, ax: Axes) -> Axes:
    """Verdicts (see `judge_steps`), claims down, steps across: a mark of its own for each kind."""
    names = list(dict.fromkeys(verdicts["claim"]))
    for verdict, (marker, color, _) in _VERDICTS.items():
        found = verdicts[verdicts["verdict"] == verdict]
        ax.scatter(
            found["step"],
            found["claim"].map(names.index),
            marker=marker,
            s=16,
            linewidths=1.0,
            edgecolors=None if marker == "x" else color,
            facecolors="none" if verdict == "cannot be judged" else color,
            clip_on=False,
        )
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", color="#E6E6E6", linewidth=0.5)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    return ax


@plain_text()
def trajectory_figure(table: TrajectoryTable, verdicts: pd.DataFrame | None = None) -> Figure:
    """Runs down, measures across, each measure with one scale; call it inside `figures.style`.

    verdicts: see `judge_steps`; drawn below.
    """
    measures, runs = table.measures, table.runs
    columns = max(len(measures), 1)
    left, right, gap, tall, between = 0.5, 0.3, 0.42, 1.5, 0.56
    wide = 1.45
    width = left + columns * wide + (columns - 1) * gap + right
    lines = wrap_caption(trajectory_caption(table, verdicts), width)
    judged = 0.0 if verdicts is None else between + 0.14 + tall
    legend = 0.3 * math.ceil(len(table.layers) / max(1, int(width / 0.62)))
    below = 0.42 + legend + LINE * len(lines) + 0.12 + judged
    above = 0.5
    height = above + len(runs) * tall + (len(runs) - 1) * between + below
    figure = Figure(figsize=(width, height))
    for row, run in enumerate(runs):
        bottom = height - above - (row + 1) * tall - row * between
        for column, measure in enumerate(measures):
            x = left + column * (wide + gap)
            ax = figure.add_axes((x / width, bottom / height, wide / width, tall / height))
            _draw_trajectory(table, ax, run, measure)
            if row == 0:
                figure.text(x / width, 1 - 0.12 / height, _TITLES[measure], va="top")
            if row == len(runs) - 1:
                ax.set_xlabel("training step")
        y = (bottom + tall + 0.07) / height
        name = shortened(run, 0.85 * (width - left), 8)
        figure.text(left / width, y, name, fontweight="bold", va="bottom", fontsize=8)
    if verdicts is not None:
        bottom = below - judged
        wide_open = (width - left - right) / width
        _draw_verdicts(
            verdicts, figure.add_axes((left / width, bottom / height, wide_open, tall / height))
        ).set_xlabel("training step")
        y = (bottom + tall + 0.07) / height
        figure.text(left / width, y, "claims", fontweight="bold", va="bottom", fontsize=8)
    handles = [
        Line2D([], [], color=line.get_color(), marker=line.get_marker(), markersize=4, linewidth=1)
        for line in (figure.axes[0].lines if figure.axes else [])
    ]
    figure.legend(
        handles,
        list(table.layers),
        loc="lower center",
        bbox_to_anchor=(0.5, (LINE * len(lines) + 0.12) / height),
        ncols=max(1, min(len(table.layers), int(width / 0.62))),
        frameon=False,
        columnspacing=1.2,
        handlelength=1.6,
    )
    draw_caption(figure, lines)
    return figure


def trajectory_caption(table: TrajectoryTable, verdicts: pd.DataFrame | None = None) -> str:
    """What the figure shows, as text."""
    x, y = table.metadata["point"]
    leakage = (
        " Leakage: length of the change of the vector by an edit outside of the layer's "
        "convolutional receptive field, relative to the layer's root mean square length; mean "
        "over groups."
        if "leakage" in table.measures
        else ""
    )
    marks = ", ".join(f"{mark} {verdict}" for verdict, (*_, mark) in _VERDICTS.items())
    claims = (
        ""
        if verdicts is None
        else f" Claims of baseline and modified at each step, judged by fixed thresholds: {marks}."
    )
    return (
        f"Vectors of {table.metadata['sketches']} sketches at ({x}, {y}) over training. Within, "
        "between: mean "
        "Euclidean distance of two sketches of one group, of two groups; scale: root mean square "
        f"distance to the mean.{leakage} All scales begin at 0, each column has one."
        f"{claims}"
    )
