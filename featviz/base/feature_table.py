"""Feature tables: activation vectors of sketches at points, with where they come from.

In memory a frame of rows and one array a layer; on disk one parquet file, or a folder of them,
that pandas, DuckDB and Embedding Atlas open as it is.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import types

from featviz.base.errors import FeatvizError
from featviz.base.files import atomic_write, let_go
from featviz.base.foreign import parse_json, parsing, told_of
from featviz.base.points import as_point
from featviz.base.table import (
    METADATA_KEY,
    ColumnKind,
    Table,
    list_vectors,
    read_parquet,
    to_frame,
    write_parquet_parts,
)

_ROW_COLUMNS = ("sketch", "group", "point_x", "point_y")
_PART_KEY = b"featviz-part"
_PER_LAYER = ("positions", "receptive_fields", "receptive_field_boxes")
_PER_POINT = ("positions", "receptive_field_boxes")


_Pair = tuple[int, int]
_Cells = list[tuple[float, float]]
_Boxes = list[tuple[int, int, int, int]]


@dataclass
class _Metadata:
    """What is known of a feature table's metadata; see docs/extraction.md."""

    checkpoint: str | None = None
    digest: str | None = None
    variant: str | None = None
    step: int | None = None
    stage: str | None = None
    sketches: str | None = None
    size: int | _Pair | None = None
    points: list[_Pair] | None = None
    positions: dict[str, _Cells | None] | None = None
    receptive_fields: dict[str, int | _Pair | None] | None = None
    receptive_field_boxes: dict[str, _Boxes | None] | None = None
    sees_whole_map: dict[str, bool | None] | None = None
    skipped: list[str] | None = None

    def __post_init__(self) -> None:
        for key in _PER_POINT:
            for layer, entries in (getattr(self, key) or {}).items():
                if entries is not None and len(entries) != len(self.points or ()):
                    raise ValueError(
                        f"{key} of layer {layer} are {len(entries)}; expected one for each of the "
                        f"{len(self.points or ())} points"
                    )


@dataclass(frozen=True, eq=False, init=False)
class FeatureTable(Table):
    """Activation vectors, one row per sketch and point.

    rows: columns sketch (str, unique with the point), group (str), point_x and point_y (int,
    input pixels, x right, y down); names that are numbers become text.
    vectors: for each layer a (N, C) float32 array, C the layer's channels, row i belongs to
    row i of `rows`.
    metadata: provenance that can be written as JSON: checkpoint, digest, variant, stage,
    positions, receptive_fields and others, see docs/extraction.md.
    """

    vectors: dict[str, NDArray[np.float32]]

    noun: ClassVar[str] = "feature table"
    command: ClassVar[str] = "featviz extract"
    columns: ClassVar[Mapping[str, ColumnKind]] = {
        "sketch": "text",
        "group": "text",
        "point_x": "whole",
        "point_y": "whole",
    }
    key: ClassVar[tuple[str, ...]] = ("sketch", "point_x", "point_y")
    description: ClassVar[type] = _Metadata

    def __init__(
        self,
        rows: pd.DataFrame,
        vectors: dict[str, NDArray[np.float32]],
        metadata: dict[str, Any],
    ) -> None:
        super().__init__(rows, metadata)
        object.__setattr__(self, "vectors", vectors)
        if not vectors:
            raise FeatvizError("a feature table takes the vectors of at least one layer; got none")
        for layer, values in vectors.items():
            if layer in _ROW_COLUMNS:
                raise FeatvizError(f"a layer cannot be called '{layer}', which is a column's name")
            if values.ndim != 2 or len(values) != len(rows) or values.dtype != np.float32:
                raise FeatvizError(
                    f"layer {layer} takes float32 vectors of shape ({len(rows)}, channels); "
                    f"got {values.dtype} {values.shape}"
                )

    @property
    def checkpoint(self) -> str:
        """The name of the network; "model" for a table of somebody's own module that has none."""
        return str(self.metadata.get("checkpoint") or "model")

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """The name of the one network."""
        return (self.checkpoint,)

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the layers, in the order they were asked for."""
        return tuple(self.vectors)

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups, in order of first appearance."""
        return self.names("group")

    @property
    def points(self) -> tuple[tuple[int, int], ...]:
        """The points (x, y) that were read, in order of first appearance."""
        pairs = zip(self.rows["point_x"], self.rows["point_y"], strict=True)
        return tuple(dict.fromkeys((int(x), int(y)) for x, y in pairs))

    def _repr_html_(self) -> str:
        """The rows, and of each layer how long its vectors are."""
        told = ", ".join(f"{layer}: {each.shape[1]}" for layer, each in self.vectors.items())
        return f"{super()._repr_html_()}\n<p>channels of {escape(told)}</p>"

    def select(
        self,
        *,
        layers: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
        points: Sequence[tuple[int, int] | str] | None = None,
    ) -> "FeatureTable":
        """The part of the table that has these layers, groups and points; None keeps all.

        Rows keep their order, layers come in the order asked for. Raises FeatvizError for a
        layer, group or point that the table does not hold.
        """
        layers = self.layers if layers is None else tuple(layers)
        groups = self.groups if groups is None else tuple(groups)
        points = self.points if points is None else tuple(map(as_point, points))
        _require("layer", layers, self.layers)
        _require("group", groups, self.groups)
        _require("point", points, self.points)
        pairs = zip(self.rows["point_x"], self.rows["point_y"], strict=True)
        at_point = np.array([pair in points for pair in pairs], dtype=bool)
        keep = self.rows["group"].isin(groups).to_numpy() & at_point
        return FeatureTable(
            rows=self.rows[keep].reset_index(drop=True),
            vectors={layer: self.vectors[layer][keep] for layer in layers},
            metadata=self._metadata_of(layers, points),
        )

    def _metadata_of(
        self, layers: Sequence[str], points: Sequence[tuple[int, int]]
    ) -> dict[str, Any]:
        metadata = dict(self.metadata)
        for key in _PER_LAYER:
            if isinstance(metadata.get(key), Mapping):
                metadata[key] = {
                    layer: metadata[key][layer] for layer in layers if layer in metadata[key]
                }
        if metadata.get("points") is not None:
            kept = [i for i, (x, y) in enumerate(metadata["points"]) if (x, y) in points]
            metadata["points"] = [metadata["points"][i] for i in kept]
            for key in _PER_POINT:
                if isinstance(metadata.get(key), Mapping):
                    metadata[key] = {
                        layer: None if entries is None else [entries[i] for i in kept]
                        for layer, entries in metadata[key].items()
                    }
        return metadata


def _require(what: str, wanted: Sequence[object], available: Sequence[object]) -> None:
    for item in wanted:
        if item not in available:
            there = ", ".join(str(entry) for entry in available)
            raise FeatvizError(f"unknown {what} {item!r}; this table has {there}")


@dataclass(frozen=True)
class TablePart:
    """Which part of a table a file holds: number `number`, from 0, of `of`."""

    number: int
    of: int

    @property
    def file(self) -> str:
        """The name of its file in the table's folder; names sort as the numbers do."""
        return f"part-{self.number:06}.parquet"


@dataclass(frozen=True)
class TableDescription:
    """What a table's files say of it without their rows being read."""

    rows: int
    layers: tuple[str, ...]
    metadata: dict[str, Any]
    part: TablePart | None = None


def write_features(table: FeatureTable, path: Path, part: TablePart | None = None) -> None:
    """Write a table as parquet, complete or not at all.

    One row per sketch and point; columns sketch, group, point_x, point_y (and further ones of
    `rows`), then one column a layer, each a fixed-size list of float32. The metadata stands as
    JSON text in the file's key-value metadata under `featviz`.
    part: the table is only this part of one that is a folder; recorded under `featviz-part`.
    """
    further = None if part is None else {_PART_KEY: json.dumps(asdict(part)).encode()}
    bytes_a_row = sum(4 * vectors.shape[1] for vectors in table.vectors.values())
    rows = max(1, MOST_AT_ONCE // max(1, bytes_a_row))
    starts = range(0, max(1, len(table)), rows)

    def parts() -> Iterator[pa.Table]:
        for start in starts:
            yield _arrow_of(table, slice(start, start + rows))
            for vectors in table.vectors.values():
                let_go(vectors)

    with atomic_write(Path(path)) as temporary:
        write_parquet_parts(parts(), table.metadata, temporary, further)


MOST_AT_ONCE = 2**24
"""Bytes of vectors that are written at once, as a group of rows."""


def _arrow_of(table: FeatureTable, rows: slice) -> pa.Table:
    """Some rows of a table as columns."""
    columns = {
        str(name): pa.array(table.rows[name].iloc[rows].to_list(), type=_ROW_TYPES.get(str(name)))
        for name in table.rows.columns
    }
    for layer, vectors in table.vectors.items():
        flat = pa.array(np.ascontiguousarray(vectors[rows]).reshape(-1), type=pa.float32())
        columns[layer] = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    return pa.table(columns)


_ROW_TYPES = {
    "sketch": pa.string(),
    "group": pa.string(),
    "point_x": pa.int32(),
    "point_y": pa.int32(),
}


def read_features(path: Path) -> FeatureTable:
    """Read a table that `write_features`, or another program, wrote: a file or a folder of parts.

    A layer is a column of lists of numbers, all of one length, which float32 holds exactly. Rows of
    which some were left out leave their points out of the metadata.

    Raises FeatvizError, naming the file, if it is missing, not parquet, not a feature table of
    featviz, if columns or metadata are not as they should be (see `FeatureTable`), if a vector is
    missing or not finite, and if parts are missing or of different tables.
    """
    path = Path(path)
    if not path.is_dir():
        return _read_file(path)
    parts = _part_files(path)
    _check_parts(path, parts)
    tables = [_read_file(part) for part in parts]
    with told_of(path):
        return FeatureTable(
            rows=pd.concat([table.rows for table in tables], ignore_index=True),
            vectors={
                layer: np.concatenate([table.vectors[layer] for table in tables])
                for layer in tables[0].layers
            },
            metadata=_joined_metadata([table.metadata for table in tables]),
        )


def describe_features(path: Path) -> TableDescription:
    """What a table says of itself, read from the ends of its files; errors as `read_features`."""
    path = Path(path)
    if not path.is_dir():
        return _describe(path)
    descriptions = _check_parts(path, _part_files(path))
    with told_of(path):
        metadata = _joined_metadata([description.metadata for description in descriptions])
    rows = sum(description.rows for description in descriptions)
    return TableDescription(rows, descriptions[0].layers, metadata)


def _part_files(folder: Path) -> list[Path]:
    """The parts of a table that is a folder, in order."""
    return sorted(folder.glob("part-*.parquet"))


def _check_parts(folder: Path, parts: Sequence[Path]) -> list[TableDescription]:
    descriptions = [_describe(part) for part in parts]
    if not descriptions:
        raise FeatvizError(f"{folder}: not a feature table: a folder without part-*.parquet")
    found = [description.part for description in descriptions]
    total = found[0].of if found[0] is not None else len(found)
    if len(found) != total or found != [TablePart(number, total) for number in range(total)]:
        raise FeatvizError(
            f"{folder}: not a complete feature table: {len(found)} files; expected the "
            f"{total} parts of one table"
        )
    if other := [one for one in descriptions if one.layers != descriptions[0].layers]:
        raise FeatvizError(
            f"{folder}: its parts are of different tables: layers "
            f"{', '.join(descriptions[0].layers)} and {', '.join(other[0].layers)}"
        )
    return descriptions


def _joined_metadata(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What all parts say, and all that any of them skipped."""
    first = parts[0]
    for key in first:
        if key != "skipped" and any(part.get(key) != first[key] for part in parts):
            raise FeatvizError(f"its parts are of different tables: '{key}' differs")
    if "skipped" not in first:
        return first
    skipped = [sketch for part in parts for sketch in part.get("skipped") or ()]
    return {**first, "skipped": skipped}


def _describe(path: Path) -> TableDescription:
    with told_of(path):
        FeatureTable.require_file(path)
        with parsing("not a readable parquet file"):
            footer = pq.read_metadata(path)
            schema = footer.schema.to_arrow_schema()
            names = schema.names
        known = schema.metadata or {}
        return TableDescription(
            rows=footer.num_rows,
            layers=_layers(schema),
            metadata=FeatureTable.described(known.get(METADATA_KEY), names),
            part=parse_json(known[_PART_KEY], TablePart) if _PART_KEY in known else None,
        )


def _layers(schema: pa.Schema) -> tuple[str, ...]:
    """The columns of lists of numbers. Other programs write lists without their length."""
    return tuple(
        field.name
        for field in schema
        if field.name not in _ROW_COLUMNS
        and isinstance(field.type, _LISTS)
        and (types.is_floating(field.type.value_type) or types.is_integer(field.type.value_type))
    )


_LISTS = (pa.FixedSizeListType, pa.ListType, pa.LargeListType)


def _read_file(path: Path) -> FeatureTable:
    with told_of(path):
        FeatureTable.require_file(path)
        arrow = read_parquet(path)
        text = (arrow.schema.metadata or {}).get(METADATA_KEY)
        metadata = FeatureTable.described(text, arrow.column_names)
        layers = list(_layers(arrow.schema))
        rows = arrow.drop_columns(layers)
        if nested := [field for field in rows.schema if types.is_nested(field.type)]:
            raise FeatvizError(
                f"column '{nested[0].name}' holds {nested[0].type}, neither a label nor vectors; "
                "write the table without it"
            )
        vectors = {layer: list_vectors(f"layer {layer}", arrow.column(layer)) for layer in layers}
        table = FeatureTable(to_frame(rows), vectors, metadata)
        listed = metadata.get("points")
        if listed is None or not len(table):
            return table
        if unknown := [point for point in table.points if list(point) not in listed]:
            raise FeatvizError(f"the metadata's points do not hold {unknown[0]} of the rows")
        return FeatureTable(table.rows, vectors, table._metadata_of(layers, table.points))
