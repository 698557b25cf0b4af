"""Feature tables: activation vectors of sketches at points, with where they come from.

In memory a frame of rows and one array a layer; on disk one parquet file, or a folder of them,
that pandas, DuckDB and Embedding Atlas open as it is.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from featviz.errors import FeatvizError
from featviz.files import atomic_write
from featviz.points import whole_pair

ROW_COLUMNS = ("sketch", "group", "point_x", "point_y")
METADATA_KEY = b"featviz"
PART_KEY = b"featviz-part"
_PER_LAYER = ("positions", "receptive_fields", "receptive_field_boxes")
_PER_POINT = ("positions", "receptive_field_boxes")


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Activation vectors, one row per sketch and point.

    rows: columns sketch (str, unique with the point), group (str), point_x and point_y (int,
    input pixels, x right, y down).
    vectors: for each layer a (N, C) float32 array, C the layer's channels, row i belongs to
    row i of `rows`.
    metadata: provenance that can be written as JSON: checkpoint, digest, variant, stage,
    positions, receptive_fields and others, see docs/extraction.md.
    """

    rows: pd.DataFrame
    vectors: dict[str, NDArray[np.float32]]
    metadata: dict[str, Any]

    def __post_init__(self) -> None:
        missing = [column for column in ROW_COLUMNS if column not in self.rows.columns]
        if missing:
            raise FeatvizError(
                f"a feature table takes rows with columns {', '.join(ROW_COLUMNS)}; "
                f"missing: {', '.join(missing)}"
            )
        if not self.vectors:
            raise FeatvizError("a feature table takes the vectors of at least one layer; got none")
        for layer, vectors in self.vectors.items():
            if layer in ROW_COLUMNS:
                raise FeatvizError(f"a layer cannot be called '{layer}', which is a column's name")
            if vectors.ndim != 2 or len(vectors) != len(self.rows) or vectors.dtype != np.float32:
                raise FeatvizError(
                    f"layer {layer} takes float32 vectors of shape ({len(self.rows)}, channels); "
                    f"got {vectors.dtype} {vectors.shape}"
                )

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def checkpoint(self) -> str:
        """The name of the network; "model" for a table of somebody's own module that has none."""
        return str(self.metadata.get("checkpoint") or "model")

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the layers, in the order they were asked for."""
        return tuple(self.vectors)

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups, in order of first appearance."""
        return tuple(dict.fromkeys(self.rows["group"]))

    @property
    def points(self) -> tuple[tuple[int, int], ...]:
        """The points (x, y) that were read, in order of first appearance."""
        pairs = zip(self.rows["point_x"], self.rows["point_y"], strict=True)
        return tuple(dict.fromkeys((int(x), int(y)) for x, y in pairs))

    def select(
        self,
        *,
        layers: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
        points: Sequence[tuple[int, int]] | None = None,
    ) -> "FeatureTable":
        """The part of the table that has these layers, groups and points; None keeps all.

        Rows keep their order, layers come in the order asked for. Raises FeatvizError for a
        layer, group or point that the table does not hold.
        """
        layers = self.layers if layers is None else tuple(layers)
        groups = self.groups if groups is None else tuple(groups)
        points = self.points if points is None else tuple(map(whole_pair, points))
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
        if "points" in metadata:
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
class Part:
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
    part: Part | None = None


def write_features(table: FeatureTable, path: Path, part: Part | None = None) -> None:
    """Write a table as parquet, complete or not at all.

    One row per sketch and point; columns sketch, group, point_x, point_y (and further ones of
    `rows`), then one column a layer, each a fixed-size list of float32. The metadata stands as
    JSON text in the file's key-value metadata under `featviz`.
    part: the table is only this part of one that is a folder; recorded under `featviz-part`.
    """
    columns = {
        str(name): pa.array(table.rows[name].to_list(), type=_ROW_TYPES.get(str(name)))
        for name in table.rows.columns
    }
    for layer, vectors in table.vectors.items():
        flat = pa.array(np.ascontiguousarray(vectors).reshape(-1), type=pa.float32())
        columns[layer] = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    text = json.dumps(table.metadata, ensure_ascii=False, allow_nan=False)
    described = {METADATA_KEY: text.encode()}
    if part is not None:
        described[PART_KEY] = json.dumps(asdict(part)).encode()
    arrow = pa.table(columns).replace_schema_metadata(described)
    with atomic_write(Path(path)) as temporary:
        pq.write_table(arrow, temporary, compression="zstd")


_ROW_TYPES = {
    "sketch": pa.string(),
    "group": pa.string(),
    "point_x": pa.int32(),
    "point_y": pa.int32(),
}


def read_features(path: Path) -> FeatureTable:
    """Read a table that `write_features` wrote, a file or a folder of all its parts.

    Raises FeatvizError, naming the file, if it is missing, not parquet, not a feature table of
    featviz, or lacks columns, and if parts are missing or of different tables.
    """
    path = Path(path)
    if not path.is_dir():
        return _read_file(path)
    parts = part_files(path)
    _check_parts(path, parts)
    tables = [_read_file(part) for part in parts]
    metadata = _joined_metadata(path, [table.metadata for table in tables])
    return FeatureTable(
        rows=pd.concat([table.rows for table in tables], ignore_index=True),
        vectors={
            layer: np.concatenate([table.vectors[layer] for table in tables])
            for layer in tables[0].layers
        },
        metadata=metadata,
    )


def describe_features(path: Path) -> TableDescription:
    """What a table says of itself, read from the ends of its files; errors as `read_features`."""
    path = Path(path)
    if not path.is_dir():
        return _describe(path, _read_schema(path))
    descriptions = _check_parts(path, part_files(path))
    return TableDescription(
        rows=sum(description.rows for description in descriptions),
        layers=descriptions[0].layers,
        metadata=_joined_metadata(path, [description.metadata for description in descriptions]),
    )


def part_files(folder: Path) -> list[Path]:
    """The parts of a table that is a folder, in order."""
    return sorted(folder.glob("part-*.parquet"))


def _check_parts(folder: Path, parts: Sequence[Path]) -> list[TableDescription]:
    descriptions = [_describe(part, _read_schema(part)) for part in parts]
    if not descriptions:
        raise FeatvizError(f"{folder}: not a feature table: a folder without part-*.parquet")
    found = [description.part for description in descriptions]
    total = found[0].of if found[0] is not None else len(found)
    if found != [Part(number, total) for number in range(total)]:
        raise FeatvizError(
            f"{folder}: not a complete feature table: {len(found)} files; expected the "
            f"{total} parts of one table"
        )
    return descriptions


def _joined_metadata(folder: Path, parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What all parts say, and all that any of them skipped."""
    first = parts[0]
    for key in first:
        if key != "skipped" and any(part.get(key) != first[key] for part in parts):
            raise FeatvizError(f"{folder}: its parts are of different tables: '{key}' differs")
    if "skipped" not in first:
        return first
    return {**first, "skipped": [sketch for part in parts for sketch in part["skipped"]]}


def _read_schema(path: Path) -> Any:
    with _readable(path):
        return pq.read_metadata(path)


def _describe(path: Path, footer: Any) -> TableDescription:
    schema = footer.schema.to_arrow_schema()
    metadata = _metadata(path, schema)
    part = (schema.metadata or {}).get(PART_KEY)
    return TableDescription(
        rows=footer.num_rows,
        layers=_layers(schema),
        metadata=metadata,
        part=None if part is None else Part(**json.loads(part)),
    )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise FeatvizError(f"{path}: no such feature table; `featviz extract` writes them")
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise FeatvizError(f"{path}: not a readable parquet file ({error})") from None


def _layers(schema: Any) -> tuple[str, ...]:
    return tuple(field.name for field in schema if pa.types.is_fixed_size_list(field.type))


def _metadata(path: Path, schema: Any) -> dict[str, Any]:
    text = (schema.metadata or {}).get(METADATA_KEY)
    if text is None:
        raise FeatvizError(
            f"{path}: not a feature table: no 'featviz' metadata; expected a file that "
            "`featviz extract` wrote"
        )
    missing = [column for column in ROW_COLUMNS if column not in schema.names]
    if missing:
        raise FeatvizError(
            f"{path}: not a feature table: missing column {', '.join(missing)}; "
            f"there are {', '.join(schema.names)}"
        )
    try:
        metadata: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError as error:
        raise FeatvizError(f"{path}: {error}") from None
    return metadata


def _read_file(path: Path) -> FeatureTable:
    # Not through a dataset, which would take a folder's name for a partition.
    with _readable(path), pq.ParquetFile(path) as file:
        arrow = file.read()
    metadata = _metadata(path, arrow.schema)
    layers = list(_layers(arrow.schema))
    try:
        return FeatureTable(
            rows=arrow.drop_columns(layers).to_pandas(ignore_metadata=True),
            vectors={layer: _vectors(arrow.column(layer)) for layer in layers},
            metadata=metadata,
        )
    except FeatvizError as error:
        raise FeatvizError(f"{path}: {error}") from None


def _vectors(column: Any) -> NDArray[np.float32]:
    array = column.combine_chunks()
    width = column.type.list_size
    flat = array.flatten() if len(array) else pa.array([], type=column.type.value_type)
    vectors: NDArray[np.float32] = flat.to_numpy(zero_copy_only=False).reshape(-1, width)
    return vectors
