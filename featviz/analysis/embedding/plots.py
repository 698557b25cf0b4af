"""Pictures of embeddings: functions (table, ax) -> ax, and whole figures of panels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from featviz.analysis.embedding import METHODS, EmbeddingTable
from featviz.analysis.embedding.captions import embedding_caption
from featviz.analysis.embedding.table import SEED_PLACES
from featviz.base.errors import FeatvizError
from featviz.base.ordering import natural_key
from featviz.figures.labels import FONT_SIZE, draw_labels, shortened, text_width
from featviz.figures.style import GREY, LINE, STYLE, draw_caption, plain_text, wrap_caption

__all__ = [
    "GROUP_STYLE",
    "GroupStyle",
    "distances",
    "draw_embedding",
    "draw_legend",
    "embedding_caption",
    "embedding_figure",
    "group_styles",
]

_MARKER_AREA = 20.0
_RING_AREA = 75.0
_LABEL, _LEGEND_LABEL = 0.9, 2.2
"""Inches that the name of a group may take beside its points, and in the legend."""


@dataclass(frozen=True)
class GroupStyle:
    """How the points of a group look."""

    color: str
    marker: str


# Okabe and Ito's colours, and two of Tol's: for normal, protan, deutan and tritan sight any two are
# 10 CIEDE2000 apart or more; the markers serve whoever sees no colour at all.
# Sketches with the same eyes share a hue: G8 and G11 are blue, G9 and G10 are orange.
GROUP_STYLE: dict[str, GroupStyle] = {
    "G1": GroupStyle("#009E73", "o"),
    "G2": GroupStyle("#000000", "s"),
    "G3": GroupStyle("#CC79A7", "^"),
    "G4": GroupStyle("#F0E442", "v"),
    "G5": GroupStyle("#882255", "D"),
    "G6": GroupStyle("#332288", "X"),
    "G7": GroupStyle("#BBBBBB", "*"),
    "G8": GroupStyle("#0072B2", "P"),
    "G9": GroupStyle("#D55E00", ">"),
    "G10": GroupStyle("#E69F00", "<"),
    "G11": GroupStyle("#56B4E9", "d"),
}
"""The look of the 11 groups of the study, in every figure."""


def group_styles(groups: Sequence[str]) -> dict[str, GroupStyle]:
    """A style for each group: the study's where the name is one, else one that is still free.

    Other groups get pairs of colour and marker that no group has, as long as the 121 pairs last.
    """
    known = {name: GROUP_STYLE[name] for name in groups if name in GROUP_STYLE}
    others = [name for name in groups if name not in known]
    # Diagonals of the colour x marker square: the first 11 differ in both.
    looks = list(GROUP_STYLE.values())
    square = (
        GroupStyle(looks[i].color, looks[(i + shift) % len(looks)].marker)
        for shift, i in product(range(len(looks)), range(len(looks)))
    )
    free = [style for style in square if style not in known.values()]
    known |= {name: free[i % len(free)] for i, name in enumerate(others)}
    return {name: known[name] for name in groups}


@plain_text()
def draw_embedding(
    table: EmbeddingTable, ax: Axes, *, half_width: float | None = None, title: str | None = None
) -> Axes:
    """Scatter one panel: each distinct vector once, a ring and `xn` where n > 1 sketches tie.

    PCA, MDS and Isomap are drawn in units of the panel's scale, the root mean square distance of a
    vector to their mean, so panels of different layers and networks can be compared; other maps
    have no unit and get no ticks. From `seed_spread`, thin lines lead to the places of other seeds.
    half_width: half the side of the square shown, in these units (default: fits).
    """
    if len(table.panels) != 1:
        raise FeatvizError(f"an axes shows one panel; given {len(table.panels)}: use .panel()")
    panel, name = table.panels[0], table.metadata["method"]
    method = METHODS[name]
    points = _points(table)
    centre, needed = _extent(points)
    half_width = half_width or needed
    ax.set(
        xlim=(centre[0] - half_width, centre[0] + half_width),
        ylim=(centre[1] - half_width, centre[1] + half_width),
        aspect="equal",
    )
    styles = group_styles(sorted(table.groups, key=natural_key))
    crowd = points.groupby(["x", "y"], sort=False)["group"].transform("size")
    rank = points.groupby(["x", "y"], sort=False).cumcount()
    # Groups that share a point are drawn inside one another, the first one outside.
    area = _MARKER_AREA * (1 + 1.8 * (crowd - 1 - rank))
    # A few turns through the groups: no group lies on top of another everywhere.
    turn = points.groupby("group", sort=False).cumcount() % 4
    for depth, part in product(range(int(rank.max()) + 1), range(4)):
        for group, look in styles.items():
            of = (points["group"] == group) & (rank == depth) & (turn == part)
            if of.any():
                ax.scatter(
                    points.loc[of, "x"],
                    points.loc[of, "y"],
                    s=area[of],
                    c=look.color,
                    marker=look.marker,
                    linewidths=0.4,
                    edgecolors=_edge(look.color),
                    zorder=3 + depth,
                )
    _draw_seeds(points, styles, ax)
    _draw_ties(points, ax)
    labels = [f"{method.label} 1", f"{method.label} 2"]
    if name == "pca":
        ratios = panel["explained_variance_ratio"]
        labels = [f"PC {i} ({100 * ratio:.1f} %)" for i, ratio in enumerate(ratios, 1)]
    ax.set_xlabel(labels[0], labelpad=2)
    ax.set_ylabel(labels[1], labelpad=1)
    if method.has_unit:
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        ax.grid(color="#E6E6E6", linewidth=0.5)
    else:
        ax.set(xticks=[], yticks=[])
    wide = ax.bbox.width / ax.figure.dpi
    checkpoint = shortened(panel["checkpoint"], 0.7 * wide, 1.15 * STYLE["axes.titlesize"])
    heading = title or f"{checkpoint} · {panel['layer']}"
    # The title is older than this function's plain text.
    ax.set_title(heading, loc="left", pad=13, fontweight="bold", parse_math=False)
    ax.annotate(
        _facts(panel),
        (0, 1),
        (0, 3),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=7,
        color=GREY,
    )
    return ax


@plain_text()
def embedding_figure(
    table: EmbeddingTable,
    *,
    titles: Mapping[tuple[str, str], str] | None = None,
    meanings: Mapping[str, str] | None = None,
    remarks: str = "",
    panel_inches: float = 2.35,
) -> Figure:
    """A grid of panels, checkpoints down and layers across, one legend, one caption.

    Panels of PCA, MDS and Isomap share one scale. titles: (checkpoint, layer) -> title of that
    panel. meanings: group -> what changes in it. remarks: sentences to put before the caption.
    """
    rows, columns = table.checkpoints, table.layers
    panels = {(row, column): table.panel(row, column) for row in rows for column in columns}
    half_width = None
    has_unit = METHODS[table.metadata["method"]].has_unit
    if has_unit:
        half_width = max(_extent(_points(panel))[1] for panel in panels.values())
    left, right, top, gap_x, gap_y, below = 0.5, 0.12, 0.42, 0.55, 0.85, 0.5
    if not has_unit:
        left, gap_x, gap_y, below = 0.3, 0.35, 0.7, 0.35
    width = left + len(columns) * panel_inches + (len(columns) - 1) * gap_x + right
    width = max(width, 4.6)
    groups = sorted(table.groups, key=natural_key)
    has_ties = bool((table.frame["multiplicity"] > 1).any())
    legend_columns, legend_rows = _legend_shape(groups, meanings, has_ties, width)
    text = wrap_caption(f"{remarks} {embedding_caption(table)}".strip(), width)
    bottom = below + 0.19 * legend_rows + 0.2 + LINE * len(text)
    height = top + len(rows) * panel_inches + (len(rows) - 1) * gap_y + bottom
    figure = Figure(figsize=(width, height))
    for (i, row), (j, column) in product(enumerate(rows), enumerate(columns)):
        x = left + j * (panel_inches + gap_x)
        y = height - top - i * (panel_inches + gap_y) - panel_inches
        ax = figure.add_axes((x / width, y / height, panel_inches / width, panel_inches / height))
        title = (titles or {}).get((row, column))
        draw_embedding(panels[row, column], ax, half_width=half_width, title=title)
    draw_legend(
        figure,
        groups,
        meanings,
        ties=has_ties,
        ncols=legend_columns,
        loc="lower left",
        bbox_to_anchor=(0.12 / width, (0.17 + LINE * len(text)) / height),
    )
    draw_caption(figure, text)
    return figure


@plain_text()
def draw_legend(
    target: Figure | Axes,
    groups: Sequence[str],
    meanings: Mapping[str, str] | None = None,
    *,
    ties: bool = False,
    **options: Any,
) -> Legend:
    """One legend for the groups, `G1 hair` where a meaning is given; options as in matplotlib."""
    handles = [
        Line2D(
            [],
            [],
            linestyle="none",
            color=look.color,
            marker=look.marker,
            markersize=6,
            markeredgewidth=0.4,
            markeredgecolor=_edge(look.color),
            label=label,
        )
        for look, label in zip(
            group_styles(groups).values(), _legend_labels(groups, meanings), strict=True
        )
    ]
    if ties:
        ring = Line2D([], [], linestyle="none", marker="o", markersize=8, label=_TIES)
        ring.set(markerfacecolor="none", markeredgecolor="black", markeredgewidth=0.7)
        handles.append(ring)
    options = {
        "frameon": False,
        "handletextpad": 0.2,
        "columnspacing": 1.0,
        "borderpad": 0,
        "borderaxespad": 0,
        **options,
    }
    return target.legend(handles=handles, **options)


_TIES = "×n: n equal vectors"


def _points(table: EmbeddingTable) -> pd.DataFrame:
    """One row per distinct point x group, in drawing units, with the multiplicity of the point."""
    panel = table.panels[0]
    unit = panel["scale"] if METHODS[table.metadata["method"]].has_unit else 1.0
    frame = table.frame.assign(x=table.frame["x"] / unit, y=table.frame["y"] / unit)
    frame = frame.drop_duplicates(["x", "y", "group"])
    order = {name: i for i, name in enumerate(sorted(table.groups, key=natural_key))}
    return frame.sort_values("group", key=lambda column: column.map(order), kind="stable")


def _extent(points: pd.DataFrame) -> tuple[NDArray[np.float64], float]:
    """Centre of the bounding box and half the side of a square around it, with a margin."""
    places = points[["x", "y"]].to_numpy(dtype=np.float64)
    if SEED_PLACES in points:
        places = np.concatenate([places, _seed_places(points).reshape(-1, 2)])
    low, high = places.min(axis=0), places.max(axis=0)
    return (low + high) / 2, float((high - low).max()) / 2 * 1.15


def _seed_places(points: pd.DataFrame) -> NDArray[np.float64]:
    """(points, seeds, 2)."""
    return np.stack(points[SEED_PLACES].to_list()).reshape(len(points), -1, 2)


def _draw_seeds(points: pd.DataFrame, styles: Mapping[str, GroupStyle], ax: Axes) -> None:
    if SEED_PLACES not in points:
        return
    once = points.drop_duplicates(["x", "y"])
    places = _seed_places(once)
    here = np.broadcast_to(once[["x", "y"]].to_numpy()[:, None], places.shape)
    lines = np.stack([here, places], axis=2)
    colors = np.repeat([styles[name].color for name in once["group"]], places.shape[1])
    ax.add_collection(
        LineCollection(
            list(lines.reshape(-1, 2, 2)), colors=colors, linewidths=0.5, alpha=0.3, zorder=2
        ),
        autolim=False,
    )


def _draw_ties(points: pd.DataFrame, ax: Axes) -> None:
    ties = points[points["multiplicity"] > 1]
    if ties.empty:
        return
    labels, places = [], []
    # The largest ties choose their place first.
    for members in sorted(
        (members for _, members in ties.groupby(["x", "y"], sort=False)),
        key=lambda members: -int(members["multiplicity"].iloc[0]),
    ):
        names, count = list(members["group"]), int(members["multiplicity"].iloc[0])
        shown = f"{len(names)} groups"
        if len(names) <= 3:
            shown = "+".join(shortened(name, _LABEL, FONT_SIZE) for name in names)
        labels.append(f"{shown} ×{count}")
        places.append(members[["x", "y"]].to_numpy()[0])
    rings = np.array(places)
    ax.scatter(
        rings[:, 0],
        rings[:, 1],
        s=_RING_AREA,
        facecolors="none",
        edgecolors="black",
        linewidths=0.7,
        zorder=20,
    )
    draw_labels(ax, rings, labels, points[["x", "y"]].drop_duplicates().to_numpy())


def distances(within: float | None, between: float | None) -> str:
    """The two as text, `within 3.00 = 0.205 × between`; only what is exactly 0 reads as 0."""
    if within and between:
        return f"within {within:#.3g} = {within / between:#.3g} × between"
    one, other = (
        "n/a" if value is None else f"{value:#.3g}" if value else "0" for value in (within, between)
    )
    return f"within {one}, between {other}"


def _facts(panel: Mapping[str, Any]) -> str:
    within, between = panel["within_group_distance"], panel["between_group_distance"]
    return f"{panel['distinct']}/{panel['sketches']} distinct · {distances(within, between)}"


def _legend_labels(groups: Sequence[str], meanings: Mapping[str, str] | None) -> list[str]:
    size = STYLE["legend.fontsize"]
    names = {name: shortened(name, _LEGEND_LABEL, size) for name in groups}
    return [f"{names[name]} {(meanings or {}).get(name, '')}".strip() for name in groups]


def _legend_shape(
    groups: Sequence[str], meanings: Mapping[str, str] | None, ties: bool, width: float
) -> tuple[int, int]:
    """The most columns that fit `width` inches, and the rows they make."""
    labels = _legend_labels(groups, meanings) + ([_TIES] if ties else [])
    widths = [text_width(label, STYLE["legend.fontsize"]) + 0.42 for label in labels]
    for rows in range(1, len(labels) + 1):
        columns = [max(widths[i : i + rows]) for i in range(0, len(widths), rows)]
        if sum(columns) < width - 0.24:
            break
    return len(columns), rows


def _edge(color: str) -> str:
    red, green, blue = mpl.colors.to_rgb(color)
    return "white" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.6 else "#666666"
