"""Feature tables of real measurements, and what tests read from embeddings."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_iris

from featviz.analysis.embedding import EmbeddingTable, t_sne
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


def assert_same_map(first: EmbeddingTable, second: EmbeddingTable) -> None:
    """Whatever the order of their rows."""
    one, other = (
        table.frame.sort_values("sketch").reset_index(drop=True) for table in (first, second)
    )
    pd.testing.assert_frame_equal(one, other)


@contextmanager
def short_descents() -> Iterator[None]:
    """t-SNE in 80 steps, not 750, where what is tested does not hang on how far it comes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(t_sne, "_STEPS", (30, 50))
        yield
