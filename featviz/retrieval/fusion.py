"""Parts of photos fused into a base photo: gradients are kept, colours follow the base."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from featviz.retrieval.search import Similarity
from featviz.retrieval.shapes import PART_MARGIN
from featviz.sketches.drawing import CANVAS
from featviz.sketches.edits import Mask, near

Photo = NDArray[np.uint8]
Colours = NDArray[np.float64]
"""(H, W, 3), grey levels, not rounded."""

_DIRECTIONS = 64
_ALL, _BUT_LAST, _BUT_FIRST = slice(None), slice(None, -1), slice(1, None)
_NEIGHBOURS = (
    ((_ALL, _BUT_LAST), (_ALL, _BUT_FIRST)),
    ((_ALL, _BUT_FIRST), (_ALL, _BUT_LAST)),
    ((_BUT_LAST, _ALL), (_BUT_FIRST, _ALL)),
    ((_BUT_FIRST, _ALL), (_BUT_LAST, _ALL)),
)
"""Of all pixels that have a neighbour to one side, these and those, for the four sides."""


@dataclass(frozen=True, eq=False)
class LaidPart:
    """A part as it lies over the sketch: pixels (H, W, 3) of its photo, and which of them it takes.

    area: (H, W) bool.
    """

    pixels: Colours
    area: Mask


@dataclass(frozen=True)
class Seam:
    """How well a part went into the base, in grey levels of 255, means over pixels and channels.

    cut: the step across the area's border that its photo does not have, had the part been cut out
    and laid there. fused: what is left of it. recoloured: by how much the part's colours changed.
    """

    cut: float
    fused: float
    recoloured: float


def laid(photo: Photo, lay: Similarity, size: int) -> Photo:
    """A photo (H, H, 3), laid over a sketch of `size` px; beyond its edges it is mirrored."""
    if photo.shape[0] == size and np.array_equal(lay.matrix, np.eye(2)) and not lay.by.any():
        return photo
    pad = len(photo) // 2
    wide = np.pad(photo, ((pad, pad), (pad, pad), (0, 0)), mode="symmetric")
    back = np.linalg.inv(lay.matrix)
    # From edges of pixels, as Pillow counts, of the sketch to those of the padded photo.
    into, out = len(photo) / CANVAS, size / CANVAS
    by = into * (0.5 - back @ (lay.by + 0.5)) + pad
    rows = np.column_stack([back * (into / out), by])
    image = Image.fromarray(wide).transform(
        (size, size), Image.Transform.AFFINE, rows.reshape(-1).tolist(), Image.Resampling.BICUBIC
    )
    return np.asarray(image)


def area_of(points: list[NDArray[np.float64]], size: int, margin: float = PART_MARGIN) -> Mask:
    """The pixels in or near the convex hulls of points (n, 2) at 512, (size, size) bool."""
    angles = np.arange(_DIRECTIONS) * (2 * np.pi / _DIRECTIONS)
    directions = np.stack([np.cos(angles), np.sin(angles)])
    image = Image.new("1", (size, size))
    for each in points:
        hull = each[(each @ directions).argmax(axis=0)]
        corners = (hull + 0.5) * (size / CANVAS) - 0.5
        ImageDraw.Draw(image).polygon([(x, y) for x, y in corners.tolist()], 1, 1)
    return near(np.asarray(image), margin * size / CANVAS)


def fuse(base: Photo, parts: list[LaidPart]) -> tuple[Photo, list[Seam]]:
    """The base (H, W, 3) with parts in it, and how well each went in.

    Each part is fused with the base alone, and where areas overlap the parts are mixed, each by
    how far inside its area a pixel lies. So a part changes nothing beyond its own area, to the
    last bit, whatever it is.
    """
    from scipy.ndimage import distance_transform_edt

    whole = base.astype(np.float64)
    change, weights = np.zeros_like(whole), np.zeros(whole.shape[:2])
    seams = []
    for part in parts:
        # One pixel around the area is looked at.
        rows, columns = (np.flatnonzero(near(part.area, 1).any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            seams.append(Seam(0.0, 0.0, 0.0))
            continue
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        fused, seam = _fused(whole[box], part.pixels[box], part.area[box])
        depth = distance_transform_edt(np.pad(part.area[box], 1))[1:-1, 1:-1]
        change[box] += depth[..., None] * (fused - whole[box])
        weights[box] += depth
        seams.append(seam)
    inside = weights > 0
    whole[inside] += change[inside] / weights[inside][:, None]
    return np.rint(np.clip(whole, 0, 255)).astype(np.uint8), seams


def border_step(photo: Photo, area: Mask) -> float:
    """The mean step of a photo (H, W, 3) across the border of an area (H, W), grey levels.

    Means over neighbouring pixels and channels; 0 where an area has no border.
    """
    values = photo.astype(np.float64)
    steps = [
        np.abs(values[here] - values[there])[area[here] & ~area[there]]
        for here, there in _NEIGHBOURS
    ]
    every = np.concatenate(steps)
    return float(every.mean()) if every.size else 0.0


def _fused(base: Colours, pixels: Colours, area: Mask) -> tuple[Colours, Seam]:
    """One part in the base (Pérez et al. 2003, eq. 7): the part's gradients, the base's border."""
    apart = base - pixels
    correction = _membrane(apart, area)
    fused = np.where(area[..., None], pixels + correction, base)
    cut, left = [], []
    for here, there in _NEIGHBOURS:
        border = area[here] & ~area[there]
        cut.append(np.abs(apart[there][border]))
        left.append(np.abs(correction[here][border] - apart[there][border]))
    steps = [np.concatenate(each) for each in (cut, left)]
    before, after = (float(each.mean()) if each.size else 0.0 for each in steps)
    return fused, Seam(before, after, float(np.abs(correction[area]).mean()))


def _membrane(known: Colours, area: Mask) -> Colours:
    """Values that are known outside of an area, (H, W, C), with as little change as can be in it.

    Each is the mean of its neighbours. 0 where the area is all there is.
    """
    from scipy.sparse import csc_matrix
    from scipy.sparse.linalg import splu

    count = int(area.sum())
    number = np.full(area.shape, -1)
    number[area] = np.arange(count)
    diagonal, right = np.zeros(count), np.zeros((count, known.shape[2]))
    pairs: list[NDArray[np.int64]] = []
    for here, there in _NEIGHBOURS:
        own, other = number[here], number[there]
        inside = own >= 0
        np.add.at(diagonal, own[inside], 1)
        border = inside & (other < 0)
        np.add.at(right, own[border], known[there][border])
        both = inside & (other >= 0)
        pairs.append(np.stack([own[both], other[both]]))
    found = known.copy()
    if not right.any():
        found[area] = 0
        return found
    row, column = np.concatenate(pairs, axis=1)
    at = np.arange(count)
    entries = np.concatenate([diagonal, -np.ones(len(row))])
    places = (np.concatenate([at, row]), np.concatenate([at, column]))
    found[area] = splu(csc_matrix((entries, places), (count, count))).solve(right)
    return found
