"""What is known of sketches beside their vectors: by what the report can colour its points."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable
from featviz.base.files import require_file
from featviz.base.foreign import parsing, read_json, told_of
from featviz.report.contents import ReportedColumn

_TABLE_COLUMNS = ("sketch", "group", "point_x", "point_y")
_SKETCH = "sketch"


def table_columns(tables: Sequence[FeatureTable], names: Sequence[str]) -> list[ReportedColumn]:
    """The further columns of feature tables, for sketches called `names`.

    What two tables say differently of a sketch is a column of each, called after its checkpoint.
    """
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for table in tables:
        for column in table.rows.columns:
            if column not in _TABLE_COLUMNS:
                values = dict(zip(table.rows[_SKETCH], table.rows[column], strict=True))
                found.setdefault(str(column), []).append((table.checkpoint, values))
    columns = []
    for column, told in found.items():
        joined: dict[str, Any] = {}
        for _, values in told:
            joined = {**values, **joined}
        same = all(_equal(joined[name], values[name]) for _, values in told for name in values)
        for checkpoint, values in [("", joined)] if same else told:
            called = f"{column} ({checkpoint})" if checkpoint else column
            columns.append(_column(called, values, names))
    return columns


def read_columns(path: Path, names: Sequence[str]) -> list[ReportedColumn]:
    """The columns of a CSV that has one called `sketch`, for sketches called `names`.

    Raises FeatvizError, naming the file, if it is missing or no such table, tells of a sketch
    twice, or of none of these.
    """
    require_file(path, "table of columns")
    with told_of(path):
        frame = _read_csv(path)
        twice = frame[_SKETCH][frame[_SKETCH].duplicated()]
        if len(twice):
            raise FeatvizError(f"sketch '{twice.iloc[0]}' stands there twice; expected it once")
        if not set(frame[_SKETCH]) & set(names):
            raise FeatvizError(
                f"has none of the tables' {len(names)} sketches, such as '{names[0]}'"
            )
        further = [column for column in frame.columns if column != _SKETCH]
        if not further:
            raise FeatvizError(f"has no column beside '{_SKETCH}'")
    told = frame[_SKETCH].to_list()
    return [
        _column(str(column), dict(zip(told, frame[column].to_list(), strict=True)), names)
        for column in further
    ]


def read_selection(path: Path, names: Sequence[str]) -> tuple[list[str], int]:
    """The sketches that a file selects, of those called `names`, and how many others it has.

    A page's own JSON ({"sketches": [...]}), a CSV with a column `sketch`, or a name a line. Raises
    FeatvizError, naming the file, if it is none of these or selects none of the sketches.
    """
    require_file(path, "selection")
    if path.suffix.lower() == ".json":
        listed = read_json(path, dict[str, Any]).get("sketches")
        if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
            raise FeatvizError(f'{path}: expected {{"sketches": [NAMES]}}')
    elif path.suffix.lower() == ".csv":
        with told_of(path):
            listed = _read_csv(path)[_SKETCH].to_list()
    else:
        with told_of(path), parsing("no text"):
            listed = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    wanted = set(filter(None, listed))
    selected = [name for name in names if name in wanted]
    if not selected:
        raise FeatvizError(
            f"{path} selects none of the tables' {len(names)} sketches, such as '{names[0]}'"
        )
    return selected, len(wanted) - len(selected)


def _read_csv(path: Path) -> pd.DataFrame:
    with parsing("no table of comma-separated values"):
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    if _SKETCH not in frame:
        told = ", ".join(map(str, frame.columns[:6]))
        raise FeatvizError(f"has no column '{_SKETCH}'; its columns are {told}")
    return frame


def _column(name: str, values: Mapping[str, Any], names: Sequence[str]) -> ReportedColumn:
    """A column of numbers where all that is there is one, else of words."""
    listed = pd.Series([values.get(each) for each in names], dtype=object)
    listed = listed.where(listed.notna() & (listed.astype(str).str.strip() != ""), None)
    there = listed[listed.notna()]
    numbers = pd.to_numeric(there, errors="coerce").astype(float)
    is_number = len(there) > 0 and numbers.abs().lt(float("inf")).all()
    if is_number and not any(isinstance(value, bool) for value in there):
        return ReportedColumn(name, [None if v is None else float(v) for v in listed])
    return ReportedColumn(name, [None if value is None else str(value) for value in listed])


def _equal(one: Any, other: Any) -> bool:
    return bool(one == other) or bool(pd.isna(one) and pd.isna(other))
