"""Embedding tables, in memory and on disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from featviz.base.errors import FeatvizError
from featviz.base.table import ColumnKind, Table

SEED_PLACES = "seed_places"


@dataclass
class _Panel:
    checkpoint: str
    layer: str


@dataclass
class _Metadata:
    panels: list[_Panel]


@dataclass(frozen=True, eq=False)
class EmbeddingTable(Table):
    """Maps of one or more feature tables and layers, made by one method with one setting.

    rows: one row per sketch x checkpoint x layer with columns sketch, group, checkpoint, variant,
    layer, x, y, multiplicity (how many sketches lie at exactly this place), and, from
    `seed_spread`, seed_places (x, y of each seed in turn).
    metadata: method, parameters, seed, version and `panels`: one dictionary per checkpoint x layer
    with checkpoint, digest, variant, layer, channels, sketches, distinct, scale,
    within_group_distance, between_group_distance (see `group_distances`; the unit of x and y for
    PCA, MDS and Isomap too; of distances_sampled sketches where there are too many),
    trustworthiness, continuity, quality_neighbours (see `neighbourhood_quality`) and what the
    method adds: explained_variance_ratio; effective_perplexity, kl_divergence, repulsion ("exact"
    or "interpolated"), neighbours ("all", or how many and how they were found; "exact" in older
    files: the nearest 3 x perplexity); stress; effective_neighbours, pieces; seeds (see
    `seed_spread`).
    """

    noun: ClassVar[str] = "embedding"
    command: ClassVar[str] = "featviz plot --save-embedding"
    columns: ClassVar[Mapping[str, ColumnKind]] = {
        "sketch": "text",
        "group": "text",
        "checkpoint": "text",
        "variant": "text",
        "layer": "text",
        "x": "number",
        "y": "number",
        "multiplicity": "whole",
    }
    key: ClassVar[tuple[str, ...]] = ("checkpoint", "layer", "sketch")
    endings: ClassVar[tuple[str, ...]] = ()
    description: ClassVar[type] = _Metadata
    alike: ClassVar[tuple[str, ...]] = ("method", "parameters", "seed")
    gathered: ClassVar[str] = "panels"
    joined_by: ClassVar[tuple[str, ...]] = ("checkpoint", "layer")

    def __post_init__(self) -> None:
        super().__post_init__()
        if SEED_PLACES in self.rows:
            shapes = {np.shape(places) for places in self.rows[SEED_PLACES]}
            if len(shapes) > 1 or any(len(shape) != 1 or shape[0] % 2 for shape in shapes):
                raise FeatvizError(
                    f"column '{SEED_PLACES}' takes x and y of each seed, as many in every row"
                )

    @property
    def frame(self) -> pd.DataFrame:
        """The rows."""
        return self.rows

    @property
    def panels(self) -> list[dict[str, Any]]:
        """Metadata of the panels in drawing order: checkpoint by checkpoint, layer by layer."""
        panels: list[dict[str, Any]] = self.metadata["panels"]
        return panels

    def panel(self, checkpoint: str, layer: str) -> "EmbeddingTable":
        """The table of one checkpoint and layer; raises FeatvizError if it is not there."""
        panels = [p for p in self.panels if (p["checkpoint"], p["layer"]) == (checkpoint, layer)]
        if not panels:
            available = ", ".join(f"{p['checkpoint']} {p['layer']}" for p in self.panels)
            raise FeatvizError(f"no panel '{checkpoint} {layer}'; there are {available}")
        rows = self.values(checkpoint=checkpoint, layer=layer).reset_index(drop=True)
        return EmbeddingTable(rows, {**self.metadata, "panels": panels})


EMBEDDING_COLUMNS = tuple(EmbeddingTable.columns)
join = EmbeddingTable.join
read_embedding = EmbeddingTable.read
write_embedding = EmbeddingTable.write
