"""Sprites: many small pictures of sketches in one."""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featviz.base.errors import FeatvizError
from featviz.sketches.strokes import STROKE_WIDTH

_LARGEST_SHEET = 8192
"""Pixels a side that TensorBoard's projector takes."""
_LARGEST_TILE = 64
_SMALLEST_TILE = 8
"""Below this a sketch cannot be told from another."""


def sprite_sheet(images: Iterable[NDArray[np.uint8]], count: int) -> tuple[Image.Image, int]:
    """A square sheet of `count` sketches, row by row from the top left, and the side of a tile.

    images: (H, W) uint8, paper 255, ink 0. The projector wants as many rows as columns and at
    most _LARGEST_SHEET pixels a side, so many sketches have smaller tiles: 64 px up to 16,384 of
    them. Raises FeatvizError if less than _SMALLEST_TILE pixels would be left to a tile.
    """
    columns = max(1, math.ceil(math.sqrt(count)))
    tile = min(_LARGEST_TILE, _LARGEST_SHEET // columns)
    if tile < _SMALLEST_TILE:
        most = (_LARGEST_SHEET // _SMALLEST_TILE) ** 2
        raise FeatvizError(
            f"{count} sketches do not fit into one sprite of {_LARGEST_SHEET}x{_LARGEST_SHEET}; "
            f"expected at most {most}; export without --sketches, or part of them"
        )
    sheet = Image.new("L", (columns * tile, columns * tile), 255)
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        sheet.paste(thumbnail(image, tile), (column * tile, row * tile))
    return sheet, tile


def thumbnail(image: NDArray[np.uint8], side: int) -> Image.Image:
    """A sketch (H, W) at `side` x `side` px whose lines stay dark.

    The mean over a pixel's area would leave a pale grey of a line; so a pixel is black if its ink
    is as much as a line that crosses it straight, and grey in proportion below that.
    """
    small = Image.fromarray(image).resize((side, side), Image.Resampling.BOX)
    line = min(1.0, STROKE_WIDTH * side / image.shape[1])
    return small.point(lambda value: round(255 - min(255.0, (255 - value) / line)))
