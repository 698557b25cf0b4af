"""What the report shows, before it is a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from featviz.analysis.claims import Claims
from featviz.report.maps import Panel


@dataclass(frozen=True)
class ReportedSketch:
    """A sketch of the tables and what is known of it.

    picture: a WebP of the sketch with its edit marked, b"" if there is none. added, removed: how
    many pixels of ink the edit put in and took out, None without a base. inside: how many of these
    lie in the receptive fields of the report's boxes, in the order of `Contents.boxes`.
    """

    name: str
    group: str
    base: str = ""
    edited_part: str = ""
    picture: bytes = b""
    added: int | None = None
    removed: int | None = None
    inside: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class PanelRow:
    """One checkpoint, its panels from the first layer to the last, and where it comes from."""

    checkpoint: str
    metadata: Mapping[str, Any]
    point: tuple[int, int]
    panels: Sequence[Panel]


@dataclass(frozen=True, eq=False)
class ReportedGenerator:
    """What a generator makes of the sketches: sketch -> a WebP."""

    name: str
    faces: Mapping[str, bytes]


@dataclass(frozen=True)
class Leak:
    """One leakage map: a WebP of what the edits of a group changed.

    mean: of the change over all cells; untouched: share of the cells where nothing changed at all;
    reached: share of the cells that convolutions reach from the edits, None if that is not known.
    """

    checkpoint: str
    mode: str
    group: str
    layer: str
    picture: bytes
    mean: float
    untouched: float
    reached: float | None


@dataclass(frozen=True, eq=False)
class ReportedLeakage:
    """Leakage maps on one scale: (least, most) relative change at the ends of the colours."""

    maps: Sequence[Leak]
    scale: tuple[float, float]
    colors: Sequence[str]


@dataclass(frozen=True, eq=False)
class Contents:
    """All of a report. size: (width, height) of the sketches in pixels.

    sketches: in the order in which they are listed. captions: method -> what a reader must know of
    its maps; the methods of the report in order. notes: what is missing, and the command that
    makes it, by the part of the page ("sketches", "faces", "claims", "leakage").
    """

    title: str
    sketches: Sequence[ReportedSketch]
    rows: Sequence[PanelRow]
    captions: Mapping[str, str]
    size: tuple[int, int]
    boxes: Sequence[tuple[int, int, int, int]] = ()
    generators: Sequence[ReportedGenerator] = ()
    claims: Claims | None = None
    leakage: ReportedLeakage | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
