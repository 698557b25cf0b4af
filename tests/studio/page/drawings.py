"""Lines that the tests draw, and comparing what is drawn."""

from featviz.sketches.drawing import Drawing, read_svg
from tests.studio.browser import SKETCHES

MOUTH = [(195, 380), (225, 366), (255, 372), (285, 366), (315, 380)]
LIP = [(195, 380), (225, 405), (255, 412), (285, 405), (315, 380)]
BROW = [(140, 180), (170, 165), (205, 168), (230, 175)]


def same(one: Drawing, other: Drawing) -> bool:
    """The same strokes, whatever their order."""

    def key(drawing: Drawing) -> list[tuple[str, bytes]]:
        return sorted((stroke.part, stroke.points.round(2).tobytes()) for stroke in drawing.strokes)

    return key(one) == key(other)


def start_drawing(label: str) -> Drawing:
    return read_svg(SKETCHES / f"{label}.svg")
