"""Labels beside points, placed where they hide least."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

FONT_SIZE = 6.5

_DIRECTIONS = ((1, 0), (0, 1), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))
_PLACES = tuple(product((7.0, 12.0, 18.0, 25.0), _DIRECTIONS))
_MARKER_REACH = 3.5


def draw_labels(
    ax: Axes,
    points: NDArray[np.float64],
    labels: Sequence[str],
    obstacles: NDArray[np.float64],
) -> None:
    """Write each label beside its point, one after the other, where it covers least.

    points: (n, 2), obstacles: (m, 2), data coordinates; the limits, the aspect and the size of the
    axes must be final. A label keeps clear, if it can, of obstacles, of the labels before it and
    of the frame.
    """
    pixels = ax.figure.dpi / 72
    reach = _MARKER_REACH * pixels
    frame = ax.bbox.padded(-2 * pixels)
    taken = [
        Bbox.from_extents(x - reach, y - reach, x + reach, y + reach)
        for x, y in ax.transData.transform(obstacles)
    ]
    for point, label in zip(points, labels, strict=True):
        at = ax.transData.transform(point)
        size = np.array([0.6 * FONT_SIZE * len(label) + 1, 1.25 * FONT_SIZE]) * pixels
        boxes = [_box(at, size, direction, reach * pixels) for reach, direction in _PLACES]
        costs = [
            sum(_overlap(box, other) for other in taken) + 3 * _outside(box, frame) for box in boxes
        ]
        best = boxes[int(np.argmin(costs))]
        taken.append(best)
        middle = ((best.x0 + best.x1) / 2, (best.y0 + best.y1) / 2)
        x, y = ax.transData.inverted().transform(middle)
        ax.text(
            x,
            y,
            label,
            fontsize=FONT_SIZE,
            ha="center",
            va="center",
            zorder=21,
            path_effects=[withStroke(linewidth=1.6, foreground="white")],
        )


def _box(
    at: NDArray[np.float64], size: NDArray[np.float64], direction: tuple[int, int], reach: float
) -> Bbox:
    slant = 0.7 if all(direction) else 1.0
    middle = at + np.array(direction) * (reach * slant + size / 2)
    return Bbox([middle - size / 2, middle + size / 2])


def _overlap(a: Bbox, b: Bbox) -> float:
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return float(max(width, 0) * max(height, 0))


def _outside(box: Bbox, frame: Bbox) -> float:
    return float(box.width * box.height) - _overlap(box, frame)
