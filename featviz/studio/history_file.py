"""The history that travels with an exported sketch set: what its lines hold, and reading them."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from featviz.errors import FeatvizError, one_line
from featviz.studio.exporting import FORMAT


def _pairs(values: list[float]) -> list[float]:
    if len(values) % 2:
        raise ValueError("expected pairs of coordinates")
    return values


_Points = Annotated[list[float], Field(min_length=2), AfterValidator(_pairs)]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class AuthorLine(_Line):
    """A person."""

    id: str
    nickname: str
    created: datetime


class StrokeLine(_Line):
    """A stroke of a drawing, there now or once."""

    id: str
    part: str
    order: float
    points: _Points
    present: bool


class EventLine(_Line):
    """A step of a drawing."""

    id: str
    kind: str
    of: str | None
    add: list[str]
    remove: list[str]
    time: datetime


class DrawingLine(_Line):
    """A drawing with all of its steps."""

    id: str
    author: str
    base: str | None
    page_version: str
    created: datetime
    updated: datetime
    deleted: datetime | None
    strokes: list[StrokeLine]
    events: list[EventLine]


class StoredStroke(_Line):
    """A stroke of a sketch that is in no drawing."""

    part: str
    points: _Points


class HiddenSketch(_Line):
    """What the folder does not show of a deleted sketch."""

    label: str
    group: str
    file: str
    edited_part: str
    strokes: list[StoredStroke] | None
    original: str | None
    # A file is called so when the sketch is shown: a suffix and nothing else.
    suffix: Annotated[str, Field(pattern=r"^\.[a-z0-9]{1,7}$")]


class SketchLine(_Line):
    """A saved sketch."""

    id: str
    label: str
    base: str | None
    author: str | None
    drawing: str | None
    revision: int | None
    page_version: str
    saved: datetime
    deleted: datetime | None
    place: int
    origin: str
    sha256: str
    hidden: HiddenSketch | None = None


class HistoryLine(_Line):
    """One line of the file: its format, or one of the others."""

    format: int | None = None
    author: AuthorLine | None = None
    drawing: DrawingLine | None = None
    sketch: SketchLine | None = None


def read_history(path: Path) -> list[HistoryLine]:
    """The lines of an export's history; none if there is no file.

    Raises FeatvizError, naming file and line, for anything that no export would have written.
    """
    if not path.is_file():
        return []
    adapter = TypeAdapter(HistoryLine)
    lines_read = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                lines_read.append(adapter.validate_json(line))
            except (ValidationError, UnicodeDecodeError, RecursionError) as error:
                raise FeatvizError(f"{path}, line {number}: {one_line(error)}") from None
    given = lines_read[0].format if lines_read else None
    if given != FORMAT:
        raise FeatvizError(f"{path} is of format {given}; expected {FORMAT}")
    return lines_read
