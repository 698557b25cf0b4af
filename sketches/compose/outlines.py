"""Face shapes: 11 other outlines of a given face."""

import numpy as np

from featviz.sketches.drawing import Stroke
from sketches.compose.base import Face, draw
from sketches.compose.pen import Points, curve

# Each outline: the x (half face widths) and y (from 0 at the temples to 1 at the chin) of its
# right half, from the temple to the chin; its left half is the mirror image.
OUTLINES: tuple[list[tuple[float, float]], ...] = (
    # round
    [(1.0, 0.0), (1.06, 0.25), (1.02, 0.5), (0.86, 0.76), (0.5, 0.94), (0.0, 1.0)],
    # square
    [(1.0, 0.0), (1.0, 0.3), (0.98, 0.62), (0.88, 0.83), (0.55, 0.98), (0.0, 1.0)],
    # pointed, heart-shaped
    [(1.04, -0.02), (1.02, 0.25), (0.86, 0.52), (0.52, 0.82), (0.2, 1.02), (0.0, 1.07)],
    # long
    [(0.97, 0.0), (0.95, 0.32), (0.88, 0.65), (0.66, 0.98), (0.3, 1.14), (0.0, 1.17)],
    # short
    [(1.0, 0.0), (1.0, 0.22), (0.92, 0.5), (0.68, 0.74), (0.35, 0.86), (0.0, 0.89)],
    # broad
    [(1.14, 0.0), (1.18, 0.25), (1.13, 0.52), (0.92, 0.8), (0.5, 0.97), (0.0, 1.0)],
    # hollow-cheeked
    [(1.0, 0.0), (0.97, 0.2), (0.83, 0.46), (0.72, 0.7), (0.48, 0.94), (0.0, 1.03)],
    # heavy jaw, pear-shaped
    [(0.94, 0.0), (0.97, 0.25), (1.04, 0.5), (1.07, 0.72), (0.86, 0.95), (0.0, 1.06)],
    # diamond
    [(0.94, 0.0), (1.06, 0.26), (0.9, 0.54), (0.42, 0.9), (0.0, 1.04)],
    # a jutting, cleft chin
    [(1.0, 0.0), (0.97, 0.3), (0.86, 0.58), (0.6, 0.84), (0.4, 1.02), (0.18, 1.1), (0.07, 1.09),
     (0.0, 1.06)],
    # chubby cheeks
    [(0.96, 0.0), (0.98, 0.16), (1.1, 0.38), (1.13, 0.58), (0.96, 0.8), (0.5, 0.95), (0.26, 1.01),
     (0.0, 1.03)],
)  # fmt: skip


def draw_outline(face: Face, number: int) -> list[Stroke]:
    """Face shape `number` of `OUTLINES` on a face."""
    return draw("face-shape", [_line(face, number)], (face.name, number), wobble=1.6, overshoot=6)


def _line(face: Face, number: int) -> Points:
    points = face.landmarks
    right = np.array(OUTLINES[number])
    half = np.vstack([right[:-1] * (-1, 1), right[::-1]])
    scale = np.array([face.half_width, points[8, 1] - points[[0, 16], 1].mean()])
    origin = np.array([points[[0, 16], 0].mean(), points[[0, 16], 1].mean()])
    return curve(origin + scale * half)
