"""Feature table -> embedding table, by any of the methods."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

import featviz
from featviz.embedding.orientation import orient
from featviz.embedding.projection import pca
from featviz.embedding.settings import PERPLEXITY, Map, Settings
from featviz.embedding.t_sne import tsne
from featviz.embedding.table import EmbeddingTable
from featviz.embedding.ties import Ties, merge_ties
from featviz.errors import FeatvizError
from featviz.structure import group_distances
from featviz.tables import FeatureTable

METHODS: dict[str, Callable[[Ties, Settings], Map]] = {"pca": pca, "tsne": tsne}


def embed(
    table: FeatureTable,
    method: str,
    layers: Sequence[str] | None = None,
    *,
    seed: int = 0,
    perplexity: float = PERPLEXITY,
) -> EmbeddingTable:
    """Map the vectors of each layer of a feature table to two dimensions, each layer by itself.

    method: "pca" or "tsne". layers: names, in drawing order; all layers of the table if None.
    seed, perplexity: for t-SNE alone; see `tsne` and `effective_perplexity`. The table holds one
    point: choose it with `FeatureTable.select(points=[...])`. Returns one row per sketch and layer.
    Axes have no sign of their own: each points away from the first group, see `orient`.

    Raises FeatvizError if the method or a layer is unknown, the seed or the perplexity is out of
    range, the table holds no or several points, a vector is not finite, all vectors of a layer are
    equal, or there are too few for t-SNE.
    """
    if method not in METHODS:
        raise FeatvizError(f"unknown method '{method}'; there are {', '.join(METHODS)}")
    if not 0 <= seed < 2**32:
        raise FeatvizError(f"the seed must lie between 0 and {2**32 - 1}; got {seed}")
    table = table.select(layers=layers)
    if len(table.points) > 1:
        given = ", ".join(f"({x}, {y})" for x, y in table.points)
        raise FeatvizError(
            f"the feature table holds {len(table.points)} points, {given}; a map takes one"
        )
    settings = Settings(seed, perplexity)
    groups = table.rows["group"].to_numpy()
    # A table of somebody's own module need not name a checkpoint.
    checkpoint = str(table.metadata.get("checkpoint") or "model")
    variant = str(table.metadata.get("variant") or "")
    frames, panels = [], []
    for layer in table.layers:
        vectors = np.asarray(table.vectors[layer], dtype=np.float64)
        try:
            ties = merge_ties(vectors)
            mapped = METHODS[method](ties, settings)
        except FeatvizError as error:
            raise FeatvizError(f"{checkpoint}, layer {layer}: {error}") from None
        within, between, scale = group_distances(vectors, groups)
        coordinates = orient(mapped.coordinates[ties.index], groups)
        frames.append(
            pd.DataFrame(
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
        )
        panels.append(
            {
                "checkpoint": checkpoint,
                "digest": str(table.metadata.get("digest") or ""),
                "variant": variant,
                "layer": layer,
                "channels": vectors.shape[1],
                "sketches": len(vectors),
                "distinct": len(ties.vectors),
                "scale": scale,
                "within_group_distance": within,
                "between_group_distance": between,
                **mapped.metadata,
            }
        )
    parameters = {"perplexity": perplexity} if method == "tsne" else {}
    metadata = {
        "method": method,
        "parameters": parameters,
        "seed": seed,
        "version": featviz.__version__,
        "panels": panels,
    }
    return EmbeddingTable(pd.concat(frames, ignore_index=True), metadata)
