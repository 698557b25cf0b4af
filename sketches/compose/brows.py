"""Eyebrows: 16 ways to redraw the pair on a given face."""

import numpy as np

from featviz.sketches.drawing import Stroke
from sketches.compose.base import Face, draw
from sketches.compose.pen import Points, curve, hand, lines

LOWEST = 221.0
"""Brows keep above this line, and so out of the window around the probe."""

Shape = list[list[tuple[float, float]]]
"""Lines of points (s, h): s from 0 at the temple to 1 at the nose, h upwards, in brow widths."""

_ARCH = [(0.0, 0.0), (0.25, 0.16), (0.55, 0.19), (0.8, 0.14), (1.0, 0.05)]


def _moved(shape: Shape, s: float = 0, h: float = 0, grow: float = 1, rise: float = 0) -> Shape:
    """A shape shifted, stretched and tilted: `rise` lifts the end at the nose."""
    return [
        [(0.5 + grow * (a - 0.5) + s, b + h + rise * (a - 0.5)) for a, b in line] for line in shape
    ]


def _outline(thick: float, blunt: float = 0.0) -> Shape:
    upper = [(s, h + thick * (0.25 + s * 0.75)) for s, h in _ARCH]
    return [[*_ARCH, (1.02 + blunt, 0.05 + thick / 2), *reversed(upper), (-0.01, 0.01)]]


BROWS: tuple[tuple[str, Shape, Shape], ...] = tuple(
    (name, left, right or left)
    for name, left, right in (
        ("raised", _moved([_ARCH], h=0.28), None),
        ("angry", [[(0.0, 0.38), (0.3, 0.34), (0.7, 0.16), (1.05, -0.02)]], None),
        ("sad", [[(-0.02, 0.02), (0.3, 0.17), (0.7, 0.34), (1.0, 0.48)]], None),
        ("thick", _outline(0.2), None),
        ("straight", [[(-0.02, 0.1), (0.3, 0.11), (0.7, 0.1), (1.02, 0.1)]], None),
        ("high arch", [[(0.0, 0.0), (0.2, 0.24), (0.42, 0.38), (0.7, 0.2), (1.0, 0.06)]], None),
        ("short", [[(0.45, 0.18), (0.7, 0.22), (1.0, 0.14)]], None),
        ("long", [[(-0.2, 0.03), (0.1, 0.17), (0.5, 0.24), (0.85, 0.18), (1.15, 0.06)]], None),
        ("meeting", [[(0.0, 0.05), (0.3, 0.2), (0.7, 0.18), (1.0, 0.1), (1.36, 0.14)]], None),
        ("one raised", _moved([_ARCH], h=0.42), [[(0.0, 0.04), (0.4, 0.1), (1.0, 0.0)]]),
        ("wavy", [[(0, 0.1), (0.17, 0.22), (0.36, 0.1), (0.56, 0.22), (0.77, 0.1), (1, 0.2)]],
         None),
        ("slit", [[(0.0, 0.0), (0.12, 0.09), (0.2, 0.13)],
                  [(0.3, 0.16), (0.55, 0.19), (1.0, 0.06)]], None),
        ("tapered", _outline(0.3, 0.04), None),
        ("bushy", [], None),
        ("hatched", [], None),
        ("double", [_ARCH, [(0.1, 0.22), (0.4, 0.32), (0.75, 0.28), (1.0, 0.2)]], None),
    )
)  # fmt: skip


def draw_brows(face: Face, number: int) -> list[Stroke]:
    """Eyebrows `number` of `BROWS` on a face, both of them."""
    name, left, right = BROWS[number]
    strokes: list[Stroke] = []
    for part, shape in (("left-eyebrow", left), ("right-eyebrow", right)):
        rng = hand(face.name, part, number)
        if name == "bushy":
            shape = _hairs(rng, 30, (0.02, 0.10), 0.30, 0.8)
        elif name == "hatched":
            shape = _outline(0.22) + _hairs(rng, 9, (0.0, 0.02), 0.13, 0.25)
        placed = [_place(face, part, np.array(line)) for line in shape]
        strokes += draw(part, placed, (face.name, number), wobble=0.7, overshoot=1.5)
    return strokes


def _hairs(
    rng: np.random.Generator, count: int, low: tuple[float, float], length: float, lean: float
) -> Shape:
    """Short hairs along the arch, standing up at the nose and lying down at the temple."""
    s, h = np.array(_ARCH).T
    shape: Shape = []
    for at in np.linspace(0.06, 0.97, count):
        root = (at + rng.normal(0, 0.01), np.interp(at, s, h) + rng.uniform(*low) - 0.02)
        size = length * rng.uniform(0.7, 1.1) * (0.6 + 0.4 * at)
        angle = np.radians(90 + 75 * lean * (1.1 - at) + rng.normal(0, 5))
        tip = (root[0] + size * np.cos(angle), root[1] + size * np.sin(angle))
        bend = ((root[0] + tip[0]) / 2 + 0.01, (root[1] + tip[1]) / 2 + 0.02)
        shape.append([root, bend, tip])
    return shape


def _place(face: Face, part: str, line: Points) -> Points:
    order = slice(17, 22) if part == "left-eyebrow" else slice(26, 21, -1)
    brow = face.landmarks[order]
    width = abs(brow[-1, 0] - brow[0, 0])
    side = np.sign(brow[-1, 0] - brow[0, 0])
    ground = min(brow[[0, -1], 1].mean(), LOWEST - 3)
    points = np.column_stack([brow[0, 0] + side * width * line[:, 0], ground - width * line[:, 1]])
    points[:, 1] = np.minimum(points[:, 1], LOWEST)
    return curve(points) if len(points) > 2 else lines(points)
