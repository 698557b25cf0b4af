"""The kinds of export by name, and writing them."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable
from featviz.export.arrays import write_arrays
from featviz.export.folders import new_folder
from featviz.export.projector import write_projector
from featviz.export.rows import Labelled, label_rows
from featviz.export.text import write_text_tables
from featviz.sketches.sketch_set import SketchSet

FORMATS: dict[str, Callable[[Sequence[Labelled], Path], None]] = {
    "npy": write_arrays,
    "projector": write_projector,
    "csv": write_text_tables,
}


def export_features(
    tables: Mapping[str, FeatureTable],
    to: str,
    out: Path,
    sketches: SketchSet | Mapping[str, SketchSet] | None = None,
) -> None:
    """Write feature tables for another program into the new folder `out`.

    tables: by the name that the export gives them; each holds one point. to: one of FORMATS:
    "npy", NAME/LAYER.npy (N, C) float32, rows.csv and metadata.json; "csv", NAME/LAYER.csv, the
    channels as columns behind those of the rows; "projector", a log folder for TensorBoard's
    embedding projector. sketches: the set the tables were extracted from, or one for each name;
    its images become the projector's sprites, and base and edited_part columns of the rows.

    Raises FeatvizError for an unknown format, no table, several points, layer or table names that
    make no file names, sketches that are missing or not in the set, and if `out` is not empty.
    """
    if to not in FORMATS:
        raise FeatvizError(f"unknown export '{to}'; there are {', '.join(FORMATS)}")
    if not tables:
        raise FeatvizError("no feature table to export; expected at least one")
    for name, table in tables.items():
        _require_file_names("table", [name])
        _require_file_names("layer", table.layers)
    labelled = []
    for name, table in tables.items():
        own = sketches.get(name) if isinstance(sketches, Mapping) else sketches
        labelled.append(label_rows(name, table, own))
    with new_folder(out) as folder:
        FORMATS[to](labelled, folder)


def _require_file_names(kind: str, names: Sequence[str]) -> None:
    for name in names:
        if not re.fullmatch(r"[^/\\:*?\"<>|\x00-\x1f]+", name) or name.strip(". ") == "":
            raise FeatvizError(
                f"{kind} '{name}' cannot be the name of a file; rename it, without any of "
                '/ \\ : * ? " < > |'
            )
