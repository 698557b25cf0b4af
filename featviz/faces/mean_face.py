"""The mean face: the average of many contours (study, figure 4.1)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featviz.base.errors import FeatvizError
from featviz.base.files import atomic_write
from featviz.base.progress import track
from featviz.faces.contours import contours
from featviz.sketches.drawing import CANVAS, PAPER, rasterize


def mean_face(
    landmarks: NDArray[np.floating], landmark_size: int = CANVAS, size: int = CANVAS
) -> NDArray[np.float64]:
    """Average the contour drawings of landmarks (N, 68, 2), pixels of a `landmark_size` photo.

    Returns (size, size) float64 in [0, 1]: 1 where every contour has paper, 0 where every contour
    has ink. Raises FeatvizError if there are no landmarks.
    """
    if len(landmarks) == 0:
        raise FeatvizError("a mean face needs the landmarks of at least one face; given none")
    total = np.zeros((size, size), dtype=np.int64)
    for points in track(landmarks, "averaging contours", len(landmarks)):
        drawing = contours(points, landmark_size)
        total += rasterize(drawing if landmark_size == size else drawing.scaled(size))
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
