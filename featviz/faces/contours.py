"""68 landmarks to a contour drawing: the sketches a generator is trained on."""

import numpy as np
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError
from featviz.faces.landmarks import LANDMARKS
from featviz.sketches.drawing import CANVAS, Drawing, Stroke

_OPEN, _CLOSED = False, True

CONTOUR_LINES: tuple[tuple[str, range, bool], ...] = (
    ("face-shape", range(17), _OPEN),
    ("left-eyebrow", range(17, 22), _OPEN),
    ("right-eyebrow", range(22, 27), _OPEN),
    ("nose", range(27, 31), _OPEN),
    ("nose", range(31, 36), _OPEN),
    ("left-eye", range(36, 42), _CLOSED),
    ("right-eye", range(42, 48), _CLOSED),
    ("mouth", range(48, 60), _CLOSED),
    ("mouth", range(60, 68), _CLOSED),
)
"""Part, landmark indices (iBUG 300-W layout) and whether the line returns to its start.

Left and right are those of the image, not of the person.
"""

LANDMARKS_OF: dict[str, list[int]] = {
    part: [index for name, indices, _ in CONTOUR_LINES if name == part for index in indices]
    for part in dict.fromkeys(name for name, _, _ in CONTOUR_LINES)
}
"""The landmarks of each part of a drawn face."""

HAIR = "hair"
"""The part of a drawn face that no landmark tells of."""


def contours(landmarks: NDArray[np.floating], size: int = CANVAS) -> Drawing:
    """Join landmarks (68, 2), in pixels of a `size` x `size` image, in order (study, 4.1).

    Pixels have x to the right and y down. Raises FeatvizError for another shape, and for a
    landmark that is not finite.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != (LANDMARKS, 2):
        raise FeatvizError(f"expected landmarks of shape ({LANDMARKS}, 2); got {points.shape}")
    strokes = []
    for part, indices, closed in CONTOUR_LINES:
        order = [*indices, indices[0]] if closed else list(indices)
        strokes.append(Stroke(part, points[order]))
    return Drawing(tuple(strokes), size)
