"""A heat map of similarities."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from featviz.analysis.similarity.compare import SimilarityTable
from featviz.figures.labels import shortened, text_width
from featviz.figures.style import GREY, LINE, STYLE, draw_caption, plain_text, wrap_caption

_CELL, _LONGEST = 0.36, 2.0
"""Inches that a cell takes, and that the name of a checkpoint may."""
_NAMES = {"cka": "debiased linear CKA", "rsa": "RSA"}
_TITLES = {"cka": "Debiased linear CKA", "rsa": "RSA: Spearman correlation of distances"}


@plain_text()
def draw_similarity(table: SimilarityTable, ax: Axes, bar: Axes | None = None) -> Axes:
    """Heat map with a number in every cell; lines part the checkpoints, - is where none is defined.

    Colours run from 0 (or the least, if that is negative) to 1, so maps of several tables compare.
    bar: where to draw the colour bar; none if None.
    """
    import seaborn as sns

    values, count = table.matrix, len(table.panels)
    least = float(np.nanmin(values, initial=0.0))
    sns.heatmap(
        values,
        ax=ax,
        vmin=min(0.0, math.floor(10 * least) / 10),
        vmax=1.0,
        cmap="cividis",
        annot=np.vectorize(_text)(values),
        fmt="",
        annot_kws={"fontsize": 6.5},
        square=True,
        linewidths=0.3,
        linecolor="white",
        cbar=bar is not None,
        cbar_ax=bar,
        xticklabels=[layer for _, layer in table.panels],
        yticklabels=[layer for _, layer in table.panels],
    )
    ax.set_facecolor("#DDDDDD")
    ax.tick_params(length=0, labelrotation=0)
    for row, column in zip(*np.nonzero(np.isnan(values)), strict=True):
        ax.text(column + 0.5, row + 0.5, "-", ha="center", va="center", fontsize=6.5)
    names = [checkpoint for checkpoint, _ in table.panels]
    turned = _turned(table)
    for name in table.checkpoints:
        first, last = names.index(name), count - names[::-1].index(name)
        if last < count:
            ax.axhline(last, color="white", linewidth=2.5)
            ax.axvline(last, color="white", linewidth=2.5)
        middle = (first + last) / 2
        shown = _shown(name)
        # Names that are wider than their layers stand on end along x and lie flat along y.
        ax.annotate(
            shown,
            (middle, 0),
            (0, -16),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            va="top",
            rotation=90 if turned else 0,
            fontweight="bold",
        )
        ax.annotate(
            shown,
            (0, middle),
            (-18, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            va="center",
            rotation=0 if turned else 90,
            fontweight="bold",
        )
    return ax


def _name_widths(table: SimilarityTable) -> dict[str, float]:
    """Inches that the names of the checkpoints take, in bold."""
    size = STYLE["font.size"]
    return {name: 1.15 * text_width(_shown(name), size) for name in table.checkpoints}


def _shown(name: str) -> str:
    return shortened(name, _LONGEST, STYLE["font.size"])


def _turned(table: SimilarityTable) -> bool:
    """Is a checkpoint's name wider than the cells of its layers?"""
    names = [checkpoint for checkpoint, _ in table.panels]
    return any(w > _CELL * names.count(name) for name, w in _name_widths(table).items())


def _text(value: float) -> str:
    if math.isnan(value):
        return ""
    # 0.998 is not 1: only what is 1 to rounding reads as 1.
    shown = f"{value:.2f}".replace("-0.00", "0.00")
    return "0.99+" if shown == "1.00" and value < 1 - 1e-9 else shown


def similarity_figure(table: SimilarityTable) -> Figure:
    """The heat map with its colour bar and caption; call it inside `figures.style.style`."""
    side = _CELL * len(table.panels)
    names = max(_name_widths(table).values()) if _turned(table) else 0.14
    left, right, above = 0.48 + names, 0.75, 0.34
    width = max(left + side + right, 4.4)
    lines = wrap_caption(similarity_caption(table), width)
    below = 0.46 + names + LINE * len(lines)
    height = above + side + below
    figure = Figure(figsize=(width, height))
    ax = figure.add_axes((left / width, below / height, side / width, side / height))
    bar = figure.add_axes(
        ((left + side + 0.12) / width, below / height, 0.13 / width, side / height)
    )
    draw_similarity(table, ax, bar)
    bar.tick_params(length=2, color=GREY)
    figure.text(
        0.12 / width,
        1 - 0.09 / height,
        _TITLES[table.metadata["measure"]],
        va="top",
        fontweight="bold",
        fontsize=9,
    )
    draw_caption(figure, lines)
    return figure


def similarity_caption(table: SimilarityTable) -> str:
    """What the figure shows, as text."""
    metadata = table.metadata
    x, y = metadata["point"]
    if metadata["measure"] == "cka":
        how = "unbiased HSIC, linear kernel; about 0 for independent features"
    else:
        metric = metadata["metric"].replace("euclidean", "Euclidean")
        how = f"of the {metric} distances of all pairs of sketches; ties share ranks"
    digests = ", ".join(
        f"{name} {digest[:8]}".strip() for name, digest in metadata["checkpoints"].items()
    )
    return (
        f"Similarity ({_NAMES[metadata['measure']]}: {how}) of the vectors of "
        f"{metadata['sketches']} sketches at ({x}, {y}), all channels; 1: the same up to "
        f"{'rotation and scale' if metadata['measure'] == 'cka' else 'the order of distances'}. "
        f"Checkpoints: {digests}."
    )
