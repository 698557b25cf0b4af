"""Distributions of distances within and between groups."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from featviz.analysis.comparable import checkpoint_names
from featviz.analysis.separation.distances import activation_scale, distance_matrix
from featviz.analysis.separation.groups import regroup
from featviz.base.feature_table import FeatureTable
from featviz.figures.labels import shortened, text_width
from featviz.figures.style import GREY, LINE, draw_caption, plain_text, wrap_caption

_COLORS = {"within": "#0072B2", "between": "#D9D9D9"}
_LONGEST = 1.1
"""Inches that the name of a group may take."""


def pair_distances(table: FeatureTable, layer: str) -> pd.DataFrame:
    """Distances of all pairs of sketches of one layer, columns group, pairs, distance.

    A pair of one group is a row of it, `within`; a pair of two groups a row of each of them,
    `between`. distance: Euclidean, in units of `activation_scale`, so layers and checkpoints
    compare; 0 throughout where all vectors are identical. Raises FeatvizError on NaN.
    """
    vectors, groups = table.vectors[layer], table.rows["group"].to_numpy()
    distances = distance_matrix(vectors) / (activation_scale(vectors) or 1.0)
    of_group = []
    for name in dict.fromkeys(groups.tolist()):
        own = groups == name
        inside = distances[np.ix_(own, own)]
        for pairs, found in (
            ("within", inside[np.triu_indices(len(inside), 1)]),
            ("between", distances[np.ix_(own, ~own)].ravel()),
        ):
            of_group.append(pd.DataFrame({"group": name, "pairs": pairs, "distance": found}))
    return pd.concat(of_group, ignore_index=True)


def _draw_distances(distances: pd.DataFrame, groups: Sequence[str], ax: Axes) -> None:
    """Groups down, of each the two distributions above and below its line, of equal height."""
    import seaborn as sns

    sns.violinplot(
        distances,
        x="distance",
        y="group",
        hue="pairs",
        hue_order=list(_COLORS),
        palette=_COLORS,
        order=list(groups),
        split=True,
        gap=0.06,
        inner="quart",
        inner_kws={"linewidth": 0.6},
        cut=0,
        density_norm="width",
        width=0.9,
        linewidth=0.4,
        saturation=1,
        legend=False,
        ax=ax,
    )
    within = distances[distances["pairs"] == "within"].groupby("group")["distance"]
    for group, (least, most) in within.agg(["min", "max"]).iterrows():
        if least == most:
            # No width to see: a group whose vectors are all the same, the most telling one.
            line = groups.index(str(group))
            ax.vlines(least, line - 0.42, line, _COLORS["within"], linewidth=2.4, clip_on=False)
    ax.set(xlabel="", ylabel="")
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="#E6E6E6", linewidth=0.5)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)


@plain_text()
def structure_figure(
    tables: Sequence[FeatureTable],
    layers: Sequence[str] | None = None,
    *,
    merge: Mapping[str, str] | None = None,
) -> Figure:
    """Checkpoints down, layers across, all on one scale; call it inside `figures.style.style`.

    tables, layers, merge: as `measure_structure` takes them; raises FeatvizError as it does.
    """
    chosen = [regroup(table.select(layers=layers), merge or {}) for table in tables]
    names = checkpoint_names(chosen)
    groups = list(dict.fromkeys(g for table in chosen for g in table.rows["group"]))
    shown = [shortened(group, _LONGEST, 7) for group in groups]
    columns = max(len(table.layers) for table in chosen)
    left = 0.12 + max(text_width(group, 7) for group in shown)
    right, gap, above, between, wide = 0.15, 0.14, 0.52, 0.5, 1.35
    tall = 0.19 * len(groups) + 0.1
    width = max(left + columns * (wide + gap) + right, 4.4)
    lines = wrap_caption(_structure_caption(names, chosen), width)
    below = 0.78 + LINE * len(lines)
    height = above + len(chosen) * (tall + between) - between + below
    figure = Figure(figsize=(width, height))
    first: Axes | None = None
    for row, (name, table) in enumerate(zip(names, chosen, strict=True)):
        bottom = height - above - row * (tall + between) - tall
        for column, layer in enumerate(table.layers):
            x = left + column * (wide + gap)
            ax = figure.add_axes(
                (x / width, bottom / height, wide / width, tall / height), sharex=first
            )
            first = first or ax
            _draw_distances(pair_distances(table, layer), groups, ax)
            ax.set_yticks(range(len(groups)), shown if column == 0 else [""] * len(groups))
            ax.set_title(layer, pad=3)
            last = row == len(chosen) - 1
            ax.tick_params(axis="x", labelbottom=last)
            ax.set_xlabel("distance / scale" if last else "")
        figure.text(
            left / width,
            (bottom + tall + 0.21) / height,
            shortened(name, width - left - right, 8),
            fontweight="bold",
            va="bottom",
        )
    assert first is not None
    first.set_xlim(left=0)
    figure.legend(
        [Patch(facecolor=color, edgecolor=GREY, linewidth=0.4) for color in _COLORS.values()],
        ["two sketches of the group", "one of the group, one of another"],
        loc="lower center",
        bbox_to_anchor=(0.5, (LINE * len(lines) + 0.12) / height),
        ncols=2,
        frameon=False,
    )
    draw_caption(figure, lines)
    return figure


def _structure_caption(names: Sequence[str], tables: Sequence[FeatureTable]) -> str:
    """What the figure shows, as text."""
    x, y = tables[0].points[0]
    digests = ", ".join(
        f"{name} {str(table.metadata.get('digest') or '')[:8]}".strip()
        for name, table in zip(names, tables, strict=True)
    )
    return (
        f"Euclidean distances of the vectors of all pairs of {len(tables[0].rows)} sketches at "
        f"({x}, {y}), all channels, in units of their layer's root mean square distance to the "
        "mean; each distribution as tall as the others, lines at its quartiles; a bar: all alike. "
        f"Groups keep apart where blue ends before grey begins. Checkpoints: {digests}."
    )
