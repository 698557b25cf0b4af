"""Hair: 25 hairstyles on a given face, strand by strand.

A style is made of locks. A lock lies between two guide lines, given in half face widths from the
middle between the eyes (y down); its strands are drawn between the guides, one after another.
"""

from collections.abc import Callable

import numpy as np

from featviz.sketches.drawing import Stroke
from sketches.compose.base import PROBE, Face, draw
from sketches.compose.comb import Comb, Guide
from sketches.compose.pen import (
    Points,
    curve,
    ellipse,
    hand,
    hide,
    lines,
    rectangle,
    resample,
)


def _arc(radius_x: float, top: float, low: float, start: float = -90, end: float = 90) -> Guide:
    """A dome over the head: from the left temple over the crown to the right one (degrees)."""
    angle = np.radians(np.linspace(start, end, 15))
    return [(radius_x * float(np.sin(a)), low + (top - low) * float(np.cos(a))) for a in angle]


def draw_hair(face: Face, number: int) -> list[Stroke]:
    """Hairstyle `number` of `STYLES` on a face; no strand crosses the eyes."""
    comb = Comb(face, hand(face.name, "hair", number))
    STYLES[number](comb)
    x, y = PROBE
    width = 2 * (face.centre[0] - x)
    eyes = rectangle(x - 30, y - 30, x + width + 30, y + 30)
    comb.hidden_by(eyes)
    return draw("hair", comb.drawn, (face.name, number), wobble=1.0, overshoot=3)


# Each style takes a comb and draws with it.


def _buzz(c: Comb) -> None:
    for f in np.linspace(0.0, 1.0, 6):
        dome = _arc(0.99 - 0.04 * f, -1.38 + 0.42 * f, -0.18, -86, 86)
        roots = resample(curve(c.face.at(dome)), 15)
        for x, y in roots + c.rng.normal(0, 2, roots.shape):
            lean = (x - c.face.at([(0, 0)])[0, 0]) / c.face.half_width
            c.drawn.append(
                lines([(x, y), (x + 4 * lean + c.rng.normal(0, 1), y - 7 + 4 * abs(lean))])
            )


def _short(c: Comb) -> None:
    c.lock([(-0.62, -0.78), (-0.2, -1.0), (0.35, -0.98), (0.8, -0.68)],
           [(-0.6, -0.95), (-0.2, -1.48), (0.5, -1.42), (0.98, -0.72)], 12)  # fmt: skip
    c.lock([(-0.62, -0.8), (-0.8, -0.62), (-0.92, -0.3), (-0.97, 0.0)],
           [(-0.62, -1.0), (-0.92, -0.95), (-1.08, -0.5), (-1.06, 0.02)], 7)  # fmt: skip
    c.lock([(0.8, -0.7), (0.9, -0.4), (0.97, 0.0)], [(0.95, -0.85), (1.08, -0.45), (1.06, 0.04)], 6)


def _side_parting(c: Comb) -> None:
    c.lock([(0.42, -1.2), (0.1, -0.98), (-0.4, -0.82), (-0.86, -0.45), (-0.98, -0.02)],
           [(0.42, -1.36), (-0.1, -1.5), (-0.8, -1.2), (-1.1, -0.6), (-1.08, 0.1)], 14)  # fmt: skip
    c.lock([(0.43, -1.2), (0.66, -0.95), (0.88, -0.5), (0.98, 0.0)],
           [(0.44, -1.36), (0.84, -1.24), (1.1, -0.6), (1.07, 0.12)], 9)  # fmt: skip


def _slicked_back(c: Comb) -> None:
    for u in np.linspace(-0.9, 0.9, 25):
        low = -0.22 - 0.72 * np.sqrt(max(0.0, 1 - (u / 0.95) ** 2))
        high = -0.38 - 1.1 * np.sqrt(max(0.0, 1 - (u / 1.02) ** 2))
        jitter = c.rng.normal(0, 0.025)
        c.line(
            [(u, low + jitter), (1.03 * u, (2 * low + high) / 3), (0.93 * u, high + abs(jitter))]
        )
    c.line(_arc(0.98, -1.48, -0.3, -80, 80))


def _bowl(c: Comb) -> None:
    c.line(_arc(1.14, -1.5, -0.1, -92, 92))
    c.line(
        [
            (-1.14, -0.08),
            (-0.9, -0.46),
            (-0.5, -0.52),
            (0, -0.54),
            (0.5, -0.52),
            (0.9, -0.46),
            (1.14, -0.08),
        ]
    )
    for t in np.linspace(-1, 1, 23):
        jitter = c.rng.normal(0, 0.03)
        c.line([(0.1 * t, -1.45), (0.8 * t, -1.22 + 0.1 * abs(t)), (1.04 * t, -0.8 + 0.16 * t * t),
                (1.03 * t, -0.54 + 0.2 * t**4 + jitter)])  # fmt: skip


def _bob(c: Comb) -> None:
    c.lock([(0, -1.25), (-0.5, -1.0), (-0.93, -0.5), (-1.02, 0.2), (-0.92, 0.85)],
           [(0, -1.5), (-0.75, -1.36), (-1.26, -0.6), (-1.36, 0.3), (-1.12, 0.95)], 11,
           mirrored=True, ragged=0.06)  # fmt: skip


def _bob_with_fringe(c: Comb) -> None:
    c.lock([(-0.8, -1.1), (-1.0, -0.5), (-1.06, 0.2), (-0.94, 0.9)],
           [(-0.3, -1.5), (-1.22, -0.9), (-1.36, 0.1), (-1.16, 0.98)], 9, mirrored=True,
           ragged=0.06)  # fmt: skip
    c.line(_arc(1.12, -1.52, -0.3, -78, 78))
    for u in np.linspace(-0.86, 0.86, 26):
        c.line(
            [
                (0.45 * u, -1.42 + 0.1 * abs(u)),
                (0.9 * u, -1.05),
                (u, -0.52 + c.rng.normal(0, 0.025)),
            ]
        )


def _long_straight(c: Comb) -> None:
    c.lock([(0, -1.22), (-0.55, -0.95), (-0.95, -0.4), (-1.03, 0.5), (-1.0, 1.7)],
           [(0, -1.5), (-0.8, -1.34), (-1.25, -0.5), (-1.4, 0.6), (-1.5, 1.68)], 13,
           mirrored=True, ragged=0.1)  # fmt: skip


def _long_wavy(c: Comb) -> None:
    c.lock([(0.3, -1.25), (-0.4, -1.0), (-0.98, -0.35), (-1.12, 0.5), (-1.1, 1.55)],
           [(0.3, -1.5), (-0.8, -1.36), (-1.3, -0.5), (-1.5, 0.5), (-1.56, 1.5)], 10,
           curl=0.055, waves=3.2)  # fmt: skip
    c.lock([(0.3, -1.25), (0.7, -0.9), (1.0, -0.3), (1.12, 0.5), (1.1, 1.55)],
           [(0.3, -1.5), (0.95, -1.25), (1.3, -0.4), (1.5, 0.5), (1.56, 1.5)], 10,
           curl=0.055, waves=3.2)  # fmt: skip


def _long_curly(c: Comb) -> None:
    for k in range(4):
        x, top = 1.07 + 0.135 * k, -1.08 - 0.13 * k
        for side in (-1, 1):
            c.curls([(side * 0.06, top), (side * (0.55 + 0.08 * k), top + 0.18),
                     (side * (x - 0.04), -0.45), (side * (x + 0.05), 0.3),
                     (side * (x + 0.02), 1.25 + 0.12 * ((k + 1) % 3))], 0.085, 0.12)  # fmt: skip


def _short_curls(c: Comb) -> None:
    for radius, top in ((0.96, -1.12), (1.02, -1.27), (1.06, -1.42)):
        c.curls(_arc(radius, top, -0.15, -86, 86), 0.085, 0.125)


def _afro(c: Comb) -> None:
    for f in np.linspace(0, 1, 5):
        c.curls(_arc(1.02 + 0.42 * f, -1.05 - 0.5 * f, -0.1 + 0.16 * f, -92 - 26 * f, 92 + 26 * f),
                0.075, 0.1)  # fmt: skip


def _pulled_up(c: Comb, towards: tuple[float, float]) -> None:
    """Hair combed from the hairline to one point."""
    x, y = towards
    for a in np.linspace(-88, 88, 25):
        s, k = float(np.sin(np.radians(a))), float(np.cos(np.radians(a)))
        root = (0.96 * s, -0.08 - 0.84 * k + c.rng.normal(0, 0.02))
        c.line(
            [
                root,
                (0.92 * s + 0.1 * x, -0.35 - 0.98 * k),
                (x + 0.16 * s, y + 0.05 * c.rng.normal(0, 1)),
            ]
        )


def _top_bun(c: Comb) -> None:
    _pulled_up(c, (0.0, -1.34))
    middle = c.face.at([(0.0, -1.48)])[0]
    r = 0.21 * c.face.half_width
    c.hidden_by(ellipse(middle, (r, r)))
    c.ring((0.0, -1.48), 0.2, 5)


def _two_buns(c: Comb) -> None:
    c.line(_arc(0.97, -1.36, -0.2, -84, 84))
    for side in (-1, 1):
        for a in np.linspace(6, 86, 13):
            s, k = side * float(np.sin(np.radians(a))), float(np.cos(np.radians(a)))
            root = (0.95 * s, -0.1 - 0.82 * k + c.rng.normal(0, 0.015))
            c.line([root, (0.75 * s + 0.16 * side, -0.46 - 0.76 * k), (side * 0.78, -1.16)])
        c.line([(side * 0.02, -0.92), (side * 0.025, -1.34)])
    for side in (-1, 1):
        middle = c.face.at([(side * 0.88, -1.26)])[0]
        r = 0.28 * c.face.half_width
        c.hidden_by(ellipse(middle, (r, r)))
    for side in (-1, 1):
        c.ring((side * 0.88, -1.26), 0.27, 6)


def _ponytail(c: Comb) -> None:
    """A ponytail on the crown, falling to one side behind the head."""
    _pulled_up(c, (0.25, -1.42))
    c.lock([(0.25, -1.42), (0.7, -1.55), (1.2, -1.2), (1.32, -0.4), (1.16, 0.5)],
           [(0.25, -1.5), (0.9, -1.66), (1.56, -1.2), (1.66, -0.3), (1.4, 0.7)], 11,
           ragged=0.16)  # fmt: skip
    c.line([(0.16, -1.52), (0.24, -1.42), (0.34, -1.36)])


def _side_ponytail(c: Comb) -> None:
    c.lock([(-0.5, -1.15), (0.1, -0.95), (0.7, -0.62), (1.02, 0.1)],
           [(-0.5, -1.4), (0.2, -1.52), (1.0, -1.0), (1.14, 0.12)], 12, ragged=0.02)  # fmt: skip
    c.lock([(-0.52, -1.15), (-0.75, -0.85), (-0.92, -0.4), (-0.98, 0.1)],
           [(-0.54, -1.4), (-0.9, -1.1), (-1.08, -0.5), (-1.05, 0.15)], 7)  # fmt: skip
    c.lock([(1.06, 0.18), (1.1, 0.6), (1.05, 1.1), (1.1, 1.6)],
           [(1.14, 0.14), (1.5, 0.5), (1.52, 1.1), (1.4, 1.62)], 9, ragged=0.2)  # fmt: skip
    c.line([(1.0, 0.16), (1.09, 0.2), (1.2, 0.12)])
    c.line([(1.0, 0.22), (1.1, 0.26), (1.21, 0.18)])


def _two_braids(c: Comb) -> None:
    c.lock([(0, -1.15), (-0.5, -0.95), (-0.92, -0.4), (-1.08, 0.32)],
           [(0, -1.48), (-0.8, -1.3), (-1.16, -0.5), (-1.16, 0.34)], 10, mirrored=True,
           ragged=0.03)  # fmt: skip
    c.braid([(1.12, 0.3), (1.2, 0.8), (1.18, 1.3), (1.16, 1.7)], 0.13, mirrored=True)


def _side_braid(c: Comb) -> None:
    c.lock([(0.35, -1.2), (-0.2, -0.95), (-0.8, -0.55), (-1.06, 0.4)],
           [(0.35, -1.46), (-0.6, -1.4), (-1.2, -0.6), (-1.22, 0.42)], 12, ragged=0.02)  # fmt: skip
    c.lock([(0.37, -1.2), (0.7, -0.85), (0.93, -0.3), (0.98, 0.15)],
           [(0.37, -1.46), (0.95, -1.05), (1.1, -0.4), (1.04, 0.2)], 8)  # fmt: skip
    c.braid([(-1.13, 0.38), (-1.2, 0.8), (-1.06, 1.25), (-0.95, 1.72)], 0.17)


def _mohawk(c: Comb) -> None:
    for u in np.linspace(-0.22, 0.22, 17):
        lean = u * 1.5 + c.rng.normal(0, 0.03)
        low = -0.96 + 0.1 * abs(u)
        c.line([(u, low), (u + 0.3 * lean, -1.3), (u + lean, -1.62 + 0.5 * u * u)])
    for f in (0.34, 0.48, 0.62, 0.76, 0.88, 0.97):
        low = -0.1 - 0.84 * float(np.sqrt(1 - f**2))
        high = -0.2 - 1.16 * float(np.sqrt(1 - (0.98 * f) ** 2))
        for y in np.arange(low, high, -0.11):
            shake = c.rng.normal(0, 0.012, 2)
            c.line([(f + shake[0], y + shake[1]), (f + shake[0] + 0.01, y + shake[1] - 0.05)],
                   mirrored=True)  # fmt: skip
    c.line(_arc(1.0, -1.4, -0.2, 10, 84), mirrored=True)


def _spiky(c: Comb) -> None:
    angles = np.linspace(-88, 88, 12)
    zigzag: list[tuple[float, float]] = []
    for k, a in enumerate(angles):
        s, m = float(np.sin(np.radians(a))), float(np.cos(np.radians(a)))
        zigzag.append((1.0 * s, -0.1 - 1.1 * m))
        if k < len(angles) - 1:
            b = np.radians((a + angles[k + 1]) / 2 + c.rng.normal(0, 3))
            reach = 1.16 + c.rng.uniform(-0.06, 0.1)
            zigzag.append(
                (1.18 * reach * float(np.sin(b)), -0.12 - 1.28 * reach * float(np.cos(b)))
            )
    c.drawn.append(lines(c.face.at(zigzag)))
    for k in range(1, len(zigzag) - 1, 2):
        (x, y), foot = (
            zigzag[k],
            ((zigzag[k - 1][0] + zigzag[k + 1][0]) / 2, (zigzag[k - 1][1] + zigzag[k + 1][1]) / 2),
        )
        for f, g in ((0.3, 0.05), (0.42, -0.05)):
            c.line(
                [
                    (foot[0] * 0.9 + g, foot[1] * 0.9),
                    (foot[0] + g, foot[1]),
                    (x + f * (foot[0] - x), y + f * (foot[1] - y)),
                ]
            )
    jag = [
        (u, -0.86 + 0.5 * u**4 + (0.08 if k % 2 else -0.05))
        for k, u in enumerate(np.linspace(-0.86, 0.86, 17).tolist())
    ]
    c.drawn.append(lines(c.face.at(jag)))


def _comb_over(c: Comb) -> None:
    """A bald head with a few strands laid over it."""
    c.line(_arc(0.98, -1.4, -0.15, -88, 88))
    for k in range(6):
        y = -1.32 + 0.07 * k
        c.line(
            [(-0.76, -0.86 + 0.04 * k), (-0.35, y + 0.05), (0.15, y), (0.55, y + 0.14 + 0.02 * k)]
        )
    c.lock([(0.86, -0.66), (0.94, -0.3), (0.99, 0.1)],
           [(1.0, -0.62), (1.1, -0.25), (1.08, 0.14)], 5, mirrored=True)  # fmt: skip


def _wreath(c: Comb) -> None:
    """Bald on top, curls above the ears."""
    c.line(_arc(0.97, -1.38, -0.3, -76, 76))
    for side in (-1, 1):
        for k in range(3):
            c.curls([(side * (0.9 + 0.07 * k), -0.78 + 0.03 * k), (side * (1.02 + 0.08 * k), -0.3),
                     (side * (1.03 + 0.08 * k), 0.22)], 0.06, 0.09)  # fmt: skip
    c.line([(-0.05, -1.4), (-0.1, -1.55), (0.02, -1.62)])
    c.line([(0.03, -1.4), (0.06, -1.54), (0.2, -1.58)])


def _windblown(c: Comb) -> None:
    c.lock([(-0.85, -0.55), (-0.3, -0.98), (0.5, -0.95), (1.2, -0.55), (1.7, -0.65)],
           [(-0.95, -0.7), (-0.4, -1.5), (0.5, -1.52), (1.2, -1.2), (1.68, -1.35)], 15,
           curl=0.035, waves=1.8, ragged=0.22)  # fmt: skip
    c.lock([(0.98, -0.5), (1.15, -0.2), (1.4, -0.25), (1.7, -0.05)],
           [(1.04, 0.1), (1.2, 0.5), (1.45, 0.55), (1.68, 0.85)], 9, curl=0.03, waves=1.5,
           ragged=0.25)  # fmt: skip
    c.lock(
        [(-0.86, -0.55), (-0.95, -0.3), (-1.0, 0.05)],
        [(-0.98, -0.65), (-1.08, -0.3), (-1.05, 0.12)],
        5,
    )


def _dreadlocks(c: Comb) -> None:
    """Ropes, each in front of the one drawn after it."""
    rope = 0.058
    for side in (-1, 1):
        front: list[Points] = []
        for k in range(6):
            f = k / 5
            sway = 0.05 * c.rng.normal(0, 1, 3)
            path = curve(c.face.at([
                (side * (0.04 + 0.02 * k), -1.0 - 0.42 * f),
                (side * (0.5 + 0.26 * f), -0.9 - 0.34 * f),
                (side * (0.97 + 0.42 * f + sway[0]), -0.35),
                (side * (1.08 + 0.46 * f + sway[1]), 0.5),
                (side * (1.1 + 0.46 * f + sway[2]), 1.2 + 0.18 * c.rng.normal()),
            ]))  # fmt: skip
            tangent = np.gradient(path, axis=0)
            across = np.column_stack([-tangent[:, 1], tangent[:, 0]])
            across *= (rope * c.face.half_width / np.hypot(*across.T))[:, None]
            tip = curve(
                [path[-1] + across[-1], path[-1] + 2.5 * tangent[-1], path[-1] - across[-1]]
            )
            outline = np.vstack([path + across, tip, (path - across)[::-1]])
            drawn = [outline]
            for at in np.cumsum(c.rng.integers(9, 26, 40)):
                if at + 3 > len(path):
                    break
                drawn.append(
                    curve(
                        [
                            path[at] + 0.7 * across[at],
                            path[at + 2],
                            path[at + 2] - 0.3 * across[at + 1],
                        ]
                    )
                )
            c.drawn += [piece for line in drawn for piece in hide(line, front, shortest=4)]
            front.append(outline)


def _ringlets(c: Comb) -> None:
    """Smooth on top, corkscrews at the sides."""
    c.lock([(0, -1.2), (-0.5, -0.98), (-0.9, -0.5), (-1.02, 0.0)],
           [(0, -1.48), (-0.8, -1.3), (-1.2, -0.6), (-1.3, 0.0)], 9, mirrored=True,
           ragged=0.03)  # fmt: skip
    for side in (-1, 1):
        for x in (1.12, 1.33):
            way = np.linspace(0, 1, 90)
            turn = 2 * np.pi * 8 * way
            across, down = 0.085 * np.sin(turn), 0.045 * np.cos(turn)
            screw = np.column_stack([side * (x + across), 0.02 + 1.25 * way + down])
            c.drawn.append(resample(c.face.at(screw), 2.0))


STYLES: tuple[Callable[[Comb], None], ...] = (
    _buzz, _short, _side_parting, _slicked_back, _bowl, _bob, _bob_with_fringe, _long_straight,
    _long_wavy, _long_curly, _short_curls, _afro, _top_bun, _two_buns, _ponytail, _side_ponytail,
    _two_braids, _side_braid, _mohawk, _spiky, _comb_over, _wreath, _windblown, _dreadlocks,
    _ringlets,
)  # fmt: skip
