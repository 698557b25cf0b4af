"""Feature tables of real measurements, and what tests read from embeddings."""

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.datasets import load_iris

from featviz.analysis.embedding import EmbeddingTable
from featviz.base.feature_table import FeatureTable


def feature_table(
    vectors: NDArray[np.floating], groups: list[str], **metadata: str
) -> FeatureTable:
    rows = pd.DataFrame(
        {
            "sketch": [f"{group}/{i:03d}" for i, group in enumerate(groups)],
            "group": groups,
            "point_x": 170,
            "point_y": 250,
        }
    )
    described = {"checkpoint": "net", "variant": "baseline", "digest": "0123456789", **metadata}
    return FeatureTable(rows, {"L0": vectors.astype(np.float32)}, described)


def iris_table() -> FeatureTable:
    """150 real flowers of 3 kinds, 4 measurements each; two of them are exactly equal."""
    data = load_iris()
    return feature_table(data.data, [str(data.target_names[kind]) for kind in data.target])


def with_vectors(table: FeatureTable, vectors: NDArray[np.floating]) -> FeatureTable:
    return replace(table, vectors={"L0": vectors.astype(np.float32)})


def reordered(table: FeatureTable, seed: int = 3) -> FeatureTable:
    order = np.random.default_rng(seed).permutation(len(table))
    return FeatureTable(
        table.rows.iloc[order].reset_index(drop=True),
        {layer: vectors[order] for layer, vectors in table.vectors.items()},
        table.metadata,
    )


def places(table: EmbeddingTable) -> NDArray[np.float64]:
    return table.frame[["x", "y"]].to_numpy()
