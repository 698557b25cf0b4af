"""The mean face: the average of many contours (study, figure 4.1)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featviz.base.errors import FeatvizError
from featviz.base.files import atomic_write
from featviz.base.progress import track
from featviz.faces.contours import contours
from featviz.sketches.drawing import CANVAS, PAPER, rasterize_together

_TOGETHER = 32
"""Contours drawn at once; the sum of so many levels fits into 16 bits."""


def mean_face(landmarks: NDArray[np.floating], landmark_size: int = CANVAS) -> NDArray[np.float64]:
    """Average the contour drawings of landmarks (N, 68, 2), pixels of a `landmark_size` photo.

    Returns (512, 512) float64 in [0, 1]: 1 where every contour has paper, 0 where every contour
    has ink. Raises FeatvizError if there are no landmarks.
    """
    if len(landmarks) == 0:
        raise FeatvizError("a mean face needs the landmarks of at least one face; given none")
    total = np.zeros((CANVAS, CANVAS), dtype=np.int64)
    for first in track(range(0, len(landmarks), _TOGETHER), "averaging contours"):
        drawings = [contours(each, landmark_size) for each in landmarks[first : first + _TOGETHER]]
        if landmark_size != CANVAS:
            drawings = [drawing.scaled(CANVAS) for drawing in drawings]
        images = rasterize_together(drawings)
        total += images.sum(axis=0, dtype=np.uint16)
    return total / (len(landmarks) * PAPER)


def write_mean_face(mean: NDArray[np.float64], path: Path) -> None:
    """Write a mean face (H, W), 0 to 1, as a grey PNG, complete or not at all.

    Raises FeatvizError if the name does not end in .png.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise FeatvizError(f"cannot write a mean face to {path}: expected a name ending in .png")
    with atomic_write(path) as temporary:
        Image.fromarray(np.rint(mean * PAPER).astype(np.uint8)).save(temporary, format="PNG")
