"""Feature table -> embedding table, by any of the methods."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from featviz.analysis.comparable import require_one_point
from featviz.analysis.embedding.methods import draw_map, method_named
from featviz.analysis.embedding.orientation import orient
from featviz.analysis.embedding.quality import neighbourhood_quality
from featviz.analysis.embedding.settings import (
    MIN_DIST,
    NEIGHBOURS,
    PERPLEXITY,
    START,
    Map,
    Method,
    MethodSettings,
    Places,
)
from featviz.analysis.embedding.starts import shared_starts, start_of
from featviz.analysis.embedding.table import EmbeddingTable, join
from featviz.analysis.embedding.ties import Ties, merge_ties
from featviz.analysis.separation import group_distances
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable
from featviz.base.progress import track
from featviz.base.provenance import VERSION, VERSION_KEY

_DISTANCE_LIMIT = 5000
"""The most sketches whose distances within and between groups are measured pair by pair."""


def embed(
    table: FeatureTable,
    method: str,
    layers: Sequence[str] | None = None,
    *,
    seed: int = 0,
    perplexity: float = PERPLEXITY,
    neighbours: int = NEIGHBOURS,
    min_dist: float = MIN_DIST,
    start: str = START,
    shared: Mapping[str, pd.DataFrame] | None = None,
) -> EmbeddingTable:
    """Map the vectors of each layer of a feature table to two dimensions, each layer by itself.

    method: a name of METHODS. layers: names, in drawing order; all layers of the table if None.
    seed, perplexity, neighbours, min_dist, start: see `MethodSettings`; a method ignores what is
    not among its options. shared: for each layer a start (index sketch, columns x, y) instead of
    the method's own, see `embed_all`. The table holds one point: choose it with
    `FeatureTable.select(points=[...])`. Returns one row per sketch and layer. Axes have no sign of
    their own: each points away from the first group, see `orient`, unless a shared start decides.

    Raises FeatvizError if the method or a layer is unknown, a setting is out of range, the table
    holds no or several points, a vector is not finite, all vectors of a layer are equal, or there
    are too few or too many for the method.
    """
    settings = MethodSettings(seed, perplexity, neighbours, min_dist, start)
    chosen = method_named(method)
    if shared is not None:
        _require_start(chosen, settings)
    table = one_point(table, layers)
    frames, panels = [], []
    for layer in table.layers:
        ties = panel_ties(table, layer)
        places = None
        if shared is not None:
            places = start_of(shared[layer], table.rows["sketch"].to_list(), ties)
        mapped = panel_map(table, layer, chosen, ties, settings, places)
        frame, panel = panel_of(table, layer, ties, mapped, turn=shared is None)
        frames.append(frame)
        panels.append(panel)
    return EmbeddingTable(
        pd.concat(frames, ignore_index=True),
        description(method, settings, panels, shared is not None),
    )


def embed_all(
    tables: Sequence[FeatureTable],
    method: str,
    layers: Sequence[str] | None = None,
    *,
    share_start: bool = False,
    **settings: Any,
) -> EmbeddingTable:
    """`embed` each table and join them; all of a layer from one start if `share_start`.

    layers: of the first table if None. The shared start of a layer is PCA of the vectors of all
    tables side by side (`shared_starts`): the order of the tables does not matter, none leads, and
    every panel keeps the orientation of the start. settings: as `embed` takes them.
    """
    if not tables:
        raise FeatvizError("no feature tables to embed")
    layers = list(layers or tables[0].layers)
    shared = None
    if share_start:
        shared = starts_for(tables, method, layers, settings.get("start", START))
    return join(
        embed(table, method, layers, shared=shared, **settings)
        for table in track(tables, f"maps by {method}")
    )


def starts_for(
    tables: Sequence[FeatureTable], method: str, layers: Sequence[str], start: str
) -> dict[str, pd.DataFrame]:
    """The shared start of each layer; raises FeatvizError if method or setting excludes one."""
    _require_start(method_named(method), MethodSettings(start=start))
    tables = [one_point(table, layers) for table in tables]
    return dict(zip(layers, shared_starts(tables, layers), strict=True))


def one_point(table: FeatureTable, layers: Sequence[str] | None) -> FeatureTable:
    """The layers of a table that holds one point; raises FeatvizError if it holds several."""
    table = table.select(layers=layers)
    if len(table):
        require_one_point(table, table.checkpoint)
    return table


def panel_ties(table: FeatureTable, layer: str) -> Ties:
    """The distinct vectors of a layer; errors name checkpoint and layer."""
    try:
        return merge_ties(table.vectors[layer])
    except FeatvizError as error:
        raise FeatvizError(f"{table.checkpoint}, layer {layer}: {error}") from None


def panel_map(
    table: FeatureTable,
    layer: str,
    method: Method,
    ties: Ties,
    settings: MethodSettings,
    shared: Places | None,
) -> Map:
    """The map of a layer and how far it keeps neighbourhoods; errors name checkpoint and layer."""
    try:
        mapped = draw_map(method, ties, settings, shared)
    except FeatvizError as error:
        raise FeatvizError(f"{table.checkpoint}, layer {layer}: {error}") from None
    quality = neighbourhood_quality(ties.vectors, mapped.coordinates)
    return Map(mapped.coordinates, {**mapped.metadata, **quality})


def panel_of(
    table: FeatureTable, layer: str, ties: Ties, mapped: Map, *, turn: bool
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows and metadata of one panel; turn: let `orient` choose the signs of the axes."""
    groups = table.rows["group"].to_numpy()
    checkpoint = table.checkpoint
    variant = str(table.metadata.get("variant") or "")
    coordinates = mapped.coordinates[ties.index]
    if turn:
        coordinates = orient(coordinates, groups)
    frame = pd.DataFrame(
        {
            "sketch": table.rows["sketch"].to_numpy(),
            "group": groups,
            "checkpoint": checkpoint,
            "variant": variant,
            "layer": layer,
            "x": coordinates[:, 0],
            "y": coordinates[:, 1],
            "multiplicity": ties.multiplicity[ties.index],
        }
    )
    panel = {
        "checkpoint": checkpoint,
        "digest": str(table.metadata.get("digest") or ""),
        "variant": variant,
        "layer": layer,
        "channels": table.vectors[layer].shape[1],
        "sketches": len(table),
        "distinct": len(ties.vectors),
        **_distances(ties, table.vectors[layer], groups),
        **mapped.metadata,
    }
    return frame, panel


def description(
    method: str, settings: MethodSettings, panels: list[dict[str, Any]], share_start: bool
) -> dict[str, Any]:
    """Metadata of an embedding."""
    options = [name for name in method_named(method).options if name != "seed"]
    parameters: dict[str, Any] = {name: getattr(settings, name) for name in options}
    if share_start:
        parameters["start"] = "shared"
    return {
        "method": method,
        "parameters": parameters,
        "seed": settings.seed,
        VERSION_KEY: VERSION,
        "panels": panels,
    }


def _require_start(method: Method, settings: MethodSettings) -> None:
    if not method.moves_points:
        raise FeatvizError(f"{method.label} has no start that panels could share")
    if settings.start != START:
        raise FeatvizError(f"a shared start is by PCA; it excludes the start '{settings.start}'")


def _distances(ties: Ties, vectors: NDArray[np.float32], groups: NDArray[Any]) -> dict[str, Any]:
    """Within, between and scale; of a sample, and said so, where all pairs would take hours."""
    chosen = np.arange(len(vectors))
    sampled = {}
    if len(vectors) > _DISTANCE_LIMIT:
        # In an order that the rows of the table do not decide.
        order = np.lexsort((groups.astype(str), ties.index))
        rng = np.random.default_rng(0)
        chosen = order[rng.choice(len(vectors), _DISTANCE_LIMIT, replace=False)]
        sampled = {"distances_sampled": _DISTANCE_LIMIT}
    within, between, scale = group_distances(vectors[chosen].astype(np.float64), groups[chosen])
    return {
        "scale": scale,
        "within_group_distance": within,
        "between_group_distance": between,
        **sampled,
    }
