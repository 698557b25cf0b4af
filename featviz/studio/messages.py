"""What the page may send, checked: anything else is refused before it is looked at."""

import unicodedata
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from featviz.studio.problems import StudioError
from featviz.studio.rasters import require_little_work
from featviz.studio.steps import NewEvent, NewStroke
from featviz.studio.tables import ID_PATTERN, ITEM_PATTERN, PART_PATTERN

BODY_BYTES = 1_048_576
"""The largest HTTP body."""
MESSAGE_BYTES = 2_097_152
"""The largest WebSocket message."""
EVENTS_PER_REQUEST = 200
LIVE_STROKES = 5_000
LIVE_POINTS = 100_000
"""The most strokes and points of a drawing that is to be shown."""
GROUP_CHARACTERS = 40

_FARTHEST_LOW, _FARTHEST_HIGH = -512.0, 1024.0
_FORBIDDEN = set('/\\:*?"<>|')
_RESERVED = {"con", "prn", "aux", "nul"} | {f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10)}


def _coordinates(values: list[float]) -> list[float]:
    if len(values) % 2:
        raise ValueError("expected pairs of coordinates")
    # Adding 0 turns -0.0 into 0.0, which is what an SVG file gives back.
    return [round(value, 2) + 0.0 for value in values]


def _one_line_text(text: str) -> str:
    text = unicodedata.normalize("NFC", text.strip())
    if not text or not text.isprintable():
        raise ValueError("expected printable characters")
    return text


def _group(text: str) -> str:
    text = _one_line_text(text)
    if _FORBIDDEN & set(text) or text.startswith(".") or text.endswith("."):
        raise ValueError("a group's name is a folder's name when it is exported")
    if text.partition(".")[0].casefold() in _RESERVED:
        raise ValueError("this name is reserved on some systems")
    return text


Id = Annotated[str, Field(pattern=ID_PATTERN)]
ItemId = Annotated[str, Field(pattern=ITEM_PATTERN)]
Part = Annotated[str, Field(pattern=PART_PATTERN), AfterValidator(_one_line_text)]
Coordinate = Annotated[float, Field(ge=_FARTHEST_LOW, le=_FARTHEST_HIGH, allow_inf_nan=False)]
Points = Annotated[
    list[Coordinate], Field(min_length=2, max_length=2 * LIVE_POINTS), AfterValidator(_coordinates)
]
Nickname = Annotated[str, Field(max_length=40), AfterValidator(_one_line_text)]
Group = Annotated[str, Field(max_length=GROUP_CHARACTERS), AfterValidator(_group)]
PageVersion = Annotated[str, Field(max_length=40), AfterValidator(_one_line_text)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SessionRequest(_Message):
    """Who draws, and the token if the server wants one."""

    nickname: Nickname | None = None
    token: Annotated[str, Field(max_length=200)] | None = None


class StartReference(_Message):
    """A sketch of the server's set."""

    start: Annotated[int, Field(ge=0, le=1_000_000)]


class SketchReference(_Message):
    """A saved sketch."""

    sketch: Id


class DrawingRequest(_Message):
    """A new drawing."""

    base: StartReference | SketchReference | None = None
    page_version: PageVersion = "1"


class StrokeMessage(_Message):
    """A stroke of a drawing that is to be stored."""

    id: ItemId
    part: Part
    order: Annotated[float, Field(allow_inf_nan=False, ge=-1e12, le=1e12)]
    points: Points


class StrokeId(_Message):
    """A stroke that was taken away earlier."""

    id: ItemId


class EventMessage(_Message):
    """A step of a drawing."""

    id: ItemId
    kind: Literal["draw", "erase", "cut", "move", "clear", "undo", "redo", "restore"]
    add: Annotated[list[StrokeMessage | StrokeId], Field(max_length=LIVE_STROKES)] = []
    remove: Annotated[list[ItemId], Field(max_length=LIVE_STROKES)] = []
    of: ItemId | None = None

    def event(self) -> NewEvent:
        """As the store takes it."""
        add = tuple(
            NewStroke(item.id, item.part, item.order, tuple(item.points))
            if isinstance(item, StrokeMessage)
            else item.id
            for item in self.add
        )
        return NewEvent(self.id, self.kind, add, tuple(self.remove), self.of)


class EventsRequest(_Message):
    """Steps that follow the event `after`."""

    after: ItemId | None
    events: Annotated[list[EventMessage], Field(min_length=1, max_length=EVENTS_PER_REQUEST)]

    def new_events(self) -> list[NewEvent]:
        """As the store takes them; raises StudioError "too-large" for endless strokes."""
        events = [message.event() for message in self.events]
        require_little_work(
            item.points for event in events for item in event.add if isinstance(item, NewStroke)
        )
        return events


class SketchRequest(_Message):
    """A sketch to be saved."""

    drawing: Id
    revision: Annotated[int, Field(ge=0, le=10_000_000)]
    group: Group
    replaces: Id | None = None


class ProbeMessage(_Message):
    """A point, and the map it is to be shown in."""

    point: Annotated[list[Annotated[int, Field(ge=0, lt=512)]], Field(min_length=2, max_length=2)]
    layer: Annotated[str, Field(pattern=r"^[\w.]{1,60}$")]
    checkpoint: Annotated[str, Field(max_length=100)]


class Settings(_Message):
    """What the live connection is to show."""

    type: Literal["settings"]
    checkpoints: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=2)]
    start: StartReference | SketchReference | None
    difference: bool
    raster: bool
    probe: ProbeMessage | None


class LiveStroke(_Message):
    """A stroke of a drawing that is to be shown."""

    part: Part
    points: Points


class Draw(_Message):
    """The whole present drawing."""

    type: Literal["draw"]
    seq: Annotated[int, Field(ge=0, le=2**53)]
    strokes: Annotated[list[LiveStroke], Field(max_length=LIVE_STROKES)]


class Ping(_Message):
    """Are you there?"""

    type: Literal["ping"]
    t: Annotated[str, Field(max_length=100)] | float | int | None = None


_LIVE: TypeAdapter[Settings | Draw | Ping] = TypeAdapter(
    Annotated[Settings | Draw | Ping, Field(discriminator="type")]
)


def live_message(text: str) -> Settings | Draw | Ping:
    """A message of the live connection; raises StudioError for anything malformed or too large."""
    try:
        message = _LIVE.validate_json(text)
    except ValidationError as error:
        raise malformed(
            error.errors(include_url=False, include_context=False, include_input=False)
        ) from None
    if isinstance(message, Draw):
        if sum(len(stroke.points) for stroke in message.strokes) > 2 * LIVE_POINTS:
            raise StudioError("too-large", f"a drawing has at most {LIVE_POINTS} points")
        require_little_work(tuple(stroke.points) for stroke in message.strokes)
    return message


def malformed(errors: Sequence[Any]) -> StudioError:
    """What pydantic has against a message, in one line: where, and why."""
    first = errors[0]
    place = ".".join(str(step) for step in first["loc"])[:80]
    reason = " ".join(str(first["msg"]).split())[:200]
    return StudioError("bad-request", f"{place}: {reason}" if place else reason)
