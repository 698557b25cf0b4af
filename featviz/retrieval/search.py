"""Which photo has a part like the drawn one, and how it is laid over it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError
from featviz.retrieval.database import PhotoParts
from featviz.retrieval.indices import MANY, Nearest, approximate_index, exact_index
from featviz.retrieval.shapes import (
    OUTLINE,
    SEARCHED_PARTS,
    PartPoints,
    chamfer,
    frame_of,
    normalised,
    of_landmarks,
    squared_distances,
)

MOST_DISTANCE = 0.15
"""A part that is farther from the nearest one than so much of its radius has no match."""
_CANDIDATES = 32
"""The nearest by their descriptors, of which the nearest by chamfer distance is looked for."""
TOLERANCE = 0.02
"""Candidates that are farther than the nearest one by at most so many radii, half a pixel of an
eye, are as good: of these the one whose colours are most like the base's is taken."""
_STEPS = 12

MatchState = Literal["matched", "no match", "not drawn"]


@dataclass(frozen=True, eq=False)
class Similarity:
    """Pixels at 512 of a photo to those of a sketch: turned, scaled, moved, y = matrix x + by."""

    matrix: NDArray[np.float64]
    by: NDArray[np.float64]

    def __call__(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 2) -> (..., 2)."""
        moved: NDArray[np.float64] = points @ self.matrix.T + self.by
        return moved

    @property
    def scale(self) -> float:
        """How many times as large."""
        return float(np.sqrt(np.linalg.det(self.matrix)))

    @property
    def degrees(self) -> float:
        """How far it is turned, clockwise as one looks at the picture."""
        return float(np.degrees(np.arctan2(self.matrix[1, 0], self.matrix[0, 0])))


STAYS = Similarity(np.eye(2), np.zeros(2))


@dataclass(frozen=True, eq=False)
class Match:
    """What was found for a part.

    face: number of the face that was found; of a part that is not drawn -1, but of the outline the
    base's. distance: between its part, laid over the drawn one, and that, mean distance to the
    nearest point either way, in pixels at 512. relative: the same with both of one place and size,
    not turned, in radii, which is what has to be MOST_DISTANCE or less. lay: how the photo is laid
    over the sketch.
    """

    part: str
    state: MatchState
    face: int = -1
    distance: float = np.nan
    relative: float = np.nan
    lay: Similarity = STAYS


class Searcher:
    """A data base and the indices of its parts, each opened when it is needed."""

    def __init__(self, database: PhotoParts) -> None:
        self.database = database
        self.indices: dict[str, Nearest] = {}

    def nearest(self, part: str) -> Nearest:
        """The index of a part."""
        if part not in self.indices:
            count = len(self.database)
            self.indices[part] = (
                exact_index(self.database.descriptors[SEARCHED_PARTS.index(part)])
                if count < MANY
                else approximate_index(self.database.folder / f"{part}.faiss", count)
            )
        return self.indices[part]

    def find(self, part: str, drawn: PartPoints, base: int | None = None) -> Match:
        """The face whose part is most like the points (POINTS, 2) of a drawn one.

        base: the face whose colours count, see TOLERANCE; of an outline none do.
        """
        frame = frame_of(drawn)
        shape, database = normalised(drawn, frame), self.database
        count = min(_CANDIDATES, len(database))
        faces = self.nearest(part)(database.described(part, shape), count)
        points = of_landmarks(database.landmarks[faces], part)
        apart = chamfer(shape, normalised(points, frame_of(points)))
        best = int(apart.argmin())
        if base is not None:
            colours = database.colours[SEARCHED_PARTS.index(part)]
            off = np.linalg.norm(colours[faces] - colours[base], axis=1)
            off[apart > max(apart[best], min(apart[best] + TOLERANCE, MOST_DISTANCE))] = np.inf
            best = int(off.argmin())
        lay = laid_over(points[best], drawn)
        return Match(
            part,
            "matched" if apart[best] <= MOST_DISTANCE else "no match",
            int(faces[best]),
            float(chamfer(drawn, lay(points[best])[None])[0]),
            float(apart[best]),
            lay,
        )

    def find_all(self, drawn: Mapping[str, PartPoints]) -> dict[str, Match]:
        """Each part, the outline first. Raises FeatvizError if nothing is drawn.

        The outline always has a face, for that is the base which all others are laid over: the
        nearest one, match or not; where no outline is drawn, the face whose other parts lie
        nearest to the drawn ones, as it is.
        """
        if not drawn:
            expected = ", ".join(SEARCHED_PARTS)
            raise FeatvizError(f"no part of a face is drawn; expected some of {expected}")
        found = {part: Match(part, "not drawn") for part in SEARCHED_PARTS}
        if OUTLINE in drawn:
            found[OUTLINE] = self.find(OUTLINE, drawn[OUTLINE])
        else:
            found[OUTLINE] = Match(OUTLINE, "not drawn", self._placed_alike(drawn))
        base = found[OUTLINE].face
        inner = {
            part: self.find(part, drawn[part], base) for part in SEARCHED_PARTS[1:] if part in drawn
        }
        return found | inner

    def _placed_alike(self, drawn: Mapping[str, PartPoints]) -> int:
        off = np.zeros(len(self.database))
        for part, points in drawn.items():
            centres = of_landmarks(self.database.landmarks, part).mean(axis=1)
            off += ((centres - points.mean(axis=0)) ** 2).sum(axis=1)
        return int(off.argmin())


def laid_over(points: PartPoints, drawn: PartPoints) -> Similarity:
    """The similarity that lays points (POINTS, 2) over drawn ones, both shapes' strokes considered.

    Each point goes with the nearest of the other shape, either way, and the best similarity of
    these pairs (Umeyama 1991) is looked for again and again (Besl and McKay 1992). The beginning
    is the best of the same place and size, and of the same order along the strokes, either way.
    """
    own, other = frame_of(points), frame_of(drawn)
    scale = float(other.radius / own.radius)
    starts = [Similarity(scale * np.eye(2), other.centre - scale * own.centre)]
    starts += [best_similarity(order, drawn) for order in (points, points[::-1])]
    apart = chamfer(drawn, np.stack([start(points) for start in starts]))
    found = starts[int(apart.argmin())]
    before: NDArray[np.int64] | None = None
    for _ in range(_STEPS):
        squared = squared_distances(found(points), drawn)
        nearest = np.stack([squared.argmin(axis=0), squared.argmin(axis=1)])
        if before is not None and np.array_equal(nearest, before):
            break
        before = nearest
        source = np.concatenate([points, points[nearest[0]]])
        target = np.concatenate([drawn[nearest[1]], drawn])
        found = best_similarity(source, target)
    return found


def best_similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> Similarity:
    """Least squares over pairs of points (n, 2), never mirrored (Umeyama 1991, eq. 40 to 43)."""
    centres = source.mean(axis=0), target.mean(axis=0)
    # In the plane a turn with a scale is one complex number.
    one, other = ((p - c) @ [1, 1j] for p, c in zip((source, target), centres, strict=True))
    size = float((np.abs(one) ** 2).sum())
    turn = complex(np.vdot(one, other)) / size if size else 1 + 0j
    matrix = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return Similarity(matrix, centres[1] - matrix @ centres[0])
