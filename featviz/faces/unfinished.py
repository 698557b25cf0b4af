"""Unfinished sketches: parts left out whole or in half, as if the pen had been laid down."""

import numpy as np
from numpy.typing import NDArray

from featviz.sketches.drawing import Drawing, Stroke
from featviz.sketches.polylines import lengths_along, points_at


def unfinished(drawing: Drawing, random: np.random.Generator) -> Drawing:
    """A drawing that somebody stopped drawing: its parts in any order, up to any half of one.

    Of its parts, in a random order, some are whole, the next is drawn in half or not at all, all
    others are left out; every number of halves from 1 to all is as likely, so a sheet is never
    blank and sometimes nothing is missing. What stays is where it was, in the order it was in. A
    drawing without strokes is returned as it is.
    """
    parts = drawing.parts
    if not parts:
        return drawing
    order = random.permutation(len(parts))
    whole, in_half = divmod(int(random.integers(1, 2 * len(parts), endpoint=True)), 2)
    strokes = {parts[index]: drawing.part(parts[index]) for index in order[:whole]}
    if in_half:
        part = parts[order[whole]]
        strokes[part] = first_half(drawing.part(part))
    kept = [stroke for part in parts for stroke in strokes.get(part, ())]
    return Drawing(tuple(kept), drawing.size)


def first_half(strokes: tuple[Stroke, ...]) -> tuple[Stroke, ...]:
    """Strokes up to half of their length, in the order they are drawn in; the last is cut.

    Strokes of no length, dots, are kept as they are.
    """
    lengths = [float(lengths_along(stroke.points)[-1]) for stroke in strokes]
    left, kept = sum(lengths) / 2, []
    for stroke, length in zip(strokes, lengths, strict=True):
        if length <= left:
            kept.append(stroke)
        elif left > 0:
            kept.append(Stroke(stroke.part, _cut(stroke.points, left)))
        left -= min(length, left)
    return tuple(kept)


def _cut(points: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    """A polyline (n, 2) up to `length` pixels from its start."""
    before = points[lengths_along(points) < length]
    return np.vstack([before, points_at(points, np.array([length]))])
