"""How a pen moves: smooth curves through points, an unsteady hand, lines that run on a little."""

import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from featviz.sketches.drawing import Stroke

Points = NDArray[np.float64]

SEED = 2020
STEP = 2.5
"""Pixels between the points of a stroke before it is simplified."""
TOLERANCE = 0.12
"""Pixels by which a simplified stroke may leave the curve."""


def hand(*key: object) -> np.random.Generator:
    """The random numbers of one thing that is drawn, whatever else is drawn before it."""
    return np.random.default_rng([SEED, zlib.crc32(repr(key).encode())])


def curve(points: ArrayLike, closed: bool = False) -> Points:
    """A smooth curve through `points` (n, 2), sampled every `STEP` pixels: (m, 2).

    The curve is a cubic spline over the square root of the chord length, which does not bulge
    between points at unequal distances.
    """
    knots = np.asarray(points, dtype=np.float64)
    if closed:
        knots = np.vstack([knots, knots[:1]])
    chords = np.hypot(*np.diff(knots, axis=0).T)
    keep = np.concatenate([[True], chords > 1e-9])
    knots, chords = knots[keep], chords[chords > 1e-9]
    times = np.concatenate([[0], np.cumsum(np.sqrt(chords))])
    spline = CubicSpline(times, knots, bc_type="periodic" if closed else "natural")
    fine = spline(np.linspace(0, times[-1], 40 * len(knots)))
    return resample(np.asarray(fine, dtype=np.float64), STEP)


def lines(points: ArrayLike) -> Points:
    """Straight lines through `points` (n, 2), sampled every `STEP` pixels; corners stay."""
    knots = np.asarray(points, dtype=np.float64)
    pieces = [resample(knots[i : i + 2], STEP) for i in range(len(knots) - 1)]
    return np.vstack([pieces[0], *(piece[1:] for piece in pieces[1:])])


def resample(points: Points, step: float) -> Points:
    """Points at equal distances of about `step` along a polyline, its ends included."""
    along = lengths(points)
    count = max(2, int(np.ceil(along[-1] / step)) + 1)
    at = np.linspace(0, along[-1], count)
    return np.column_stack([np.interp(at, along, points[:, k]) for k in (0, 1)])


def lengths(points: Points) -> Points:
    """The way along a polyline at each of its points, in pixels."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    return np.concatenate([np.zeros(1), np.cumsum(steps)])


def pull(
    part: str,
    points: Points,
    rng: np.random.Generator,
    wobble: float = 0.8,
    overshoot: float = 2.0,
) -> Stroke:
    """One pen line along `points`.

    wobble: standard deviation, in pixels, of a slow drift to the sides (wavelengths of 80 px and
    more: a hand sways, it does not tremble). overshoot: up to how many pixels the line runs on
    at both ends.
    """
    points = _run_on(points, rng.uniform(0, overshoot), rng.uniform(0, overshoot))
    along = lengths(points)
    drift = np.zeros_like(points)
    for _ in range(5):
        wavelength = rng.uniform(80, 260)
        phase = rng.uniform(0, 2 * np.pi, 2)
        size = rng.normal(0, wobble / 1.6, 2)
        drift += size * np.sin(2 * np.pi * along[:, None] / wavelength + phase)
    # Short lines are drawn in one go, with less time to go astray.
    steadiness = min(1.0, along[-1] / 60)
    return Stroke(part, np.round(simplify(points + steadiness * drift), 2))


def _run_on(points: Points, before: float, after: float) -> Points:
    if len(points) < 3 or before + after == 0:
        return points
    k = min(3, len(points) - 1)
    head, tail = points[0] - points[k], points[-1] - points[-1 - k]
    head, tail = (side / max(np.hypot(*side), 1e-9) for side in (head, tail))
    return np.vstack([points[:1] + before * head, points, points[-1:] + after * tail])


def simplify(points: Points, tolerance: float = TOLERANCE) -> Points:
    """Leave out points that lie within `tolerance` of the line without them (Douglas, Peucker)."""
    keep = np.zeros(len(points), dtype=bool)
    keep[[0, -1]] = True
    pending = [(0, len(points) - 1)]
    while pending:
        first, last = pending.pop()
        if last - first < 2:
            continue
        a, b = points[first], points[last]
        inner = points[first + 1 : last]
        chord = b - a
        along = np.clip((inner - a) @ chord / max(chord @ chord, 1e-12), 0, 1)
        distance = np.hypot(*(inner - a - along[:, None] * chord).T)
        worst = int(distance.argmax())
        if distance[worst] > tolerance:
            middle = first + 1 + worst
            keep[middle] = True
            pending += [(first, middle), (middle, last)]
    return points[keep]


def inside(points: Points, polygon: Points) -> NDArray[np.bool_]:
    """Which points (n, 2) lie inside a closed polygon (m, 2) (crossing number)."""
    x, y = points[:, 0, None], points[:, 1, None]
    (x1, y1), (x2, y2) = polygon.T, np.roll(polygon, -1, axis=0).T
    straddles = (y1 > y) != (y2 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = x < (x2 - x1) * (y - y1) / (y2 - y1) + x1
    odd: NDArray[np.bool_] = (straddles & crossing).sum(axis=1) % 2 == 1
    return odd


def hide(points: Points, polygons: Iterable[Points], shortest: float = 6.0) -> list[Points]:
    """The pieces of a line outside all `polygons`: what is behind a thing is not drawn."""
    points = resample(points, STEP)
    hidden = np.zeros(len(points), dtype=bool)
    for polygon in polygons:
        hidden |= inside(points, polygon)
    return [piece for piece in _runs(points, ~hidden) if lengths(piece)[-1] >= shortest]


def _runs(points: Points, keep: NDArray[np.bool_]) -> list[Points]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], keep.astype(int), [0]])))
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [points[start:end] for start, end in pairs if end - start > 1]


def rectangle(left: float, top: float, right: float, bottom: float) -> Points:
    """The corners of a rectangle, (4, 2)."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float64)


def ellipse(
    centre: Sequence[float],
    radii: Sequence[float],
    start: float = 0,
    turn: float = 360,
    tilt: float = 0,
) -> Points:
    """An arc of an ellipse; angles in degrees, clockwise on the canvas from the right."""
    angle = np.radians(np.linspace(start, start + turn, max(8, int(abs(turn) / 8))))
    arc = np.column_stack([np.cos(angle) * radii[0], np.sin(angle) * radii[1]])
    c, s = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    placed: Points = np.asarray(centre) + arc @ np.array([[c, s], [-s, c]])
    return placed
