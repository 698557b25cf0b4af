"""Feature tables -> a matrix of similarities of all their layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from featviz.analysis.comparable import checkpoint_names, require_same_sketches
from featviz.analysis.separation.distances import METRICS, Metric
from featviz.analysis.similarity.measures import centred_gram, centred_ranks, correlations
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable
from featviz.base.progress import track
from featviz.base.provenance import VERSION, VERSION_KEY
from featviz.base.table import ColumnKind, Table

_Measure = Literal["cka", "rsa"]
SIMILARITY_MEASURES: tuple[_Measure, ...] = get_args(_Measure)


@dataclass(frozen=True, eq=False)
class SimilarityTable(Table):
    """Similarities of all pairs of panels.

    rows: one per ordered pair of panels (checkpoint, layer), checkpoint by checkpoint; value: 1 of
    a panel and itself; NaN for a layer whose features are constant. metadata: measure, metric,
    sketches, point, version, and the digests of the checkpoints; files of version 0.1.0 have none.
    """

    noun: ClassVar[str] = "similarity table"
    command: ClassVar[str] = "featviz similarity --save-table"
    columns: ClassVar[Mapping[str, ColumnKind]] = {
        "measure": "text",
        "checkpoint_1": "text",
        "layer_1": "text",
        "checkpoint_2": "text",
        "layer_2": "text",
        "value": "number",
    }
    key: ClassVar[tuple[str, ...]] = ("checkpoint_1", "layer_1", "checkpoint_2", "layer_2")
    needs_metadata: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        pairs = zip(self.rows["checkpoint_2"], self.rows["layer_2"], strict=True)
        if list(pairs) != list(self.panels) * len(self.panels):
            raise FeatvizError(f"{len(self.rows)} rows are not all pairs of panels, row by row")

    @property
    def panels(self) -> tuple[tuple[str, str], ...]:
        """The panels (checkpoint, layer), in order."""
        pairs = zip(self.rows["checkpoint_1"], self.rows["layer_1"], strict=True)
        return tuple(dict.fromkeys(pairs))

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The values (P, P), symmetric."""
        side = len(self.panels)
        return self.rows["value"].to_numpy().reshape(side, side)

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """The checkpoints, in order."""
        return self.names("checkpoint_1")

    def value(self, first: tuple[str, str], second: tuple[str, str]) -> float:
        """Similarity of two panels (checkpoint, layer)."""
        for panel in (first, second):
            if panel not in self.panels:
                there = ", ".join(" ".join(known) for known in self.panels)
                raise FeatvizError(f"no panel '{' '.join(panel)}'; there are {there}")
        return float(self.matrix[self.panels.index(first), self.panels.index(second)])


def compare(
    tables: Sequence[FeatureTable],
    measure: _Measure = "cka",
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
    if measure not in SIMILARITY_MEASURES:
        raise FeatvizError(
            f"unknown measure '{measure}'; there are {', '.join(SIMILARITY_MEASURES)}"
        )
    if metric not in METRICS:
        raise FeatvizError(f"unknown metric '{metric}'; there are {', '.join(METRICS)}")
    chosen = [table.select(layers=layers) for table in tables]
    names = checkpoint_names(chosen)
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
    values = correlations(centred)
    rows = [
        (measure, *first, *second, values[i, j])
        for i, first in enumerate(panels)
        for j, second in enumerate(panels)
    ]
    return SimilarityTable(pd.DataFrame(rows, columns=list(SimilarityTable.columns)), metadata)
