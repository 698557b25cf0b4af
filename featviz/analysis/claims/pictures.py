"""What C11, C12 and C20 look at in an image: light, colour patches, detail, texture."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from featviz.sketches.drawing import CANVAS

_Pixels = NDArray[np.uint8]
_Mask = NDArray[np.bool_]

_CROP = 128
"""Pixels at 512 of the side of a crop on the forehead."""
FOREHEAD = 75
"""Pixels at 512 from the middle of the brows up to the middle of the crop."""
_OPEN_MOUTH = 8.0
"""Pixels at 512 between the inner lips: less leaves no room for teeth between two lines of 2 px."""
LEAST_OPEN_MOUTHS = 10
"""Fewer open mouths than these do not speak for teeth."""
_BLOCKS = 32
"""Blocks of an image in each direction; 16 px at 512, one cell of L4's map."""
_CAST = 32.0
"""Grey levels of blue-green above red, beyond the photo's, that make a block a patch."""

_LUMA = (0.2126, 0.7152, 0.0722)
_FINE = 1 / 8
"""Cycles a pixel: above this are details of less than four pixels."""
_ROUNDING = 1 / 12
"""The power of what rounding to whole grey levels adds."""
_UPPER_INNER_LIP, _LOWER_INNER_LIP = 62, 66
_INNER_LIPS, _BROWS = slice(60, 68), slice(17, 27)


def light_error(image: _Pixels, photo: _Pixels) -> float:
    """How far mean and standard deviation of luminance are from the photo's, in grey levels.

    Images (H, W, 3); luminance is Rec. 709's luma.
    """
    both = [pixels.astype(np.float64) @ _LUMA for pixels in (image, photo)]
    means, deviations = [one.mean() for one in both], [one.std() for one in both]
    return float(np.hypot(means[0] - means[1], deviations[0] - deviations[1]))


def patches(image: _Pixels, photo: _Pixels) -> float:
    """The share of blocks that are more blue-green than the photo's by more than _CAST levels."""
    return float((_cyan(image) - _cyan(photo) > _CAST).mean())


def _cyan(pixels: _Pixels) -> NDArray[np.float64]:
    """(_BLOCKS, _BLOCKS): mean of (green + blue) / 2 - red in each block."""
    side = pixels.shape[0] // _BLOCKS
    whole = pixels[: side * _BLOCKS, : side * _BLOCKS].astype(np.float64)
    excess = (whole[..., 1] + whole[..., 2]) / 2 - whole[..., 0]
    return np.asarray(excess.reshape(_BLOCKS, side, _BLOCKS, side).mean(axis=(1, 3)))


def texture(pixels: _Pixels) -> float:
    """The mean over all spatial frequencies above _FINE of the log of the luminance's amplitude.

    pixels: (H, W, 3). The amplitude at a frequency is that of white noise of so many grey levels,
    and what rounding leaves is the least. A Hann window keeps the image's edges out.
    """
    grey = pixels.astype(np.float64) @ _LUMA
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in grey.shape))
    weighted = (grey - np.average(grey, weights=window)) * window
    power = np.abs(np.fft.fft2(weighted)) ** 2 / (window**2).sum()
    rows, columns = (np.fft.fftfreq(side) for side in grey.shape)
    fine = np.hypot(rows[:, None], columns[None, :]) > _FINE
    return float(0.5 * np.log(power[fine] + _ROUNDING).mean())


def detail(pixels: _Pixels, mask: _Mask | None = None) -> float:
    """Mean absolute difference between neighbouring pixels, both directions, grey levels.

    pixels: (H, W, 3). mask: (H, W), compare only neighbours that are both in it. NaN if there
    are none.
    """
    grey = pixels.astype(np.float64).mean(axis=2)
    inside = np.ones(grey.shape, dtype=bool) if mask is None else mask
    means = []
    for axis in (0, 1):
        change = np.abs(np.diff(grey, axis=axis))
        both = np.delete(inside, -1, axis) & np.delete(inside, 0, axis)
        means.append(float(change[both].mean()) if both.any() else np.nan)
    return float(np.mean(means))


def open_mouth(landmarks: NDArray[np.float32], size: int, image_size: int) -> _Mask | None:
    """The pixels (image_size, image_size) between the inner lips; None if the mouth is closed.

    landmarks: (68, 2) of a photo of `size` px.
    """
    points = landmarks.astype(np.float64)
    gap = points[_LOWER_INNER_LIP, 1] - points[_UPPER_INNER_LIP, 1]
    if gap * CANVAS / size < _OPEN_MOUTH:
        return None
    lips = points[_INNER_LIPS] * (image_size / size)
    image = Image.new("1", (image_size, image_size))
    ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in lips], fill=1)
    return np.asarray(image, dtype=bool)


def forehead(landmarks: NDArray[np.float32], size: int, image_size: int) -> _Mask:
    """The pixels of a square above the brows, as far as it lies in the picture."""
    unit = image_size / CANVAS
    middle = landmarks[_BROWS].astype(np.float64).mean(axis=0) * (image_size / size)
    middle[1] -= FOREHEAD * unit
    side = round(_CROP * unit)
    x, y = np.clip(np.rint(middle - side / 2), 0, image_size - side).astype(int)
    mask = np.zeros((image_size, image_size), dtype=bool)
    mask[y : y + side, x : x + side] = True
    return mask
