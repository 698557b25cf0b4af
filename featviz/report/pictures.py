"""Pixels -> the small pictures of the report: sketches with their edit, faces, leakage maps."""

import io
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation

from featviz.figures.style import ADDED, REMOVED
from featviz.sketches.drawing import INK

_HALO = (255, 240, 190)
"""What lies behind the ink of an edit."""

_PAPER, _DRAWN = (255, 255, 255), (32, 32, 32)
_COLORS = bytes(level for color in (_PAPER, _HALO, _DRAWN, REMOVED, ADDED) for level in color)
_HALO_WIDTH = 5
SMALL_SIDE = 96
"""Of the pictures of a large report, in pixels."""
_FACE_QUALITY = 60
_METHOD = 2
"""How long WebP looks for fewer bytes; 4 takes twice as long and saves a tenth."""
FACE_NOISE = 6
"""Grey levels by which the difference of two pictures of faces may be off: their compression."""

_Pixels = NDArray[np.uint8]
Frame = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class _Edit:
    """What differs between a sketch and its base: (H, W) bool each."""

    added: NDArray[np.bool_]
    removed: NDArray[np.bool_]

    def inside(self, box: Frame) -> int:
        """How many changed pixels lie in a box (left, top, right, bottom), ends included."""
        left, top, right, bottom = box
        window = np.s_[top : bottom + 1, left : right + 1]
        return int(self.added[window].sum() + self.removed[window].sum())


def edit_of(sketch: _Pixels, base: _Pixels) -> _Edit:
    """What was drawn and what was erased to make `sketch` (H, W) of `base` (H, W)."""
    return _Edit((sketch == INK) & (base != INK), (sketch != INK) & (base == INK))


def sketch_picture(sketch: _Pixels, edit: _Edit | None, side: int | None = None) -> bytes:
    """A lossless PNG of a sketch (H, W), or a WebP of `side` x `side` pixels if that is less.

    Ink is black; of an edit, what was added is blue, what was taken away orange, and both lie on
    a pale yellow band that is seen where colours are not. In a small picture no line is lost: of
    each patch what matters most stays, an edit before ink.
    """
    index = np.zeros(sketch.shape, np.uint8)
    if edit is not None:
        index[_widened(edit.added | edit.removed)] = 1
        index[edit.removed] = 3
    index[sketch == INK] = 2
    if edit is not None:
        index[edit.added] = 4
    if side is not None:
        for axis in (0, 1):
            length: int = index.shape[axis]
            starts = np.arange(min(side, length)) * length // min(side, length)
            index = np.maximum.reduceat(index, starts, axis=axis)
    picture = Image.fromarray(index, "P")
    picture.putpalette(_COLORS)
    if side is not None:
        return _lossless(picture.convert("RGB"))
    # Runs of one of five colours: half as many bytes again as WebP takes, in a sixth of the time.
    file = io.BytesIO()
    picture.save(file, "PNG", bits=4, compress_type=zlib.Z_RLE)
    return file.getvalue()


def _widened(edited: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What lies within a band around the pixels (H, W) of an edit, mostly a small part of them."""
    band = np.zeros_like(edited)
    if not edited.any():
        return band
    ends = [np.flatnonzero(edited.any(axis=axis))[[0, -1]] for axis in (1, 0)]
    around = tuple(
        slice(max(first - _HALO_WIDTH, 0), last + _HALO_WIDTH + 1) for first, last in ends
    )
    band[around] = binary_dilation(edited[around], iterations=_HALO_WIDTH)
    return band


def face_picture(face: _Pixels, side: int, box: Frame | None = None) -> bytes:
    """A small WebP of a generated image (H, W, 3), or of what lies in a box of that."""
    picture = Image.fromarray(face)
    picture.thumbnail((side, side), Image.Resampling.HAMMING, reducing_gap=1)
    part = picture if box is None else picture.crop(box)
    return _encode(part, quality=_FACE_QUALITY, method=_METHOD)


def box_around(mask: NDArray[np.bool_], side: int) -> Frame | None:
    """The pixels of a picture so large that show any of a mask (H, W); None of an empty one.

    Left, top, right, bottom, the last two not included, as `face_picture` takes them.
    """
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    # The filter that makes pictures small looks at one more of their pixels around.
    height, width = mask.shape
    scale = min(1.0, side / max(height, width))
    wide, high = round(width * scale), round(height * scale)
    return (
        max(0, int(columns[0] * scale) - 2),
        max(0, int(rows[0] * scale) - 2),
        min(wide, int(columns[-1] * scale) + 3),
        min(high, int(rows[-1] * scale) + 3),
    )


def webp(pixels: _Pixels) -> bytes:
    """A lossless WebP of (H, W, 3) or, with transparency, (H, W, 4)."""
    return _lossless(Image.fromarray(pixels))


def _lossless(picture: Image.Image) -> bytes:
    return _encode(picture, lossless=True, quality=20, method=_METHOD, exact=False)


def _encode(picture: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, "WEBP", **options)
    return file.getvalue()
