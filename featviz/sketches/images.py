"""Image files as they look: the one reader of photos and of sketches made of pixels."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from featviz.base.errors import FeatvizError, reason
from featviz.base.files import require_file

LARGEST_IMAGE = 2**26
"""Pixels of the largest image that is read, about 67 million (8192 x 8192)."""

# By what an image begins with, not by its name. Pillow knows more, some by programs it starts.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
_TURNS: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What sets an image upright, by the EXIF orientation it is stored with."""
_SIXTEEN_BITS = 65535
_STRIP = 2**20
"""Pixels that are laid on white at once."""


def read_image(
    path: Path, name: str | None = None, what: str = "image", size: int | None = None
) -> NDArray[np.uint8]:
    """An image as every viewer shows it on a white page: (H, W, 3) uint8 RGB.

    It is turned as its EXIF orientation says, if that can be read; 16 bits a channel are scaled
    to 8; what is transparent shows white paper, whatever colour lies hidden there. name: what
    errors call it, the path unless given. size: the width and height it must have.

    Raises FeatvizError if the file is missing, no file but a folder or a pipe, of another size,
    of more than LARGEST_IMAGE pixels (both told before it is decoded), not readable, if it holds
    several pictures (frames or pages), or numbers that are no colours.
    """
    with _opened(Path(path), name or str(path), what, size) as image:
        picture = _on_white(_in_8_bits(image))
        if (turn := _TURNS.get(_orientation(image))) is not None:
            picture = picture.transpose(turn)
        return np.asarray(picture)


def holds_one_colour(path: Path, name: str | None = None, what: str = "image") -> bool:
    """Whether all pixels of an image are alike, as they are of an empty page.

    Raises FeatvizError as `read_image` does.
    """
    with _opened(Path(path), name or str(path), what) as image:
        pixels = np.asarray(image)
        return bool((pixels == pixels[0, 0]).all())


@contextmanager
def _opened(path: Path, name: str, what: str, size: int | None = None) -> Iterator[Image.Image]:
    require_file(path, name)
    try:
        with Image.open(path, formats=_FORMATS) as image:
            _check(image, name, size)
            image.load()
            yield image
    except FeatvizError:
        raise
    except FileNotFoundError:
        raise FeatvizError(f"{name}: no such {what}") from None
    except Exception as error:
        # A malformed file leads Pillow's decoders to nearly any exception there is.
        raise FeatvizError(f"{name}: not a readable image ({reason(error)})") from None


def _check(image: Image.Image, name: str, size: int | None) -> None:
    """Refuse by what the header tells."""
    width, height = image.size
    if size is not None and (width, height) != (size, size):
        way_out = f", or pass --size {width}" if width == height else ""
        raise FeatvizError(
            f"{name} is {width}x{height}; expected {size}x{size} (resize it{way_out}; "
            "only SVG drawings fit any size)"
        )
    if width * height > LARGEST_IMAGE:
        raise FeatvizError(
            f"{name}: not a readable image ({width}x{height} are more than {LARGEST_IMAGE} pixels)"
        )
    # A phone's JPEG may bring a preview or a map of depths along (MPO); the first is the photo.
    pictures = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if pictures != 1:
        raise FeatvizError(f"{name} holds {pictures} pictures (frames or pages); expected one")
    if image.mode == "F":
        raise FeatvizError(f"{name} holds fractions, no colours; expected 8 or 16 bits a channel")


def _orientation(image: Image.Image) -> object:
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except Exception:
        # What broken editors leave fails in as many ways; the picture itself can be read.
        return None


def _in_8_bits(image: Image.Image) -> Image.Image:
    """The same image with 8 bits a channel; Pillow would clip grey of 16, not scale it."""
    clear = image.info.get("transparency")
    if not image.mode.startswith("I"):
        if isinstance(clear, tuple) and max(clear) > 255:
            # Pillow keeps the upper byte of 16-bit colours, but not of the one that is clear.
            image.info["transparency"] = tuple(value >> 8 for value in clear)
        return image
    values = np.asarray(image)
    if values.min() < 0 or values.max() > _SIXTEEN_BITS:
        raise ValueError("grey values of 32 bits; expected 8 or 16")
    grey = Image.fromarray((values // 257).astype(np.uint8))
    if clear is not None:
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return grey


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    width, height = image.size
    flat = Image.new("RGB", (width, height))
    # In strips: whole layers of the largest image would take more than 1 GB.
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        box = (0, top, width, min(top + rows, height))
        paper = Image.new("RGBA", (width, box[3] - top), "white")
        paper.alpha_composite(image.crop(box).convert("RGBA"))
        flat.paste(paper.convert("RGB"), box)
    return flat
