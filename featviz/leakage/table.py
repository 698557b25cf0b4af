"""Leakage tables: one row for every edit, layer and mode, in memory and as parquet."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from featviz.errors import FeatvizError, one_line
from featviz.files import atomic_write
from featviz.tables import METADATA_KEY

FREE = "free"
"""The mode in which every norm takes its own statistics: the network as it is."""
ALL = "all"
"""The mode in which all norms are held at the statistics of the base sketch."""
IMAGE = "image"
"""The layer that is the output of the whole model."""

_NAMES = ("checkpoint", "sketch", "group", "base", "layer", "mode")
NUMBERS = (
    "at_point",
    "inside_reach",
    "outside_reach",
    "zero_share_outside",
    "reach_share",
    "inside_area",
    "outside_area",
    "eyes",
    "eyes_in_reach",
    "eyes_by_statistics",
)
"""The columns that hold numbers."""

COLUMNS = (*_NAMES, *NUMBERS, "point_in_reach")


@dataclass(frozen=True, eq=False)
class LeakageTable:
    """What edits changed, one row for every edit x layer x mode.

    rows: columns COLUMNS.
    checkpoint, sketch, group, base (str): the edit `sketch` of the sketch `base`.
    layer (str): "L0", ... or "image", the output of the model.
    mode (str): whose statistics are held at those of the base: "free" nobody's, "all" every
    norm's, "front-end", "residual", "back-end" or "L0" those of the norms in it.
    Changes (float64) are relative, see `leakage.change`: 1 is a change as large as a typical
    vector of the layer, at the image from black to white.
    at_point: at the cell that stands for the point. inside_reach, outside_reach: means over the
    cells that the changed pixels can and cannot reach by convolutions. inside_area, outside_area:
    over the cells that stand for pixels in and out of the edited area (the changed pixels and
    `margin` px around). eyes: over the cells that stand for eyes, in which the edit drew nothing
    and which its area does not cover; NaN if the edit is one of the eyes or the sketch names none.
    eyes_by_statistics: the change at the eyes that the held statistics had made, that is of the
    edit as it is against the edit with statistics held; 0 in "free". It and `eyes` are the two
    parts of the free change; they add up as vectors, not as lengths.
    Shares, 0 to 1 (float64): zero_share_outside, of the cells out of reach, those that are equal to
    the last bit; reach_share, of all cells, those in reach; eyes_in_reach, of the eyes' cells (as
    for `eyes`), those in reach. point_in_reach (bool): whether the point's cell is.
    A mean over no cells is NaN.

    metadata: `checkpoints`, by name digest, variant, step, layers and modes; point, margin, size,
    edits_a_group (a number or "all"), sketches, versions. Can be written as JSON.
    """

    rows: pd.DataFrame
    metadata: dict[str, Any]

    def __post_init__(self) -> None:
        if missing := [column for column in COLUMNS if column not in self.rows.columns]:
            raise FeatvizError(
                f"a leakage table takes the columns {', '.join(COLUMNS)}; "
                f"missing: {', '.join(missing)}"
            )

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """The names of the checkpoints, in the order they were measured."""
        return tuple(self.rows["checkpoint"].drop_duplicates())

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that have edits, in order of first appearance."""
        return tuple(self.rows["group"].drop_duplicates())

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers, from the first to the image."""
        return tuple(self.rows["layer"].drop_duplicates())

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes, "free" first."""
        return tuple(self.rows["mode"].drop_duplicates())

    def values(self, **conditions: Any) -> pd.DataFrame:
        """The rows whose columns have these values, in order: `values(layer="L4", mode="all")`."""
        keep = pd.Series(True, index=self.rows.index)
        for column, wanted in conditions.items():
            keep &= self.rows[column] == wanted
        return self.rows[keep]


def join_leakage(tables: Iterable[LeakageTable]) -> LeakageTable:
    """Put the tables of several checkpoints into one, in the given order.

    Raises FeatvizError if there is none, if a checkpoint occurs twice, or if point, margin, size
    or edits differ.
    """
    tables = list(tables)
    if not tables:
        raise FeatvizError("no leakage tables to join")
    first = tables[0].metadata
    names = [name for table in tables for name in table.checkpoints]
    if twice := [name for name in names if names.count(name) > 1]:
        raise FeatvizError(f"checkpoint '{twice[0]}' is given more than once")
    for table in tables:
        for key in ("point", "margin", "size", "edits_a_group", "sketches"):
            if table.metadata.get(key) != first.get(key):
                raise FeatvizError(
                    f"cannot join leakage tables with {key} {first.get(key)} and "
                    f"{table.metadata.get(key)}"
                )
    checkpoints = {k: v for table in tables for k, v in table.metadata["checkpoints"].items()}
    rows = pd.concat([table.rows for table in tables], ignore_index=True)
    return LeakageTable(rows, {**first, "checkpoints": checkpoints})


def write_leakage(table: LeakageTable, path: Path) -> None:
    """Write a table as parquet, complete or not at all; the metadata as JSON under `featviz`."""
    text = json.dumps(table.metadata, ensure_ascii=False, allow_nan=False)
    arrow = pa.Table.from_pandas(table.rows[list(COLUMNS)], preserve_index=False)
    arrow = arrow.replace_schema_metadata({METADATA_KEY: text.encode()})
    with atomic_write(Path(path)) as temporary:
        pq.write_table(arrow, temporary, compression="zstd")


def read_leakage(path: Path) -> LeakageTable:
    """Read a table; raises FeatvizError saying what is missing or malformed."""
    path = Path(path)
    if not path.is_file():
        raise FeatvizError(f"{path}: no such leakage table; `featviz leakage` writes them")
    try:
        arrow = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise FeatvizError(f"{path} is not a parquet file: {one_line(error)}") from None
    text = (arrow.schema.metadata or {}).get(METADATA_KEY)
    missing = [column for column in COLUMNS if column not in arrow.column_names]
    if missing or text is None:
        lacks = f"columns {', '.join(missing)}" if missing else "featviz metadata"
        raise FeatvizError(f"{path} is not a leakage table: it lacks {lacks}")
    rows = arrow.to_pandas(ignore_metadata=True)
    try:
        return LeakageTable(rows, json.loads(text))
    except json.JSONDecodeError as error:
        raise FeatvizError(f"{path}: its metadata cannot be read: {one_line(error)}") from None
