"""Evaluation tables: one row a number, with its standard error and where it comes from."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from featviz.analysis.evaluation.estimates import Estimate
from featviz.base.table import ALL_GROUPS, ColumnKind, Table

__all__ = [
    "ALL_GROUPS",
    "EVALUATION_COLUMNS",
    "EvaluationTable",
    "make_table",
    "row",
    "write_evaluation",
]


@dataclass
class _Metadata:
    checkpoints: dict[str, dict[str, Any]]


@dataclass(frozen=True, eq=False)
class EvaluationTable(Table):
    """What was measured of one or more checkpoints.

    rows: part: quality, locality, robustness or local. group: of sketches, "all" for the mean over
    groups; "" outside of locality and local. move: shift or rotation and its amount, in pixels at
    512 or degrees; "" and 0 outside of robustness. way: how edits were made, see `ways`; "" outside
    of local. value and standard_error are NaN where there was nothing to measure; count: pairs,
    edits or groups behind the value.
    metadata: what it takes to measure the same again, and `checkpoints`: by name, digest, variant
    and more. Can be written as JSON.
    """

    noun: ClassVar[str] = "evaluation"
    command: ClassVar[str] = "featviz evaluate"
    columns: ClassVar[Mapping[str, ColumnKind]] = {
        "checkpoint": "text",
        "part": "text",
        "measure": "text",
        "group": "text",
        "move": "text",
        "amount": "number",
        "way": "text",
        "unit": "text",
        "value": "number",
        "standard_error": "number",
        "count": "whole",
    }
    added: ClassVar[Mapping[str, Any]] = {"way": ""}
    key: ClassVar[tuple[str, ...]] = (
        *("checkpoint", "part", "measure", "group", "move", "amount", "way"),
    )
    endings: ClassVar[tuple[str, ...]] = (".csv", ".parquet", ".json")
    description: ClassVar[type] = _Metadata

    @property
    def parts(self) -> tuple[str, ...]:
        """Which of quality, locality, robustness and local were measured."""
        return self.names("part")

    def estimate(self, **conditions: Any) -> Estimate:
        """The one number that meets the conditions; NaN if there is none.

        Raises FeatvizError if there are several.
        """
        if len(self.values(**conditions)) == 0:
            return Estimate(math.nan, math.nan, 0)
        row = self.row(**conditions)
        return Estimate(float(row["value"]), float(row["standard_error"]), int(row["count"]))

    def with_provenance(self) -> pd.DataFrame:
        """The rows with columns digest, variant, data, sketches, seed and featviz_version."""
        metadata, names = self.metadata, self.rows["checkpoint"]
        of_checkpoint = metadata["checkpoints"]
        return self.rows.assign(
            digest=names.map(lambda name: of_checkpoint[name]["digest"]),
            variant=names.map(lambda name: of_checkpoint[name]["variant"]),
            data=(metadata.get("data") or {}).get("fingerprint", ""),
            sketches=(metadata.get("sketches") or {}).get("fingerprint", ""),
            seed=metadata["seed"],
            featviz_version=metadata["featviz_version"],
        )


EVALUATION_COLUMNS = tuple(EvaluationTable.columns)
write_evaluation = EvaluationTable.write


def row(
    checkpoint: str,
    part: str,
    measure: str,
    estimate: Estimate,
    unit: str = "",
    group: str = "",
    move: str = "",
    amount: float = 0.0,
    way: str = "",
) -> tuple[Any, ...]:
    """One row of an evaluation table, in the order of EVALUATION_COLUMNS."""
    numbers = (estimate.value, estimate.standard_error, estimate.count)
    return (checkpoint, part, measure, group, move, float(amount), way, unit, *numbers)


def make_table(rows: Iterable[tuple[Any, ...]], metadata: dict[str, Any]) -> EvaluationTable:
    """A table of rows that `row` made."""
    return EvaluationTable(pd.DataFrame(list(rows), columns=list(EVALUATION_COLUMNS)), metadata)
