"""The hair of a pair set: found once in its photos, then kept beside its landmarks.

FOLDER/hair.parquet         photo, lines (each x0, y0, x1, ... in pixels of the photo)
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError
from featviz.base.files import atomic_write
from featviz.base.foreign import parsing, told_of
from featviz.base.progress import track
from featviz.base.table import ColumnKind, Table, read_parquet, to_frame
from featviz.faces.hair_lines import find_hair
from featviz.faces.pairs import PairSet
from featviz.faces.person import require_network

_FILE = "hair.parquet"
_WRITE_EVERY = 200

HairLines = tuple[NDArray[np.float32], ...]


@dataclass(frozen=True, eq=False)
class _Rows(Table):
    """What hair.parquet holds beside the lines."""

    noun: ClassVar[str] = "table of hair"
    columns: ClassVar[Mapping[str, ColumnKind]] = {"photo": "text"}
    key: ClassVar[tuple[str, ...]] = ("photo",)


def add_hair(pairs: PairSet) -> tuple[PairSet, list[str]]:
    """Find the hair in each photo of a pair set that has none yet, keep it, and return the set.

    A call that was stopped continues. Returns too a line, with the reason, for every photo without
    hair to draw, old and new: those have contours as before. Raises FeatvizError for a missing
    asset or library, and for a photo that cannot be read.
    """
    require_network()
    found = _read(pairs.folder) if (pairs.folder / _FILE).is_file() else {}
    missing = [index for index, name in enumerate(pairs.names) if name not in found]
    reasons: dict[str, str] = {}
    try:
        for count, index in enumerate(track(missing, "finding hair"), 1):
            name = pairs.names[index]
            try:
                found[name] = find_hair(pairs.photo(index), pairs.landmarks[index])
            except FeatvizError as error:
                found[name], reasons[name] = (), str(error)
            if count % _WRITE_EVERY == 0:
                _write(pairs.folder, found)
    finally:
        if missing:
            _write(pairs.folder, found)
    without = [
        f"{name}: {reasons.get(name, 'no hair found')}; drawn without"
        for name in pairs.names
        if not found[name]
    ]
    return _with(pairs, found), without


def with_hair(pairs: PairSet) -> PairSet:
    """A pair set whose contours have hair; raises FeatvizError if it was not found before."""
    path = pairs.folder / _FILE
    command = f"featviz faces contours --hair --data {pairs.folder}"
    if not path.is_file():
        raise FeatvizError(f"{pairs.folder} has no {_FILE}; make it with: {command}")
    found = _read(pairs.folder)
    if lacking := [name for name in pairs.names if name not in found]:
        raise FeatvizError(
            f"{path} lacks {len(lacking)} photos, such as {lacking[0]}; add them with: {command}"
        )
    return _with(pairs, found)


def _with(pairs: PairSet, found: Mapping[str, HairLines]) -> PairSet:
    return replace(pairs, hair=tuple(found[name] for name in pairs.names))


def _write(folder: Path, found: Mapping[str, HairLines]) -> None:
    lines = [[line.ravel().tolist() for line in lines] for lines in found.values()]
    kind = pa.list_(pa.list_(pa.float32()))
    table = pa.table({"photo": list(found), "lines": pa.array(lines, kind)})
    with atomic_write(folder / _FILE) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def _read(folder: Path) -> dict[str, HairLines]:
    path = folder / _FILE
    with told_of(path), parsing("not a table of hair"):
        table = read_parquet(path)
        rows = _Rows(to_frame(table.drop_columns("lines")), {})
        return {
            name: tuple(_line(name, line) for line in lines)
            for name, lines in zip(
                rows.rows["photo"], table.column("lines").to_pylist(), strict=True
            )
        }


def _line(name: str, numbers: list[float]) -> NDArray[np.float32]:
    line = np.array(numbers, dtype=np.float32)
    if line.ndim != 1 or len(line) < 2 or len(line) % 2 or not np.isfinite(line).all():
        raise FeatvizError(f"a line of {name} is no list of x0, y0, x1, ...")
    return line.reshape(-1, 2)
