"""Embeddings of the wine data for the tests of figures and captions."""

import numpy as np
import pandas as pd
from sklearn.datasets import load_wine

from featviz.base.feature_table import FeatureTable

GROUPS = ["G1", "G2", "G8", "G11", "G10"]


def wine_table(checkpoint: str, scale: float = 1.0) -> FeatureTable:
    """178 real wines as if they were sketches of 5 groups; G8 and G11 are one and the same wine."""
    data = load_wine()
    vectors = data.data / data.data.std(axis=0) * scale
    groups = np.array(GROUPS)[np.arange(len(vectors)) % 5]
    vectors[np.isin(groups, ["G8", "G11"])] = vectors[2]
    rows = pd.DataFrame({"sketch": [f"{g}/{i}" for i, g in enumerate(groups)], "group": groups})
    rows = rows.assign(point_x=170, point_y=250)
    layers = {"L0": vectors[:, :7], "L1": vectors[:, 3:]}
    metadata = {"checkpoint": checkpoint, "variant": "modified", "digest": "0123456789abcdef"}
    return FeatureTable(rows, {k: v.astype(np.float32) for k, v in layers.items()}, metadata)
