"""Reach: the cells of a map to which convolutions can carry a change of some pixels."""

import numpy as np
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError
from featviz.probing.receptive_field import Geometry
from featviz.sketches.edits import Mask


def reach(geometry: Geometry, changed: Mask) -> Mask:
    """Which cells of a layer have a changed pixel in their convolutional receptive field.

    changed: (H, W) bool, the image's pixels. Returns (h, w) bool. A receptive field is taken as
    the box around it, which it fills unless kernels are dilated or far apart; so no cell is missing
    and, with such kernels, some may be too many. Raises FeatvizError if the geometry is unknown or
    that of images of another size.
    """
    if geometry.x is None or geometry.y is None:
        raise FeatvizError(f"the reach of an edit cannot be computed: {geometry.reason}")
    width, height = geometry.image_size
    if changed.shape != (height, width):
        raise FeatvizError(
            f"a mask of {changed.shape[1]}x{changed.shape[0]} does not fit the image of "
            f"{width}x{height}"
        )
    # The number of changed pixels above and to the left, so that a box takes four look-ups.
    counts = np.zeros((height + 1, width + 1), dtype=np.int64)
    counts[1:, 1:] = changed.cumsum(axis=0).cumsum(axis=1)
    left, right = _ends(geometry.x.low, geometry.x.high, width)
    top, bottom = _ends(geometry.y.low, geometry.y.high, height)
    inside = (
        counts[np.ix_(bottom, right)]
        - counts[np.ix_(top, right)]
        - counts[np.ix_(bottom, left)]
        + counts[np.ix_(top, left)]
    )
    return np.asarray(inside > 0)


def _ends(
    low: NDArray[np.int64], high: NDArray[np.int64], pixels: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first pixel and that behind the last of each cell; equal if it sees none."""
    first = low.clip(0, pixels)
    return first, (high + 1).clip(first, pixels)


def cells_of(geometry: Geometry, pixels: Mask) -> Mask:
    """The cells that stand for any of some pixels, by the rule of `Geometry.position`.

    (H, W) bool -> (h, w) bool.
    """
    if geometry.x is None or geometry.y is None or geometry.map_size is None:
        raise FeatvizError(f"the places of pixels cannot be computed: {geometry.reason}")
    columns, rows = geometry.map_size
    cells = np.zeros((rows, columns), dtype=bool)
    down, right = np.nonzero(pixels)
    down, right = geometry.y.cells[down], geometry.x.cells[right]
    there = (down >= 0) & (right >= 0)
    cells[down[there], right[there]] = True
    return cells
