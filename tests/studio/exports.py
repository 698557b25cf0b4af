"""All of a database to compare, and all of a folder."""

from pathlib import Path
from typing import Any

from sqlalchemy import select

from featviz.studio.database import Database
from featviz.studio.tables import Author, DrawingRecord, Event, SketchRecord, StrokeRecord


def rows(database: Database, *, secrets: bool = False) -> dict[str, list[dict[str, Any]]]:
    """Everything in a database but what may not travel."""

    def work(session: Any) -> dict[str, list[dict[str, Any]]]:
        found = {}
        for table in (Author, DrawingRecord, StrokeRecord, Event, SketchRecord):
            entries = [
                {k: v for k, v in vars(row).items() if not k.startswith("_")}
                for row in session.scalars(select(table))
            ]
            for entry in entries:
                for key in () if secrets else ("secret_digest", "token_digest"):
                    entry.pop(key, None)
            found[table.__name__] = sorted(entries, key=str)
        return found

    return database.read(work)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
