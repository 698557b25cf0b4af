"""Drawings of the page with some parts corrected, as its sliders ask."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

import numpy as np

from featviz.faces.correction import Correction
from featviz.sketches.drawing import Drawing, Stroke
from featviz.studio.change import Strokes

_MOST_STATES = 64


class Corrections:
    """Corrects states of a drawing; call it from one thread at a time.

    Parts that are not drawn yet are left out. What an edit did not touch stays where the base has
    it, as in `Correction.of_edit`.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[object, tuple[Drawing, Drawing]] = OrderedDict()

    def __call__(self, states: Sequence[Strokes], amounts: Mapping[str, float]) -> list[Strokes]:
        """States of one drawing, each an edit of the one before, with corrected parts."""
        correction = Correction(amounts, if_drawn=True)
        key: object = tuple(sorted(amounts.items()))
        found: list[tuple[Drawing, Drawing]] = []
        for strokes in states:
            key = (key, tuple(strokes))
            if key not in self._known:
                drawing = _drawing(strokes)
                corrected = (
                    correction.of_edit(found[-1][1], found[-1][0], drawing)
                    if found
                    else correction(drawing)
                )
                self._known[key] = (drawing, corrected)
                while len(self._known) > _MOST_STATES:
                    self._known.popitem(last=False)
            self._known.move_to_end(key)
            found.append(self._known[key])
        return [_strokes(corrected) for _, corrected in found]


def moved(before: Strokes, after: Strokes) -> list[list[float]]:
    """The flat points of the strokes that are elsewhere now, to a tenth of a pixel."""
    as_drawn = set(before)
    return [
        [round(x, 1) for x in points] for part, points in after if (part, points) not in as_drawn
    ]


def _drawing(strokes: Strokes) -> Drawing:
    return Drawing(
        tuple(
            Stroke(part, np.array(points, dtype=np.float64).reshape(-1, 2))
            for part, points in strokes
        )
    )


def _strokes(drawing: Drawing) -> Strokes:
    return tuple((stroke.part, tuple(stroke.points.ravel().tolist())) for stroke in drawing.strokes)
