"""Text tables: one a layer, a column a channel."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from featviz.export.rows import Labelled, as_text


def write_text_tables(tables: Sequence[Labelled], folder: Path) -> None:
    """Write NAME/LAYER.csv: the columns of the rows, then channel_0, channel_1, ...

    Numbers have as many digits as it takes to read the same float32 back.
    """
    for item in tables:
        place = folder / item.name
        place.mkdir()
        for layer, vectors in item.table.vectors.items():
            channels = pd.DataFrame(
                [as_text(vector) for vector in vectors],
                columns=[f"channel_{number}" for number in range(vectors.shape[1])],
            )
            frame = pd.concat([item.table.rows.reset_index(drop=True), channels], axis=1)
            frame.to_csv(place / f"{layer}.csv", index=False)
