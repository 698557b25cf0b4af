"""The list of a folder's feature tables: what came from what.

Everything but the seconds is taken from the tables' own metadata, anew whenever a table has
changed, so the list never tells another story than they do, and a lost one is made again.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featviz.base.errors import FeatvizError
from featviz.base.feature_table import describe_features
from featviz.base.files import atomic_write, remove_unfinished
from featviz.base.foreign import read_json
from featviz.base.provenance import VERSION_KEY, recorded_version
from featviz.extraction.locks import table_lock

MANIFEST = "manifest.json"

_FROM_METADATA = (
    "source",
    "digest",
    "variant",
    "step",
    "sketches",
    "sketches_fingerprint",
    "skipped",
    "points",
    "stage",
    "engine",
    "device",
    "precision",
    "torch",
)


_Entries = dict[str, dict[str, Any]]


@dataclass
class _Content:
    tables: dict[str, dict[str, Any]]


def update_manifest(folder: Path, name: str | None = None, seconds: float | None = None) -> None:
    """Write the list of the folder's tables; `seconds` is what the table `name` took."""
    path = folder / MANIFEST
    if name is None:
        before = read_manifest(folder)
        if _same(before, derive_manifest(folder, before)):
            return
    with table_lock(path):
        remove_unfinished(path)
        before = read_manifest(folder)
        now = derive_manifest(folder, before)
        for table, entry in now.items():
            old = before.get(table, {})
            if table == name:
                entry["seconds"] = None if seconds is None else round(seconds, 3)
            elif _same({table: old}, {table: entry}):
                entry["seconds"] = old["seconds"]
        text = json.dumps({"format": 1, "tables": now}, indent=1, ensure_ascii=False)
        with atomic_write(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")


def _same(one: _Entries, other: _Entries) -> bool:
    """Whether two lists tell of the same tables, whatever those took."""
    first, second = (
        {name: {**entry, "seconds": None} for name, entry in entries.items()}
        for entries in (one, other)
    )
    return first == second


def read_manifest(folder: Path) -> _Entries:
    """The entries of a folder's list by the tables' names; none if it is missing or damaged."""
    try:
        tables = read_json(folder / MANIFEST, _Content).tables
    except FeatvizError:
        return {}
    return {name: {"seconds": None, **entry} for name, entry in tables.items()}


def derive_manifest(folder: Path, known: _Entries | None = None) -> _Entries:
    """The entries as the tables' own metadata tell them; seconds are unknown.

    Files of a folder that are no feature tables are no part of it.
    known: entries from before. A table that has not changed since is not read again, because one
    that is a folder may have tens of thousands of files.
    """
    entries: _Entries = {}
    for path in sorted(folder.glob("[!.]*.parquet")):
        old = (known or {}).get(path.stem, {})
        try:
            state = path.stat()
            stamp = [state.st_ino, state.st_mtime_ns]
            if old.get("stamp") == stamp and VERSION_KEY in old:
                entries[path.stem] = {**old, "seconds": None}
                continue
            described = describe_features(path)
        except (FeatvizError, OSError):
            continue
        metadata = described.metadata
        entries[path.stem] = {
            "file": path.name,
            **{key: metadata.get(key) for key in _FROM_METADATA},
            VERSION_KEY: recorded_version(metadata),
            "layers": list(described.layers),
            "rows": described.rows,
            "stamp": stamp,
            "seconds": None,
        }
    return entries
