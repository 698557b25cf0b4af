"""Noses: 19 ways to redraw one on a given face."""

import numpy as np

from featviz.sketches.drawing import Stroke
from sketches.compose.base import Face, draw
from sketches.compose.pen import Points, curve, lines

Sketchy = list[list[tuple[float, float]]]

_BRIDGE = [(0.0, 0.0), (0.03, 0.3), (0.0, 0.55), (0.02, 0.76)]
_BASE = [(-1.0, 0.9), (-0.5, 0.96), (0.0, 1.0), (0.5, 0.96), (1.0, 0.9)]


def _wings(width: float, top: float = 0.72, low: float = 0.98) -> Sketchy:
    """The two sides of the nostrils."""
    return [
        [(side * width * x, y) for x, y in ((0.75, top), (1.0, (top + low) / 2), (0.72, low))]
        for side in (-1, 1)
    ]


NOSES: tuple[Sketchy, ...] = (
    # straight, with wings
    [_BRIDGE, [(-0.6, 0.97), (-0.2, 0.98), (0.0, 1.02), (0.2, 0.98), (0.6, 0.97)], *_wings(1.1)],
    # broad
    [_BRIDGE, [(-1.2, 0.95), (-0.6, 0.96), (0, 1.05), (0.6, 0.96), (1.2, 0.95)], *_wings(1.7, 0.7)],
    # narrow
    [_BRIDGE, [(-0.5, 0.93), (-0.2, 0.98), (0, 1.0), (0.2, 0.98), (0.5, 0.93)]],
    # long
    [[(0, -0.1), (0.05, 0.35), (0, 0.7), (0.05, 0.95)], [(x, y + 0.13) for x, y in _BASE]],
    # short
    [[(0, 0.12), (0.03, 0.3), (0, 0.5)], [(0.9 * x, y - 0.24) for x, y in _BASE]],
    # both sides of the bridge
    [
        [(-0.35, 0.05), (-0.22, 0.35), (-0.3, 0.6), (-0.45, 0.75)],
        [(0.35, 0.05), (0.22, 0.35), (0.3, 0.6), (0.45, 0.75)],
        _BASE,
    ],
    # a hump on the bridge
    [[(0.0, 0.0), (0.1, 0.15), (0.45, 0.38), (0.2, 0.6), (0.15, 0.8)], _BASE],
    # hooked
    [
        [(0.1, 0.0), (0.3, 0.3), (0.45, 0.6), (0.3, 0.86), (0.0, 1.05), (-0.15, 0.95)],
        [(-0.95, 0.85), (-0.75, 0.98), (-0.2, 0.97)],
        [(0.5, 0.97), (0.9, 0.95), (0.95, 0.84)],
    ],
    # a snub nose: nostrils seen
    [
        [(0.0, 0.2), (-0.05, 0.4), (0.0, 0.58)],
        [(-0.7, 0.8), (-0.45, 0.72), (-0.25, 0.8), (-0.45, 0.86), (-0.7, 0.8)],
        [(0.7, 0.8), (0.45, 0.72), (0.25, 0.8), (0.45, 0.86), (0.7, 0.8)],
        [(-1.05, 0.75), (-0.9, 0.92), (-0.3, 0.95), (0.3, 0.95), (0.9, 0.92), (1.05, 0.75)],
    ],
    # a button, no bridge
    [[(-0.7, 0.86), (-0.4, 1.0), (0, 1.04), (0.4, 1.0), (0.7, 0.86)]],
    # a bulb
    [
        [(-0.2, 0.1), (-0.15, 0.4), (-0.3, 0.6)],
        [(-0.72, 0.82), (-0.5, 0.64), (0.0, 0.58), (0.5, 0.64), (0.72, 0.82), (0.5, 1.0),
         (0.0, 1.06), (-0.5, 1.0), (-0.72, 0.82), (-0.58, 0.68)],
        *_wings(1.25, 0.76, 0.96),
    ],
    # pointed, a V
    [_BRIDGE, [(-1.0, 0.78), (-0.5, 0.95), (0.0, 1.07), (0.5, 0.95), (1.0, 0.78)]],
    # an L seen from the side
    [[(-0.1, 0.0), (0.1, 0.3), (0.4, 0.62), (0.85, 0.92), (0.6, 1.02), (0.0, 1.02), (-0.4, 0.98)]],
    # crooked, broken once
    [[(-0.1, 0.0), (0.1, 0.22), (-0.35, 0.42), (0.2, 0.64), (0.1, 0.8)], _BASE],
    # flared wings
    [
        _BRIDGE,
        [(-1.5, 0.86), (-1.35, 0.68), (-1.0, 0.72)],
        [(1.5, 0.86), (1.35, 0.68), (1.0, 0.72)],
        [(-1.5, 0.86), (-1.1, 1.0), (-0.5, 0.92), (0, 1.04), (0.5, 0.92), (1.1, 1.0), (1.5, 0.86)],
    ],
    # two nostrils, nothing else
    [
        [(-0.75, 0.96), (-0.5, 0.88), (-0.25, 0.95)],
        [(0.25, 0.95), (0.5, 0.88), (0.75, 0.96)],
    ],
    # a cleft tip
    [
        _BRIDGE,
        [(-1.0, 0.8), (-1.05, 0.93), (-0.8, 1.0), (-0.45, 0.98), (-0.2, 1.06), (0.0, 1.03)],
        [(0.0, 1.03), (0.2, 1.07), (0.45, 0.98), (0.8, 1.0), (1.05, 0.93), (1.0, 0.8)],
        [(0.0, 1.04), (0.02, 0.94), (0.0, 0.86)],
    ],
    # long and lopsided
    [
        [(0.05, -0.02), (0.2, 0.4), (0.1, 0.7), (0.35, 0.92)],
        [(-0.9, 0.86), (-0.6, 1.0), (0.1, 1.06), (0.7, 1.02), (1.1, 0.9)],
        [(1.0, 0.72), (1.3, 0.84), (1.1, 0.92)],
    ],
    # a straight bridge with shading
    [
        _BRIDGE,
        _BASE,
        *([(0.3 + 0.08 * k, 0.3 + 0.09 * k), (0.75 + 0.08 * k, 0.22 + 0.09 * k)] for k in range(5)),
    ],
)  # fmt: skip


def draw_nose(face: Face, number: int) -> list[Stroke]:
    """Nose `number` of `NOSES` on a face."""
    return draw("nose", nose_lines(face, NOSES[number]), (face.name, number), wobble=0.6)


def nose_lines(face: Face, nose: Sketchy) -> list[Points]:
    """The lines of a nose on a face, in pixels: x in half widths, y in lengths of its nose."""
    points = face.landmarks
    scale = np.array([(points[35, 0] - points[31, 0]) / 2, points[33, 1] - points[27, 1]])
    origin = np.array([points[31:36, 0].mean(), points[27, 1]])
    drawn = [origin + scale * np.array(line) for line in nose]
    return [curve(line) if len(line) > 2 else lines(line) for line in drawn]
