"""From the sketch database to a folder of sketches, with nothing lost.

A folder holds `index.csv` and the sketches, as `sketches.sketch_set` reads them, and
`history.jsonl`: whose they are, when they were saved, and every step by which they were drawn.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import select
from sqlalchemy.orm import Session

from featviz.base.errors import FeatvizError
from featviz.base.files import atomic_write
from featviz.export.folders import new_folder
from featviz.sketches.drawing import to_svg
from featviz.sketches.sketch_set import INDEX, OPTIONAL_COLUMNS, REQUIRED_COLUMNS
from featviz.studio.database import Database
from featviz.studio.documents import event_document, stroke_document
from featviz.studio.file_names import FileNames
from featviz.studio.steps import SheetContents
from featviz.studio.strokes import lines
from featviz.studio.tables import Author, DrawingRecord, Event, SketchRecord, StrokeRecord, moment

HISTORY = "history.jsonl"
EXPORT_FORMAT = 2
"""Of HISTORY; its first line holds it. The first one did not tell of faces."""
_SHOWN_COLUMNS = ("faces", "bases")
"""Of the index, if a sketch tells what was shown when it was saved; nothing reads them back."""


@dataclass(frozen=True)
class Exported:
    """How many sketches were written, how many of them only because others were made from them,
    and what was left out. orphans: sketches whose base is not among them.
    """

    sketches: int
    bases: int
    drafts: int
    deleted: int
    orphans: int


def export_sketches(
    database: Database, folder: Path, group: str | None = None, everything: bool = False
) -> Exported:
    """Write the saved sketches (of one group) and the sketches that they were made from.

    everything: also what only their authors see, drafts and deleted sketches, in HISTORY.
    The folder appears complete or not at all. Raises FeatvizError if it is there and not empty, or
    if there is nothing to export.
    """
    folder = Path(folder)
    if group is not None and everything:
        raise FeatvizError("a group is a part; leave out either the group or 'everything'")
    plan = database.read(lambda session: _plan(session, group, everything))
    if not plan.listed and not everything:
        which = "no saved sketches" if group is None else f"no saved sketches in group '{group}'"
        raise FeatvizError(f"the database holds {which}; there is nothing to export")
    with new_folder(folder) as temporary:
        _write(plan, temporary, everything)
    return plan.report


@dataclass(frozen=True)
class _Plan:
    """What goes out. listed: the sketches of the index; hidden: those of HISTORY alone."""

    listed: list[SketchRecord]
    hidden: list[SketchRecord]
    contents: list[SheetContents]
    authors: list[Author]
    report: Exported


def _plan(session: Session, group: str | None, everything: bool) -> _Plan:
    sketches = {sketch.id: sketch for sketch in session.scalars(select(SketchRecord))}
    chosen = {
        sketch.id
        for sketch in sketches.values()
        if sketch.deleted is None
        and (everything or sketch.origin != "start")
        and group in (None, sketch.group_name)
    }
    listed = set(chosen)
    for sketch_id in chosen:
        base = sketches[sketch_id].base_id
        while base is not None and base not in listed and sketches[base].deleted is None:
            listed.add(base)
            base = sketches[base].base_id
    hidden = set(sketches) - listed if everything else set()
    ends: dict[str, int] = {}
    for sketch_id in listed | hidden:
        sketch = sketches[sketch_id]
        if sketch.drawing_id is not None:
            last = ends.get(sketch.drawing_id, 0)
            ends[sketch.drawing_id] = max(last, sketch.revision or 0)
    drawings = [d for d in session.scalars(select(DrawingRecord)) if everything or d.id in ends]
    contents = [
        _history(session, drawing, None if everything else ends[drawing.id]) for drawing in drawings
    ]
    names = {sketches[sketch_id].author_id for sketch_id in listed | hidden}
    names |= {drawing.author_id for drawing in drawings}
    authors = [a for a in session.scalars(select(Author)) if everything or a.id in names]
    saved = {sketch.drawing_id for sketch in sketches.values()}
    drafts = sum(1 for d in session.scalars(select(DrawingRecord.id)) if d not in saved)
    report = Exported(
        sketches=len(listed),
        bases=len(listed - chosen),
        drafts=0 if everything else drafts,
        deleted=0 if everything else sum(1 for s in sketches.values() if s.deleted is not None),
        orphans=sum(1 for i in listed if (sketches[i].base_id or i) not in listed),
    )
    return _Plan(
        sorted((sketches[i] for i in listed), key=_in_order),
        sorted((sketches[i] for i in hidden), key=_in_order),
        sorted(contents, key=lambda c: (c.drawing.created, c.drawing.id)),
        sorted(authors, key=lambda author: (author.created, author.id)),
        report,
    )


def _in_order(sketch: SketchRecord) -> tuple[datetime, int, str]:
    return sketch.saved, sketch.place, sketch.label


def _history(session: Session, drawing: DrawingRecord, end: int | None) -> SheetContents:
    """A drawing up to an event; what was drawn after it is nobody else's business yet."""
    events = session.scalars(
        select(Event)
        .where(Event.drawing_id == drawing.id, Event.number <= (end or drawing.revision))
        .order_by(Event.number)
    )
    strokes = session.scalars(
        select(StrokeRecord)
        .where(StrokeRecord.drawing_id == drawing.id)
        .order_by(StrokeRecord.position, StrokeRecord.id)
    )
    contents = SheetContents(drawing, list(strokes), list(events), None)
    known = {stroke_id for event in contents.events for stroke_id in event.added}
    return SheetContents(
        drawing, [s for s in contents.strokes if s.id in known], contents.events, None
    )


def _write(plan: _Plan, folder: Path, everything: bool) -> None:
    labels = {sketch.id: sketch.label for sketch in plan.listed}
    names = FileNames(INDEX, HISTORY)
    rows = []
    entries = []
    for sketch in plan.listed:
        file = names.take(_with_suffix(sketch), sketch.id)
        data = file_of(sketch)
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        base = labels.get(sketch.base_id or "", "")
        row = (sketch.label, sketch.group_name, file, base, sketch.edited_part)
        rows.append((*row, _faces(sketch), " ".join(map(str, sketch.bases or ()))))
        entries.append({"sketch": _entry(sketch, data)})
    for sketch in plan.hidden:
        hidden = {
            "label": sketch.label,
            "group": sketch.group_name,
            "file": sketch.file,
            "edited_part": sketch.edited_part,
            "strokes": sketch.strokes,
            "original": sketch.original and sketch.original.hex(),
            "suffix": sketch.suffix,
        }
        entries.append({"sketch": {**_entry(sketch, file_of(sketch)), "hidden": hidden}})
    with atomic_write(folder / HISTORY) as temporary, temporary.open("w", encoding="utf-8") as out:
        for line in (
            {"format": EXPORT_FORMAT},
            *({"author": _author(author)} for author in plan.authors),
            *({"drawing": _drawing(contents, labels, everything)} for contents in plan.contents),
            *entries,
        ):
            out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
    columns = [*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS, *_SHOWN_COLUMNS]
    table = pd.DataFrame(rows, columns=columns, dtype=str)
    if all(sketch.faces is None for sketch in plan.listed):
        table = table.drop(columns=list(_SHOWN_COLUMNS))
    with atomic_write(folder / INDEX) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def _with_suffix(sketch: SketchRecord) -> str:
    same = sketch.file.lower().endswith(sketch.suffix)
    return sketch.file if same else sketch.file + sketch.suffix


def _faces(sketch: SketchRecord) -> str:
    ways = {True: "kept", False: "free"}
    return " ".join(f"{face['checkpoint']}:{ways[face['kept']]}" for face in sketch.faces or ())


def file_of(sketch: SketchRecord) -> bytes:
    """A sketch as a file: the one it came from, or an SVG drawing."""
    if sketch.original is not None:
        return sketch.original
    return to_svg(lines(sketch.strokes)).encode()


def _author(author: Author) -> dict[str, Any]:
    # Never the digests: who holds a copy of the sketches must not become their authors.
    return {"id": author.id, "nickname": author.nickname, "created": moment(author.created)}


def _drawing(contents: SheetContents, labels: dict[str, str], everything: bool) -> dict[str, Any]:
    drawing, end = contents.drawing, len(contents.events)
    present = {stroke.id for stroke in contents.at(end)}
    base = drawing.base_id if everything or drawing.base_id in labels else None
    return {
        "id": drawing.id,
        "author": drawing.author_id,
        "base": base,
        "page_version": drawing.page_version,
        "created": moment(drawing.created),
        "updated": moment(drawing.updated),
        "deleted": drawing.deleted and moment(drawing.deleted),
        "strokes": [stroke_document(stroke, stroke.id in present) for stroke in contents.strokes],
        "events": [event_document(event) for event in contents.events],
    }


def _entry(sketch: SketchRecord, data: bytes) -> dict[str, Any]:
    return {
        "id": sketch.id,
        "label": sketch.label,
        "base": sketch.base_id,
        "author": sketch.author_id,
        "drawing": sketch.drawing_id,
        "revision": sketch.revision,
        "page_version": sketch.page_version,
        "saved": moment(sketch.saved),
        "deleted": sketch.deleted and moment(sketch.deleted),
        "place": sketch.place,
        "origin": sketch.origin,
        "sha256": hashlib.sha256(data).hexdigest(),
        "faces": sketch.faces,
        "bases": sketch.bases,
    }
