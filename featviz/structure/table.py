"""Structure tables: one row a number, in memory and on disk."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from featviz.base.provenance import recorded_version
from featviz.errors import FeatvizError
from featviz.files import atomic_write, require_ending
from featviz.tables import METADATA_KEY

COLUMNS = (
    "checkpoint",
    "variant",
    "step",
    "layer",
    "group",
    "metric",
    "measure",
    "value",
    "effect",
    "p_value",
    "p_holm",
    "count",
    "remark",
)
FORMATS = (".csv", ".parquet", ".md")
ALL_GROUPS = "all"
"""The group of a number that belongs to all of them."""
TESTS = ("permanova", "permdisp", "energy")


@dataclass(frozen=True, eq=False)
class StructureTable:
    """What was measured of the vectors of one or more feature tables.

    rows: columns COLUMNS. step: of training, <NA> if the checkpoint does not tell. group: "all" or
    a name. metric: euclidean, cosine, or "" where no distance is measured. value: NaN where there
    is nothing to measure, and `remark` says why. effect, p_value, p_holm: of tests alone (NaN
    elsewhere); p_holm is corrected for all tests of the table. count: sketches.
    metadata: merge, permutations, seed, featviz_version and, by name, the `points` [x, y] where
    vectors were read and the `checkpoints`' digests.
    """

    rows: pd.DataFrame
    metadata: dict[str, Any]

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """The names of the checkpoints, in the order of their tables."""
        return tuple(dict.fromkeys(self.rows["checkpoint"]))

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the layers, in order."""
        return tuple(dict.fromkeys(self.rows["layer"]))

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups, in order of first appearance."""
        return tuple(dict.fromkeys(self.rows.loc[self.rows["group"] != ALL_GROUPS, "group"]))

    def row(self, **conditions: Any) -> pd.Series:
        """The one row that meets the conditions: `row(layer="L0", measure="ratio", ...)`.

        Raises FeatvizError if there is none or there are several.
        """
        keep = pd.Series(True, index=self.rows.index)
        for column, wanted in conditions.items():
            keep &= self.rows[column] == wanted
        if keep.sum() != 1:
            raise FeatvizError(f"{int(keep.sum())} rows meet {conditions}; expected one")
        return self.rows[keep].iloc[0]

    def value(self, **conditions: Any) -> float:
        """The value of the one row that meets the conditions."""
        return float(self.row(**conditions)["value"])


def check_format(path: Path) -> None:
    """Raise FeatvizError unless the ending of a name is that of a format we write."""
    require_ending(path, "a structure table", FORMATS)


def write_structure(table: StructureTable, path: Path) -> None:
    """Write a table as .csv, .parquet or .md (its summary), complete or not at all.

    parquet holds the metadata as JSON text under `featviz`; CSV, which has no such place, gets
    columns digest, point, permutations, seed, merge and featviz_version in every row. NaN is an
    empty cell.
    """
    from featviz.structure.summary import summary

    check_format(path)
    with atomic_write(Path(path)) as temporary:
        match Path(path).suffix.lower():
            case ".csv":
                _with_provenance(table).to_csv(temporary, index=False)
            case ".md":
                temporary.write_text(summary(table) + "\n", encoding="utf-8")
            case _:
                arrow = pa.Table.from_pandas(table.rows, preserve_index=False)
                text = json.dumps(table.metadata, ensure_ascii=False, allow_nan=False)
                arrow = arrow.replace_schema_metadata({METADATA_KEY: text.encode()})
                pq.write_table(arrow, temporary, compression="zstd")


def _with_provenance(table: StructureTable) -> pd.DataFrame:
    metadata = table.metadata
    return table.rows.assign(
        digest=table.rows["checkpoint"].map(metadata["checkpoints"]),
        point=table.rows["checkpoint"].map(
            {name: f"{x} {y}" for name, (x, y) in metadata["points"].items()}
        ),
        permutations=metadata["permutations"],
        seed=metadata["seed"],
        merge=" ".join(f"{source}={target}" for source, target in metadata["merge"].items()),
        featviz_version=recorded_version(metadata),
    )
