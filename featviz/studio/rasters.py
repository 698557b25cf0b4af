"""Drawings to pixels, stroke by stroke: what is drawn already is not rasterised again.

Ink is binary, so the picture of a drawing is the union of the pictures of its strokes. Those come
from `featviz.drawing.rasterize` and are remembered.
"""

import io
import threading
from collections import OrderedDict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featviz.drawing import CANVAS, PAPER, STROKE_WIDTH, Drawing, Stroke, rasterize
from featviz.studio.problems import StudioError

_REMEMBERED = 20_000
_MOST_WORK = 60_000_000
"""Pixels that the rasteriser may look at for one drawing; a face takes some 100 000."""

Points = tuple[float, ...]
Window = tuple[int, int, NDArray[np.uint8]]


class Rasters:
    """The pixels of drawings, from any thread."""

    def __init__(self) -> None:
        self._windows: OrderedDict[Points, Window] = OrderedDict()
        self._lock = threading.Lock()

    def picture(self, strokes: Iterable[Points]) -> NDArray[np.uint8]:
        """(512, 512) uint8, paper 255, ink 0. strokes: flat points [x0, y0, x1, y1, ...]."""
        picture = np.full((CANVAS, CANVAS), PAPER, dtype=np.uint8)
        for points in strokes:
            top, left, pixels = self._window(points)
            height, width = pixels.shape
            window = picture[top : top + height, left : left + width]
            np.minimum(window, pixels, out=window)
        return picture

    def _window(self, points: Points) -> Window:
        with self._lock:
            if (known := self._windows.get(points)) is not None:
                self._windows.move_to_end(points)
                return known
        window = _rasterized(points)
        with self._lock:
            self._windows[points] = window
            while len(self._windows) > _REMEMBERED:
                self._windows.popitem(last=False)
        return window


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
    image.save(file, format="PNG")
    return file.getvalue()


def _rasterized(points: Points) -> Window:
    pairs = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    picture = rasterize(Drawing((Stroke("", pairs),)))
    reach = STROKE_WIDTH / 2 + 1
    left, top = np.clip(np.floor(pairs.min(axis=0) - reach), 0, CANVAS).astype(int)
    right, bottom = np.clip(np.ceil(pairs.max(axis=0) + reach) + 1, 0, CANVAS).astype(int)
    return int(top), int(left), picture[top:bottom, left:right].copy()
