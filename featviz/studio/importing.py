"""From a folder of sketches to the sketch database, with nothing lost.

Any sketch set can be imported; one that was exported brings its history with it.
"""

import hashlib
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from featviz.base.errors import FeatvizError
from featviz.base.progress import track
from featviz.sketches.drawing import to_svg
from featviz.sketches.sketch_set import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, read_sketches
from featviz.studio.database import Database
from featviz.studio.exporting import HISTORY, file_of
from featviz.studio.history_file import (
    DrawingLine,
    HiddenSketch,
    HistoryLine,
    SketchLine,
    read_history,
)
from featviz.studio.problems import StudioError
from featviz.studio.strokes import editable, lines
from featviz.studio.tables import (
    Author,
    DrawingRecord,
    Event,
    GroupRecord,
    SketchRecord,
    StrokeRecord,
    now,
)

_SPACE = uuid.UUID("6a1f3a51-4a8e-5b3c-9d57-2f1f4b0a7c11")


@dataclass(frozen=True)
class Imported:
    """How many sketches are new, and how many were there already."""

    new: int
    known: int


@dataclass(frozen=True)
class _Content:
    """A sketch of the folder's index, read."""

    label: str
    group: str
    file: str
    base: str
    edited_part: str
    data: bytes
    strokes: list[dict[str, Any]] | None
    place: int

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def original(self) -> bytes | None:
        same = self.strokes is not None and to_svg(lines(self.strokes)).encode() == self.data
        return None if same else self.data


def import_sketches(folder: Path, database: Database) -> Imported:
    """Take a sketch set into the database, all of it or nothing.

    Sketches that are there already are left as they are. Raises FeatvizError if the set cannot be
    read or if the database has other sketches of the same names.
    """
    contents = list(_read(folder))
    history = read_history(folder / HISTORY)
    try:
        return database.write(lambda session: _insert(session, contents, history))
    except StudioError as error:
        if isinstance(error.__cause__, IntegrityError | DataError):
            raise FeatvizError(f"{folder / HISTORY} contradicts itself or the database") from None
        raise


def _read(folder: Path) -> Iterator[_Content]:
    try:
        sketches = read_sketches(folder)
    except UnicodeEncodeError as error:
        _require_text(str(error.object), folder)
        raise
    columns = [*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS]
    rows = list(sketches.index[columns].itertuples(index=False, name=None))
    for number, (label, group, file, base, part) in enumerate(track(rows, "reading sketches")):
        # Whatever is wrong with a sketch is told before anything is stored.
        for name in (label, group, file, base, part):
            _require_text(name, folder)
        sketches.image(number)
        data = (folder / file).read_bytes()
        is_svg = file.lower().endswith(".svg")
        strokes = editable(sketches.drawing(number)) if is_svg else None
        yield _Content(label, group, file, base, part, data, strokes, number)


def _require_text(name: str, folder: Path) -> None:
    if "\0" in name or any("\ud800" <= character <= "\udfff" for character in name):
        raise FeatvizError(f"{folder}: the name {name!r} is no text in UTF-8; rename it")


def _insert(session: Session, contents: list[_Content], history: list[HistoryLine]) -> Imported:
    told = {line.sketch.label: line.sketch for line in history if line.sketch is not None}
    links: list[tuple[SketchRecord, str | None, str | None]] = []
    ids: dict[str, str] = {}
    known = 0
    for content in contents:
        entry = told.get(content.label)
        if entry is not None and (entry.hidden is not None or entry.sha256 != content.digest):
            # The picture was changed after the export, so its history is not its own any more.
            entry = None
        sketch_id = entry.id if entry is not None else _id(content)
        there = session.get(SketchRecord, sketch_id) or session.scalar(
            select(SketchRecord).where(SketchRecord.label == content.label)
        )
        if there is not None:
            file = file_of(there)
            if (there.label, there.group_name) != (content.label, content.group) or (
                content.data not in (file, _as_once_written(file))
            ):
                raise FeatvizError(
                    f"the database has another sketch '{there.label}' already; import "
                    f"'{content.label}' into another database, or rename its group"
                )
            ids[content.label] = there.id
            known += 1
            continue
        ids[content.label] = sketch_id
        sketch = _sketch(content, entry, sketch_id)
        links.append((sketch, None, entry.drawing if entry else None))
        session.add(sketch)
    labels = {content.label: content.base for content in contents}
    links = [(sketch, ids.get(labels[sketch.label]), drawing) for sketch, _, drawing in links]
    new = len(links)
    for line in history:
        if line.sketch is not None and line.sketch.hidden is not None:
            if session.get(SketchRecord, line.sketch.id) is not None:
                known += 1
                continue
            hidden = _hidden(line.sketch, line.sketch.hidden)
            session.add(hidden)
            links.append((hidden, line.sketch.base, line.sketch.drawing))
            new += 1
    _insert_history(session, history)
    session.flush()
    # Sketches and drawings point at each other: only now is everything there to point at.
    for sketch, base, drawing in links:
        sketch.base_id = base if base and session.get(SketchRecord, base) else None
        sketch.drawing_id = drawing if drawing and session.get(DrawingRecord, drawing) else None
    _count_groups(session, [sketch for sketch, _, _ in links])
    return Imported(new, known)


def _id(content: _Content) -> str:
    return str(uuid.uuid5(_SPACE, f"{content.label}\n{content.group}\n{content.digest}"))


def _as_once_written(file: bytes) -> bytes:
    """An SVG drawing as featviz wrote it when a dot was a line of one point, not of two."""
    return re.sub(rb'points="([^ "]+) \1"', rb'points="\1"', file)


def _sketch(content: _Content, entry: SketchLine | None, sketch_id: str) -> SketchRecord:
    return SketchRecord(
        id=sketch_id,
        label=content.label,
        group_name=content.group,
        file=content.file,
        base_id=None,
        edited_part=content.edited_part,
        author_id=entry.author if entry else None,
        drawing_id=None,
        revision=entry.revision if entry else None,
        page_version=entry.page_version if entry else "",
        saved=entry.saved if entry else now(),
        deleted=entry.deleted if entry else None,
        place=entry.place if entry else content.place,
        origin=entry.origin if entry else "imported",
        strokes=content.strokes,
        original=content.original,
        suffix=PurePosixPath(content.file).suffix.lower(),
        faces=entry.shown() if entry else None,
        bases=entry.bases if entry else None,
    )


def _hidden(entry: SketchLine, hidden: HiddenSketch) -> SketchRecord:
    return SketchRecord(
        id=entry.id,
        label=hidden.label,
        group_name=hidden.group,
        file=hidden.file,
        base_id=None,
        edited_part=hidden.edited_part,
        author_id=entry.author,
        drawing_id=None,
        revision=entry.revision,
        page_version=entry.page_version,
        saved=entry.saved,
        deleted=entry.deleted,
        place=entry.place,
        origin=entry.origin,
        strokes=None
        if hidden.strokes is None
        else [stroke.model_dump() for stroke in hidden.strokes],
        original=None if hidden.original is None else bytes.fromhex(hidden.original),
        suffix=hidden.suffix,
        faces=entry.shown(),
        bases=entry.bases,
    )


def _insert_history(session: Session, history: list[HistoryLine]) -> None:
    for line in history:
        if line.author is not None and session.get(Author, line.author.id) is None:
            session.add(
                Author(
                    id=line.author.id,
                    nickname=line.author.nickname,
                    secret_digest=None,
                    token_digest="",
                    created=line.author.created,
                )
            )
    session.flush()
    drawings: list[tuple[DrawingRecord, DrawingLine]] = []
    for line in history:
        if line.drawing is None:
            continue
        if (there := session.get(DrawingRecord, line.drawing.id)) is not None:
            _go_on(session, there, line.drawing)
            continue
        drawing = _drawing_row(line.drawing)
        session.add(drawing)
        drawings.append((drawing, line.drawing))
    session.flush()
    for drawing, told in drawings:
        if told.base and session.get(SketchRecord, told.base):
            drawing.base_id = told.base
        session.add_all(_steps(told))


def _go_on(session: Session, drawing: DrawingRecord, told: DrawingLine) -> None:
    """Add to a drawing that is here already what was drawn on it since."""
    events = select(Event.id).where(Event.drawing_id == drawing.id).order_by(Event.number)
    here = list(session.scalars(events))
    ids = [event.id for event in told.events]
    both = min(len(here), len(ids))
    if drawing.author_id != told.author or here[:both] != ids[:both]:
        raise FeatvizError(
            f"drawing {drawing.id} went on differently in the database; import into another one"
        )
    if len(ids) == both:
        return
    strokes = {
        stroke.id: stroke
        for stroke in session.scalars(
            select(StrokeRecord).where(StrokeRecord.drawing_id == drawing.id)
        )
    }
    for row in _steps(told):
        if isinstance(row, Event):
            if row.number > both:
                session.add(row)
        elif row.id in strokes:
            strokes[row.id].present = row.present
        else:
            session.add(row)
    after = _drawing_row(told)
    for name in ("updated", "revision", "last_event", "strokes", "points"):
        setattr(drawing, name, getattr(after, name))


def _drawing_row(line: DrawingLine) -> DrawingRecord:
    return DrawingRecord(
        id=line.id,
        author_id=line.author,
        base_id=None,
        page_version=line.page_version,
        created=line.created,
        updated=line.updated,
        revision=len(line.events),
        last_event=line.events[-1].id if line.events else None,
        strokes=len(line.strokes),
        points=sum(len(stroke.points) // 2 for stroke in line.strokes),
        deleted=line.deleted,
    )


def _steps(line: DrawingLine) -> Iterable[StrokeRecord | Event]:
    for stroke in line.strokes:
        yield StrokeRecord(
            drawing_id=line.id,
            id=stroke.id,
            part=stroke.part,
            position=stroke.order,
            points=stroke.points,
            present=stroke.present,
        )
    for number, event in enumerate(line.events, 1):
        yield Event(
            drawing_id=line.id,
            number=number,
            id=event.id,
            kind=event.kind,
            of=event.of,
            added=event.add,
            removed=event.remove,
            time=event.time,
        )


def _count_groups(session: Session, sketches: Iterable[SketchRecord]) -> None:
    """Numbers of imported sketches are taken, too."""
    numbers: dict[str, int] = {}
    for sketch in sketches:
        text = sketch.label.rpartition("/")[2]
        if text.isdecimal() and len(text) < 9:
            numbers[sketch.group_name] = max(numbers.get(sketch.group_name, 0), int(text))
    for name, number in numbers.items():
        row = session.get(GroupRecord, name)
        if row is None:
            session.add(GroupRecord(name=name, last_number=number))
        else:
            row.last_number = max(row.last_number, number)
