"""Strokes as the database stores them ({"part", "points": flat}), and as drawings."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from featviz.base.errors import FeatvizError, one_line
from featviz.sketches.drawing import Drawing, Stroke
from featviz.studio.tables import PART_NAME


def editable(drawing: Drawing) -> list[dict[str, Any]] | None:
    """A drawing's strokes as they are stored and drawn on; None if the page could not hold them.

    Coordinates are rounded to 0.01 px, as in the SVG files that featviz writes, and parts get names
    that `edited_part` can list.
    """
    if any((np.abs(s.points - 256) > 768).any() for s in drawing.strokes):
        return None
    return by_part(
        # Adding 0 turns -0.0 into 0.0.
        (_part_name(stroke.part), (stroke.points.round(2) + 0.0).ravel().tolist())
        for stroke in drawing.strokes
    )


def _part_name(text: str) -> str:
    name = re.sub(r"[^\w.-]", "-", text.strip())[:40]
    return name if PART_NAME.match(name) else f"part-{name}"[:40]


def by_part(strokes: Iterable[tuple[str, Iterable[float]]]) -> list[dict[str, Any]]:
    """Strokes as an SVG drawing holds them: part by part, in order of first appearance."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for part, points in strokes:
        parts.setdefault(part, []).append({"part": part, "points": list(points)})
    return [stroke for part in parts.values() for stroke in part]


def lines(strokes: Sequence[dict[str, Any]] | None) -> Drawing:
    """Stored strokes ({"part", "points": flat}) as a drawing."""
    try:
        return Drawing(
            tuple(
                Stroke(stroke["part"], np.array(stroke["points"], dtype=np.float64).reshape(-1, 2))
                for stroke in strokes or ()
            )
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FeatvizError(f"stored strokes are no strokes: {one_line(error)}") from None
