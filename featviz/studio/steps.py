"""The steps of a drawing: strokes that come, go and come back."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from featviz.studio.problems import StudioError
from featviz.studio.tables import DrawingRecord, Event, SketchRecord, StrokeRecord, now


@dataclass(frozen=True)
class Limits:
    """How much is too much."""

    strokes: int = 5_000
    """Strokes that a drawing may ever have had."""
    points: int = 100_000
    """Points of all these."""
    events: int = 20_000
    """Events of a drawing."""
    drawings: int = 5_000
    """Drawings of an author."""
    sketches: int = 20_000
    """Sketches of an author."""


@dataclass(frozen=True)
class NewStroke:
    """A stroke as it comes in; points: flat, rounded."""

    id: str
    part: str
    order: float
    points: tuple[float, ...]


@dataclass(frozen=True)
class NewEvent:
    """A step as it comes in. add: new strokes, or ids of strokes taken away earlier."""

    id: str
    kind: str
    add: tuple[NewStroke | str, ...]
    remove: tuple[str, ...]
    of: str | None = None

    @property
    def added(self) -> list[str]:
        """The ids of what it adds."""
        return [item if isinstance(item, str) else item.id for item in self.add]


@dataclass(frozen=True)
class State:
    """Where a drawing stands; stored: how many events were new."""

    revision: int
    last: str | None
    stored: int = 0


@dataclass(frozen=True)
class SheetContents:
    """A drawing with all its strokes (in order) and events (by number)."""

    drawing: DrawingRecord
    strokes: list[StrokeRecord]
    events: list[Event]
    base: SketchRecord | None
    saved: list[SketchRecord] = field(default_factory=list)

    def at(self, revision: int) -> list[StrokeRecord]:
        """The strokes that were there after so many events."""
        present: set[str] = set()
        for event in self.events[:revision]:
            present.difference_update(event.removed)
            present.update(event.added)
        return [stroke for stroke in self.strokes if stroke.id in present]

    def bases_at(self, revision: int) -> tuple[int, ...]:
        """The numbers of the events after which the face became the base, after so many events."""
        now: tuple[int, ...] = ()
        before: dict[str, tuple[int, ...]] = {}
        after: dict[str, tuple[int, ...]] = {}
        for event in self.events[:revision]:
            before[event.id] = now
            if event.kind == "rebase":
                now = (*now, event.number)
            elif event.kind == "undo":
                now = before.get(event.of or "", now)
            elif event.kind in ("redo", "restore"):
                now = after.get(event.of or "", now)
            after[event.id] = now
        return now


def append_steps(
    session: Session, drawing: DrawingRecord, events: Iterable[NewEvent], limits: Limits
) -> None:
    """Put steps behind a drawing's last one; raises StudioError for impossible or too many ones."""
    rows = session.execute(
        select(StrokeRecord.id, StrokeRecord.present).where(StrokeRecord.drawing_id == drawing.id)
    )
    present: dict[str, bool] = {row[0]: row[1] for row in rows}
    changed: dict[str, bool] = {}
    new: dict[str, StrokeRecord] = {}
    time = now()
    for event in events:
        for stroke_id in event.remove:
            if not present.get(stroke_id, False):
                raise StudioError("bad-request", f"no stroke {stroke_id} to take away")
            present[stroke_id] = changed[stroke_id] = False
        for item in event.add:
            stroke_id = item if isinstance(item, str) else item.id
            if isinstance(item, str):
                if present.get(stroke_id, True):
                    raise StudioError("bad-request", f"no stroke {stroke_id} to put back")
            elif stroke_id in present:
                raise StudioError("exists", f"stroke {stroke_id} is another one already")
            else:
                new[stroke_id] = StrokeRecord(
                    drawing_id=drawing.id,
                    id=stroke_id,
                    part=item.part,
                    position=item.order,
                    points=list(item.points),
                    present=True,
                )
                drawing.strokes += 1
                drawing.points += len(item.points) // 2
            present[stroke_id] = changed[stroke_id] = True
        drawing.revision += 1
        drawing.last_event = event.id
        session.add(
            Event(
                drawing_id=drawing.id,
                number=drawing.revision,
                id=event.id,
                kind=event.kind,
                of=event.of,
                added=event.added,
                removed=list(event.remove),
                time=time,
            )
        )
    drawing.updated = time
    for what in ("strokes", "points"):
        count, most = getattr(drawing, what), getattr(limits, what)
        if count > most:
            raise StudioError("too-large", f"a drawing holds at most {most} {what}")
    if drawing.revision > limits.events:
        raise StudioError("too-large", f"a drawing has at most {limits.events} events")
    for stroke_id, stroke in new.items():
        stroke.present = present[stroke_id]
        session.add(stroke)
    old = [stroke_id for stroke_id in changed if stroke_id not in new]
    for start in range(0, len(old), 500):
        for stroke in session.scalars(
            select(StrokeRecord).where(
                StrokeRecord.drawing_id == drawing.id, StrokeRecord.id.in_(old[start : start + 500])
            )
        ):
            stroke.present = present[stroke.id]


def same_step(stored: Event, given: NewEvent) -> bool:
    """Whether an event that comes in is the one that is there."""
    return (stored.kind, stored.added, stored.removed) == (
        given.kind,
        given.added,
        list(given.remove),
    )
