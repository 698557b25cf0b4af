"""What the page sees at once: faces of drawings, and how they differ from the start sketch's.

Everything here runs on one thread, one job after the other, so the networks have the cores to
themselves and nothing waits behind work that nobody wants any more.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError
from featviz.sketches.edits import Edit, Pixels
from featviz.studio.change import (
    FaceChange,
    Strokes,
    describe,
    difference_of,
    heat,
    jpeg,
    measure,
)
from featviz.studio.live_messages import Difference, Edited, FacesMessage, Picture, ShownFace
from featviz.studio.networks import Networks
from featviz.studio.rasters import RasterCache, png

_START_FACES = 64


@dataclass(frozen=True)
class Start:
    """What differences are taken against: a key to remember its faces by, and its strokes."""

    key: str
    strokes: Strokes


@dataclass(frozen=True)
class FaceJob:
    """One state of a drawing, and what is asked of it. arrived: `time.perf_counter()`."""

    seq: int
    strokes: Strokes
    checkpoints: tuple[str, ...]
    start: Start | None
    difference: bool
    raster: bool
    arrived: float
    skipped: int


@dataclass(frozen=True, eq=False)
class Face:
    """A face as it is sent. difference: None without a start sketch, or if not asked for."""

    checkpoint: str
    image: bytes
    difference: bytes | None
    change: FaceChange | None


@dataclass(frozen=True, eq=False)
class Answer:
    """The faces of a job. failed: (checkpoint, message) of those that could not be made.

    edited: None without a start sketch and where no pixel differs from it.
    """

    job: FaceJob
    faces: tuple[Face, ...]
    failed: tuple[tuple[str, str], ...]
    raster: bytes | None
    edited: Edited | None
    milliseconds: dict[str, float]


class Engine:
    """Makes answers of jobs; call it from one thread at a time."""

    def __init__(self, networks: Networks, rasters: RasterCache) -> None:
        self.networks = networks
        self.rasters = rasters
        self._start_faces: OrderedDict[tuple[str, str], NDArray[np.uint8]] = OrderedDict()

    def answer(self, job: FaceJob, loading: Callable[[str], None] = lambda _: None) -> Answer:
        """Raster, faces, differences; a checkpoint that fails does not stop the others.

        loading: called with a checkpoint's name before it is loaded.
        """
        clock = _Clock(job.arrived)
        picture = self._picture(job.strokes)
        clock.lap("raster")
        edit = Edit(self._picture(job.start.strokes), picture) if job.start else None
        made: list[tuple[str, NDArray[np.uint8], NDArray[np.uint8] | None]] = []
        failed = []
        for name in job.checkpoints:
            try:
                face = self.networks.generate(name, picture, loading)
                start = self._start_face(name, job.start) if job.start and job.difference else None
                made.append((name, face, start))
            except FeatvizError as error:
                failed.append((name, str(error)))
        clock.lap("generate")
        faces = []
        for name, face, start in made:
            difference = None if start is None else difference_of(face, start)
            faces.append(
                Face(
                    name,
                    jpeg(face),
                    None if difference is None else jpeg(heat(difference), 85),
                    None if difference is None or edit is None else measure(difference, edit.area),
                )
            )
        raster = png(picture) if job.raster else None
        edited = describe(edit, job.start.strokes, job.strokes) if job.start and edit else None
        clock.lap("encode")
        return Answer(job, tuple(faces), tuple(failed), raster, edited, clock.milliseconds)

    def _picture(self, strokes: Strokes) -> Pixels:
        return self.rasters.picture(points for _, points in strokes)

    def _start_face(self, checkpoint: str, start: Start) -> NDArray[np.uint8]:
        key = (checkpoint, start.key)
        if key not in self._start_faces:
            self._start_faces[key] = self.networks.generate(
                checkpoint, self._picture(start.strokes)
            )
            while len(self._start_faces) > _START_FACES:
                self._start_faces.popitem(last=False)
        self._start_faces.move_to_end(key)
        return self._start_faces[key]


def frame(answer: Answer) -> tuple[FacesMessage, list[bytes]]:
    """An answer as its header and the pictures that follow it."""
    pictures: list[bytes] = []

    def place(data: bytes, kind: str) -> Picture:
        offset = sum(map(len, pictures))
        pictures.append(data)
        return Picture(offset=offset, length=len(data), type=kind, width=512, height=512)

    job = answer.job
    faces = [
        ShownFace(
            checkpoint=face.checkpoint,
            image=place(face.image, "image/jpeg"),
            difference=None
            if face.difference is None or face.change is None
            else Difference(
                image=place(face.difference, "image/jpeg"),
                outside=_rounded(face.change.outside, 4),
                mean_inside=_rounded(face.change.mean_inside, 3),
                mean_outside=_rounded(face.change.mean_outside, 3),
            ),
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
        faces=faces,
    )
    return header, pictures


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


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
