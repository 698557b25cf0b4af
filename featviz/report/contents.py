"""What the report shows, before it is a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.claims import Claims
from featviz.report.maps import Panel


@dataclass(frozen=True)
class ReportedSketch:
    """A sketch of the tables and what is known of it.

    picture: the sketch with its edit marked, a file, b"" if there is none. added, removed: how
    many pixels of ink the edit put in and took out, None without a base. inside: how many of these
    lie in the receptive fields of the report's boxes, in the order of `Contents.boxes`. outline: of
    the edited area, as the path of an SVG in pixels of the sketch.
    """

    name: str
    group: str
    base: str = ""
    edited_part: str = ""
    picture: bytes = b""
    added: int | None = None
    removed: int | None = None
    inside: tuple[int, ...] = ()
    outline: str = ""


@dataclass(frozen=True, eq=False)
class PanelRow:
    """One checkpoint, its panels from the first layer to the last, and where it comes from.

    near: of each panel the nearest vectors of each sketch, see `nearest`.
    """

    checkpoint: str
    metadata: Mapping[str, Any]
    point: tuple[int, int]
    panels: Sequence[Panel]
    near: Sequence[Sequence[tuple[tuple[int, float], ...]]] = ()


@dataclass(frozen=True)
class KeptFace:
    """A face of an edit in which all else is kept.

    picture: a WebP of what lies in `box`, (left, top, right, bottom) in pixels of a face as the
    page shows it, the last two not included; all around is the base's face. change: as in
    `ReportedGenerator`.
    """

    picture: bytes
    box: tuple[float, float, float, float]
    change: tuple[float, float]


@dataclass(frozen=True, eq=False)
class ReportedGenerator:
    """What a generator makes of the sketches: sketch -> a WebP.

    changes: edit -> the mean absolute difference to its base's face in grey levels of 255, in the
    edited area and outside of it (NaN where there is none). kept: the same edits, kept.
    """

    name: str
    faces: Mapping[str, bytes]
    changes: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    kept: Mapping[str, KeptFace] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ReportedColumn:
    """Something known of each sketch, in the report's order: numbers, or words; None if not."""

    name: str
    values: Sequence[float | str | None]


@dataclass(frozen=True, eq=False)
class Movement:
    """How far sketches moved from one panel to another, (row, panel) each; see `movements`.

    far: (N,) float64, NaN for a sketch that one of the two lacks.
    """

    one: tuple[int, int]
    other: tuple[int, int]
    far: NDArray[np.float64]


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
    makes it, by the part of the page ("sketches", "faces", "claims", "leakage"). columns: by what
    points can be coloured. selected: sketches that are selected when the page opens. is_large: a
    page of very many sketches: their pictures are small, and each panel is one canvas.
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
    columns: Sequence[ReportedColumn] = ()
    movements: Sequence[Movement] = ()
    selected: Sequence[str] = ()
    is_large: bool = False
