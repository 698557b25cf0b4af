"""Structure tables: one row a number, in memory and on disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from featviz.base.provenance import recorded_version
from featviz.base.table import ALL_GROUPS, ColumnKind, Table

__all__ = ["ALL_GROUPS", "STRUCTURE_COLUMNS", "TESTS", "StructureTable"]

TESTS = ("permanova", "permdisp", "energy")


@dataclass(frozen=True, eq=False)
class StructureTable(Table):
    """What was measured of the vectors of one or more feature tables.

    rows: step: of training, <NA> if the checkpoint does not tell. group: "all" or a name. metric:
    euclidean, cosine, or "" where no distance is measured. value: NaN where there is nothing to
    measure, and `remark` says why. effect, p_value, p_holm: of tests alone (NaN elsewhere); p_holm
    is corrected for all tests of the table. count: sketches.
    metadata: merge, permutations, seed, featviz_version and, by name, the `points` [x, y] where
    vectors were read and the `checkpoints`' digests.
    """

    noun: ClassVar[str] = "structure table"
    command: ClassVar[str] = "featviz structure"
    columns: ClassVar[Mapping[str, ColumnKind]] = {
        "checkpoint": "text",
        "variant": "text",
        "step": "whole or none",
        "layer": "text",
        "group": "text",
        "metric": "text",
        "measure": "text",
        "value": "number",
        "effect": "number",
        "p_value": "number",
        "p_holm": "number",
        "count": "whole",
        "remark": "text",
    }
    key: ClassVar[tuple[str, ...]] = ("checkpoint", "layer", "group", "metric", "measure")
    endings: ClassVar[tuple[str, ...]] = (".csv", ".parquet", ".md")

    def value(self, **conditions: Any) -> float:
        """The value of the one row that meets the conditions, see `row`."""
        return float(self.row(**conditions)["value"])

    def with_provenance(self) -> pd.DataFrame:
        """The rows with columns digest, point, permutations, seed, merge and featviz_version."""
        metadata, names = self.metadata, self.rows["checkpoint"]
        points = {name: f"{x} {y}" for name, (x, y) in metadata["points"].items()}
        return self.rows.assign(
            digest=names.map(metadata["checkpoints"]),
            point=names.map(points),
            permutations=metadata["permutations"],
            seed=metadata["seed"],
            merge=" ".join(f"{source}={target}" for source, target in metadata["merge"].items()),
            featviz_version=recorded_version(metadata),
        )


STRUCTURE_COLUMNS = tuple(StructureTable.columns)
