"""A sketch of the server's set, and its copy in the database once somebody draws on it."""

import hashlib
import uuid
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from featviz.studio.tables import SketchRecord, now

_SPACE = uuid.UUID("1f0c6f0e-6d0a-5a55-8a3f-0b6c7f9f5120")


@dataclass(frozen=True)
class StartSketch:
    """A sketch of the server's sketch set, as `use_start` takes it.

    points of strokes are flat. base: the sketch it was made from, None if it is unedited itself.
    """

    label: str
    group: str
    file: str
    edited_part: str
    strokes: tuple[tuple[str, tuple[float, ...]], ...]
    base: "StartSketch | None"

    @property
    def id(self) -> str:
        """Made of the content, so that a set used twice is stored once."""
        digest = hashlib.sha256(repr((self.label, self.strokes)).encode()).hexdigest()
        return str(uuid.uuid5(_SPACE, digest))


def use_start(session: Session, start: StartSketch) -> SketchRecord:
    """The database's copy of a sketch of the server's set; made, with its base, if need be."""
    there = session.get(SketchRecord, start.id)
    if there is not None:
        return there
    base_id = start.id if start.base is None else use_start(session, start.base).id
    label, file = start.label, start.file
    if session.scalar(select(SketchRecord.id).where(SketchRecord.label == label)) is not None:
        # Another sketch of this name was saved or imported; both are to be kept apart.
        label = f"{start.label}-{start.id[:8]}"
        file = f"{start.group}/{label.rpartition('/')[2]}.svg"
    sketch = SketchRecord(
        id=start.id,
        label=label,
        group_name=start.group,
        file=file,
        base_id=base_id,
        edited_part=start.edited_part,
        author_id=None,
        drawing_id=None,
        revision=None,
        page_version="",
        saved=now(),
        deleted=None,
        place=0,
        origin="start",
        strokes=[{"part": part, "points": list(points)} for part, points in start.strokes],
        original=None,
        suffix=".svg",
    )
    session.add(sketch)
    session.flush()
    return sketch
