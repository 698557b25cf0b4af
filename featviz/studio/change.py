"""Where a sketch was edited, and how much of a face's change lies elsewhere."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.spatial import ConvexHull, QhullError

from featviz.drawing import CANVAS

MARGIN = 16
"""How far around the edited strokes, in pixels, a change still counts as inside."""
BRIGHTEST = 64.0
"""The change in grey levels that is drawn in the brightest colour."""

Points = tuple[float, ...]
Parts = Mapping[str, Sequence[Points]]


@dataclass(frozen=True, eq=False)
class EditedArea:
    """Where a drawing differs from another one.

    parts: their names. polygons: for each part the convex hull of the strokes that came or went,
    flat points. mask: (512, 512) bool, everything within MARGIN px of a polygon or in it.
    """

    parts: tuple[str, ...]
    polygons: tuple[Points, ...]
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class Change:
    """How much a face changed. outside: share of the sum, None if nothing changed at all.

    mean_inside, mean_outside: mean absolute change in grey levels; None for an empty area.
    """

    outside: float | None
    mean_inside: float | None
    mean_outside: float | None


def edited_area(before: Parts, after: Parts) -> EditedArea | None:
    """Where two drawings (part -> flat strokes) differ; None where they do not.

    Strokes are compared as they are, so an edit that is undone is no edit.
    """
    polygons = {}
    for part in sorted({*before, *after}):
        old, new = set(before.get(part, ())), set(after.get(part, ()))
        if changed := old ^ new:
            points = np.array([value for stroke in changed for value in stroke]).reshape(-1, 2)
            polygons[part] = _hull(np.clip(points, -1, CANVAS))
    if not polygons:
        return None
    image = Image.new("L", (CANVAS, CANVAS))
    pen = ImageDraw.Draw(image)
    for polygon in polygons.values():
        corners = [(float(x), float(y)) for x, y in polygon]
        if len(corners) > 2:
            pen.polygon(corners, fill=1)
        pen.line([*corners, corners[0]], fill=1, width=2 * MARGIN)
        # Pillow's lines have flat ends; discs at the corners make the margin round.
        for x, y in corners:
            pen.ellipse((x - MARGIN, y - MARGIN, x + MARGIN, y + MARGIN), fill=1)
    flat = tuple(tuple(float(v) for v in polygon.ravel().round(2)) for polygon in polygons.values())
    return EditedArea(tuple(polygons), flat, np.asarray(image, dtype=bool))


def measure(difference: NDArray[np.float32], area: EditedArea | None) -> Change:
    """difference: (512, 512) grey levels, see `difference_of`. No area: all of it is outside."""
    mask = np.zeros(difference.shape, bool) if area is None else area.mask
    inside, outside = float(difference[mask].sum()), float(difference[~mask].sum())
    count = int(mask.sum())
    return Change(
        outside=outside / (inside + outside) if inside + outside > 0 else None,
        mean_inside=inside / count if count else None,
        mean_outside=outside / (mask.size - count) if count < mask.size else None,
    )


def difference_of(face: NDArray[np.uint8], start: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean absolute difference of two images (H, W, 3) over the channels: (H, W), 0 to 255."""
    change = np.maximum(face, start) - np.minimum(face, start)
    # Three maps added up: ten times faster than a sum along an axis of three.
    total = change[..., 0].astype(np.uint16) + change[..., 1] + change[..., 2]
    return np.asarray(total / np.float32(3), dtype=np.float32)


def heat(difference: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A difference (H, W) in colours (H, W, 3): black is none, the brightest BRIGHTEST or more."""
    index = np.minimum(difference * (255 / BRIGHTEST), 255).astype(np.uint8)
    return np.asarray(_colours().take(index, axis=0))


def jpeg(image: NDArray[np.uint8], quality: int = 95) -> bytes:
    """A JPEG of (H, W, 3), with colours at full resolution."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="JPEG", quality=quality, subsampling=0)
    return file.getvalue()


@lru_cache(maxsize=1)
def _colours() -> NDArray[np.uint8]:
    from matplotlib import colormaps

    return np.asarray((colormaps["magma"](np.arange(256))[:, :3] * 255).round(), dtype=np.uint8)


def _hull(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The corners of the convex hull of points (n, 2); the ends, if all lie on a line."""
    try:
        return np.asarray(points[ConvexHull(points).vertices])
    except (QhullError, ValueError):
        along = points @ (np.ptp(points, axis=0) + 1e-9)
        return points[[int(along.argmin()), int(along.argmax())]]
