"""The parts of a sketch: by the names of its strokes, or by where they lie."""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError
from featviz.retrieval.shapes import POINTS, SEARCHED_PARTS, PartPoints, along_strokes, of_landmarks
from featviz.sketches.drawing import CANVAS, INK, Drawing, rasterize
from featviz.sketches.sketch_set import read_drawing, read_sketch

PartsBy = Literal["name", "place"]
"""How strokes are told to be of a part."""

_NEAR = 40.0
"""Pixels at 512: what lies farther from all parts of the mean face, on average, is of none."""


def read_parts(
    path: Path, by: PartsBy, mean: NDArray[np.float64], size: int = CANVAS
) -> tuple[dict[str, PartPoints], NDArray[np.uint8]]:
    """The parts of one sketch file, and its pixels. mean: landmarks (68, 2) at 512.

    size: that of sketches of pixels. Raises FeatvizError for a file that cannot be read, and
    unless it has named parts where parts go by name.
    """
    if path.suffix.lower() == ".svg":
        drawing = read_drawing(path, CANVAS)
        image = rasterize(drawing)
        if by == "place":
            return parts_by_place(image, mean), image
        parts = parts_by_name(drawing)
        if not parts:
            there = ", ".join(drawing.parts[:8]) or "no strokes"
            raise FeatvizError(
                f"sketch {path} has no part of a face by name ({there}); expected some of "
                f"{', '.join(SEARCHED_PARTS)}, or --parts place, which goes by where strokes lie"
            )
        return parts, image
    if by == "name":
        read_sketch(path, size)
        raise FeatvizError(
            f"sketch {path} is made of pixels, which have no named parts; expected an SVG drawing, "
            "or --parts place, which goes by where lines lie"
        )
    image = read_sketch(path, size)
    return parts_by_place(image, mean), image


def parts_by_name(drawing: Drawing) -> dict[str, PartPoints]:
    """The parts of a face that a drawing names, each as points along its strokes."""
    scaled = drawing.scaled(CANVAS)
    return {
        part: along_strokes([stroke.points for stroke in scaled.part(part)])
        for part in SEARCHED_PARTS
        if scaled.part(part)
    }


def parts_by_place(image: NDArray[np.uint8], mean: NDArray[np.float64]) -> dict[str, PartPoints]:
    """The parts of pixels (size, size): lines that hang together are of the part that they are
    nearest to in the mean face (68, 2), or of none.
    """
    from scipy.ndimage import label
    from scipy.spatial import cKDTree

    usual = np.stack([of_landmarks(mean[None], part)[0] for part in SEARCHED_PARTS])
    lines, count = label(image == INK, np.ones((3, 3)))
    rows, columns = np.nonzero(lines)
    pixels = (np.stack([columns, rows], axis=1) + 0.5) * (CANVAS / len(image)) - 0.5
    of_line = lines[rows, columns] - 1
    # (parts, lines): mean over the pixels of a line.
    sizes = np.bincount(of_line, minlength=count)
    away = np.stack(
        [np.bincount(of_line, cKDTree(points).query(pixels)[0], count) / sizes for points in usual]
    )
    is_part = away.min(axis=0) <= _NEAR
    found = {}
    for number, part in enumerate(SEARCHED_PARTS):
        own = pixels[(is_part & (away.argmin(axis=0) == number))[of_line]]
        if len(own):
            found[part] = _spread(own)
    return found


def _spread(pixels: NDArray[np.float64]) -> PartPoints:
    """POINTS of the pixels (n, 2), in turn around their middle."""
    away = pixels - pixels.mean(axis=0)
    around = np.argsort(np.arctan2(away[:, 1], away[:, 0]), kind="stable")
    spread: PartPoints = pixels[around[np.linspace(0, len(pixels) - 1, POINTS).round().astype(int)]]
    return spread
