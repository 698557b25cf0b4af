"""Looking through the database: saved sketches and one's own drawings, page by page."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session, aliased, defer

from featviz.studio.database import Database
from featviz.studio.problems import StudioError
from featviz.studio.tables import Author, DrawingRecord, SketchRecord

Order = Literal["new", "old", "label"]

MOST_PER_PAGE = 100


@dataclass(frozen=True)
class SketchFilter:
    """Which sketches; None or "" is any. part: one of the edited parts. text: looked for in
    label, group and nickname. mine: the author who asks. deleted: that author's deleted ones.
    """

    group: str | None = None
    author: str | None = None
    base: str | None = None
    part: str | None = None
    text: str | None = None
    origin: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    mine: str | None = None
    deleted: bool = False


@dataclass(frozen=True)
class Listed:
    """A sketch of a page of the gallery with what it takes to show it."""

    sketch: SketchRecord
    nickname: str
    base: SketchRecord | None


@dataclass(frozen=True)
class GalleryPage:
    """Some sketches, how to ask for the next ones, and how many there are."""

    sketches: list[Listed]
    next: str | None
    total: int


@dataclass(frozen=True)
class DrawingsPage:
    """Some of an author's drawings with the number of sketches saved from each."""

    drawings: list[tuple[DrawingRecord, int]]
    bases: dict[str, SketchRecord]
    next: str | None
    total: int


@dataclass(frozen=True)
class Facets:
    """What there is to filter by: (value, ..., count)."""

    groups: Sequence[tuple[str, int]]
    authors: Sequence[tuple[str, str, int]]
    parts: Sequence[tuple[str, int]]


def list_sketches(
    database: Database, wanted: SketchFilter, order: Order, limit: int, cursor: str | None
) -> GalleryPage:
    """One page of sketches; raises StudioError for a cursor that is none of ours."""
    where = _conditions(wanted)
    base = aliased(SketchRecord)
    column: Any = SketchRecord.label if order == "label" else SketchRecord.saved
    query = (
        select(SketchRecord, Author.nickname, base)
        .outerjoin(Author, Author.id == SketchRecord.author_id)
        .outerjoin(base, base.id == SketchRecord.base_id)
        .where(*where)
        .options(defer(SketchRecord.original), defer(base.original), defer(base.strokes))
    )

    def work(session: Session) -> GalleryPage:
        rows, following = _page(
            session, query, column, SketchRecord.id, order == "new", limit, cursor, order
        )
        total = session.scalar(
            select(func.count())
            .select_from(SketchRecord)
            .outerjoin(Author, Author.id == SketchRecord.author_id)
            .where(*where)
        )
        listed = [Listed(sketch, nickname or "", base) for sketch, nickname, base in rows]
        return GalleryPage(listed, following, total or 0)

    return database.read(work)


def list_drawings(
    database: Database, author_id: str, deleted: bool, limit: int, cursor: str | None
) -> DrawingsPage:
    """One page of an author's drawings, the latest changed first."""
    where = (
        DrawingRecord.author_id == author_id,
        DrawingRecord.deleted.is_not(None) if deleted else DrawingRecord.deleted.is_(None),
    )
    saved = (
        select(SketchRecord.drawing_id, func.count().label("count"))
        .where(SketchRecord.author_id == author_id, SketchRecord.deleted.is_(None))
        .group_by(SketchRecord.drawing_id)
        .subquery()
    )
    query = (
        select(DrawingRecord, func.coalesce(saved.c.count, 0))
        .outerjoin(saved, saved.c.drawing_id == DrawingRecord.id)
        .where(*where)
    )

    def work(session: Session) -> DrawingsPage:
        rows, following = _page(
            session, query, DrawingRecord.updated, DrawingRecord.id, True, limit, cursor, "drawings"
        )
        total = session.scalar(select(func.count()).select_from(DrawingRecord).where(*where))
        ids = {drawing.base_id for drawing, _ in rows if drawing.base_id}
        bases = session.scalars(select(SketchRecord).where(SketchRecord.id.in_(ids))) if ids else ()
        return DrawingsPage(
            [(drawing, count) for drawing, count in rows],
            {base.id: base for base in bases},
            following,
            total or 0,
        )

    return database.read(work)


def facets(database: Database) -> Facets:
    """The groups, authors and edited parts of all saved sketches, with their numbers."""
    shown = (SketchRecord.deleted.is_(None), SketchRecord.origin != "start")

    def work(session: Session) -> Facets:
        groups = session.execute(
            select(SketchRecord.group_name, func.count())
            .where(*shown)
            .group_by(SketchRecord.group_name)
        )
        authors = session.execute(
            select(Author.id, Author.nickname, func.count())
            .join(SketchRecord, SketchRecord.author_id == Author.id)
            .where(*shown)
            .group_by(Author.id, Author.nickname)
        )
        parts: dict[str, int] = {}
        for edited, count in session.execute(
            select(SketchRecord.edited_part, func.count())
            .where(*shown)
            .group_by(SketchRecord.edited_part)
        ):
            for part in edited.split():
                parts[part] = parts.get(part, 0) + count
        return Facets(
            sorted((name, count) for name, count in groups),
            sorted(((a, n, c) for a, n, c in authors), key=lambda row: (row[1], row[0])),
            sorted(parts.items()),
        )

    return database.read(work)


def _conditions(wanted: SketchFilter) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [
        SketchRecord.deleted.is_not(None) if wanted.deleted else SketchRecord.deleted.is_(None),
        SketchRecord.origin == wanted.origin if wanted.origin else SketchRecord.origin != "start",
    ]
    for column, value in (
        (SketchRecord.group_name, wanted.group),
        (SketchRecord.author_id, wanted.author),
        (SketchRecord.author_id, wanted.mine),
        (SketchRecord.base_id, wanted.base),
    ):
        if value:
            where.append(column == value)
    if wanted.part:
        # edited_part holds names separated by spaces.
        padded = " " + SketchRecord.edited_part + " "
        where.append(padded.contains(f" {wanted.part} ", autoescape=True))
    if wanted.text:
        where.append(
            or_(
                *(
                    column.icontains(wanted.text, autoescape=True)
                    for column in (SketchRecord.label, SketchRecord.group_name, Author.nickname)
                )
            )
        )
    if wanted.since:
        where.append(SketchRecord.saved >= wanted.since)
    if wanted.until:
        where.append(SketchRecord.saved <= wanted.until)
    return where


def _page(
    session: Session,
    query: Any,
    column: Any,
    key: Any,
    descending: bool,
    limit: int,
    cursor: str | None,
    kind: str,
) -> tuple[list[Any], str | None]:
    """Rows behind the cursor, ordered by (column, key), and the cursor of what follows them.

    Pages by place instead of by number neither repeat nor skip what is there while others save.
    """
    if cursor:
        value, last = _read_cursor(cursor, kind)
        behind = column < value if descending else column > value
        tie = key < last if descending else key > last
        query = query.where(or_(behind, and_(column == value, tie)))
    ordering = (column.desc(), key.desc()) if descending else (column, key)
    rows = list(session.execute(query.order_by(*ordering).limit(limit + 1)))
    if len(rows) <= limit:
        return rows, None
    rows = rows[:limit]
    row = rows[-1][0]
    return rows, _cursor(getattr(row, column.key), row.id, kind)


def _cursor(value: str | datetime, key: str, kind: str) -> str:
    text = value.isoformat() if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(json.dumps([kind, text, key]).encode()).decode()


def _read_cursor(cursor: str, kind: str) -> tuple[str | datetime, str]:
    try:
        given, text, key = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if given != kind or not isinstance(key, str) or not isinstance(text, str):
            raise ValueError
        if b"\0" in (text + key).encode():
            # PostgreSQL takes no such text.
            raise ValueError
        value: str | datetime
        value = text if kind == "label" else datetime.fromisoformat(text).astimezone(UTC)
        return value, key
    except (ValueError, TypeError, RecursionError, OverflowError):
        raise StudioError("bad-request", "this cursor belongs to another list") from None
