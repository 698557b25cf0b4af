"""Figure 3.8: t-SNE of v4. G8 stays with G11 and G9 with G10, which have equal eyes (claim C9)."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import cdist

from analyses.study import (
    MEANINGS,
    MODIFIED,
    SEEDS,
    Sources,
    load_features,
    vector_name,
)
from featviz.analysis.embedding import seed_spread
from featviz.analysis.embedding.plots import GROUP_STYLE, embedding_figure
from featviz.base.feature_table import FeatureTable

LAYER = "L4"
PAIRS = (("G8", "G11"), ("G9", "G10"))


def draw(sources: Sources) -> Figure:
    """All 11 groups, `modified`; a hull around each pair of groups with equal eyes."""
    features = load_features(sources, MODIFIED)
    table = seed_spread(features, (LAYER,), SEEDS)
    figure = embedding_figure(
        table,
        titles={(MODIFIED, LAYER): f"{vector_name(MODIFIED, LAYER)} · modified"},
        meanings=MEANINGS,
        remarks=_partners(features),
        panel_inches=4.8,
    )
    for pair in PAIRS:
        members = table.frame[table.frame["group"].isin(pair)]
        _draw_hull(members[["x", "y"]].to_numpy(), pair, figure.axes[0])
    return figure


def _draw_hull(points: NDArray[np.float64], pair: tuple[str, str], ax: Axes) -> None:
    try:
        corners = points[ConvexHull(points).vertices]
    except (QhullError, ValueError):
        # All on one line or in one place: there is nothing to go around.
        return
    color = 0.15 * np.array(to_rgb(GROUP_STYLE[pair[0]].color)) + 0.85
    ax.fill(*corners.T, color=color, linewidth=8, joinstyle="round", zorder=0)


def _partners(features: FeatureTable) -> str:
    """How many sketches of the pairs are nearer to the partner group than to any other group."""
    groups = features.rows["group"].to_numpy()
    distances = cdist(features.vectors[LAYER], features.vectors[LAYER])
    facts = []
    for one, other in PAIRS:
        at = {one: other, other: one}
        rows = np.flatnonzero(np.isin(groups, (one, other)))
        nearest = [_nearest_group(distances[row], groups, groups[row]) for row in rows]
        right = sum(near == at[groups[row]] for near, row in zip(nearest, rows, strict=True))
        facts.append(f"{right} of {len(rows)} sketches of {one} and {other}")
    return (
        f"Hulls: groups with equal eyes. On the vectors, {' and '.join(facts)} "
        "have their nearest sketch outside their own group in the partner group."
    )


def _nearest_group(distances: NDArray[np.float64], groups: NDArray[np.object_], own: str) -> str:
    return str(groups[np.where(groups == own, np.inf, distances).argmin()])
