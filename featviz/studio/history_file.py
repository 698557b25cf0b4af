"""The history that travels with an exported sketch set: what its lines hold, and reading them."""

from datetime import UTC, datetime
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

from featviz.base.errors import FeatvizError, one_line
from featviz.studio.exporting import EXPORT_FORMAT


def _pairs(values: list[float]) -> list[float]:
    if len(values) % 2:
        raise ValueError("expected pairs of coordinates")
    return values


_Points = Annotated[list[float], Field(min_length=2), AfterValidator(_pairs)]


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError("expected text without a null character")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except (OverflowError, ValueError):
        raise ValueError("there is no such time in UTC") from None


def _hexadecimal(value: str) -> str:
    bytes.fromhex(value)
    return value


_Text = Annotated[str, AfterValidator(_text)]
_Name = Annotated[_Text, Field(min_length=1)]
_Id = Annotated[_Name, Field(max_length=40)]
_Time = Annotated[datetime, AfterValidator(_in_utc)]
_Number = Annotated[int, Field(ge=0, lt=2**31)]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class AuthorLine(_Line):
    """A person."""

    id: _Id
    nickname: _Text
    created: _Time


class StrokeLine(_Line):
    """A stroke of a drawing, there now or once."""

    id: _Id
    part: _Text
    order: float
    points: _Points
    present: bool


class EventLine(_Line):
    """A step of a drawing."""

    id: _Id
    kind: _Text
    of: _Id | None
    add: list[_Id]
    remove: list[_Id]
    time: _Time


class DrawingLine(_Line):
    """A drawing with all of its steps."""

    id: _Id
    author: _Id
    base: _Id | None
    page_version: _Text
    created: _Time
    updated: _Time
    deleted: _Time | None
    strokes: list[StrokeLine]
    events: list[EventLine]


class StoredStroke(_Line):
    """A stroke of a sketch that is in no drawing."""

    part: _Text
    points: _Points


class HiddenSketch(_Line):
    """What the folder does not show of a deleted sketch."""

    label: _Name
    group: Annotated[_Name, Field(max_length=80)]
    file: _Name
    edited_part: _Text
    strokes: list[StoredStroke] | None
    original: Annotated[str, AfterValidator(_hexadecimal)] | None
    # A file is called so when the sketch is shown: a suffix and nothing else.
    suffix: Annotated[str, Field(pattern=r"^\.(svg|png|jpe?g)$")]


class FaceLine(_Line):
    """A face that was shown when a sketch was saved."""

    checkpoint: _Text
    kept: bool


class SketchLine(_Line):
    """A saved sketch."""

    id: _Id
    label: _Text
    base: _Id | None
    author: _Id | None
    drawing: _Id | None
    revision: _Number | None
    page_version: _Text
    saved: _Time
    deleted: _Time | None
    place: _Number
    origin: Annotated[_Text, Field(max_length=8)]
    sha256: _Text
    faces: list[FaceLine] | None = None
    bases: list[_Number] | None = None
    hidden: HiddenSketch | None = None

    def shown(self) -> list[dict[str, object]] | None:
        """The faces as they are stored."""
        return None if self.faces is None else [face.model_dump() for face in self.faces]


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
    # Bytes: what is no UTF-8 is told by its line, too.
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                lines_read.append(adapter.validate_json(line))
            except ValidationError as error:
                raise FeatvizError(f"{path}, line {number}: {_first(error)}") from None
    given = lines_read[0].format if lines_read else None
    if given not in range(1, EXPORT_FORMAT + 1):
        raise FeatvizError(f"{path} is of format {given}; expected 1 to {EXPORT_FORMAT}")
    return lines_read


def _first(error: ValidationError) -> str:
    """Where a line is wrong and why, without the line itself."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return one_line(ValueError(f"{place}: {first['msg']}" if place else first["msg"]))
