"""Lines that a person could draw of hair: its border, and a few strokes along its strands."""

import contourpy
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.spatial import KDTree

from featviz.faces.hair_region import PixelMask, face_unit, find_hair_region, mask_points
from featviz.faces.person import PERSON_SIZE
from featviz.sketches.polylines import lengths_along, points_at

Polyline = NDArray[np.float64]
"""(n, 2) points, n at least 2, pixels of the mask, x right and y down."""

_MOST_STRANDS = 8
_LONGEST = 400
"""Steps of 1 px that a strand is followed to each side."""
_STEP = 4.0
"""Pixels of the mask between points of a line that is done."""
_SMOOTHING = 4.0


def find_hair(
    photo: NDArray[np.uint8], landmarks: NDArray[np.floating]
) -> tuple[NDArray[np.float32], ...]:
    """The lines of the hair in an aligned photo, longest border first, then strands.

    photo: (N, N, 3) uint8 RGB. landmarks: (68, 2), pixels of the photo. Each line is (n, 2)
    float32, pixels of the photo; there is none where no hair can be told from skin. Raises
    FeatvizError if there is no person around the face.
    """
    region, person = find_hair_region(photo, landmarks)
    points, factor = mask_points(landmarks, photo.shape[0]), PERSON_SIZE / photo.shape[0]
    side = (PERSON_SIZE, PERSON_SIZE)
    grey = Image.fromarray(photo).convert("L").resize(side, Image.Resampling.BOX)
    borders = border_lines(region, person, points)
    strands = strand_lines(np.asarray(grey, np.float64), region, borders, face_unit(points))
    return tuple(
        ((_resampled(line, _STEP) + 0.5) / factor - 0.5).astype(np.float32)
        for line in (*borders, *strands)
    )


def border_lines(
    region: PixelMask, person: PixelMask, landmarks: NDArray[np.floating]
) -> list[Polyline]:
    """The border of the hair, longest piece first: the outer hair line, and where the face begins.

    region, person: (256, 256). landmarks: (68, 2), pixels of these. Left out is what is no line of
    hair: the edge of the photo, what runs along the jaw's own line, where hair ends on what is worn
    (below the chin and away from the person's outline), and pieces shorter than a third of a face.
    """
    unit, chin = face_unit(landmarks), landmarks[8, 1]
    soft = ndimage.gaussian_filter(region.astype(np.float64), 2, mode="nearest")
    jaw = KDTree(_resampled(landmarks[:17].astype(np.float64), 1.0))
    depth = _depth(person)
    lines = []
    for line in contourpy.contour_generator(z=soft).lines(0.5):
        assert isinstance(line, np.ndarray)
        away = jaw.query(line)[0] > 0.08 * unit
        outer = ndimage.map_coordinates(depth, line[:, ::-1].T, order=1) < 0.04 * unit
        inside = ((line > 1) & (line < PERSON_SIZE - 2)).all(axis=1)
        kept = _without_gaps(away & (outer | (line[:, 1] < chin))) & inside
        lines += [_smoothed(run) for run in _runs(line, kept) if _length(run) > 0.35 * unit]
    return sorted(lines, key=_length, reverse=True)


def strand_lines(
    grey: NDArray[np.float64], region: PixelMask, borders: list[Polyline], unit: float
) -> list[Polyline]:
    """At most 8 lines along the strands in a region, away from each other and from its borders.

    grey: (256, 256), 0 to 255. unit: see `face_unit`. Strands run across the strongest change of
    the grey levels, by the structure tensor (Bigun and Granlund 1987); lines are begun where they
    run alike around and no other line is near, as evenly spaced streamlines are (Jobard and Lefer
    1997), and followed until they leave the region, turn sharply or come near another line.
    """
    directions, sureness = _directions(grey)
    apart = 0.22 * unit
    empty = np.ones(region.shape, bool)
    for line in borders:
        _mark(empty, line)
    inside = np.asarray(ndimage.binary_erosion(region, border_value=1))
    begun = np.zeros(region.shape, bool)
    lines: list[Polyline] = []
    while len(lines) < _MOST_STRANDS:
        distance = ndimage.distance_transform_edt(empty)
        score = np.minimum(distance, 2 * apart) * sureness
        score[~inside | begun | (distance <= apart)] = 0
        y, x = np.unravel_index(score.argmax(), score.shape)
        if score[y, x] <= 0:
            break
        begun[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = True
        free = inside & (distance >= 0.6 * apart)
        line = _followed(np.array([x, y], np.float64), directions, free)
        if _length(line) > 0.35 * unit:
            lines.append(_smoothed(line))
            _mark(empty, lines[-1])
    return lines


def _directions(grey: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cosine and sine of twice the angle of strands (2, H, W), and how alike they run, 0 to 1."""
    across = ndimage.gaussian_filter(grey, 1.2, order=(0, 1))
    down = ndimage.gaussian_filter(grey, 1.2, order=(1, 0))
    even = ndimage.gaussian_filter(across**2 - down**2, _SMOOTHING)
    odd = ndimage.gaussian_filter(2 * across * down, _SMOOTHING)
    whole = ndimage.gaussian_filter(across**2 + down**2, _SMOOTHING)
    strength = np.hypot(even, odd)
    # The change is strongest across a strand: half a turn in twice the angle.
    directions = -np.stack([even, odd]) / np.maximum(strength, 1e-9)
    return directions, strength / (whole + 1e-6)


def _followed(
    start: NDArray[np.float64], directions: NDArray[np.float64], free: PixelMask
) -> Polyline:
    """The line through a point along directions, both ways, while it is free and turns gently."""
    ways = []
    for sign in (1.0, -1.0):
        point, before, points = start, None, []
        for _ in range(_LONGEST):
            column, row = np.rint(point).astype(int)
            angle = np.arctan2(directions[1, row, column], directions[0, row, column]) / 2
            step = sign * np.array([np.cos(angle), np.sin(angle)])
            if before is not None:
                step *= np.sign(step @ before) or 1.0
                if step @ before < 0.8:
                    break
            point, before = point + step, step
            column, row = np.rint(point).astype(int)
            is_seen = 0 <= column < free.shape[1] and 0 <= row < free.shape[0]
            if not is_seen or not free[row, column]:
                break
            points.append(point)
        ways.append(points)
    return np.array([*ways[1][::-1], start, *ways[0]])


def _mark(empty: PixelMask, line: Polyline) -> None:
    columns, rows = np.rint(_resampled(line, 0.7)).astype(int).clip(0, PERSON_SIZE - 1).T
    empty[rows, columns] = False


def _depth(region: PixelMask) -> NDArray[np.float64]:
    """How far inside a region each place is; the photo's edge is no end of it."""
    around = ndimage.distance_transform_edt(np.pad(region, 1, mode="edge"))
    return np.asarray(around[1:-1, 1:-1])


def _without_gaps(kept: PixelMask) -> PixelMask:
    """Points along a line, and up to 8 between them."""
    closed = ndimage.binary_closing(np.pad(kept, 6, mode="edge"), iterations=4)
    return np.asarray(closed[6:-6])


def _runs(line: Polyline, kept: PixelMask) -> list[Polyline]:
    """The pieces of a line whose points are kept; one that returns to its start has none there."""
    if kept.all():
        return [line]
    if np.array_equal(line[0], line[-1]):
        first = int(np.flatnonzero(~kept)[0])
        line, kept = np.roll(line[:-1], -first, axis=0), np.roll(kept[:-1], -first)
    steps = np.diff(np.concatenate([[0], kept.astype(int), [0]]))
    ends = zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True)
    return [line[begin:end] for begin, end in ends if end - begin > 1]


def _length(line: Polyline) -> float:
    return float(lengths_along(line)[-1])


def _resampled(line: Polyline, step: float) -> Polyline:
    """The same line by points `step` apart, or nearly so, its ends where they were."""
    length = _length(line)
    return points_at(line, np.linspace(0, length, max(2, round(length / step) + 1)))


def _smoothed(line: Polyline) -> Polyline:
    """A line without its small bends; open ends stay where they are."""
    fine = _resampled(line, 1.0)
    is_closed = np.array_equal(line[0], line[-1])
    mode = "wrap" if is_closed else "nearest"
    smooth = ndimage.gaussian_filter1d(fine, _SMOOTHING, axis=0, mode=mode)
    if is_closed:
        return np.concatenate([smooth[:-1], smooth[:1]])
    number = np.arange(len(fine))
    weight = np.minimum(1, np.minimum(number, number[::-1]) / (2 * _SMOOTHING))[:, None]
    return np.asarray(weight * smooth + (1 - weight) * fine)
