"""A contour as a clumsy hand draws it, for C14 and figure 5.1."""

import numpy as np
from numpy.typing import NDArray

from featviz.sketches.drawing import CANVAS


def deform(
    landmarks: NDArray[np.float32], amount: float, size: int = CANVAS
) -> NDArray[np.float32]:
    """Landmarks (68, 2) of a photo of `size` px, badly drawn: 0 leaves them, 1 is the worst.

    One eye grows and sinks, the mouth slides and tilts, the jaw bulges on one side.
    """
    points = landmarks.astype(np.float64) * (CANVAS / size)
    eye, mouth, jaw = slice(36, 42), slice(48, 68), slice(2, 8)
    middle = points[eye].mean(axis=0)
    points[eye] = middle + (points[eye] - middle) * (1 + 0.6 * amount) + [-6 * amount, 22 * amount]
    middle, angle = points[mouth].mean(axis=0), np.radians(14 * amount)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points[mouth] = middle + (points[mouth] - middle) @ turn + [26 * amount, 6 * amount]
    bulge = np.sin(np.linspace(0, np.pi, jaw.stop - jaw.start + 2))[1:-1]
    points[jaw, 0] -= 38 * amount * bulge
    return (points * (size / CANVAS)).astype(np.float32)
