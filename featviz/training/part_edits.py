"""Edits to train with: a contour, one part of which is another face's."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featviz.faces.contours import LANDMARKS_OF
from featviz.faces.pairs import PairSet
from featviz.sketches.drawing import Drawing, rasterize
from featviz.sketches.edits import Edit

EDITED_PARTS: Mapping[str, tuple[str, ...]] = {
    "brows": ("left-eyebrow", "right-eyebrow"),
    "eyes": ("left-eye", "right-eye"),
    "nose": ("nose",),
    "mouth": ("mouth",),
}
"""What is exchanged at once, and the parts of a drawing that it is."""


def exchange_part(
    landmarks: NDArray[np.floating], other: NDArray[np.floating], part: str
) -> NDArray[np.float32]:
    """A face's landmarks (68, 2) with one of `EDITED_PARTS` taken from another face.

    The other face is shifted, turned and scaled to lie on this one as well as it can (least
    squares over all landmarks); then its part is shifted so that its middle is where that of this
    face's part was, each of two eyes or brows by itself.
    """
    aligned = _aligned(other, landmarks)
    exchanged = np.array(landmarks, dtype=np.float32)
    for name in EDITED_PARTS[part]:
        rows = LANDMARKS_OF[name]
        off = landmarks[rows].mean(axis=0) - aligned[rows].mean(axis=0)
        exchanged[rows] = aligned[rows] + off
    return exchanged


def _aligned(moved: NDArray[np.floating], onto: NDArray[np.floating]) -> NDArray[np.float64]:
    """Points (N, 2) after the shift, turn and scaling that bring them nearest to others."""
    # As complex numbers, to turn and to scale is one product.
    start, end = (points.astype(np.float64) @ (1, 1j) for points in (moved, onto))
    start, middle = start - start.mean(), end.mean()
    found = start * (np.vdot(start, end - middle) / np.vdot(start, start)) + middle
    return np.stack([found.real, found.imag], axis=1)


def edited_sketch(
    drawing: Drawing,
    landmarks: NDArray[np.float32],
    pairs: PairSet,
    index: int,
    random: np.random.Generator,
) -> Drawing:
    """A contour of a pair with one part of another pair's face, both as `random` has them.

    landmarks: (68, 2), pixels of the pairs' photos; those that `drawing` was drawn of. All strokes
    of the other parts stay as they are. pairs: two or more.
    """
    part = list(EDITED_PARTS)[random.integers(len(EDITED_PARTS))]
    other = int(random.integers(len(pairs) - 1))
    other += other >= index
    exchanged = exchange_part(landmarks, pairs.landmarks[other], part)
    names = EDITED_PARTS[part]
    drawn = pairs.contour(index, drawing.size, exchanged)
    kept = tuple(stroke for stroke in drawing.strokes if stroke.part not in names)
    return Drawing(
        kept + tuple(stroke for stroke in drawn.strokes if stroke.part in names), drawing.size
    )


def where_kept(drawing: Drawing, edited: Drawing) -> Tensor:
    """The pixels outside of the edited area, see `sketches.edits`: (1, size, size) bool."""
    return torch.from_numpy(~Edit(rasterize(drawing), rasterize(edited)).area)[None]
