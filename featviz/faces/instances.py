"""The parts of a face as regions, each one thing: pix2pixHD's instances (arXiv 1711.11585, 3.4).

A contour has lines only. Its regions are made from the lines of its named parts, so that what a
person drew has instances just as landmarks do.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.spatial import ConvexHull, QhullError

from featviz.base.errors import FeatvizError
from featviz.sketches.drawing import Drawing, Stroke
from featviz.sketches.strokes import UNNAMED

INSTANCES = (
    "background",
    "face",
    "left-eyebrow",
    "right-eyebrow",
    "left-eye",
    "right-eye",
    "nose",
    "mouth",
)
"""The name of each value of an instance map. Where regions overlap, the later one is seen."""

_FEATURES = INSTANCES[2:]
_OUTLINE = "face-shape"
_PARTS_WITH_INSTANCES = (_OUTLINE, *_FEATURES)
"""The parts of a drawing that make regions; hair, ears, wrinkles and the like make none."""


def instance_map(drawing: Drawing) -> NDArray[np.uint8]:
    """The instance at each pixel of a drawing: (size, size) uint8, an index into `INSTANCES`.

    The face is the convex hull of all parts with an instance, as the outline of 68 landmarks ends
    at the ears. Another part is what its lines enclose if every one returns to its start, and
    the convex hull of its lines if not. A drawing of other things, or of nothing, is background.
    Raises FeatvizError for one whose parts have no names, which could be anything.
    """
    known = [stroke for stroke in drawing.strokes if stroke.part in _PARTS_WITH_INSTANCES]
    if not known and UNNAMED in drawing.parts:
        raise FeatvizError(
            "a drawing whose parts have no names has no instances; expected groups such as "
            f'<g id="mouth">, and of these: {", ".join(_PARTS_WITH_INSTANCES)}'
        )
    image = Image.new("L", (drawing.size, drawing.size))
    canvas = ImageDraw.Draw(image)
    if known:
        _fill(canvas, _hull(known), INSTANCES.index("face"))
    for part in _FEATURES:
        strokes = drawing.part(part)
        for region in _regions(strokes):
            _fill(canvas, region, INSTANCES.index(part))
    return np.array(image)


def boundary_map(instances: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """1 at each pixel with a neighbour (of 4) of another instance, else 0; (H, W) uint8 both.

    What pix2pixHD gives its networks as one more channel.
    """
    boundaries = np.zeros(instances.shape, dtype=bool)
    across = instances[:, 1:] != instances[:, :-1]
    down = instances[1:] != instances[:-1]
    boundaries[:, 1:] |= across
    boundaries[:, :-1] |= across
    boundaries[1:] |= down
    boundaries[:-1] |= down
    return boundaries.astype(np.uint8)


def _regions(strokes: tuple[Stroke, ...]) -> list[NDArray[np.float64]]:
    if not strokes:
        return []
    if all(len(s.points) > 2 and np.array_equal(s.points[0], s.points[-1]) for s in strokes):
        return [stroke.points for stroke in strokes]
    return [_hull(strokes)]


def _hull(strokes: list[Stroke] | tuple[Stroke, ...]) -> NDArray[np.float64]:
    points = np.concatenate([stroke.points for stroke in strokes])
    try:
        return np.asarray(points[ConvexHull(points).vertices])
    except (QhullError, ValueError):
        # Fewer than three points, or all on one line: they enclose nothing but themselves.
        return points


def _fill(canvas: ImageDraw.ImageDraw, region: NDArray[np.float64], instance: int) -> None:
    """Fill a polygon, its outline included; one without an inside is a line or a point."""
    corners = [(float(x), float(y)) for x, y in region]
    canvas.point(corners, fill=instance)
    if len(corners) > 1:
        canvas.polygon(corners, fill=instance, outline=instance)
