"""Result tables: rows whose columns have types, and metadata that is JSON; in memory and on disk.

A kind of table is a subclass that says what its columns are. It inherits checking, finding,
reading, writing and joining.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError, one_line
from featviz.base.files import atomic_write, require_ending
from featviz.base.foreign import parse_json, parsing, told_of

METADATA_KEY = b"featviz"
ALL_GROUPS = "all"
"""The group of a number that belongs to all of them, or of a mean over them."""

ColumnKind = Literal["text", "whole", "whole or none", "number", "flag"]
"""What a column holds. Text may be given as numbers, whole numbers as 2.0; a number may be NaN."""

_SHOWN_ROWS = 10
_MOST = 2**31
"""Whole numbers lie below: pixels, steps, counts."""


@dataclass(frozen=True, eq=False)
class Table:
    """Rows and where they come from. Columns that are not in `columns` are kept as they are.

    Raises FeatvizError for rows that lack a column, or hold something else in one, or hold two rows
    that are the same in all of `key`.
    """

    rows: pd.DataFrame
    metadata: dict[str, Any]

    noun: ClassVar[str] = "table"
    command: ClassVar[str] = ""
    """What writes such tables."""
    columns: ClassVar[Mapping[str, ColumnKind]] = {}
    added: ClassVar[Mapping[str, Any]] = {}
    """Columns that tables of older versions lack, and what these hold instead."""
    key: ClassVar[tuple[str, ...]] = ()
    endings: ClassVar[tuple[str, ...]] = (".csv", ".parquet")
    """Of the files that are written; any, and all are parquet, if there is none here."""
    description: ClassVar[type] = dict[str, Any]
    """What the metadata of a file has to be, see `parse_json`."""
    needs_metadata: ClassVar[bool] = True
    """Whether a file without metadata is refused."""
    alike: ClassVar[tuple[str, ...]] = ()
    """Keys of the metadata that are equal in tables which can be joined."""
    gathered: ClassVar[str] = ""
    """The key of the metadata that holds an entry for each of the joined."""
    joined_by: ClassVar[tuple[str, ...]] = ("checkpoint",)
    """Columns whose values only one of the joined tables has."""

    def __post_init__(self) -> None:
        if added := {name: it for name, it in self.added.items() if name not in self.rows}:
            object.__setattr__(self, "rows", self.rows.assign(**added))
        names = list(self.rows.columns)
        if missing := [name for name in self.columns if name not in names]:
            raise FeatvizError(
                f"a table of this kind ({self.noun}) takes the columns {', '.join(self.columns)}; "
                f"missing: {', '.join(missing)}"
            )
        if twice := [name for name in self.columns if names.count(name) > 1]:
            raise FeatvizError(f"there are {names.count(twice[0])} columns '{twice[0]}'")
        given = {name: self.rows[name] for name in self.columns}
        typed = {name: _typed(values, self.columns[name]) for name, values in given.items()}
        # Rows that have their types stay the object that they are.
        if any(typed[name] is not given[name] for name in given):
            object.__setattr__(self, "rows", self.rows.assign(**typed))
        if self.key and (again := self.rows.duplicated(list(self.key)).to_numpy()).any():
            first = self.rows.iloc[int(again.argmax())]
            told = ", ".join(f"{name} {first[name]}" for name in self.key)
            raise FeatvizError(
                f"{int(again.sum())} rows are there more than once, such as {told}; expected one"
            )

    def __len__(self) -> int:
        return len(self.rows)

    def _repr_html_(self) -> str:
        """The kind of table and its first and last rows, for notebooks; no name is markup in it."""
        rows = self.rows.to_html(max_rows=_SHOWN_ROWS, show_dimensions=True, notebook=True)
        return f"<p>{escape(self.noun)}</p>\n{rows}"

    def names(self, column: str) -> tuple[str, ...]:
        """The different values of a column, in order of first appearance."""
        return tuple(dict.fromkeys(self.rows[column]))

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """The names of the checkpoints, in order."""
        return self.names("checkpoint")

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the layers, in order."""
        return self.names("layer")

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups, in order of first appearance."""
        return tuple(name for name in self.names("group") if name != ALL_GROUPS)

    def values(self, **conditions: Any) -> pd.DataFrame:
        """The rows whose columns have these values, in order: `values(layer="L4", mode="all")`."""
        keep = np.ones(len(self.rows), dtype=bool)
        for column, wanted in conditions.items():
            keep &= (self.rows[column] == wanted).to_numpy(dtype=bool, na_value=False)
        return self.rows[keep]

    def row(self, **conditions: Any) -> pd.Series:
        """The one row that meets the conditions; raises FeatvizError if there is none, or more."""
        found = self.values(**conditions)
        if len(found) != 1:
            raise FeatvizError(f"{len(found)} rows meet {conditions}; expected one")
        return found.iloc[0]

    @classmethod
    def join(cls, tables: Iterable[Self]) -> Self:
        """Put tables of several checkpoints into one, in the given order.

        Raises FeatvizError if there is none, if one of `alike` differs, or if two hold the same
        of `joined_by`.
        """
        tables = list(tables)
        if not tables:
            raise FeatvizError(f"no {cls.noun}s to join")
        first = tables[0].metadata
        for key in cls.alike:
            for table in tables:
                if (other := table.metadata.get(key)) != first.get(key):
                    raise FeatvizError(
                        f"cannot join {cls.noun}s with {key} {first.get(key)} and {other}"
                    )
        by = list(cls.joined_by)
        names = pd.concat([table.rows[by].drop_duplicates() for table in tables])
        if (again := names.duplicated().to_numpy()).any():
            first_by, *further = (str(value) for value in names.iloc[int(again.argmax())])
            told = "".join(f", {by[n]} {value}" for n, value in enumerate(further, 1))
            raise FeatvizError(f"'{first_by}'{told}{',' if told else ''} is given more than once")
        entries = [table.metadata[cls.gathered] for table in tables]
        joined: Any = (
            [entry for of_one in entries for entry in of_one]
            if isinstance(entries[0], list)
            else {name: entry for of_one in entries for name, entry in of_one.items()}
        )
        rows = pd.concat([table.rows for table in tables], ignore_index=True)
        return cls(rows, {**first, cls.gathered: joined})

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a table that `write` wrote as parquet, or as JSON if this kind has that.

        Raises FeatvizError, naming the file, if it is missing or holds something else.
        """
        path = Path(path)
        with told_of(path):
            cls.require_file(path)
            if path.suffix.lower() == ".json" and ".json" in cls.endings:
                content = parse_json(path.read_bytes(), _Content)
                return cls(pd.DataFrame(content.rows), content.metadata)
            arrow = read_parquet(path)
            text = (arrow.schema.metadata or {}).get(
                METADATA_KEY, None if cls.needs_metadata else b"{}"
            )
            return cls(to_frame(arrow), cls.described(text, arrow.column_names))

    @classmethod
    def require_file(cls, path: Path) -> None:
        """Raise FeatvizError unless there is a file at the path."""
        if not path.is_file():
            writer = f"; `{cls.command}` writes them" if cls.command else ""
            raise FeatvizError(f"no such {cls.noun}{writer}")

    @classmethod
    def described(cls, text: bytes | None, columns: list[str]) -> dict[str, Any]:
        """The metadata of a file; raises FeatvizError if it, or a column, is missing or wrong."""
        if text is None:
            raise FeatvizError(
                f"not one of featviz's files ({cls.noun}): no 'featviz' metadata; expected what "
                f"`{cls.command}` writes"
            )
        needed = [column for column in cls.columns if column not in cls.added]
        if missing := [column for column in needed if column not in columns]:
            raise FeatvizError(
                f"not a {cls.noun}: missing column {', '.join(missing)}; "
                f"there are {one_line(', '.join(columns))}"
            )
        try:
            parse_json(text, cls.description)
            return parse_json(text, dict[str, Any])
        except FeatvizError as error:
            raise FeatvizError(f"metadata: {error}") from None

    @classmethod
    def check_ending(cls, path: Path) -> None:
        """Raise FeatvizError unless the ending of a name is that of a format we write."""
        if cls.endings:
            article = "an" if cls.noun[0] in "aeiou" else "a"
            require_ending(path, f"{article} {cls.noun}", cls.endings)

    def write(self, path: Path, text: str = "") -> None:
        """Write the table in the format that the name tells, complete or not at all.

        parquet holds the metadata as JSON text in its key-value metadata under `featviz`, JSON
        under `metadata` beside `rows`; CSV, which has no such place, gets the columns of
        `with_provenance`; .md holds `text`. NaN is an empty cell, or null.
        """
        self.check_ending(path)
        with atomic_write(Path(path)) as temporary:
            match Path(path).suffix.lower() if self.endings else "":
                case ".csv":
                    self.with_provenance().to_csv(temporary, index=False)
                case ".md":
                    temporary.write_text(text + "\n", encoding="utf-8")
                case ".json":
                    records = json.loads(self.rows.to_json(orient="records", double_precision=15))
                    content = {"metadata": self.metadata, "rows": records}
                    told = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
                    temporary.write_text(told + "\n", encoding="utf-8")
                case _:
                    rows = pa.Table.from_pandas(self.rows, preserve_index=False)
                    write_parquet(rows, self.metadata, temporary)

    def with_provenance(self) -> pd.DataFrame:
        """The rows with columns that tell where they come from, for formats without metadata."""
        return self.rows


@dataclass
class _Content:
    rows: list[dict[str, str | float | None]]
    metadata: dict[str, Any]


def write_parquet(
    arrow: pa.Table,
    metadata: Mapping[str, Any],
    path: Path,
    further: Mapping[bytes, bytes] | None = None,
) -> None:
    """Write columns with metadata as JSON text, and further entries beside it."""
    write_parquet_parts([arrow], metadata, path, further)


def write_parquet_parts(
    parts: Iterable[pa.Table],
    metadata: Mapping[str, Any],
    path: Path,
    further: Mapping[bytes, bytes] | None = None,
) -> None:
    """The same of one or more parts of a table's rows, each of which is let go when written."""
    text = json.dumps(metadata, ensure_ascii=False, allow_nan=False)
    entries = {METADATA_KEY: text.encode(), **(further or {})}
    writer = None
    try:
        for part in parts:
            part = part.replace_schema_metadata(entries)
            writer = writer or pq.ParquetWriter(path, part.schema, compression="zstd")
            writer.write_table(part)
    finally:
        if writer is not None:
            writer.close()


def read_parquet(path: Path) -> pa.Table:
    """The columns of a parquet file whose content is what their types say (text is UTF-8).

    Raises FeatvizError if it is no such, or has two columns of one name.
    """
    with parsing("not a readable parquet file"):
        # Not through a dataset, which would take a folder's name for a partition.
        with pq.ParquetFile(path) as file:
            arrow = file.read()
        arrow.validate(full=True)
        names = arrow.column_names
    if twice := [name for name in names if names.count(name) > 1]:
        raise FeatvizError(f"there are {names.count(twice[0])} columns '{twice[0]}'")
    return arrow


def to_frame(arrow: pa.Table) -> pd.DataFrame:
    """Columns as pandas has them; raises FeatvizError for values that it cannot hold."""
    with parsing("columns that pandas cannot hold"):
        frame: pd.DataFrame = arrow.to_pandas(ignore_metadata=True)
    return frame


def list_vectors(name: str, column: pa.ChunkedArray) -> NDArray[np.float32]:
    """A column of lists of numbers as (N, C); `name` is what errors call it.

    Raises FeatvizError unless all lists are there, of one length, finite, and exact in float32.
    """
    array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if array.null_count:
        row = pc.index(array.is_null(), True)
        raise FeatvizError(f"{name} has no vector in row {row} (from 0)")
    fixed = isinstance(array.type, pa.FixedSizeListType)
    widths = [array.type.list_size] if fixed else array.value_lengths().unique().to_pylist()
    if len(widths) != 1 or widths[0] == 0:
        told = " and ".join(map(str, sorted(widths)[:3])) or "unknown, for there is no row"
        raise FeatvizError(f"{name} has vectors of length {told}; expected one length, 1 or more")
    flat = array.flatten()
    if flat.null_count:
        raise FeatvizError(f"{name} has vectors with empty entries; expected numbers")
    numbers = flat.to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):
        vectors: NDArray[np.float32] = numbers.astype(np.float32, copy=False)
    if not (finite := np.isfinite(vectors if vectors is numbers else numbers)).all():
        row = int(finite.argmin()) // widths[0]
        raise FeatvizError(f"{name} holds NaN or infinity in row {row} (from 0)")
    if vectors is not numbers and (vectors != numbers).any():
        raise FeatvizError(
            f"{name} holds {numbers.dtype} numbers that float32 does not hold exactly; "
            "round them to float32 before writing them"
        )
    return vectors.reshape(-1, widths[0])


def _typed(values: pd.Series, kind: ColumnKind) -> pd.Series:
    """A column of its kind, the given one if it is that already."""
    if kind == "number":
        return _numbers(values)
    missing = values.isna().to_numpy(dtype=bool)
    if kind == "whole or none":
        whole = np.zeros(len(values), np.int64)
        whole[~missing] = _typed(values[~missing], "whole")
        return pd.Series(pd.arrays.IntegerArray(whole, missing), values.index)
    if missing.any():
        raise FeatvizError(f"row {missing.argmax()} (from 0) has no {values.name}; expected {kind}")
    if kind == "text":
        if isinstance(values.dtype, pd.StringDtype):
            return values
        return pd.Series([_text(v, values.name) for v in values], values.index, dtype=str)
    if kind == "flag":
        return values if values.dtype == bool else _refuse(values, "true or false")
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return values.astype(np.int64) if len(values) == 0 else _refuse(values, "whole numbers")
    numbers = values.to_numpy()
    with np.errstate(invalid="ignore"):
        odd = ~((np.floor(numbers) == numbers) & (np.abs(numbers) < _MOST))
    if odd.any():
        row = int(odd.argmax())
        raise FeatvizError(
            f"{values.name} of row {row} (from 0) is {numbers[row]}, no whole number"
        )
    return values if values.dtype == np.int64 else values.astype(np.int64)


def _numbers(values: pd.Series) -> pd.Series:
    if values.dtype == np.float64:
        return values
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if not numeric and values.notna().any():
        return _refuse(values, "numbers")
    return pd.Series(values.to_numpy(np.float64, na_value=np.nan), values.index)


def _text(value: object, column: object) -> str:
    match value:
        case str():
            return value
        case bool() | np.bool_() | Integral():
            return str(value)
        # pandas makes 1.0 of 1 where a column has holes.
        case Real():
            return str(int(float(value))) if float(value).is_integer() else str(float(value))
    kind = type(value).__name__
    raise FeatvizError(
        f"column '{column}' holds {kind}; expected text, or numbers that stand for it"
    )


def _refuse(values: pd.Series, expected: str) -> pd.Series:
    raise FeatvizError(f"column '{values.name}' holds {values.dtype}; expected {expected}")
