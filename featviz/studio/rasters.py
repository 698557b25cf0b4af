"""Drawings to pixels, stroke by stroke: what is drawn already is not rasterised again.

Ink is binary, so the picture of a drawing is the union of the pictures of its strokes. Those come
from `featviz.sketches.drawing.rasterize` and are remembered.
"""

import io
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featviz.sketches.drawing import CANVAS, INK, PAPER, Drawing, Stroke, rasterize
from featviz.sketches.strokes import STROKE_WIDTH
from featviz.studio.problems import StudioError

_REMEMBERED = 64_000_000
"""Bytes of pixels and points that are remembered, about; a stroke takes some kilobytes."""
_MOST_WORK = 60_000_000
"""Pixels that the rasteriser may look at for one drawing; a face takes some 100 000."""

Points = tuple[float, ...]
_Places = NDArray[np.int32]
"""Numbers of pixels, counted row by row."""


class RasterCache:
    """The pixels of drawings, from any thread."""

    def __init__(self) -> None:
        self._ink: OrderedDict[tuple[int, Points], _Places] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def picture(self, strokes: Iterable[Points], size: int = CANVAS) -> NDArray[np.uint8]:
        """(size, size) uint8, paper 255, ink 0. strokes: flat points [x0, y0, ...] at 512.

        Lines are 2 px wide at any size, as in training.
        """
        picture = np.full(size * size, PAPER, dtype=np.uint8)
        for points in strokes:
            picture[self._ink_of(points, size)] = INK
        return picture.reshape(size, size)

    def _ink_of(self, points: Points, size: int) -> _Places:
        key = (size, points)
        with self._lock:
            if (known := self._ink.get(key)) is not None:
                self._ink.move_to_end(key)
                return known
        pairs = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        picture = rasterize(Drawing((Stroke("", pairs),)).scaled(size))
        ink = np.flatnonzero(picture == INK).astype(np.int32)
        with self._lock:
            if key not in self._ink:
                self._ink[key] = ink
                self._bytes += _bytes_of(points, ink)
            while self._bytes > _REMEMBERED:
                (_, oldest), places = self._ink.popitem(last=False)
                self._bytes -= _bytes_of(oldest, places)
        return ink


def require_little_work(strokes: Iterable[Points]) -> None:
    """Raise StudioError "too-large" for strokes that would keep the rasteriser busy for long."""
    work = 0.0
    reach = 2 * STROKE_WIDTH
    for points in strokes:
        pairs = np.asarray(points, dtype=np.float64).reshape(-1, 2).clip(-reach, CANVAS + reach)
        sides = np.abs(np.diff(pairs, axis=0)) + reach
        work += float(sides.prod(axis=1).sum())
    if work > _MOST_WORK:
        raise StudioError("too-large", "these strokes are too long to be drawn; draw fewer")


def png(picture: NDArray[np.uint8], size: int = CANVAS) -> bytes:
    """A PNG of a picture (512, 512), reduced to `size` pixels a side so that lines stay visible."""
    image = Image.fromarray(picture)
    if size != CANVAS:
        image = image.resize((size, size), Image.Resampling.BOX)
        # Lines of 2 px become pale when they are reduced; ink counts more than paper.
        strength = CANVAS / size
        image = image.point([max(0, round(PAPER - strength * (PAPER - v))) for v in range(256)])
    file = io.BytesIO()
    # Lines on paper are runs: fewer bytes than by zlib's default, in two thirds of the time.
    image.save(file, format="PNG", compress_type=zlib.Z_RLE)
    return file.getvalue()


def _bytes_of(points: Points, ink: _Places) -> int:
    # A number in a tuple is a pointer and an object of 24 bytes.
    return 32 * len(points) + ink.nbytes
