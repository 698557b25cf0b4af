"""Eyes: 18 other shapes and 8 other sizes of the pair on a given face."""

import numpy as np

from featviz.sketches.drawing import Stroke
from sketches.compose.base import PROBE, Face, draw
from sketches.compose.pen import Points, curve, lines

Shape = list[list[tuple[float, float]]]
"""Lines of points (s, h): s from 0 at the outer to 1 at the inner corner, h upwards, in eye
widths."""

SIZES = (0.48, 0.6, 0.72, 0.86, 1.1, 1.2, 1.3, 1.4)


def _lids(upper: Shape, lower: Shape, *more: list[tuple[float, float]]) -> Shape:
    return [*upper, *lower, *more]


def _circle(s: float, h: float, r: float) -> list[tuple[float, float]]:
    angle = np.linspace(0, 2 * np.pi * 1.04, 14)
    return [(s + r * float(np.cos(a)), h + r * float(np.sin(a))) for a in angle]


def _lashes(upper: list[tuple[float, float]], count: int, length: float) -> Shape:
    s, h = np.array(upper).T
    at = np.linspace(0.06, 0.8, count)
    roots = np.interp(at, s, h)
    lean = np.linspace(-0.8, 0.25, count)
    return [
        [(a, b), (a + 0.6 * length * c, b + 0.6 * length), (a + 1.2 * length * c, b + length)]
        for a, b, c in zip(at.tolist(), roots.tolist(), lean.tolist(), strict=True)
    ]


_ALMOND = [(0.0, 0.0), (0.28, 0.17), (0.6, 0.2), (0.86, 0.1), (1.0, -0.03)]
_UNDER = [(1.0, -0.03), (0.7, -0.13), (0.35, -0.13), (0.0, 0.0)]

SHAPES: tuple[Shape, ...] = (
    # round
    _lids([[(0, 0.02), (0.12, 0.24), (0.5, 0.4), (0.88, 0.24), (1, -0.02)]],
          [[(1, -0.02), (0.84, -0.22), (0.5, -0.32), (0.14, -0.2), (0, 0.02)]]),
    # narrow
    _lids([[(-0.03, 0.02), (0.3, 0.09), (0.65, 0.09), (1, -0.02)]],
          [[(1, -0.02), (0.6, -0.06), (0.3, -0.05), (-0.03, 0.02)]]),
    # tilted up at the temple
    _lids([[(-0.03, 0.05), (0.25, 0.2), (0.6, 0.15), (0.88, 0.0), (1, -0.17)]],
          [[(1, -0.17), (0.65, -0.2), (0.3, -0.1), (-0.03, 0.05)]]),
    # drooping at the temple
    _lids([[(-0.02, -0.12), (0.22, 0.08), (0.55, 0.21), (0.85, 0.14), (1, 0.02)]],
          [[(1, 0.02), (0.7, -0.14), (0.35, -0.2), (-0.02, -0.12)]]),
    # with a fold over the lid
    _lids([_ALMOND], [_UNDER], [(0.02, 0.14), (0.3, 0.31), (0.62, 0.34), (0.9, 0.22)]),
    # hooded: the fold lies on the lid
    _lids([[(-0.08, -0.05), (0.1, 0.1), (0.4, 0.16), (0.75, 0.12), (1, 0.0)]],
          [[(1, 0.0), (0.7, -0.14), (0.35, -0.13), (0.04, 0.02)]],
          [(-0.14, -0.02), (0.08, 0.17), (0.42, 0.24), (0.8, 0.2)]),
    # shut
    _lids([[(0.0, 0.05), (0.25, -0.07), (0.55, -0.1), (0.82, -0.06), (1, 0.02)]], []),
    # shut and laughing
    _lids([[(0.0, -0.05), (0.2, 0.13), (0.5, 0.21), (0.8, 0.13), (1, -0.05)]], []),
    # half shut
    _lids([[(-0.02, 0.06), (0.3, 0.07), (0.65, 0.06), (1, 0.02)]],
          [[(1, 0.02), (0.75, -0.15), (0.4, -0.19), (0.1, -0.08), (-0.02, 0.06)]]),
    # staring
    _lids([[(0.02, 0.0), (0.2, 0.28), (0.55, 0.38), (0.85, 0.22), (1, -0.02)]],
          [[(1, -0.02), (0.7, -0.18), (0.35, -0.18), (0.02, 0.0)]], _circle(0.54, 0.1, 0.13)),
    # with iris and pupil
    _lids([_ALMOND], [[(1.0, -0.03), (0.7, -0.16), (0.33, -0.14), (0.03, -0.03)]],
          _circle(0.53, 0.03, 0.17), _circle(0.53, 0.03, 0.05)),
    # with long lashes
    _lids([[(-0.02, 0.04), (0.28, 0.2), (0.6, 0.22), (0.86, 0.11), (1.0, -0.03)]], [_UNDER],
          *_lashes([(-0.02, 0.04), (0.28, 0.2), (0.6, 0.22), (0.86, 0.11)], 7, 0.15)),
    # winged: the upper line runs on
    _lids([[(-0.28, 0.18), (-0.1, 0.04), (0.05, 0.03), (0.3, 0.2), (0.62, 0.22), (1, -0.04)]],
          [[(1, -0.04), (0.7, -0.12), (0.35, -0.1), (0.05, 0.0)]]),
    # triangular: the brow side straight
    _lids([[(0.0, -0.03), (0.2, 0.05), (0.68, 0.26), (0.9, 0.12), (1, -0.05)]],
          [[(1, -0.05), (0.6, -0.1), (0.0, -0.03)]]),
    # tired: bags under the eyes
    _lids([[(0.01, 0.03), (0.3, 0.13), (0.65, 0.14), (1, -0.02)]],
          [[(1, -0.02), (0.7, -0.14), (0.35, -0.14), (0.01, 0.03)]],
          [(0.93, -0.22), (0.62, -0.31), (0.3, -0.28), (0.1, -0.18)]),
    # open at the corners
    _lids([[(0.04, 0.07), (0.3, 0.21), (0.62, 0.22), (0.92, 0.09)]],
          [[(0.86, -0.11), (0.6, -0.17), (0.34, -0.16), (0.06, -0.06)]]),
    # a dot under an arc
    _lids([[(0.0, 0.03), (0.25, 0.2), (0.6, 0.24), (1, 0.0)]], [], _circle(0.52, 0.02, 0.09),
          _circle(0.52, 0.02, 0.045)),
    # cross-eyed, with irises at the nose
    _lids([[(0.0, 0.01), (0.25, 0.2), (0.6, 0.26), (0.88, 0.13), (1, -0.03)]],
          [[(1, -0.03), (0.7, -0.18), (0.35, -0.17), (0.0, 0.01)]], _circle(0.78, 0.0, 0.12)),
)  # fmt: skip


def draw_eye_shape(face: Face, number: int) -> list[Stroke]:
    """Eye shape `number` of `SHAPES` on a face, both eyes; the outer corners stay near."""
    strokes: list[Stroke] = []
    for part in ("left-eye", "right-eye"):
        placed = [_place(face, part, np.array(line)) for line in SHAPES[number]]
        strokes += draw(part, placed, (face.name, "shape", number), wobble=0.5, overshoot=1.5)
    return strokes


def draw_eye_size(face: Face, number: int) -> list[Stroke]:
    """The face's own eyes, `SIZES[number]` times as large, both of them.

    They grow about a point near the outer corner, so that the corner stays near the probe.
    """
    points = face.landmarks
    strokes: list[Stroke] = []
    for part, corners, upper, lower in (
        ("left-eye", (36, 39), (36, 37, 38, 39), (39, 40, 41, 36)),
        ("right-eye", (45, 42), (42, 43, 44, 45), (45, 46, 47, 42)),
    ):
        outer, inner = points[list(corners)]
        fixed = outer + 0.1 * (inner - outer)
        drawn = [
            curve(fixed + SIZES[number] * (points[list(lid)] - fixed)) for lid in (upper, lower)
        ]
        strokes += draw(part, drawn, (face.name, "size", number), wobble=0.5)
    return strokes


def _place(face: Face, part: str, line: Points) -> Points:
    outer, inner = (36, 39) if part == "left-eye" else (45, 42)
    start, end = face.landmarks[[outer, inner]]
    width = abs(end[0] - start[0])
    side = np.sign(end[0] - start[0])
    tilt = (end[1] - start[1]) / width
    s, h = line.T
    points = np.column_stack([start[0] + side * width * s, PROBE[1] + width * (s * tilt - h)])
    return curve(points) if len(points) > 2 else lines(points)
