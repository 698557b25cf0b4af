"""The shape of a part: points along its strokes, how they lie, and how far two are apart."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featviz.faces.contours import CONTOUR_LINES, LANDMARKS_OF

PartPoints = NDArray[np.float64]
"""(..., POINTS, 2), pixels of a canvas of 512 px with x to the right and y down."""

POINTS = 64
"""Of a part, equally far from each other along its strokes."""
SEARCHED_PARTS: tuple[str, ...] = tuple(LANDMARKS_OF)
"""The parts of a face that are searched, the outline first."""
OUTLINE = SEARCHED_PARTS[0]
PART_MARGIN = 14.0
"""Pixels at 512 around a part's strokes that belong to it: lids, lashes, wings of the nose."""

_CELLS = 16
_REACH = 2.0
"""Half the side of a map of distances, in radii: the ends of a straight stroke are at 1.73."""
_FAR = 0.75
"""Distances are cut off there, in radii: how a stroke leads on elsewhere says nothing of a cell."""
_LEAST_RADIUS = 1.0
"""Pixels: a dot has a shape, too."""


@dataclass(frozen=True, eq=False)
class PartFrame:
    """Where parts lie and how large they are: centre (..., 2) and radius (...), pixels at 512."""

    centre: NDArray[np.float64]
    radius: NDArray[np.float64]


def along(vertices: NDArray[np.float64], is_jump: NDArray[np.bool_]) -> PartPoints:
    """Points along polylines: vertices (N, M, 2) -> (N, POINTS, 2).

    is_jump: (M - 1,), between which vertices the pen is up; alike for all N.
    """
    steps = np.where(is_jump, 0, np.linalg.norm(np.diff(vertices, axis=1), axis=2))
    ends = np.cumsum(steps, axis=1)
    at = ends[:, -1:] * ((np.arange(POINTS) + 0.5) / POINTS)
    # The first segment that ends behind the place; the last one that has a length, for dots.
    segment = np.minimum((ends[:, None] <= at[..., None]).sum(axis=2), len(is_jump) - 1)
    rows = np.arange(len(vertices))[:, None]
    length = steps[rows, segment]
    share = (at - (ends[rows, segment] - length)) / np.where(length > 0, length, 1)
    start, end = vertices[rows, segment], vertices[rows, segment + 1]
    found: PartPoints = start + share[..., None] * (end - start)
    return found


def along_strokes(strokes: list[NDArray[np.float64]]) -> PartPoints:
    """Points along one part's strokes, one or more, each (n, 2): (POINTS, 2)."""
    # A lone point is a line between two equal ones.
    lines = [points if len(points) > 1 else points.repeat(2, axis=0) for points in strokes]
    is_jump = np.zeros(sum(map(len, lines)) - 1, dtype=bool)
    is_jump[np.cumsum([len(points) for points in lines])[:-1] - 1] = True
    found: PartPoints = along(np.concatenate(lines)[None], is_jump)[0]
    return found


def of_landmarks(landmarks: NDArray[np.floating], part: str) -> PartPoints:
    """Points along a part of contours, landmarks (N, 68, 2) at 512 -> (N, POINTS, 2)."""
    orders = [
        [*indices, indices[0]] if closed else list(indices)
        for name, indices, closed in CONTOUR_LINES
        if name == part
    ]
    is_jump = np.zeros(sum(map(len, orders)) - 1, dtype=bool)
    is_jump[np.cumsum([len(order) for order in orders])[:-1] - 1] = True
    vertices = np.asarray(landmarks, dtype=np.float64)[:, [i for order in orders for i in order]]
    return along(vertices, is_jump)


def frame_of(points: PartPoints) -> PartFrame:
    """Mean and root mean square distance from it."""
    centre = points.mean(axis=-2)
    away = points - centre[..., None, :]
    return PartFrame(
        centre, np.maximum(np.sqrt((away**2).sum(axis=-1).mean(axis=-1)), _LEAST_RADIUS)
    )


def normalised(points: PartPoints, frame: PartFrame) -> PartPoints:
    """Points around 0, in radii."""
    return (points - frame.centre[..., None, :]) / frame.radius[..., None, None]


def distance_maps(points: PartPoints) -> NDArray[np.float32]:
    """A descriptor of shapes, normalised points (N, POINTS, 2) -> (N, cells): the distance from
    each cell of a grid to the nearest point, cut off.

    Two such maps are as far apart as their shapes are by chamfer matching (Borgefors 1988), about.
    """
    axis = (np.arange(_CELLS) + 0.5) * (2 * _REACH / _CELLS) - _REACH
    cells = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2).astype(np.float32)
    own = points.astype(np.float32)
    squared = (own**2).sum(axis=-1)[:, None] + (cells**2).sum(axis=-1)[:, None]
    nearest = (squared - 2 * np.einsum("cx,npx->ncp", cells, own, optimize=True)).min(axis=-1)
    maps: NDArray[np.float32] = np.minimum(np.sqrt(np.maximum(nearest, 0)), np.float32(_FAR))
    return maps


def chamfer(one: PartPoints, others: PartPoints) -> NDArray[np.float64]:
    """How far shapes (N, POINTS, 2) are from one (POINTS, 2): mean distance to the nearest point
    of the other, either way, (N,).
    """
    squared = squared_distances(others, one)
    away: NDArray[np.float64] = np.sqrt(squared.min(axis=-1)).mean(axis=-1)
    back: NDArray[np.float64] = np.sqrt(squared.min(axis=-2)).mean(axis=-1)
    return (away + back) / 2


def squared_distances(points: PartPoints, others: PartPoints) -> NDArray[np.float64]:
    """Of all points (..., n, 2) to all others (m, 2): (..., n, m)."""
    across, down = (points[..., None, axis] - others[:, axis] for axis in (0, 1))
    squared: NDArray[np.float64] = across * across + down * down
    return squared
