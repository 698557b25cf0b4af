"""Lines through points, by the way along them."""

import numpy as np
from numpy.typing import NDArray


def lengths_along(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """How far each of a polyline's points (n, 2) is from its first one, along the line: (n,)."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps, dtype=np.float64)])


def points_at(points: NDArray[np.floating], at: NDArray[np.floating]) -> NDArray[np.float64]:
    """The places (m, 2) so far along a polyline (n, 2), pixels from its first point; (m,)."""
    along = lengths_along(points)
    return np.stack([np.interp(at, along, axis) for axis in points.T], axis=1)
