"""The alignment of CelebA-HQ: a square crop placed by eyes and mouth."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featviz.base.errors import FeatvizError
from featviz.faces.landmarks import LANDMARKS

_LEFT_EYE, _RIGHT_EYE = slice(36, 42), slice(42, 48)
_MOUTH_LEFT, _MOUTH_RIGHT = 48, 54
_SUPERSAMPLING = 2


def crop_square(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """Corners (4, 2) of the crop: top left, bottom left, bottom right, top right, in pixels.

    landmarks: (68, 2), pixels of the photo, x right and y down. Raises FeatvizError for another
    shape, and if eyes and mouth coincide.

    Karras et al. 2018 (arXiv 1710.10196), appendix C: with eyes e0, e1 and mouth corners m0, m1,
    x' = e1 - e0, y' = mean(e) - mean(m), centre c = mean(e) - 0.1 y',
    side s = max(4 |x'|, 3.6 |y'|), and the crop's x axis along x' - rot90(y').
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != (LANDMARKS, 2):
        raise FeatvizError(f"expected landmarks of shape ({LANDMARKS}, 2); got {points.shape}")
    left_eye, right_eye = points[_LEFT_EYE].mean(axis=0), points[_RIGHT_EYE].mean(axis=0)
    eyes, mouth = (left_eye + right_eye) / 2, (points[_MOUTH_LEFT] + points[_MOUTH_RIGHT]) / 2
    across, up = right_eye - left_eye, eyes - mouth
    centre = eyes - 0.1 * up
    side = max(4.0 * float(np.hypot(*across)), 3.6 * float(np.hypot(*up)))
    # `up` points to negative y in image coordinates; turning it to the right gives the x axis.
    axis = across + np.array([-up[1], up[0]])
    length = float(np.hypot(*axis))
    if side < 1 or length == 0:
        raise FeatvizError("these landmarks span no face: eyes and mouth coincide")
    x = axis / length * side / 2
    y = np.array([-x[1], x[0]])
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def align(
    photo: NDArray[np.uint8], landmarks: NDArray[np.floating], size: int
) -> NDArray[np.uint8]:
    """Crop a photo (H, W, 3) to (size, size, 3) uint8 as CelebA-HQ does.

    photo: uint8. landmarks: as in `crop_square`, which says what is raised. Where the crop reaches
    beyond the photo, the photo is mirrored at its edge.
    """
    quad = crop_square(landmarks)
    image = Image.fromarray(photo)
    side = float(np.hypot(*(quad[3] - quad[0])))
    shrink = int(side / (size * _SUPERSAMPLING))
    if shrink > 1:
        image = image.reduce(shrink)
        quad = quad / shrink
    left, top = np.floor(quad.min(axis=0)).astype(int) - 2
    right, bottom = np.ceil(quad.max(axis=0)).astype(int) + 3
    # One index per wanted column and row, mirrored at the edges: crop and padding at once.
    columns = _mirrored(np.arange(left, right), image.width)
    rows = _mirrored(np.arange(top, bottom), image.height)
    patch = Image.fromarray(np.asarray(image)[rows[:, None], columns])
    corners = tuple((quad - (left, top) + 0.5).ravel())
    fine = size * _SUPERSAMPLING
    warped = patch.transform((fine, fine), Image.Transform.QUAD, corners, Image.Resampling.BILINEAR)
    return np.asarray(warped.resize((size, size), Image.Resampling.LANCZOS))


def _mirrored(indices: NDArray[np.int_], count: int) -> NDArray[np.int_]:
    """Indices into a row of `count` pixels that goes on mirrored beyond both ends."""
    folded = np.mod(indices, 2 * count)
    return np.where(folded < count, folded, 2 * count - 1 - folded)
