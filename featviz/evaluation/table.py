"""Evaluation tables: one row a number, with its standard error and where it comes from."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from featviz.errors import FeatvizError
from featviz.evaluation.estimates import Estimate
from featviz.files import atomic_write, require_ending
from featviz.tables import METADATA_KEY

COLUMNS = (
    "checkpoint",
    "part",
    "measure",
    "group",
    "move",
    "amount",
    "unit",
    "value",
    "standard_error",
    "count",
)
FORMATS = (".csv", ".parquet", ".json")
ALL_GROUPS = "all"
"""The group of a mean over groups."""


@dataclass(frozen=True, eq=False)
class EvaluationTable:
    """What was measured of one or more checkpoints.

    rows: columns COLUMNS. part: quality, locality or robustness. group: of sketches, "all" for
    the mean over groups; "" outside of locality. move: shift or rotation and its amount, in
    pixels at 512 or degrees; "" and 0 outside of robustness. value and standard_error are NaN
    where there was nothing to measure; count: pairs, edits or groups behind the value.
    metadata: what it takes to measure the same again, and `checkpoints`: by name, digest, variant
    and more. Can be written as JSON.
    """

    rows: pd.DataFrame
    metadata: dict[str, Any]

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """The names of the checkpoints, in the order they were measured."""
        return tuple(self.rows["checkpoint"].drop_duplicates())

    @property
    def parts(self) -> tuple[str, ...]:
        """Which of quality, locality and robustness were measured."""
        return tuple(self.rows["part"].drop_duplicates())

    def values(self, **conditions: Any) -> pd.DataFrame:
        """The rows whose columns have these values, in order: `values(part="quality")`."""
        keep = pd.Series(True, index=self.rows.index)
        for column, wanted in conditions.items():
            keep &= self.rows[column] == wanted
        return self.rows[keep]

    def estimate(self, **conditions: Any) -> Estimate:
        """The one number that meets the conditions; NaN if there is none.

        Raises FeatvizError if there are several.
        """
        found = self.values(**conditions)
        if len(found) > 1:
            raise FeatvizError(f"{len(found)} numbers meet {conditions}; expected one")
        if len(found) == 0:
            return Estimate(math.nan, math.nan, 0)
        row = found.iloc[0]
        return Estimate(float(row["value"]), float(row["standard_error"]), int(row["count"]))


def row(
    checkpoint: str,
    part: str,
    measure: str,
    estimate: Estimate,
    unit: str = "",
    group: str = "",
    move: str = "",
    amount: float = 0.0,
) -> tuple[Any, ...]:
    """One row of an evaluation table, in the order of COLUMNS."""
    numbers = (estimate.value, estimate.standard_error, estimate.count)
    return (checkpoint, part, measure, group, move, float(amount), unit, *numbers)


def make_table(rows: Iterable[tuple[Any, ...]], metadata: dict[str, Any]) -> EvaluationTable:
    """A table of rows that `row` made."""
    return EvaluationTable(pd.DataFrame(list(rows), columns=list(COLUMNS)), metadata)


def check_format(path: Path) -> None:
    """Raise FeatvizError unless the ending of a name is that of a format we write."""
    require_ending(path, "an evaluation", FORMATS)


def write_evaluation(table: EvaluationTable, path: Path) -> None:
    """Write a table as .csv, .parquet or .json, complete or not at all.

    parquet holds the metadata as JSON text in its key-value metadata under `featviz`, JSON under
    `metadata` beside `rows`; CSV, which has no such place, gets columns digest, variant, data,
    sketches, seed and featviz_version in every row. NaN is an empty cell, or null.
    """
    check_format(path)
    with atomic_write(Path(path)) as temporary:
        match Path(path).suffix.lower():
            case ".csv":
                _with_provenance(table).to_csv(temporary, index=False)
            case ".json":
                records = json.loads(table.rows.to_json(orient="records", double_precision=15))
                content = {"metadata": table.metadata, "rows": records}
                temporary.write_text(
                    json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n",
                    encoding="utf-8",
                )
            case _:
                text = json.dumps(table.metadata, ensure_ascii=False, allow_nan=False)
                arrow = pa.Table.from_pandas(table.rows, preserve_index=False)
                arrow = arrow.replace_schema_metadata({METADATA_KEY: text.encode()})
                pq.write_table(arrow, temporary, compression="zstd")


def _with_provenance(table: EvaluationTable) -> pd.DataFrame:
    of_checkpoint = table.metadata["checkpoints"]
    names = table.rows["checkpoint"]
    return table.rows.assign(
        digest=names.map(lambda name: of_checkpoint[name]["digest"]),
        variant=names.map(lambda name: of_checkpoint[name]["variant"]),
        data=(table.metadata.get("data") or {}).get("fingerprint", ""),
        sketches=(table.metadata.get("sketches") or {}).get("fingerprint", ""),
        seed=table.metadata["seed"],
        featviz_version=table.metadata["featviz_version"],
    )
