"""NumPy arrays: one a layer, and what belongs to their rows."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from featviz.export.rows import Labelled


def write_arrays(tables: Sequence[Labelled], folder: Path) -> None:
    """Write NAME/LAYER.npy (N, C) float32, NAME/rows.csv and NAME/metadata.json.

    Row i of every array is row i of rows.csv; that is what `rsatoolbox.data.Dataset` calls
    measurements and observation descriptors.
    """
    for item in tables:
        place = folder / item.name
        place.mkdir()
        for layer, vectors in item.table.vectors.items():
            np.save(place / f"{layer}.npy", np.ascontiguousarray(vectors), allow_pickle=False)
        item.table.rows.to_csv(place / "rows.csv", index=False)
        text = json.dumps(item.table.metadata, indent=1, ensure_ascii=False, allow_nan=False)
        (place / "metadata.json").write_text(text + "\n", encoding="utf-8")
