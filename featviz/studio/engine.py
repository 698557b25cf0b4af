"""What the page sees at once: faces of drawings, and how they differ from their base's.

Everything here runs on one thread, one job after the other, so the networks have the cores to
themselves and nothing waits behind work that nobody wants any more.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError
from featviz.figures.change import heat
from featviz.figures.outlines import area_outlines
from featviz.sketches.drawing import CANVAS
from featviz.sketches.edits import Edit, Mask, Pixels
from featviz.studio.change import (
    FaceChange,
    Strokes,
    box_of,
    describe,
    difference_of,
    jpeg,
    measure,
)
from featviz.studio.correcting import Corrections, moved
from featviz.studio.face_makers import DrawnState
from featviz.studio.kept_faces import KeptFaces
from featviz.studio.live_messages import (
    Difference,
    Edited,
    FacesMessage,
    Picture,
    Retrieved,
    ShownFace,
)
from featviz.studio.networks import Networks
from featviz.studio.problems import StudioError
from featviz.studio.rasters import Points, RasterCache, png

_BASE_FACES = 64


@dataclass(frozen=True)
class Start:
    """What a drawing is an edit of: a start sketch, or a later state whose face became the base.

    key: stands for the strokes of the start sketch, to remember faces by. bases: those states, one
    after the other; the last one counts.
    """

    key: str
    strokes: Strokes
    bases: tuple[Strokes, ...] = ()

    @cached_property
    def chain(self) -> tuple[tuple[str, Strokes], ...]:
        """Each base with a key that stands for it and all before it; the last one counts."""
        links = [(self.key, self.strokes)]
        for strokes in self.bases:
            text = f"{links[-1][0]}\n{strokes!r}"
            links.append((hashlib.sha256(text.encode()).hexdigest(), strokes))
        return tuple(links)


@dataclass(frozen=True)
class WantedFace:
    """A checkpoint, and whether its face keeps the base's outside of the edited area."""

    checkpoint: str
    kept: bool = False


@dataclass(frozen=True)
class FaceJob:
    """One state of a drawing, and what is asked of it.

    arrived: `time.perf_counter()`. correct: by name of parts how much they are corrected, base and
    drawing alike, before anything is made of them.
    """

    seq: int
    strokes: Strokes
    wanted: tuple[WantedFace, ...]
    start: Start | None
    difference: bool
    raster: bool
    arrived: float
    skipped: int
    correct: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class DrawnMap:
    """A difference as it is sent. box: left, top, right, bottom of what it shows.

    beyond: of a kept face the mean change outside of its reach, in grey levels.
    """

    image: bytes
    box: tuple[int, int, int, int]
    change: FaceChange
    beyond: float | None


@dataclass(frozen=True, eq=False)
class Face:
    """A face as it is sent. difference: None without a start sketch, or if not asked for.

    reach: the borders of what may differ from the base; None if everything may. whole: whether a
    face that is to keep the rest was computed as a whole, because the edit covers too much.
    retrieved: how a data base's photos served.
    """

    wanted: WantedFace
    image: bytes
    difference: DrawnMap | None
    reach: tuple[Points, ...] | None
    whole: bool
    retrieved: Retrieved | None = None


@dataclass(frozen=True, eq=False)
class _Made:
    """A face and its base's, (512, 512, 3) uint8; reach: (512, 512) bool, of kept faces alone."""

    wanted: WantedFace
    face: NDArray[np.uint8]
    base: NDArray[np.uint8] | None
    reach: Mask | None = None
    whole: bool = False
    retrieved: Retrieved | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """The faces of a job. failed: (face, message) of those that could not be made.

    edited: None without a start sketch and where no pixel differs from it. corrected: the lines
    that corrections moved.
    """

    job: FaceJob
    faces: tuple[Face, ...]
    failed: tuple[tuple[WantedFace, str], ...]
    raster: bytes | None
    edited: Edited | None
    corrected: list[list[float]]
    milliseconds: dict[str, float]


class Engine:
    """Makes answers of jobs; call it from one thread at a time."""

    def __init__(self, networks: Networks, rasters: RasterCache) -> None:
        self.networks = networks
        self.rasters = rasters
        self.kept = KeptFaces(networks, rasters)
        self._corrections = Corrections()
        self._base_faces: OrderedDict[tuple[str, str], NDArray[np.uint8]] = OrderedDict()

    def answer(
        self, job: FaceJob, loading: Callable[[WantedFace], None] = lambda _: None
    ) -> Answer:
        """Raster, faces, differences; a checkpoint that fails does not stop the others.

        loading: called with a face before its checkpoint is loaded.
        """
        clock = _Clock(job.arrived)
        drawn = job.strokes
        if job.correct:
            job = self._corrected(job)
            clock.lap("correct")
        picture = self._picture(job.strokes)
        clock.lap("raster")
        base = job.start.chain[-1][1] if job.start else None
        edit = None if base is None else Edit(self._picture(base), picture)
        made: list[_Made] = []
        failed = []
        for wanted in job.wanted:
            try:
                made.append(self._make(wanted, job, loading))
            except FeatvizError as error:
                failed.append((wanted, str(error)))
        clock.lap("generate")
        faces = [_encoded(one, edit if job.difference else None) for one in made]
        raster = png(picture) if job.raster else None
        edited = describe(edit, base, job.strokes) if edit and base is not None else None
        clock.lap("encode")
        lines = moved(drawn, job.strokes) if job.correct else []
        return Answer(job, tuple(faces), tuple(failed), raster, edited, lines, clock.milliseconds)

    def _corrected(self, job: FaceJob) -> FaceJob:
        """The same job, of corrected states of its drawing."""
        if job.start is None:
            return replace(job, strokes=self._corrections([job.strokes], job.correct)[0])
        before = [job.start.strokes, *job.start.bases]
        first, *bases, last = self._corrections([*before, job.strokes], job.correct)
        key = f"{job.start.key}\n{sorted(job.correct.items())}"
        return replace(job, strokes=last, start=Start(key, first, tuple(bases)))

    def _make(
        self,
        wanted: WantedFace,
        job: FaceJob,
        loading: Callable[[WantedFace], None],
    ) -> _Made:
        name, start = wanted.checkpoint, job.start

        def tell(_: str) -> None:
            loading(wanted)

        if wanted.kept:
            if start is None:
                raise StudioError("bad-request", "without a start sketch there is nothing to keep")
            kept = self.kept.edit(name, start.chain, job.strokes, tell)
            return _Made(wanted, kept.face, kept.base, kept.reach, kept.whole)
        made = self.networks.generate(name, DrawnState(job.strokes, self.rasters), tell)
        base = self._base_face(name, start) if start and job.difference else None
        return _Made(wanted, made.face, base, retrieved=made.retrieved)

    def _picture(self, strokes: Strokes) -> Pixels:
        return self.rasters.picture(points for _, points in strokes)

    def _base_face(self, checkpoint: str, start: Start) -> NDArray[np.uint8]:
        last, strokes = start.chain[-1]
        key = (checkpoint, last)
        if key not in self._base_faces:
            drawn = DrawnState(strokes, self.rasters)
            self._base_faces[key] = self.networks.generate(checkpoint, drawn).face
            while len(self._base_faces) > _BASE_FACES:
                self._base_faces.popitem(last=False)
        self._base_faces.move_to_end(key)
        return self._base_faces[key]


def _encoded(made: _Made, edit: Edit | None) -> Face:
    """edit: None if no difference is asked for."""
    difference, reach = None, made.reach
    if made.base is not None and edit is not None:
        change = difference_of(made.face, made.base)
        left, top, right, bottom = box = box_of(change)
        # Around an edit that stays there is nothing to encode.
        image = jpeg(heat(change[top:bottom, left:right]), 85)
        # Measured, not believed: it is 0.
        beyond = None if reach is None else measure(change, reach, box).mean_outside
        difference = DrawnMap(image, box, measure(change, edit.area, box), beyond)
    outlined = reach is not None and reach.any() and not reach.all()
    borders = area_outlines(reach) if outlined and reach is not None else None
    return Face(made.wanted, jpeg(made.face), difference, borders, made.whole, made.retrieved)


def frame(answer: Answer) -> tuple[FacesMessage, list[bytes]]:
    """An answer as its header and the pictures that follow it."""
    pictures: list[bytes] = []

    def place(data: bytes, kind: str, width: int = CANVAS, height: int = CANVAS) -> Picture:
        offset = sum(map(len, pictures))
        pictures.append(data)
        return Picture(offset=offset, length=len(data), type=kind, width=width, height=height)

    def difference(map_: DrawnMap) -> Difference:
        left, top, right, bottom = map_.box
        return Difference(
            image=place(map_.image, "image/jpeg", right - left, bottom - top),
            left=left,
            top=top,
            outside=_short(map_.change.outside),
            mean_inside=_short(map_.change.mean_inside),
            mean_outside=_short(map_.change.mean_outside),
            beyond=_short(map_.beyond),
        )

    job = answer.job
    faces = [
        ShownFace(
            checkpoint=face.wanted.checkpoint,
            kept=face.wanted.kept,
            whole=face.whole,
            reach=face.reach,
            image=place(face.image, "image/jpeg"),
            difference=None if face.difference is None else difference(face.difference),
            retrieved=face.retrieved,
        )
        for face in answer.faces
    ]
    header = FacesMessage(
        type="faces",
        seq=job.seq,
        skipped=job.skipped,
        ms={name: round(value, 1) for name, value in answer.milliseconds.items()},
        raster=None if answer.raster is None else place(answer.raster, "image/png"),
        edited=answer.edited,
        corrected=answer.corrected,
        bases=len(job.start.bases) if job.start else 0,
        faces=faces,
    )
    return header, pictures


def _short(value: float | None) -> float | None:
    # Digits that count, not places: a little is not to be told as nothing.
    return None if value is None else float(f"{value:.4g}")


class _Clock:
    """Milliseconds of the steps; "wait" is the time from the arrival to now."""

    def __init__(self, arrived: float) -> None:
        self._arrived, self._last = arrived, time.perf_counter()
        self.milliseconds = {"total": 0.0, "wait": 1000 * (self._last - arrived)}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.milliseconds[name] = 1000 * (now - self._last)
        self.milliseconds["total"] = 1000 * (now - self._arrived)
        self._last = now
