"""Text tables: one a layer, a column a channel."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from featviz.export.rows import Labelled


def write_text_tables(tables: Sequence[Labelled], folder: Path) -> None:
    """Write NAME/LAYER.csv: the columns of the rows, then channel_0, channel_1, ..."""
    for item in tables:
        place = folder / item.name
        place.mkdir()
        rows = pa.Table.from_pandas(item.table.rows, preserve_index=False)
        for layer, vectors in item.table.vectors.items():
            named = zip(channels(vectors), range(vectors.shape[1]), strict=True)
            columns = {f"channel_{number}": channel for channel, number in named}
            table = pa.table(dict(zip(rows.column_names, rows.columns, strict=True)) | columns)
            csv.write_csv(table, place / f"{layer}.csv", csv.WriteOptions(quoting_style="needed"))


def write_vectors(vectors: NDArray[np.float32], path: Path) -> None:
    """Write vectors (N, C), one a line with tabs between the numbers, and no header."""
    columns = channels(vectors)
    table = pa.table(columns, names=list(map(str, range(len(columns)))))
    csv.write_csv(table, path, csv.WriteOptions(include_header=False, delimiter="\t"))


def channels(vectors: NDArray[np.float32]) -> list[pa.Array]:
    """The columns of (N, C); pyarrow writes the fewest digits that give the same float32."""
    return [pa.array(column, type=pa.float32()) for column in np.asfortranarray(vectors).T]
