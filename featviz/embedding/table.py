"""Embedding tables, in memory and on disk."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from featviz.errors import FeatvizError
from featviz.files import atomic_write

SEED_PLACES = "seed_places"
COLUMNS = ("sketch", "group", "checkpoint", "variant", "layer", "x", "y", "multiplicity")


@dataclass(frozen=True, eq=False)
class EmbeddingTable:
    """Maps of one or more feature tables and layers, made by one method with one setting.

    frame: one row per sketch x checkpoint x layer with columns sketch, group, checkpoint, variant,
    layer, x, y, multiplicity (how many sketches lie at exactly this place), and, from
    `seed_spread`, seed_places (x, y of each seed in turn).
    metadata: method, parameters, seed, version and `panels`: one dictionary per checkpoint x layer
    with checkpoint, digest, variant, layer, channels, sketches, distinct, scale,
    within_group_distance, between_group_distance (see `group_distances`; the unit of x and y for
    PCA, MDS and Isomap too; of distances_sampled sketches where there are too many),
    trustworthiness, continuity, quality_neighbours (see `neighbourhood_quality`) and what the
    method adds: explained_variance_ratio; effective_perplexity, kl_divergence, repulsion ("exact"
    or "interpolated"), neighbours ("exact" or how they were found); stress; effective_neighbours,
    pieces; seeds (see `seed_spread`).
    """

    frame: pd.DataFrame
    metadata: dict[str, Any]

    @property
    def panels(self) -> list[dict[str, Any]]:
        """Metadata of the panels in drawing order: checkpoint by checkpoint, layer by layer."""
        panels: list[dict[str, Any]] = self.metadata["panels"]
        return panels

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """The checkpoints, in order."""
        return tuple(dict.fromkeys(panel["checkpoint"] for panel in self.panels))

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers, in order."""
        return tuple(dict.fromkeys(panel["layer"] for panel in self.panels))

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups, in order of first appearance."""
        return tuple(dict.fromkeys(self.frame["group"]))

    def panel(self, checkpoint: str, layer: str) -> "EmbeddingTable":
        """The table of one checkpoint and layer; raises FeatvizError if it is not there."""
        panels = [p for p in self.panels if (p["checkpoint"], p["layer"]) == (checkpoint, layer)]
        if not panels:
            available = ", ".join(f"{p['checkpoint']} {p['layer']}" for p in self.panels)
            raise FeatvizError(f"no panel '{checkpoint} {layer}'; there are {available}")
        rows = (self.frame["checkpoint"] == checkpoint) & (self.frame["layer"] == layer)
        return EmbeddingTable(
            self.frame[rows].reset_index(drop=True), {**self.metadata, "panels": panels}
        )


def join(tables: Iterable[EmbeddingTable]) -> EmbeddingTable:
    """Put the embeddings of several feature tables into one, in the given order.

    Raises FeatvizError if there is none, if method, parameters or seed differ, or if a checkpoint
    and layer occur twice.
    """
    tables = list(tables)
    if not tables:
        raise FeatvizError("no embeddings to join")
    first = tables[0].metadata
    panels: list[dict[str, Any]] = []
    for table in tables:
        for key in ("method", "parameters", "seed"):
            if table.metadata[key] != first[key]:
                raise FeatvizError(
                    f"cannot join embeddings with {key} {first[key]} and {table.metadata[key]}"
                )
        panels.extend(table.panels)
    names = [(panel["checkpoint"], panel["layer"]) for panel in panels]
    if twice := [name for name in names if names.count(name) > 1]:
        raise FeatvizError(f"'{twice[0][0]}', layer {twice[0][1]}, is given more than once")
    frame = pd.concat([table.frame for table in tables], ignore_index=True)
    return EmbeddingTable(frame, {**first, "panels": panels})


def write_embedding(table: EmbeddingTable, path: Path) -> None:
    """Write an embedding as parquet, the metadata as JSON text under the key `featviz`."""
    columns = [*COLUMNS, *([SEED_PLACES] if SEED_PLACES in table.frame else [])]
    arrow = pa.Table.from_pandas(table.frame[columns], preserve_index=False)
    arrow = arrow.replace_schema_metadata({b"featviz": json.dumps(table.metadata).encode()})
    with atomic_write(Path(path)) as temporary:
        pq.write_table(arrow, temporary, compression="zstd")


def read_embedding(path: Path) -> EmbeddingTable:
    """Read an embedding; raises FeatvizError saying what is missing or malformed."""
    path = Path(path)
    if not path.is_file():
        raise FeatvizError(f"{path}: no such embedding; make one with `featviz plot`")
    try:
        arrow = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise FeatvizError(f"{path} is not a parquet file: {error}") from None
    missing = [column for column in COLUMNS if column not in arrow.column_names]
    text = (arrow.schema.metadata or {}).get(b"featviz")
    if missing or text is None:
        lacks = f"columns {', '.join(missing)}" if missing else "featviz metadata"
        raise FeatvizError(f"{path} is not an embedding: it lacks {lacks}")
    columns = [*COLUMNS, *([SEED_PLACES] if SEED_PLACES in arrow.column_names else [])]
    return EmbeddingTable(arrow.to_pandas()[columns], json.loads(text))
