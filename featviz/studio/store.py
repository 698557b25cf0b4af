"""The sketch database: drawings that grow by events, and the sketches saved from them.

Whatever the page sends it may send again, after a crash of either side: every id is made by the
page, so what is there already is answered as it was the first time and stored once.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from featviz.sketches.drawing import changed_parts
from featviz.studio.authors import Authors
from featviz.studio.database import Database
from featviz.studio.problems import StudioError
from featviz.studio.start_sketch import StartSketch, use_start
from featviz.studio.steps import (
    Limits,
    NewEvent,
    NewStroke,
    SheetContents,
    State,
    append_steps,
    same_step,
)
from featviz.studio.strokes import by_part, lines
from featviz.studio.tables import (
    DrawingRecord,
    Event,
    GroupRecord,
    SketchRecord,
    StrokeRecord,
    now,
)


class Store:
    """What the page may do with the database. All methods are safe to call from any thread."""

    def __init__(self, database: Database, limits: Limits | None = None) -> None:
        self.database = database
        self.authors = Authors(database)
        self.limits = limits or Limits()

    # Drawings

    def create_drawing(
        self, author_id: str, drawing_id: str, base: StartSketch | str | None, page_version: str
    ) -> tuple[SheetContents, bool]:
        """A drawing and whether it is new; with a base it begins with that one's strokes.

        base: a sketch of the server's set or the id of a saved one.
        """

        def work(session: Session) -> tuple[SheetContents, bool]:
            if session.get(DrawingRecord, drawing_id) is not None:
                return self._contents(session, author_id, drawing_id), False
            _require_room(session, DrawingRecord, author_id, self.limits.drawings, "drawings")
            source: SketchRecord | None = None
            if isinstance(base, str):
                source = session.get(SketchRecord, base)
                if source is None or source.deleted is not None:
                    raise StudioError("not-found", f"there is no sketch {base}")
            elif base is not None:
                source = use_start(session, base)
            if source is not None and source.strokes is None:
                raise StudioError(
                    "bad-request", f"sketch {source.label} is made of pixels; draw on another one"
                )
            time = now()
            drawing = DrawingRecord(
                id=drawing_id,
                author_id=author_id,
                base_id=source.id if source is not None else None,
                page_version=page_version,
                created=time,
                updated=time,
                revision=0,
                last_event=None,
                strokes=0,
                points=0,
                deleted=None,
            )
            session.add(drawing)
            # Without relationships nothing tells the order in which rows have to be written.
            session.flush()
            if source is not None and source.strokes:
                strokes = tuple(
                    NewStroke(f"b{number}", item["part"], number, tuple(item["points"]))
                    for number, item in enumerate(source.strokes)
                )
                first = NewEvent("start", "start", strokes, ())
                append_steps(session, drawing, [first], self.limits)
                session.flush()
            return self._contents(session, author_id, drawing_id), True

        return self.database.write(work)

    def drawing(self, author_id: str, drawing_id: str) -> SheetContents:
        """All of a drawing; only its author may see it."""
        return self.database.read(
            lambda session: self._contents(session, author_id, drawing_id, saved=True)
        )

    def append_events(
        self, author_id: str, drawing_id: str, after: str | None, events: Sequence[NewEvent]
    ) -> State:
        """Store events behind the event `after`; all are on disk when this returns, or none.

        Events that are there already are skipped. Raises StudioError "conflict" if the drawing's
        last event is another than `after`, "exists" for an id that stands for something else.
        """

        def work(session: Session) -> State:
            drawing = _own_drawing(session, author_id, drawing_id, lock=True)
            if drawing.deleted is not None:
                raise StudioError("deleted", "this drawing is deleted; restore it to draw on")
            ids = [event.id for event in events]
            if len(set(ids)) < len(ids):
                raise StudioError("bad-request", "two events of a request have the same id")
            known = {
                event.id: event
                for event in session.scalars(
                    select(Event).where(Event.drawing_id == drawing_id, Event.id.in_(ids))
                )
            }
            for event in events:
                if event.id in known and not same_step(known[event.id], event):
                    raise StudioError("exists", f"event {event.id} is another one already")
            new = [event for event in events if event.id not in known]
            if not new:
                return State(drawing.revision, drawing.last_event)
            first = ids.index(new[0].id)
            before = after if first == 0 else ids[first - 1]
            if before != drawing.last_event or len(new) != len(events) - first:
                raise StudioError(
                    "conflict",
                    "this drawing has changed elsewhere; load it again",
                    last=drawing.last_event,
                    revision=drawing.revision,
                )
            append_steps(session, drawing, new, self.limits)
            return State(drawing.revision, drawing.last_event, len(new))

        return self.database.write(work)

    def delete_drawing(self, author_id: str, drawing_id: str, deleted: bool) -> DrawingRecord:
        """Put a drawing aside, or take it back."""

        def work(session: Session) -> DrawingRecord:
            drawing = _own_drawing(session, author_id, drawing_id, lock=True)
            if deleted != (drawing.deleted is not None):
                drawing.deleted = now() if deleted else None
            return drawing

        return self.database.write(work)

    # Sketches

    def save_sketch(
        self,
        author_id: str,
        sketch_id: str,
        drawing_id: str,
        revision: int,
        group: str,
        replaces: str | None = None,
        faces: list[dict[str, Any]] | None = None,
    ) -> tuple[SketchRecord, bool]:
        """Save a drawing, as it was after `revision` events, into a group.

        replaces: a sketch of the author's that is deleted in the same step. faces: what was shown,
        {"checkpoint", "kept"} each; None if that is not told. Returns the sketch and whether it is
        new.
        """

        def work(session: Session) -> tuple[SketchRecord, bool]:
            there = session.get(SketchRecord, sketch_id)
            if there is not None:
                given = (author_id, drawing_id, revision, group)
                if given != (
                    there.author_id,
                    there.drawing_id,
                    there.revision,
                    there.group_name,
                ):
                    raise StudioError("exists", f"sketch {sketch_id} is another one already")
                return there, False
            _require_room(session, SketchRecord, author_id, self.limits.sketches, "sketches")
            contents = self._contents(session, author_id, drawing_id)
            if not 0 <= revision <= contents.drawing.revision:
                raise StudioError(
                    "conflict",
                    f"the drawing has {contents.drawing.revision} events; cannot save {revision}",
                    last=contents.drawing.last_event,
                    revision=contents.drawing.revision,
                )
            strokes = by_part((s.part, s.points) for s in contents.at(revision))
            if not strokes:
                raise StudioError("empty", "there is nothing drawn yet to save")
            edited = ""
            if contents.base is not None:
                edited = " ".join(changed_parts(lines(contents.base.strokes), lines(strokes)))
            label, number = _next_label(session, group)
            sketch = SketchRecord(
                id=sketch_id,
                label=label,
                group_name=group,
                file=f"{group}/{number:03d}.svg",
                base_id=contents.drawing.base_id,
                edited_part=edited,
                author_id=author_id,
                drawing_id=drawing_id,
                revision=revision,
                page_version=contents.drawing.page_version,
                saved=now(),
                deleted=None,
                place=0,
                origin="drawn",
                strokes=strokes,
                original=None,
                suffix=".svg",
                faces=faces,
                bases=None if faces is None else list(contents.bases_at(revision)),
            )
            session.add(sketch)
            if replaces is not None:
                old = _own_sketch(session, author_id, replaces)
                old.deleted = old.deleted or now()
            return sketch, True

        return self.database.write(work)

    def sketch(self, sketch_id: str) -> SketchRecord:
        """One saved sketch, also a deleted one: others may be edits of it."""

        def work(session: Session) -> SketchRecord:
            sketch = session.get(SketchRecord, sketch_id)
            if sketch is None:
                raise StudioError("not-found", f"there is no sketch {sketch_id}")
            return sketch

        return self.database.read(work)

    def delete_sketch(self, author_id: str, sketch_id: str, deleted: bool) -> SketchRecord:
        """Take one's own sketch out of the gallery and of exports, or put it back."""

        def work(session: Session) -> SketchRecord:
            sketch = _own_sketch(session, author_id, sketch_id)
            if deleted != (sketch.deleted is not None):
                sketch.deleted = now() if deleted else None
            return sketch

        return self.database.write(work)

    # The insides

    def _contents(
        self, session: Session, author_id: str, drawing_id: str, saved: bool = False
    ) -> SheetContents:
        drawing = _own_drawing(session, author_id, drawing_id)
        strokes = session.scalars(
            select(StrokeRecord)
            .where(StrokeRecord.drawing_id == drawing_id)
            .order_by(StrokeRecord.position, StrokeRecord.id)
        )
        events = session.scalars(
            select(Event).where(Event.drawing_id == drawing_id).order_by(Event.number)
        )
        base = session.get(SketchRecord, drawing.base_id) if drawing.base_id else None
        sketches = (
            session.scalars(
                select(SketchRecord)
                .where(SketchRecord.drawing_id == drawing_id, SketchRecord.deleted.is_(None))
                .order_by(SketchRecord.saved, SketchRecord.id)
            )
            if saved
            else ()
        )
        return SheetContents(drawing, list(strokes), list(events), base, list(sketches))


def _require_room(
    session: Session,
    kind: type[DrawingRecord] | type[SketchRecord],
    author_id: str,
    most: int,
    called: str,
) -> None:
    """Raise StudioError "too-many" if an author has as many of a kind as are kept."""
    count = session.scalar(
        select(func.count()).select_from(kind).where(kind.author_id == author_id)
    )
    if (count or 0) >= most:
        raise StudioError(
            "too-many", f"you have {count} {called}; at most {most} are kept", retry_after=None
        )


def _own_drawing(
    session: Session, author_id: str, drawing_id: str, lock: bool = False
) -> DrawingRecord:
    drawing = session.get(DrawingRecord, drawing_id, with_for_update=True if lock else None)
    if drawing is None:
        raise StudioError("not-found", f"there is no drawing {drawing_id}")
    if drawing.author_id != author_id:
        raise StudioError("forbidden", "this drawing is somebody else's")
    return drawing


def _own_sketch(session: Session, author_id: str, sketch_id: str) -> SketchRecord:
    sketch = session.get(SketchRecord, sketch_id)
    if sketch is None:
        raise StudioError("not-found", f"there is no sketch {sketch_id}")
    if sketch.author_id != author_id:
        raise StudioError("forbidden", "this sketch is somebody else's")
    return sketch


def _next_label(session: Session, group: str) -> tuple[str, int]:
    row = session.get(GroupRecord, group, with_for_update=True)
    if row is None:
        row = GroupRecord(name=group, last_number=0)
        session.add(row)
    while True:
        row.last_number += 1
        label = f"{group}/{row.last_number:03d}"
        if session.scalar(select(SketchRecord.id).where(SketchRecord.label == label)) is None:
            return label, row.last_number
