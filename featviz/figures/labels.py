"""Labels beside points, placed where they hide least."""

import warnings
from bisect import bisect_right
from collections.abc import Sequence
from itertools import product

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.patheffects import withStroke
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

FONT_SIZE = 6.5

_DIRECTIONS = ((1, 0), (0, 1), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))
_REACHES = (7.0, 12.0, 18.0, 26.0, 36.0)
_PLACES = tuple(product(range(len(_REACHES)), _DIRECTIONS))
_POINT_REACH, _OBSTACLE_REACH = 5.5, 4.0
_COVERING = 4.0
"""What covering weighs: a label goes a step farther rather than touch a marker's edge."""


def draw_labels(
    ax: Axes,
    points: NDArray[np.float64],
    labels: Sequence[str],
    obstacles: NDArray[np.float64],
) -> None:
    """Write each label beside its point, one after the other, where it covers least.

    points: (n, 2), obstacles: (m, 2), data coordinates; the limits, the aspect and the size of the
    axes must be final. A label keeps clear, if it can, of points, obstacles, the labels before it
    and the frame; the farther it has to go the more that must be worth, and a line leads to it.
    """
    pixels = ax.figure.dpi / 72
    frame = ax.bbox.padded(-2 * pixels)
    reaches = np.repeat([_POINT_REACH, _OBSTACLE_REACH], [len(points), len(obstacles)]) * pixels
    places = ax.transData.transform(np.concatenate([points, obstacles]))
    # Lower left and upper right corners, (n, 2, 2).
    taken = np.stack([places - reaches[:, None], places + reaches[:, None]], axis=1)
    to_data = ax.transData.inverted()
    for point, label in zip(points, labels, strict=True):
        at = ax.transData.transform(point)
        width = 72 * text_width(label, FONT_SIZE) + 2
        size = np.array([width, 1.25 * FONT_SIZE]) * pixels
        boxes = [_box(at, size, way, _REACHES[step] * pixels) for step, way in _PLACES]
        costs = [
            _COVERING * _covered(box, taken)
            + 5 * _COVERING * _outside(box, frame)
            + 0.06 * step * size.prod()
            + 0.3 * _crossings(at, box, taken) * size.prod()
            for (step, _), box in zip(_PLACES, boxes, strict=True)
        ]
        best = int(np.argmin(costs))
        box = boxes[best]
        taken = np.concatenate([taken, box.get_points()[None]])
        x, y = to_data.transform(((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2))
        if _PLACES[best][0] > 0:
            near = np.clip(at, box.min, box.max)
            edge = at + (near - at) * (5 * pixels / np.linalg.norm(near - at))
            ends = to_data.transform([edge, near])
            ax.plot(*ends.T, color="#333333", linewidth=0.5, zorder=20)
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


def text_width(text: str, font_size: float) -> float:
    """Inches that a line of text takes in the current font family."""
    font = FontProperties(family=mpl.rcParams["font.family"], size=font_size)
    with warnings.catch_warnings():
        # Letters that no font has are told of when the figure is saved.
        warnings.simplefilter("ignore", UserWarning)
        points, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(points) / 72


def shortened(text: str, inches: float, font_size: float) -> str:
    """A name as it is if it fits, else without its middle: `latest…epoch-20`."""
    if text_width(text, font_size) <= inches:
        return text
    cut = [f"{text[: (n + 1) // 2]}…{text[len(text) - n // 2 :]}" for n in range(1, len(text))]
    fitting = bisect_right(cut, inches, key=lambda name: text_width(name, font_size))
    return cut[max(fitting - 1, 0)]


def _box(
    at: NDArray[np.float64], size: NDArray[np.float64], direction: tuple[int, int], reach: float
) -> Bbox:
    slant = 0.7 if all(direction) else 1.0
    middle = at + np.array(direction) * (reach * slant + size / 2)
    return Bbox([middle - size / 2, middle + size / 2])


def _crossings(at: NDArray[np.float64], box: Bbox, taken: NDArray[np.float64]) -> int:
    """Into how many of the boxes (n, 2, 2) the line from a point to its label runs."""
    places = at + np.linspace(0.3, 0.9, 12)[:, None] * (np.clip(at, box.min, box.max) - at)
    # The box around the point itself does not count.
    others = taken[~_contain(taken, at[None])[:, 0]]
    return int(_contain(others, places).any(axis=1).sum())


def _contain(boxes: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which boxes (n, 2, 2) hold which places (m, 2), (n, m)."""
    low, high = boxes[:, 0, None], boxes[:, 1, None]
    return np.asarray(((low <= places) & (places <= high)).all(axis=2))


def _covered(box: Bbox, taken: NDArray[np.float64]) -> float:
    """The area that a box shares with each of the boxes (n, 2, 2), summed."""
    sides = np.minimum(box.max, taken[:, 1]) - np.maximum(box.min, taken[:, 0])
    return float(sum(np.maximum(sides, 0).prod(axis=1).tolist()))


def _outside(box: Bbox, frame: Bbox) -> float:
    return float(box.width * box.height) - _covered(box, frame.get_points()[None])
