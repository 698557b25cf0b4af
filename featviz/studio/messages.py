"""What requests may hold, checked: anything else is refused before it is looked at."""

import unicodedata
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from featviz.base.errors import one_line
from featviz.sketches.sketch_set import INDEX
from featviz.studio.exporting import HISTORY
from featviz.studio.file_names import problem_of
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
MOST_BASES = 20
"""The most states of a drawing, one after the other, whose face became the base."""
GROUP_CHARACTERS = 40

_FARTHEST_LOW, _FARTHEST_HIGH = -512.0, 1024.0


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
    if problem := problem_of(text):
        raise ValueError(f"a group's name is a folder's name when it is exported; {problem}")
    if text.casefold() in (INDEX, HISTORY):
        raise ValueError("a file of every export has this name")
    return text


Id = Annotated[str, Field(pattern=ID_PATTERN)]
ItemId = Annotated[str, Field(pattern=ITEM_PATTERN)]
PartName = Annotated[str, Field(pattern=PART_PATTERN), AfterValidator(_one_line_text)]
Coordinate = Annotated[float, Field(ge=_FARTHEST_LOW, le=_FARTHEST_HIGH, allow_inf_nan=False)]
StrokePoints = Annotated[
    list[Coordinate], Field(min_length=2, max_length=2 * LIVE_POINTS), AfterValidator(_coordinates)
]
Nickname = Annotated[str, Field(max_length=40), AfterValidator(_one_line_text)]
GroupName = Annotated[str, Field(max_length=GROUP_CHARACTERS), AfterValidator(_group)]
PageVersion = Annotated[str, Field(max_length=40), AfterValidator(_one_line_text)]


class RequestBody(BaseModel):
    """What comes in, in either way: exactly this and nothing else."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SessionRequest(RequestBody):
    """Who draws, and the token if the server wants one."""

    nickname: Nickname | None = None
    token: Annotated[str, Field(max_length=200)] | None = None


class StartReference(RequestBody):
    """A sketch of the server's set."""

    start: Annotated[int, Field(ge=0, le=1_000_000)]


class SketchReference(RequestBody):
    """A saved sketch."""

    sketch: Id


class DrawingRequest(RequestBody):
    """A new drawing."""

    base: StartReference | SketchReference | None = None
    page_version: PageVersion = "1"


class StrokeMessage(RequestBody):
    """A stroke of a drawing that is to be stored."""

    id: ItemId
    part: PartName
    order: Annotated[float, Field(allow_inf_nan=False, ge=-1e12, le=1e12)]
    points: StrokePoints


class StrokeId(RequestBody):
    """A stroke that was taken away earlier."""

    id: ItemId


class EventMessage(RequestBody):
    """A step of a drawing."""

    id: ItemId
    kind: Literal["draw", "erase", "cut", "move", "clear", "undo", "redo", "restore", "rebase"]
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


class EventsRequest(RequestBody):
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


class SavedFace(RequestBody):
    """A face that was shown: of which checkpoint, and whether it kept the rest of its base's."""

    checkpoint: Annotated[str, Field(max_length=100), AfterValidator(_one_line_text)]
    kept: bool


class SketchRequest(RequestBody):
    """A sketch to be saved."""

    drawing: Id
    revision: Annotated[int, Field(ge=0, le=10_000_000)]
    group: GroupName
    replaces: Id | None = None
    faces: Annotated[list[SavedFace], Field(max_length=2)] | None = None

    def shown(self) -> list[dict[str, Any]] | None:
        """The faces as the store takes them."""
        return None if self.faces is None else [face.model_dump() for face in self.faces]


def malformed(errors: Sequence[Any]) -> StudioError:
    """What pydantic has against a message, in one line: where, and why."""
    first = errors[0]
    # A key of the message may be anything, also what no answer could hold.
    place = one_line(".".join(str(step) for step in first["loc"]), 80)
    reason = one_line(first["msg"])
    return StudioError("bad-request", f"{place}: {reason}" if place else reason)
