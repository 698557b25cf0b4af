"""Augmentation of contours: landmarks move, the photo never does (study, section 3).

Points are moved, not pixels, so lines stay 2 px wide and nothing is resampled. Parts of a contour
may be left out too.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from featviz.base.errors import FeatvizError
from featviz.faces.unfinished import unfinished
from featviz.sketches.drawing import CANVAS, Drawing

STUDY_SHIFT = 25.0
"""The study's largest shift on each axis, pixels at 512."""
STUDY_ROTATION = 7.0
"""The study's largest rotation, degrees."""
_JAW = 17


@dataclass(frozen=True)
class Augmentation:
    """How far a contour may move: `shift` pixels (at 512) on each axis, `rotation` degrees.

    And how far the jaw's line alone is bent, the photo and all other parts unmoved: by up to
    `outline` pixels (at 512), see `bend_outline`. And of which share of the contours parts are left
    out: `parts`, from 0 to 1, see `featviz.faces.unfinished`.

    Raises FeatvizError if one of them is negative or not finite, or `parts` more than 1.
    """

    shift: float = STUDY_SHIFT
    rotation: float = STUDY_ROTATION
    outline: float = 0.0
    parts: float = 0.0

    def __post_init__(self) -> None:
        for name in ("shift", "rotation", "outline", "parts"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0:
                raise FeatvizError(f"the augmentation's {name} must be 0 or more; got {value}")
        if self.parts > 1:
            raise FeatvizError(
                f"the augmentation's parts are a share of the sketches, 0 to 1; got {self.parts}"
            )

    def move(
        self, landmarks: NDArray[np.float32], size: int, random: np.random.Generator
    ) -> NDArray[np.float32]:
        """Landmarks (68, 2) of a photo of `size` pixels, moved at random, uniformly in the limits.

        Points behind them (of hair) are shifted and turned along; the jaw's bend leaves them.
        Takes three numbers from `random`, shift in x, shift in y, rotation, and if outlines are
        bent, how far, and the bend.
        """
        x, y, turn = random.uniform(-1.0, 1.0, 3)
        if self.outline:
            landmarks = bend_outline(landmarks, size, random.uniform(0, self.outline), random)
        return move_landmarks(
            landmarks, size, (x * self.shift, y * self.shift), turn * self.rotation
        )

    def leave_out(self, drawing: Drawing, random: np.random.Generator) -> Drawing:
        """A contour, or at random in so many cases as `parts` says the contour unfinished.

        Takes nothing from `random` if `parts` is 0.
        """
        if self.parts and random.uniform() < self.parts:
            return unfinished(drawing, random)
        return drawing


def bend_outline(
    landmarks: NDArray[np.float32], size: int, pixels: float, random: np.random.Generator
) -> NDArray[np.float32]:
    """Points (N, 2) whose first 17, the jaw's, are bent smoothly; all others are where they were.

    size: side of the canvas the landmarks belong to, pixels. pixels: the standard deviation of the
    moves on both axes, of a 512 canvas. The moves are normal noise, smoothed along the line by a
    Gaussian of three landmarks' width. Takes 34 numbers from `random`.
    """
    bend = gaussian_filter1d(random.normal(0, 1, (_JAW, 2)), 3, axis=0, mode="nearest")
    bent = landmarks.copy()
    bent[:_JAW] += (pixels * size / CANVAS / bend.std()) * bend
    return bent


def move_landmarks(
    landmarks: NDArray[np.float32], size: int, shift: tuple[float, float], degrees: float
) -> NDArray[np.float32]:
    """Turn landmarks (N, 2) about the middle of the canvas, then shift them; as if the sheet moved.

    size: side of the canvas the landmarks belong to, pixels. shift: (right, down) in pixels of a
    512 canvas, whatever `size` is. degrees: positive turns clockwise, as y points down.
    """
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    middle = (size - 1) / 2
    moved = (landmarks.astype(np.float64) - middle) @ turn + middle
    return np.asarray(moved + np.asarray(shift) * (size / CANVAS), dtype=np.float32)
