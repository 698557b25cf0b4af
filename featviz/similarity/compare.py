"""Feature tables -> a matrix of similarities of all their layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from featviz.base.provenance import VERSION, VERSION_KEY
from featviz.errors import FeatvizError
from featviz.files import write_frame
from featviz.panels import checkpoint_names, require_one_point, require_same_sketches
from featviz.progress import track
from featviz.similarity.measures import centred_gram, centred_ranks, correlations
from featviz.structure.distances import METRICS, Metric
from featviz.tables import FeatureTable

Measure = Literal["cka", "rsa"]
MEASURES: tuple[Measure, ...] = get_args(Measure)


@dataclass(frozen=True, eq=False)
class SimilarityTable:
    """Similarities of all pairs of panels.

    panels: (checkpoint, layer), checkpoint by checkpoint. values: (P, P), symmetric, 1 on the
    diagonal; NaN in the row and column of a layer whose features are constant. metadata: measure,
    metric, sketches, point, version, and the digests of the checkpoints.
    """

    panels: tuple[tuple[str, str], ...]
    values: NDArray[np.float64]
    metadata: dict[str, Any]

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """The checkpoints, in order."""
        return tuple(dict.fromkeys(checkpoint for checkpoint, _ in self.panels))

    def value(self, first: tuple[str, str], second: tuple[str, str]) -> float:
        """Similarity of two panels (checkpoint, layer)."""
        for panel in (first, second):
            if panel not in self.panels:
                there = ", ".join(" ".join(known) for known in self.panels)
                raise FeatvizError(f"no panel '{' '.join(panel)}'; there are {there}")
        return float(self.values[self.panels.index(first), self.panels.index(second)])

    def frame(self) -> pd.DataFrame:
        """A row per ordered pair: measure, checkpoint_1, layer_1, checkpoint_2, layer_2, value."""
        return pd.DataFrame(
            [
                (self.metadata["measure"], *first, *second, self.values[i, j])
                for i, first in enumerate(self.panels)
                for j, second in enumerate(self.panels)
            ],
            columns=["measure", "checkpoint_1", "layer_1", "checkpoint_2", "layer_2", "value"],
        )


def compare(
    tables: Sequence[FeatureTable],
    measure: Measure = "cka",
    layers: Sequence[str] | None = None,
    *,
    metric: Metric = "euclidean",
) -> SimilarityTable:
    """Compare every layer of every table with every other, on all channels of the vectors.

    measure: "cka" (`linear_cka`) or "rsa" (`rsa`, with distances of this metric). layers: all of
    each table if None. Raises FeatvizError for no table, two of one name, other sketches or
    several points, an unknown layer, measure or metric, too few sketches, or features that are
    not finite.
    """
    if measure not in MEASURES:
        raise FeatvizError(f"unknown measure '{measure}'; there are {', '.join(MEASURES)}")
    if metric not in METRICS:
        raise FeatvizError(f"unknown metric '{metric}'; there are {', '.join(METRICS)}")
    chosen = [table.select(layers=layers) for table in tables]
    names = checkpoint_names(chosen)
    for name, table in zip(names, chosen, strict=True):
        require_one_point(table, name)
    require_same_sketches(chosen, names)
    panels, centred = [], []
    for name, table in track(list(zip(names, chosen, strict=True)), "comparing"):
        for layer, vectors in table.vectors.items():
            try:
                of_layer = (
                    centred_gram(vectors) if measure == "cka" else centred_ranks(vectors, metric)
                )
            except FeatvizError as error:
                raise FeatvizError(f"{name}, layer {layer}: {error}") from None
            panels.append((name, layer))
            centred.append(of_layer)
    metadata = {
        "measure": measure,
        "metric": metric if measure == "rsa" else "",
        "sketches": len(chosen[0]),
        "point": list(chosen[0].points[0]),
        VERSION_KEY: VERSION,
        "checkpoints": {
            name: str(table.metadata.get("digest") or "")
            for name, table in zip(names, chosen, strict=True)
        },
    }
    return SimilarityTable(tuple(panels), correlations(centred), metadata)


def write_similarity(table: SimilarityTable, path: Path) -> None:
    """Write the pairs (`SimilarityTable.frame`) as .csv or .parquet, complete or not at all."""
    write_frame(table.frame(), path)
