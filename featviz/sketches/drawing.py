"""Drawings: named polylines on a square canvas, as SVG and as pixels.

A drawing is what a person draws and what landmarks are joined to. The one rasteriser below turns
it into what a network sees, in training, extraction and on the drawing page alike.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError, one_line
from featviz.base.files import atomic_write, require_file
from featviz.sketches.strokes import STROKE_WIDTH

CANVAS = 512
PAPER, INK = 255, 0

_FARTHEST = 1e9


@dataclass(frozen=True, eq=False)
class Stroke:
    """One polyline of a drawing, belonging to a named part such as `left-eye`.

    points: (n, 2) float64, n >= 1, pixels with x to the right and y down; the centre of the
    top-left pixel is (0, 0).
    """

    part: str
    points: NDArray[np.float64]

    def __post_init__(self) -> None:
        points = np.array(self.points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
            raise FeatvizError(f"a stroke takes points of shape (n, 2), n >= 1; got {points.shape}")
        if not np.isfinite(points).all():
            raise FeatvizError(f"a stroke of part '{self.part}' has a point that is not finite")
        if (np.abs(points) > _FARTHEST).any():
            raise FeatvizError(
                f"a stroke of part '{self.part}' has a point {np.abs(points).max():.3g} px away; "
                f"expected at most {_FARTHEST:g}"
            )
        points.setflags(write=False)
        object.__setattr__(self, "points", points)


@dataclass(frozen=True, eq=False)
class Drawing:
    """Strokes on a square canvas of `size` x `size` pixels."""

    strokes: tuple[Stroke, ...]
    size: int = CANVAS

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts, in order of first appearance."""
        return tuple(dict.fromkeys(stroke.part for stroke in self.strokes))

    def part(self, name: str) -> tuple[Stroke, ...]:
        """The strokes of one part; empty if there is none."""
        return tuple(stroke for stroke in self.strokes if stroke.part == name)

    def with_part(self, name: str, strokes: Iterable[Stroke]) -> Self:
        """The same drawing with the strokes of part `name` replaced (or added)."""
        kept = tuple(stroke for stroke in self.strokes if stroke.part != name)
        return replace(self, strokes=(*kept, *strokes))

    def scaled(self, size: int) -> Self:
        """The same drawing on a canvas of another size; edges of the canvas map to its edges."""
        if size == self.size:
            return self
        factor = size / self.size
        strokes = tuple(
            Stroke(stroke.part, (stroke.points + 0.5) * factor - 0.5) for stroke in self.strokes
        )
        return replace(self, strokes=strokes, size=size)


def changed_parts(before: Drawing, after: Drawing) -> tuple[str, ...]:
    """The names of the parts whose strokes differ, in any order of strokes; sorted by name."""
    return tuple(
        sorted(
            part
            for part in {*before.parts, *after.parts}
            if _fingerprints(before.part(part)) != _fingerprints(after.part(part))
        )
    )


def _fingerprints(strokes: Iterable[Stroke]) -> list[bytes]:
    # Adding 0 turns -0.0 into 0.0.
    return sorted((stroke.points + 0.0).tobytes() for stroke in strokes)


def rasterize(drawing: Drawing, stroke_width: float = STROKE_WIDTH) -> NDArray[np.uint8]:
    """Pixels of a drawing: (size, size) uint8, paper 255, ink 0, nothing in between.

    A pixel is ink exactly if its centre is at a distance of less than `stroke_width` / 2 from a
    stroke (strokes have round ends and joints) or equally far on the side of smaller coordinates:
    the half-open rule gives a horizontal line through pixel centres exactly 2 rows, not 3.
    """
    image: NDArray[np.uint8] = rasterize_together([drawing], stroke_width)[0]
    return image


def rasterize_together(
    drawings: Sequence[Drawing], stroke_width: float = STROKE_WIDTH
) -> NDArray[np.uint8]:
    """Drawings of one size, one or more, as `rasterize` draws them: (N, size, size) uint8.

    Faster than one by one: what takes long of small drawings is not the number of their lines.
    """
    size = drawings[0].size
    images = np.full((len(drawings), size, size), PAPER, dtype=np.uint8)
    _ink_strokes(images, [drawing.strokes for drawing in drawings], stroke_width)
    return images


def _ink_strokes(
    images: NDArray[np.uint8], strokes: Sequence[Sequence[Stroke]], stroke_width: float
) -> None:
    """Ink the strokes of each of several images (N, H, W)."""
    starts, ends, of = [], [], []
    for image, its_strokes in enumerate(strokes):
        for stroke in its_strokes:
            points = stroke.points + _TIE_BREAK
            several = len(points) > 1
            starts.append(points[:-1] if several else points)
            ends.append(points[1:] if several else points)
            of.append(image)
    if starts:
        image_of = np.repeat(of, [len(points) for points in starts])
        every = np.concatenate(starts), np.concatenate(ends)
        _ink_segments(images, image_of, *every, stroke_width / 2)


# Ties (distance exactly half the width) are decided by a shift far below any visible size.
_TIE_BREAK = np.array([-1e-6, -1.3e-6])

_LONG = 16
"""Segments up to so many pixels wide and high are drawn together, in windows of equal size."""
_MOST_WORK = 1.1e7
"""Pixels that the lines of a file may pass; a face has some 10 000."""
_CELLS_AT_ONCE = 2**18


def _ink_segments(
    images: NDArray[np.uint8],
    image_of: NDArray[np.int64],
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    radius: float,
) -> None:
    """Ink the pixels nearer than `radius` to any of the segments, starts and ends (S, 2).

    image_of: which of the images (N, H, W) each segment lies in, (S,).
    """
    last = np.array(images.shape[:0:-1]) - 1
    low = np.maximum(np.ceil(np.minimum(starts, ends) - radius), 0).astype(int)
    high = np.minimum(np.floor(np.maximum(starts, ends) + radius).astype(int), last)
    visible = (low <= high).all(axis=1)
    image_of, starts, ends, low, high = (of[visible] for of in (image_of, starts, ends, low, high))
    windows = high - low + 1
    # Most of a long line's window is paper, too far off to be looked at.
    is_long = (windows > _LONG).any(axis=1) & (np.abs(ends - starts).max(axis=1) > 4 * radius)
    for axis in (0, 1):
        mine = is_long & (np.abs(ends - starts).argmax(axis=1) == axis)
        _ink_bands(
            images, image_of[mine], starts[mine], ends[mine], low[mine], high[mine], radius, axis
        )
    image_of, starts, ends, low, high, windows = (
        of[~is_long] for of in (image_of, starts, ends, low, high, windows)
    )
    # The next power of two, from 4 on.
    together = 2 ** np.ceil(np.log2(np.maximum(windows, 4))).astype(int)
    windows = np.where((windows <= _LONG).all(axis=1, keepdims=True), together, windows)
    sizes, of_size = np.unique(windows, axis=0, return_inverse=True)
    for number, (width, height) in enumerate(sizes.tolist()):
        rows = np.flatnonzero(of_size.reshape(-1) == number)
        for some in np.array_split(rows, -(-len(rows) * width * height // _CELLS_AT_ONCE)):
            segments = image_of[some], starts[some], ends[some], low[some], high[some]
            _ink_windows(images, *segments, radius, (width, height))


def _ink_bands(
    images: NDArray[np.uint8],
    image_of: NDArray[np.int64],
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    radius: float,
    axis: int,
) -> None:
    """Ink segments that are longest along `axis`: a window across the line at each of its steps."""
    if len(starts) == 0:
        return
    # A line rises by at most 1 a step, so that it is at most sqrt(2) as thick across an axis.
    reach = 1.5 * radius + 1
    across = math.floor(2 * reach) + 2
    steps = high[:, axis] - low[:, axis] + 1
    for some in np.array_split(
        np.arange(len(starts)), -(-len(starts) * int(steps.max()) * across // _CELLS_AT_ONCE)
    ):
        of = np.repeat(some, steps[some])
        first_step = np.cumsum(steps[some]) - steps[some]
        at = low[of, axis] + np.arange(len(of)) - np.repeat(first_step, steps[some])
        along = np.clip((at - starts[of, axis]) / (ends - starts)[of, axis], 0, 1)
        centre = starts[of, 1 - axis] + along * (ends - starts)[of, 1 - axis]
        first, last = low[of], high[of]
        first[:, axis] = last[:, axis] = at
        first[:, 1 - axis] = np.maximum(first[:, 1 - axis], np.floor(centre - reach))
        window = (1, across) if axis == 0 else (across, 1)
        _ink_windows(images, image_of[of], starts[of], ends[of], first, last, radius, window)


def _ink_windows(
    images: NDArray[np.uint8],
    image_of: NDArray[np.int64],
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    radius: float,
    window: tuple[int, int],
) -> None:
    """Ink segments that fit into windows (width, height) whose first pixels are `low` (S, 2)."""
    columns = low[:, 0, None, None] + np.arange(window[0])
    rows = low[:, 1, None, None] + np.arange(window[1])[:, None]
    x, y = columns - starts[:, 0, None, None], rows - starts[:, 1, None, None]
    dx, dy = (ends - starts).T[:, :, None, None]
    length_squared = dx * dx + dy * dy
    # A segment without length is a point: nothing along it.
    is_point = length_squared == 0
    along = np.clip((x * dx + y * dy) / np.where(is_point, 1, length_squared), 0, 1)
    distance_squared = (x - along * dx) ** 2 + (y - along * dy) ** 2
    is_ink = distance_squared < radius * radius
    is_ink &= (columns <= high[:, 0, None, None]) & (rows <= high[:, 1, None, None])
    segment, row, column = np.nonzero(is_ink)
    images[image_of[segment], rows[segment, row, 0], columns[segment, 0, column]] = INK


def to_svg(drawing: Drawing) -> str:
    """A drawing as an SVG document: one `<g id="part">` a part, one `<polyline>` a stroke.

    Coordinates are rounded to 0.01 px; a dot is written as a line between two equal points.
    """
    size = drawing.size
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" '
        f'width="{size}" height="{size}">',
        f'<rect width="{size}" height="{size}" fill="white"/>',
        f'<g fill="none" stroke="black" stroke-width="{STROKE_WIDTH:g}" '
        'stroke-linecap="round" stroke-linejoin="round" transform="translate(0.5 0.5)">',
    ]
    for part in drawing.parts:
        lines.append(f"<g id={quoteattr(part)}>")
        for stroke in drawing.part(part):
            # Viewers draw a line of one point not at all, and one of two equal points as a dot.
            points = stroke.points if len(stroke.points) > 1 else stroke.points.repeat(2, axis=0)
            pairs = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
            lines.append(f'<polyline points="{pairs}"/>')
        lines.append("</g>")
    return "\n".join([*lines, "</g>", "</svg>", ""])


def _number(value: float) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def from_svg(text: str) -> Drawing:
    """Read a document of lines, as `to_svg` writes it or as other programs do.

    What a viewer does not show is left out. Raises FeatvizError for anything else that would
    change the picture (filled shapes, pale lines, lines of another width, text, ...; see
    docs/sketches.md), and for a document in which nothing is left to draw.
    """
    from featviz.sketches.svg import InkLine, read

    size, painted = read(text)
    strokes: list[Stroke] = []
    image, inked = np.full((size if len(painted) > 1 else 0,) * 2, PAPER, dtype=np.uint8), 0
    for each in painted:
        if isinstance(each, InkLine):
            strokes.append(Stroke(each.part, each.points))
        elif strokes:
            _ink_strokes(image[None], [strokes[inked:]], STROKE_WIDTH)
            inked = len(strokes)
            # As int where it is near the canvas; NaN is nowhere.
            low = np.ceil(np.clip(np.nan_to_num(each.low), 0, size)).astype(int)
            high = np.floor(np.clip(np.nan_to_num(each.high), -1, size)).astype(int) + 1
            if (image[low[1] : high[1], low[0] : high[0]] == INK).any():
                raise FeatvizError(
                    f"a white <{each.name}> over lines cannot be drawn: it would hide them"
                )
    drawing = Drawing(tuple(strokes), size)
    _require_little_work(drawing)
    return drawing


def _require_little_work(drawing: Drawing) -> None:
    """Raise FeatvizError for lines that are too long to be drawn in a few seconds."""
    if not drawing.strokes:
        return
    points = np.concatenate([stroke.points for stroke in drawing.strokes])
    steps = np.abs(np.diff(points.clip(-_LONG, drawing.size + _LONG), axis=0)).max(axis=1)
    # The way from one stroke to the next is not drawn.
    steps[np.cumsum([len(stroke.points) for stroke in drawing.strokes])[:-1] - 1] = 0
    work = float(steps.sum()) + len(points)
    if work > _MOST_WORK:
        raise FeatvizError(
            f"its lines are {work:.2g} px long together; expected at most {_MOST_WORK:.2g} px"
        )


def read_svg(path: Path) -> Drawing:
    """Read a drawing from a file; errors name the file."""
    from featviz.sketches.svg import LARGEST_SVG

    path = Path(path)
    require_file(path, str(path))
    try:
        with path.open(encoding="utf-8") as file:
            return from_svg(file.read(LARGEST_SVG + 1))
    except FileNotFoundError:
        raise FeatvizError(f"{path}: no such drawing") from None
    except UnicodeDecodeError as error:
        raise FeatvizError(f"{path}: not an SVG drawing: {one_line(error)}") from None
    except FeatvizError as error:
        raise FeatvizError(f"{path}: {error}") from None
    except (OSError, ValueError) as error:
        raise FeatvizError(f"{path} cannot be read: {one_line(error)}") from None


def write_svg(drawing: Drawing, path: Path) -> None:
    """Write a drawing to a file, complete or not at all."""
    with atomic_write(Path(path)) as temporary:
        temporary.write_text(to_svg(drawing), encoding="utf-8")
