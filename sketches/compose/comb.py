"""A comb: draws locks, curls, buns and braids along guide lines on a face."""

from collections.abc import Sequence

import numpy as np

from sketches.compose.base import Face
from sketches.compose.pen import (
    Points,
    curve,
    ellipse,
    hide,
    lengths,
    lines,
    resample,
)

Guide = Sequence[tuple[float, float]]
_KNOTS = 24


class Comb:
    """Draws the locks of one style and keeps what it drew, in pixels."""

    def __init__(self, face: Face, rng: np.random.Generator) -> None:
        self.face, self.rng = face, rng
        self.drawn: list[Points] = []

    def lock(
        self,
        first: Guide,
        last: Guide,
        count: int,
        mirrored: bool = False,
        curl: float = 0.0,
        waves: float = 3.0,
        ragged: float = 0.12,
        start: float = 0.05,
    ) -> None:
        """Strands from guide `first` to guide `last`.

        curl: swing of the strands in half face widths, growing towards the tips; waves: how many
        swings; ragged, start: by how much of their length strands end and begin early, at most.
        """
        for side in (1, -1) if mirrored else (1,):
            a, b = (_even(curve(self.face.at(guide) if side == 1 else self.face.at(
                [(-x, y) for x, y in guide]))) for guide in (first, last))  # fmt: skip
            phase = self.rng.uniform(0, 2 * np.pi)
            for k in range(count):
                t = (k + self.rng.uniform(-0.25, 0.25)) / max(count - 1, 1) if count > 1 else 0.5
                t = float(np.clip(t, 0, 1))
                strand = (1 - t) * a + t * b
                if curl:
                    strand = self._curled(strand, curl, waves, phase + 0.5 * k)
                self.drawn.append(
                    _between(strand, self.rng.uniform(0, start), 1 - self.rng.uniform(0, ragged))
                )

    def _curled(self, strand: Points, curl: float, waves: float, phase: float) -> Points:
        strand = resample(strand, 4)
        way = lengths(strand) / lengths(strand)[-1]
        tangent = np.gradient(strand, axis=0)
        across = np.column_stack([-tangent[:, 1], tangent[:, 0]])
        across /= np.maximum(np.hypot(*across.T), 1e-9)[:, None]
        swing = np.sin(2 * np.pi * waves * way + phase) - np.sin(phase)
        size = self.face.half_width * curl * np.minimum(1, 1.8 * way)
        curled: Points = strand + (size * swing)[:, None] * across
        return curled

    def line(self, guide: Guide, mirrored: bool = False) -> None:
        """One line."""
        for side in (1, -1) if mirrored else (1,):
            points = self.face.at([(side * x, y) for x, y in guide])
            self.drawn.append(curve(points) if len(points) > 2 else lines(points))

    def curls(self, path: Guide, radius: float, spacing: float) -> None:
        """A line of loops along a path, as one scribbles curly hair."""
        way = resample(curve(self.face.at(path)), 1.0)
        size = radius * self.face.half_width
        turn = 2 * np.pi * np.arange(len(way)) / (spacing * self.face.half_width)
        turn = turn + 0.5 * np.sin(turn / 5.3 + self.rng.uniform(0, 6))
        swell = size * (1 + 0.22 * np.sin(turn / 3.1 + self.rng.uniform(0, 6)))[:, None]
        loops = way + swell * np.column_stack([np.cos(turn), np.sin(turn)])
        self.drawn.append(resample(loops, 2.0))

    def ring(self, centre: tuple[float, float], radius: float, count: int) -> None:
        """A bun: its outline and strands wound round it."""
        middle = self.face.at([centre])[0]
        r = radius * self.face.half_width
        self.drawn.append(curve(ellipse(middle, (r, 0.92 * r), 100, 372)))
        for k in range(count):
            f = 0.85 - 0.75 * k / count
            start = self.rng.uniform(0, 360)
            self.drawn.append(
                curve(ellipse(middle + self.rng.normal(0, 1.5, 2), (f * r, 0.88 * f * r), start,
                              self.rng.uniform(130, 260)))
            )  # fmt: skip

    def braid(self, path: Guide, width: float, mirrored: bool = False) -> None:
        """A plait along a path, thinner towards its end, with a tassel."""
        for side in (1, -1) if mirrored else (1,):
            way = resample(curve(self.face.at([(side * x, y) for x, y in path])), 1.0)
            tangent = np.gradient(way, axis=0)
            across = np.column_stack([-tangent[:, 1], tangent[:, 0]])
            across /= np.hypot(*across.T)[:, None]
            w = width * self.face.half_width
            step = int(1.3 * w)
            # Each strand comes from one edge and lies over to the other, left and right in turn.
            lobe = np.array([(-0.8, 0.0), (-0.1, 0.3), (0.75, 0.62), (0.95, 0.95), (0.4, 1.25)])
            starts = range(0, len(way) - int(1.3 * step) - 45, int(0.55 * step))
            for k, at in enumerate(starts):
                s = 1 if k % 2 else -1
                half = s * w * (1 - 0.45 * at / len(way))
                where = at + (lobe[:, 1] * step).astype(int)
                self.drawn.append(curve(way[where] + half * lobe[:, :1] * across[where]))
            end = way[starts[-1] + int(1.2 * step)]
            for spread in np.linspace(-0.4, 0.4, 7) + self.rng.normal(0, 0.05, 7):
                tips = [
                    (4 * spread, 0),
                    (14 * spread, 14),
                    (32 * spread, 40 + 4 * np.cos(9 * spread)),
                ]
                self.drawn.append(curve(end + np.array(tips)))

    def hidden_by(self, *polygons: Points) -> None:
        """Take away what lies behind or inside the polygons."""
        self.drawn = [piece for line in self.drawn for piece in hide(line, polygons, shortest=3)]


def _even(points: Points) -> Points:
    along = lengths(points)
    at = np.linspace(0, along[-1], _KNOTS)
    return np.column_stack([np.interp(at, along, points[:, k]) for k in (0, 1)])


def _between(points: Points, start: float, end: float) -> Points:
    points = resample(points, 2.0)
    n = len(points)
    return points[int(start * n) : max(int(end * n), int(start * n) + 3)]
