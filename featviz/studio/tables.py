"""The tables of the sketch database, the same in SQLite and PostgreSQL."""

import re
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA_VERSION = 2
MIGRATIONS = {
    1: (
        "ALTER TABLE sketches ADD COLUMN faces JSON",
        "ALTER TABLE sketches ADD COLUMN bases JSON",
    )
}
"""By version what makes its tables those of the next."""

ID_PATTERN = r"^[0-9A-Za-z_-]{8,40}$"
"""Ids of drawings and sketches, which the page makes (UUIDs)."""
ITEM_PATTERN = r"^[0-9A-Za-z_-]{1,40}$"
"""Ids of strokes and events, unique within their drawing."""
PART_PATTERN = r"^\w[\w.-]{0,39}$"
"""Names of parts: `edited_part` separates them by spaces."""
PART_NAME = re.compile(PART_PATTERN)


class UtcTime(TypeDecorator[datetime]):
    """A moment, to the millisecond; SQLite keeps no time zones, so UTC goes in and comes out."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To a naive UTC time."""
        del dialect
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To an aware UTC time."""
        del dialect
        return None if value is None else value.replace(tzinfo=UTC)


def now() -> datetime:
    """The present moment, to the millisecond."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def moment(time: datetime) -> str:
    """A time as the page gets it: 2026-01-31T12:00:00.123Z."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Record(DeclarativeBase):
    """What all tables have in common."""

    type_annotation_map = {datetime: UtcTime, list[Any]: JSON, str: Text}  # noqa: RUF012


class Schema(Record):
    """One row: which version of these tables the database has."""

    __tablename__ = "featviz_schema"
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class Author(Record):
    """Somebody who draws: a browser with its secret cookie, of which only the digest is kept.

    secret_digest: None for authors who came with an import; nobody can be them. token_digest: of
    the server's token when the session began, "" if it had none.
    """

    __tablename__ = "authors"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    nickname: Mapped[str]
    secret_digest: Mapped[str | None] = mapped_column(String(64), unique=True)
    token_digest: Mapped[str]
    created: Mapped[datetime]


class DrawingRecord(Record):
    """What somebody draws on: the sum of its events.

    revision: how many events there are; last_event: the id of the latest. strokes, points: how
    many there ever were, for the limits.
    """

    __tablename__ = "drawings"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    author_id: Mapped[str] = mapped_column(ForeignKey("authors.id"), index=True)
    base_id: Mapped[str | None] = mapped_column(ForeignKey("sketches.id", use_alter=True))
    page_version: Mapped[str]
    created: Mapped[datetime]
    updated: Mapped[datetime]
    revision: Mapped[int]
    last_event: Mapped[str | None]
    strokes: Mapped[int]
    points: Mapped[int]
    deleted: Mapped[datetime | None]


class StrokeRecord(Record):
    """A stroke of a drawing; it never changes, it is only taken away and put back.

    points: flat [x0, y0, x1, y1, ...] in pixels. position: strokes lie in this order.
    """

    __tablename__ = "strokes"
    drawing_id: Mapped[str] = mapped_column(ForeignKey("drawings.id"), primary_key=True)
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    part: Mapped[str]
    position: Mapped[float]
    points: Mapped[list[Any]]
    present: Mapped[bool]


class Event(Record):
    """One step of a drawing's history: strokes (by id) that came and strokes that went.

    of: the event that an undo or redo is about, or that a "restore" goes back to. A "rebase"
    changes no stroke: the face of the strokes as they are becomes the base of later edits.
    """

    __tablename__ = "events"
    __table_args__ = (UniqueConstraint("drawing_id", "id"),)
    drawing_id: Mapped[str] = mapped_column(ForeignKey("drawings.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str]
    of: Mapped[str | None]
    added: Mapped[list[Any]]
    removed: Mapped[list[Any]]
    time: Mapped[datetime]


class SketchRecord(Record):
    """A saved sketch of a group: immutable, but for being deleted and restored.

    label, group_name, file, base_id, edited_part: its row in a sketch set's index. strokes: list
    of {"part", "points"}, or None if it is made of pixels. original: the bytes of the file it came
    from where `to_svg` would not give the same; suffix: the ending of that file. place: its row in
    the index it was imported from. origin: "drawn", "imported" or "start" (a sketch of the server's
    set that somebody drew on). faces: what was shown when it was saved, {"checkpoint", "kept"}
    each; bases: the numbers of the drawing's events after which its face became the base, one after
    the other. Both None where nobody told.
    """

    __tablename__ = "sketches"
    __table_args__ = (Index("sketches_by_time", "saved", "id"),)
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    label: Mapped[str] = mapped_column(unique=True)
    group_name: Mapped[str] = mapped_column(index=True)
    file: Mapped[str]
    base_id: Mapped[str | None] = mapped_column(ForeignKey("sketches.id"), index=True)
    edited_part: Mapped[str]
    author_id: Mapped[str | None] = mapped_column(ForeignKey("authors.id"), index=True)
    drawing_id: Mapped[str | None] = mapped_column(ForeignKey("drawings.id"), index=True)
    revision: Mapped[int | None]
    page_version: Mapped[str]
    saved: Mapped[datetime]
    deleted: Mapped[datetime | None]
    place: Mapped[int]
    origin: Mapped[str] = mapped_column(String(8))
    strokes: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    original: Mapped[bytes | None] = mapped_column(LargeBinary)
    suffix: Mapped[str] = mapped_column(String(8))
    faces: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True), default=None)
    bases: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True), default=None)


class GroupRecord(Record):
    """The number that the latest sketch of a group got; numbers are never used again."""

    __tablename__ = "groups"
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    last_number: Mapped[int]
