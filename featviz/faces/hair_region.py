"""Where hair is in an aligned photo of a face: of the person, what has the colours of hair.

Nothing here was trained. Colours of hair are learned from the photo itself, along the upper rim of
the head, those of skin from its cheeks, and those of clothes from below its chin.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from sklearn.mixture import GaussianMixture

from featviz.base.errors import FeatvizError
from featviz.faces.person import PERSON_SIZE, find_person

PixelMask = NDArray[np.bool_]

_COLOURS = 3
"""Gaussians a kind of thing has, over luminance and chrominance."""
_MOST_SAMPLES = 2000
_LEAST_SAMPLES = 50
_UNLIKE_ANY = 6.0
"""Below the least likely hair by so much, in nats, a colour is nobody's."""
_ALIKE = 1.0
"""A rim that is surer to be hair than skin by less, in nats, is a bald head's."""


def find_hair_region(
    photo: NDArray[np.uint8], landmarks: NDArray[np.floating]
) -> tuple[PixelMask, PixelMask]:
    """Where hair is in an aligned photo (N, N, 3) uint8 RGB, and the person: both (256, 256).

    landmarks: (68, 2), pixels of the photo. Raises FeatvizError if no person is around the face.
    """
    points = mask_points(landmarks, photo.shape[0])
    person = person_region(find_person(photo), points)
    return hair_region(photo, person, points), person


def mask_points(landmarks: NDArray[np.floating], size: int) -> NDArray[np.float64]:
    """Points (N, 2) of a photo of `size` pixels in those of its mask."""
    return (np.asarray(landmarks, np.float64) + 0.5) * (PERSON_SIZE / size) - 0.5


def face_unit(landmarks: NDArray[np.floating]) -> float:
    """The distance of the outer corners of the eyes (68, 2): what other distances are told in."""
    return float(np.hypot(*(landmarks[45] - landmarks[36])))


def person_region(person: NDArray[np.floating], landmarks: NDArray[np.floating]) -> PixelMask:
    """The one piece of a person's mask (256, 256) that the face lies in, its holes filled.

    landmarks: (68, 2), pixels of the mask. Raises FeatvizError if no piece holds half of the face.
    """
    pieces, count = ndimage.label(ndimage.binary_fill_holes(person > 0.5))
    face = pieces[_face(landmarks)]
    sizes = np.bincount(face, minlength=count + 1)
    sizes[0] = 0
    if 2 * sizes.max() < len(face) or not sizes.any():
        raise FeatvizError("no person found around its face")
    return np.asarray(pieces == sizes.argmax())


def hair_region(
    photo: NDArray[np.uint8], person: PixelMask, landmarks: NDArray[np.floating]
) -> PixelMask:
    """Where the hair is: (256, 256), empty if there is none to be told from skin.

    photo: (N, N, 3) uint8 RGB. person: (256, 256), see `person_region`. landmarks: (68, 2), pixels
    of the mask. A place is hair if its colour is likelier that of the head's upper rim than that of
    the cheeks or of what is worn, and if it hangs together with the rim. The face itself, from jaw
    to brows, is none: a beard is not, nor are brows.
    """
    face, unit = _face(landmarks), face_unit(landmarks)
    rows, columns = np.indices(person.shape)
    rim = person & _near_above(person, 0.14 * unit) & (rows < landmarks[17:27, 1].min())
    below_eyes = (rows > landmarks[36:48, 1].mean()) & (rows < landmarks[33, 1])
    cheeks = ndimage.binary_erosion(face, iterations=4) & below_eyes & ~_eyes(landmarks)
    worn = person & (rows > landmarks[8, 1] + 0.15 * unit)
    worn &= (columns > landmarks[5, 0]) & (columns < landmarks[11, 0])
    if min(rim.sum(), cheeks.sum()) < _LEAST_SAMPLES:
        return np.zeros_like(person)
    colours = _colours(photo)
    hair, others = _likelihood(colours, rim), _likelihood(colours, cheeks)
    if worn.sum() >= _LEAST_SAMPLES:
        low = rows > landmarks[57, 1]
        others = np.where(low, np.maximum(others, _likelihood(colours, worn)), others)
    if (hair - others)[rim].mean() < _ALIKE:
        return np.zeros_like(person)
    surer = np.clip(hair - others, -6, 6)
    surer[hair < np.percentile(hair[rim], 2) - _UNLIKE_ANY] = -3
    surer = ndimage.gaussian_filter(surer, 2)
    found = ndimage.binary_opening((surer > 0) & person, iterations=3) | (rim & (surer > -0.5))
    found = ndimage.binary_closing(np.pad(found, 8), iterations=5)[8:-8, 8:-8] & person & ~face
    return _without_small_holes(_pieces_with(found, rim), 0.1 * unit**2)


def _face(landmarks: NDArray[np.floating]) -> PixelMask:
    return _polygon(np.concatenate([landmarks[:17], landmarks[26:16:-1]]))


def _eyes(landmarks: NDArray[np.floating]) -> PixelMask:
    eyes = _polygon(landmarks[36:42]) | _polygon(landmarks[42:48])
    return np.asarray(ndimage.binary_dilation(eyes, iterations=4))


def _polygon(points: NDArray[np.floating]) -> PixelMask:
    image = Image.new("1", (PERSON_SIZE, PERSON_SIZE))
    corners = [(float(x), float(y)) for x, y in points]
    ImageDraw.Draw(image).polygon(corners, fill=1, outline=1)
    return np.array(image)


def _near_above(person: PixelMask, distance: float) -> PixelMask:
    """What is up to `distance` from where the person ends, or from the photo's upper edge."""
    around = np.pad(person, 1, mode="edge")
    around[0] = False
    inside = ndimage.distance_transform_edt(around)[1:-1, 1:-1]
    return np.asarray((inside > 1.5) & (inside < distance))


def _colours(photo: NDArray[np.uint8]) -> NDArray[np.float64]:
    side = (PERSON_SIZE, PERSON_SIZE)
    small = Image.fromarray(photo).resize(side, Image.Resampling.BOX).convert("YCbCr")
    return np.asarray(ndimage.gaussian_filter(np.asarray(small, dtype=np.float64), (1, 1, 0)))


def _likelihood(colours: NDArray[np.float64], of: PixelMask) -> NDArray[np.float64]:
    """The log-likelihood of every colour (H, W, 3) among those of a mask: (H, W)."""
    samples = colours[of]
    if len(samples) > _MOST_SAMPLES:
        chosen = np.random.default_rng(0).choice(len(samples), _MOST_SAMPLES, replace=False)
        samples = samples[chosen]
    model = GaussianMixture(_COLOURS, reg_covar=9, random_state=0).fit(samples)
    return np.asarray(model.score_samples(colours.reshape(-1, 3))).reshape(of.shape)


def _pieces_with(region: PixelMask, seeds: PixelMask) -> PixelMask:
    """The pieces of a region that hold a tenth of the seeds each, or more."""
    pieces, count = ndimage.label(region)
    held = np.bincount(pieces[seeds], minlength=count + 1)
    held[0] = 0
    return np.isin(pieces, np.flatnonzero(held > 0.1 * seeds.sum()))


def _without_small_holes(region: PixelMask, most: float) -> PixelMask:
    holes, _ = ndimage.label(ndimage.binary_fill_holes(region) & ~region)
    sizes = np.bincount(holes.ravel())
    sizes[0] = PERSON_SIZE**2
    return np.asarray(region | (sizes < most)[holes])
