"""Retrieved faces as a picture: the sketch, what was found for it, and what became of that."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from featviz.figures.labels import shortened
from featviz.figures.style import draw_caption, draw_image, draw_sketch, plain_text, wrap_caption
from featviz.retrieval.faces import RetrievedFace
from featviz.retrieval.search import MOST_DISTANCE
from featviz.retrieval.shapes import OUTLINE, SEARCHED_PARTS
from featviz.sketches.edits import Mask

_MOST_SHOWN = 8
"""Rows of a picture."""

_SIDE, _SMALL, _GAP, _EDGE, _TITLE = 1.3, 0.54, 0.06, 0.12, 0.3
_AROUND = 0.03
"""Of the side, shown around a part."""
_TITLES = ("sketch", "photo of the outline", "parts as they were found", "fused")


@plain_text()
def retrieval_figure(
    faces: Mapping[str, tuple[NDArray[np.uint8], RetrievedFace]], names: tuple[str, ...]
) -> Figure:
    """A row for each of the first sketches, by name its pixels and face; names: of the photos."""
    shown = dict(list(faces.items())[:_MOST_SHOWN])
    wide = 2 * _EDGE + 4 * (_SIDE + _GAP) + 3 * (_SMALL + _GAP)
    text = (
        "Each inner part is searched by its strokes and, among those alike, by the colours around, "
        "laid over the sketch, and fused into the photo of the outline. Right: the parts, with "
        "their distance from what was drawn, px at 512. A cross: no match, farther than "
        f"{MOST_DISTANCE:g} of the part's radius, so that the outline's photo keeps its own; - : "
        "not drawn."
    )
    lines = wrap_caption(text, wide)
    foot = 0.2 + 0.135 * len(lines)
    tall = _TITLE + len(shown) * (_SIDE + _TITLE) + foot
    figure = Figure(figsize=(wide, tall))

    def place(left: float, top: float, side: float) -> Axes:
        return figure.add_axes((left / wide, 1 - (top + side) / tall, side / wide, side / tall))

    for row, (name, (sketch, face)) in enumerate(shown.items()):
        top = _TITLE + row * (_SIDE + _TITLE)
        found = face.base.copy()
        for part, area in face.areas.items():
            found[area] = face.photos[part][area]
        lefts = [_EDGE + number * (_SIDE + _GAP) for number in range(5)]
        first, *others = (place(left, top, _SIDE) for left in lefts[:4])
        draw_sketch(sketch, first)
        for ax, image in zip(others, (face.base, found, face.image), strict=True):
            draw_image(image, ax)
        if row == 0:
            for ax, title in zip((first, *others), _TITLES, strict=True):
                ax.set_title(title, fontsize=7)
        first.set_xlabel(shortened(name, _SIDE, 7), fontsize=7, labelpad=2)
        base = face.matches[OUTLINE]
        told = names[base.face] + (f", {base.distance:.1f} px" if base.state != "not drawn" else "")
        mark = "✗ " if base.state == "no match" else ""
        others[0].set_xlabel(shortened(mark + told, _SIDE, 7), fontsize=7, labelpad=2)
        for number, part in enumerate(SEARCHED_PARTS[1:]):
            left = lefts[4] + (number % 3) * (_SMALL + _GAP)
            ax = place(left, top + (number // 3) * (_SMALL + _TITLE - 0.06), _SMALL)
            _draw_part(ax, face, part)
    draw_caption(figure, lines)
    return figure


def _draw_part(ax: Axes, face: RetrievedFace, part: str) -> None:
    """One part's photo around it, with its distance; a mark where there is none in the face."""
    match = face.matches[part]
    label = part.replace("left-", "l. ").replace("right-", "r. ")
    if part in face.photos:
        draw_image(_crop(face.photos[part], face.areas[part]), ax)
        told = f"{label} {match.distance:.1f}"
    else:
        draw_image(np.full((2, 2, 3), 245, np.uint8), ax)
        missing = match.state == "no match"
        ax.text(0.5, 0.5, "✗" if missing else "-", ha="center", va="center", fontsize=9)
        told = f"{label} {match.distance:.1f}" if missing else label
    ax.set_xlabel(told, fontsize=5.5, labelpad=1.5)


def _crop(photo: NDArray[np.uint8], area: Mask) -> NDArray[np.uint8]:
    """A square around an area, as far as the photo goes."""
    rows, columns = (np.flatnonzero(area.any(axis=axis)) for axis in (1, 0))
    half = max(np.ptp(rows), np.ptp(columns)) // 2 + round(_AROUND * len(photo))
    middle = [(at[0] + at[-1]) // 2 for at in (rows, columns)]
    row, column = (slice(max(0, at - half), at + half + 1) for at in middle)
    return photo[row, column]
