"""Areas as the lines around them."""

import numpy as np
from numpy.typing import NDArray


def area_outlines(area: NDArray[np.bool_], tolerance: float = 0.5) -> tuple[tuple[float, ...], ...]:
    """The borders of an area (H, W) that is not empty, flat closed polygons; of holes too.

    tolerance: how far an outline may run beside the area's border, in pixels.
    """
    from contourpy import contour_generator
    from matplotlib.path import Path

    rows, columns = (np.flatnonzero(area.any(axis=axis)) for axis in (1, 0))
    corner = np.array([columns[0], rows[0]])
    # Around the smallest piece that holds all of it, a frame of what is outside closes the borders.
    piece = np.pad(area[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 1)
    polygons = []
    for line in contour_generator(z=piece.astype(np.float64)).lines(0.5):
        path = Path(np.asarray(line) + corner - 1)
        path.simplify_threshold = tolerance
        # Behind the corners come the first again and a stop.
        corners = np.asarray(path.cleaned(simplify=True).vertices)[:-2]
        polygons.append(tuple(corners.ravel().round(1).tolist()))
    return tuple(polygons)
