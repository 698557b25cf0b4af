"""The messages of the live connection: those that come in, checked, and those that go out."""

from collections.abc import Sequence
from typing import Annotated, Literal, NotRequired, Self, TypedDict

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from featviz.studio.messages import (
    LIVE_POINTS,
    LIVE_STROKES,
    MOST_BASES,
    PartName,
    RequestBody,
    SketchReference,
    StartReference,
    StrokePoints,
    malformed,
)
from featviz.studio.problems import StudioError
from featviz.studio.rasters import require_little_work

# What comes in


class ProbeMessage(RequestBody):
    """A point, and the map it is to be shown in."""

    point: Annotated[list[Annotated[int, Field(ge=0, lt=512)]], Field(min_length=2, max_length=2)]
    layer: Annotated[str, Field(pattern=r"^[\w.]{1,60}$")]
    checkpoint: Annotated[str, Field(max_length=100)]


class LiveStroke(RequestBody):
    """A stroke of a drawing that is to be shown."""

    part: PartName
    points: StrokePoints


CorrectedPart = Literal["outline", "eyebrows", "eyes", "nose", "mouth"]
LiveStrokes = Annotated[list[LiveStroke], Field(max_length=LIVE_STROKES)]


class SettingsMessage(RequestBody):
    """What the live connection is to show.

    kept: by checkpoint whether its face keeps the rest of its base's; none does if not told. bases:
    later states of the drawing, one after the other, whose kept face became the base. correct: by
    name of parts how much they are corrected before faces are made, see `faces.correction`.
    """

    type: Literal["settings"]
    checkpoints: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=2)]
    kept: list[bool] = Field(default_factory=list, max_length=2)
    start: StartReference | SketchReference | None
    bases: list[LiveStrokes] = Field(default_factory=list, max_length=MOST_BASES)
    difference: bool
    raster: bool
    probe: ProbeMessage | None
    correct: dict[CorrectedPart, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.kept and len(self.kept) != len(self.checkpoints):
            raise ValueError(f"kept: expected one for each checkpoint, got {len(self.kept)}")
        if self.start is None and (any(self.kept) or self.bases):
            raise ValueError("without a start sketch there is nothing to keep")
        return self


class DrawMessage(RequestBody):
    """The whole present drawing."""

    type: Literal["draw"]
    seq: Annotated[int, Field(ge=0, le=2**53)]
    strokes: LiveStrokes


class Ping(RequestBody):
    """Are you there?"""

    type: Literal["ping"]
    t: Annotated[str, Field(max_length=100)] | float | int | None = None


_LIVE: TypeAdapter[SettingsMessage | DrawMessage | Ping] = TypeAdapter(
    Annotated[SettingsMessage | DrawMessage | Ping, Field(discriminator="type")]
)


def live_message(text: str) -> SettingsMessage | DrawMessage | Ping:
    """A message of the live connection; raises StudioError for anything malformed or too large."""
    try:
        message = _LIVE.validate_json(text)
    except ValidationError as error:
        raise malformed(
            error.errors(include_url=False, include_context=False, include_input=False)
        ) from None
    if isinstance(message, DrawMessage):
        _require_small(message.strokes)
    elif isinstance(message, SettingsMessage):
        for strokes in message.bases:
            _require_small(strokes)
    return message


def _require_small(strokes: Sequence[LiveStroke]) -> None:
    if sum(len(stroke.points) for stroke in strokes) > 2 * LIVE_POINTS:
        raise StudioError("too-large", f"a drawing has at most {LIVE_POINTS} points")
    require_little_work(tuple(stroke.points) for stroke in strokes)


# What goes out


class Hello(TypedDict):
    """The first message. checkpoints: those that make faces."""

    type: Literal["hello"]
    version: str
    checkpoints: Sequence[str]


class Pong(TypedDict):
    """Here I am."""

    type: Literal["pong"]
    t: str | float | int | None


class Loading(TypedDict):
    """A face's checkpoint is being loaded, which takes a while."""

    type: Literal["loading"]
    checkpoint: str
    kept: bool


class Failure(TypedDict):
    """Something went wrong, with the drawing `seq` if it is about one. code: see `problems`.

    checkpoint, kept: which face could not be made, if it is about one.
    """

    type: Literal["error"]
    seq: int | None
    code: str
    message: str
    checkpoint: NotRequired[str]
    kept: NotRequired[bool]


class Picture(TypedDict):
    """Where a picture lies behind the header that names it: bytes from the header's end."""

    offset: int
    length: int
    type: str
    width: int
    height: int


class Difference(TypedDict):
    """How a face differs from its base's; see `change.FaceChange`.

    left, top: where the picture lies in the face, in pixels; around it nothing differs. beyond: the
    mean change outside of a kept face's reach, None for a free one and if that is everywhere.
    """

    image: Picture
    left: int
    top: int
    outside: float | None
    mean_inside: float | None
    mean_outside: float | None
    beyond: float | None


class Retrieved(TypedDict):
    """How a data base of photos served.

    drawn: whether any part of a face is. unmatched: the drawn parts that no photo has.
    """

    drawn: bool
    unmatched: Sequence[str]


class ShownFace(TypedDict):
    """One checkpoint's face.

    kept: whether it keeps the rest of its base's. whole: kept, but computed as a whole, since the
    edit covers too much. reach: of a kept face the borders of what may differ from the base's.
    retrieved: of a data base's face how its photos served.
    """

    checkpoint: str
    kept: bool
    whole: bool
    reach: Sequence[Sequence[float]] | None
    image: Picture
    difference: Difference | None
    retrieved: Retrieved | None


class Edited(TypedDict):
    """What was edited: the names of the parts, and the area's pixels and borders, flat points."""

    parts: Sequence[str]
    pixels: int
    polygons: Sequence[Sequence[float]]


class FacesMessage(TypedDict):
    """The header of an answer to a drawing; the pictures follow it.

    corrected: the lines that corrections moved, flat points. bases: how many bases followed the
    start sketch. ms: milliseconds by step.
    """

    type: Literal["faces"]
    seq: int
    skipped: int
    ms: dict[str, float]
    raster: Picture | None
    edited: Edited | None
    corrected: Sequence[Sequence[float]]
    bases: int
    faces: Sequence[ShownFace]


class LayerField(TypedDict):
    """What one layer sees at a point. box: left, top, right, bottom in pixels."""

    layer: str
    position: Sequence[int]
    extent: Sequence[int] | None
    box: Sequence[int]
    channels: int
    sees_whole_map: bool | None


class Probe(TypedDict):
    """The receptive fields of all layers at a point."""

    type: Literal["probe"]
    point: Sequence[int]
    checkpoint: str
    layer: str
    layers: Sequence[LayerField]


class ProbeProgress(TypedDict):
    """How many of the set's sketches have their vectors."""

    type: Literal["probe_progress"]
    point: Sequence[int]
    checkpoint: str
    done: int
    total: int


class ProbeMap(TypedDict):
    """The set's vectors in the plane. points: (x, y, number of the group, number of the sketch)."""

    type: Literal["probe_map"]
    point: Sequence[int]
    checkpoint: str
    layer: str
    explained: Sequence[float]
    groups: Sequence[str]
    points: Sequence[tuple[float, float, int, int]]
    distinct: int


class ProbeLive(TypedDict):
    """Where the drawing `seq` lies in the map."""

    type: Literal["probe_live"]
    seq: int
    point: Sequence[int]
    checkpoint: str
    layer: str
    xy: Sequence[float]


Outgoing = Hello | Pong | Loading | Failure | Probe | ProbeProgress | ProbeMap | ProbeLive
"""What is sent as text; `FacesMessage` is sent with its pictures."""
