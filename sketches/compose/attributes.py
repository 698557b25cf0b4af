"""Attributes a face did not have: beards, wrinkles, ears and more; 14 sketches."""

from collections.abc import Callable

import numpy as np

from featviz.sketches.drawing import Stroke
from sketches.compose.base import Face, draw
from sketches.compose.pen import (
    Points,
    curve,
    ellipse,
    hand,
    hide,
    inside,
    lengths,
    lines,
    resample,
)

Line = list[tuple[float, float]]


def draw_attributes(face: Face, number: int) -> list[Stroke]:
    """Attributes `number` of `ATTRIBUTES` on a face; the name of a part says what it is."""
    strokes: list[Stroke] = []
    for make in ATTRIBUTES[number]:
        part = make.__name__.strip("_").split("__")[0].replace("_", "-")
        drawn = make(face, hand(face.name, make.__name__))
        strokes += draw(part, drawn, (face.name, make.__name__), wobble=0.6, overshoot=1.5)
    return strokes


def _placed(face: Face, shapes: list[Line], mirrored: bool = False) -> list[Points]:
    both = shapes + ([[(-x, y) for x, y in shape] for shape in shapes] if mirrored else [])
    return [curve(face.at(shape)) if len(shape) > 2 else lines(face.at(shape)) for shape in both]


def _hairs(
    rng: np.random.Generator, roots: Points, grow: Points, length: float, spread: float
) -> list[Points]:
    """Short bent hairs from `roots` (n, 2) in the directions `grow` (n, 2)."""
    hairs = []
    for root, towards in zip(roots, grow, strict=True):
        angle = np.arctan2(towards[1], towards[0]) + rng.normal(0, spread)
        size = length * rng.uniform(0.6, 1.15)
        bend = angle + rng.normal(0, 0.25)
        middle = root + size / 2 * np.array([np.cos(angle), np.sin(angle)])
        hairs.append(
            curve([root, middle, middle + size / 2 * np.array([np.cos(bend), np.sin(bend)])])
        )
    return hairs


def _jaw(face: Face, first: int, last: int) -> Points:
    return curve(face.landmarks[first : last + 1])


def _mouth_zone(face: Face, margin: float) -> Points:
    """A closed line round the mouth."""
    mouth = face.landmarks[48:60]
    middle = mouth.mean(axis=0)
    away = mouth - middle
    zone: Points = mouth + margin * away / np.hypot(*away.T)[:, None]
    return zone


def _beard_zone(face: Face, top: float) -> Points:
    """The closed outline of cheeks and chin that a beard covers; `top` in half face widths."""
    jaw = face.landmarks[2:15]
    cheek = face.at([(0.62, top), (0.42, top + 0.16), (0.3, top + 0.06), (0, top + 0.0),
                     (-0.3, top + 0.06), (-0.42, top + 0.16), (-0.62, top)])  # fmt: skip
    return np.vstack([jaw, cheek])


def _filled(
    face: Face, rng: np.random.Generator, zone: Points, spacing: float, shake: float
) -> Points:
    """Points all over a zone, none on the mouth."""
    low, high = zone.min(axis=0), zone.max(axis=0)
    grid = np.stack(
        np.meshgrid(np.arange(low[0], high[0], spacing), np.arange(low[1], high[1], spacing)), -1
    ).reshape(-1, 2)
    grid = grid + rng.normal(0, shake, grid.shape)
    keep: Points = grid[inside(grid, zone) & ~inside(grid, _mouth_zone(face, 9))]
    return keep


def _beard(face: Face, rng: np.random.Generator) -> list[Points]:
    """A full beard, short and dense."""
    roots = _filled(face, rng, _beard_zone(face, 0.66), 11, 2.5)
    fringe = resample(_jaw(face, 2, 14), 6)
    roots = np.vstack([roots, fringe])
    grow = np.column_stack([0.45 * (roots[:, 0] - face.centre[0]), np.full(len(roots), 55.0)])
    return _outside(_hairs(rng, roots, grow, 19, 0.2), [_mouth_zone(face, 4)])


def _beard__long(face: Face, rng: np.random.Generator) -> list[Points]:
    """A long beard, falling below the chin."""
    locks = []
    chin = face.at([(0, 1.4)])[0]
    for side in np.linspace(-0.78, 0.78, 23):
        top = np.interp(abs(side), [0, 0.25, 0.45, 0.78], [1.12, 1.0, 0.78, 0.62])
        root = face.at([(side, top + rng.normal(0, 0.03))])[0]
        length = (1 - 0.55 * abs(side)) * rng.uniform(0.9, 1.08)
        tip = np.array(
            [chin[0] + 0.42 * (root[0] - chin[0]) + rng.normal(0, 5), chin[1] + 64 * length]
        )
        tip[1] = min(tip[1], 503)
        way = np.linspace(0, 1, 5)[:, None]
        lock = root + way * (tip - root)
        lock[:, 0] += 10 * side * np.sin(np.pi * way[:, 0]) + 4 * np.sin(7 * way[:, 0] + 5 * side)
        locks.append(curve(lock))
    return _outside(locks, [_mouth_zone(face, 6)])


def _goatee(face: Face, rng: np.random.Generator) -> list[Points]:
    chin, low = face.landmarks[8], face.landmarks[57]
    roots = [
        (chin[0] + x * (0.75 + 0.25 * y), low[1] + 14 + y * (chin[1] - low[1] - 12))
        for y in np.linspace(0, 1, 5)
        for x in np.linspace(-32, 32, 8)
    ]
    points = np.array(roots) + rng.normal(0, 2, (len(roots), 2))
    grow = np.column_stack([-0.35 * (points[:, 0] - chin[0]), np.full(len(points), 30.0)])
    return _hairs(rng, points, grow, 20, 0.2)


def _moustache(face: Face, rng: np.random.Generator) -> list[Points]:
    """Hairs from under the nose to beyond the corners of the mouth."""
    nose, left, right, lip = (face.landmarks[k] for k in (33, 48, 54, 51))
    hairs = []
    for side, corner in ((-1, left), (1, right)):
        for t in np.linspace(0.03, 0.95, 15):
            x = nose[0] + t * (corner[0] + 8 * side - nose[0])
            top = nose[1] + 10 + 16 * t**1.6
            foot = lip[1] - 5 + (corner[1] - lip[1]) * t**1.5
            lean = side * (5 + 13 * t)
            shift = rng.normal(0, 1.5, 2)
            hairs.append(
                curve([(x + shift[0], top + shift[1]), (x + lean / 2, (top + foot) / 2 - 1),
                       (x + lean + shift[1], max(foot, top + 9))])
            )  # fmt: skip
    return hairs


def _moustache__handlebar(face: Face, _rng: np.random.Generator) -> list[Points]:
    """A waxed moustache with curled ends."""
    nose, lip = face.landmarks[33], face.landmarks[51]
    y = (nose[1] + lip[1]) / 2 + 3
    swirls = []
    for side in (-1, 1):
        for k in range(5):
            f = k / 4
            shape = [
                (0.02, -0.03 + 0.05 * f), (0.2, -0.06 + 0.14 * f), (0.4, 0.08 + 0.1 * f),
                (0.62, 0.12 + 0.03 * f), (0.76, 0.0 + 0.01 * f), (0.74, -0.13), (0.64, -0.14),
                (0.62, -0.07),
            ]  # fmt: skip
            end = len(shape) - (0 if k in (0, 4) else 2 + k % 2)
            swirls.append(
                curve([(nose[0] + side * face.half_width * a, y + face.half_width * b)
                       for a, b in shape[:end]])
            )  # fmt: skip
    return swirls


def _stubble(face: Face, rng: np.random.Generator) -> list[Points]:
    roots = _filled(face, rng, _beard_zone(face, 0.68), 9.5, 2.5)
    lip = face.landmarks[[31, 35]].mean(axis=0)
    roots = np.vstack(
        [roots, lip + np.array([(x, 15 + rng.normal(0, 2)) for x in range(-44, 45, 8)])]
    )
    down = np.tile([0.0, 1.0], (len(roots), 1))
    return _outside(_hairs(rng, roots, down, 5.5, 0.35), [_mouth_zone(face, 5)])


def _sideburns(face: Face, rng: np.random.Generator) -> list[Points]:
    hairs = []
    for jaw, inwards in ((face.landmarks[0:5], 1), (face.landmarks[16:11:-1], -1)):
        edge = resample(curve(jaw), 8)
        for k, width in enumerate(np.linspace(4, 26, 4)):
            roots = edge[2 : len(edge) - k] + np.array([inwards * width, 0])
            roots = roots + rng.normal(0, 1.5, roots.shape)
            roots = roots[roots[:, 1] > 278]
            hairs += _hairs(rng, roots, np.tile([0.25 * inwards, 1.0], (len(roots), 1)), 17, 0.18)
    return hairs


def _wrinkles__forehead(face: Face, _rng: np.random.Generator) -> list[Points]:
    rows = []
    for k, y in enumerate((-0.5, -0.62, -0.74, -0.85)):
        w = 0.55 - 0.05 * k
        rows.append(
            [(-w, y + 0.03), (-w / 2, y - 0.02), (0, y + 0.03), (w / 2, y - 0.02), (w, y + 0.04)]
        )
    rows += [
        [(-0.07, -0.36), (-0.05, -0.26), (-0.07, -0.18)],
        [(0.06, -0.37), (0.04, -0.27), (0.07, -0.18)],
    ]
    return _placed(face, rows)


def _wrinkles__old(face: Face, _rng: np.random.Generator) -> list[Points]:
    """An aged face; the corners of the eyes stay free."""
    both: list[Line] = [
        [(0.24, 0.55), (0.38, 0.68), (0.47, 0.84), (0.47, 0.97)],
        [(0.5, 0.72), (0.58, 0.86), (0.57, 1.0)],
        [(0.38, 1.06), (0.41, 1.15), (0.38, 1.24)],
        [(0.66, 0.42), (0.76, 0.56), (0.8, 0.72)],
        [(0.56, 0.44), (0.65, 0.56), (0.69, 0.68)],
        [(0.2, 0.24), (0.34, 0.3), (0.48, 0.27)],
        [(0.74, 0.24), (0.84, 0.28), (0.9, 0.36)],
    ]
    one: list[Line] = [
        [(-0.5, -0.52), (-0.2, -0.57), (0.15, -0.52), (0.5, -0.55)],
        [(-0.42, -0.66), (-0.1, -0.7), (0.2, -0.65), (0.44, -0.68)],
        [(-0.06, -0.36), (-0.04, -0.27), (-0.06, -0.17)],
        [(0.06, -0.35), (0.05, -0.27), (0.07, -0.18)],
        [(-0.14, 1.3), (0.0, 1.27), (0.14, 1.31)],
    ]
    return _placed(face, one) + _placed(face, both, mirrored=True)


def _ear(face: Face, stretch: Line) -> list[Points]:
    """Both ears: an outline and two folds, in half face widths from the temple outwards."""
    fold: Line = [(0.03, 0.02), (0.12, -0.06), (0.165, 0.06), (0.14, 0.22), (0.08, 0.3)]
    inner: Line = [(0.03, 0.12), (0.085, 0.14), (0.075, 0.25), (0.03, 0.27)]
    ears = [
        curve(face.at([(side * (0.98 + x), y) for x, y in shape]))
        for side in (-1, 1)
        for shape in (stretch, fold, inner)
    ]
    return [piece for ear in ears for piece in hide(ear, [face.head])]


_EAR: Line = [
    (0.0, -0.02), (0.06, -0.14), (0.17, -0.16), (0.24, -0.04), (0.225, 0.14), (0.17, 0.27),
    (0.14, 0.4), (0.07, 0.47), (-0.02, 0.4),
]  # fmt: skip


def _ears(face: Face, _rng: np.random.Generator) -> list[Points]:
    return _ear(face, _EAR)


def _ears__pointed(face: Face, _rng: np.random.Generator) -> list[Points]:
    """Ears of an elf."""
    return _ear(
        face,
        [(0.0, 0.0), (0.1, -0.12), (0.26, -0.3), (0.42, -0.52), (0.4, -0.28), (0.31, -0.02),
         (0.22, 0.2), (0.14, 0.38), (0.06, 0.44), (-0.02, 0.38)],
    )  # fmt: skip


def _earrings(face: Face, _rng: np.random.Generator) -> list[Points]:
    rings = []
    for side in (-1, 1):
        x, y = face.at([(side * 1.07, 0.46)])[0]
        rings.append(curve(ellipse((x, y + 5), (4, 4), 0, 380)))
        rings.append(curve(ellipse((x, y + 27), (17, 19), -80, 372)))
    return rings


def _freckles(face: Face, rng: np.random.Generator) -> list[Points]:
    dots = []
    for side in (-1, 1):
        for _ in range(22):
            x, y = face.at([(side * rng.normal(0.45, 0.15), rng.normal(0.45, 0.09))])[0]
            dots.append(curve(ellipse((x, y), (1.6, 1.3), 0, 330)))
    for x, y in ((0.02, 0.28), (-0.07, 0.36), (0.09, 0.4), (-0.02, 0.47)):
        dots.append(curve(ellipse(face.at([(x, y)])[0], (1.4, 1.2), 0, 330)))
    return dots


def _scar(face: Face, rng: np.random.Generator) -> list[Points]:
    """A stitched scar over a cheek."""
    path: Line = [(0.5, 0.3), (0.6, 0.5), (0.62, 0.72), (0.72, 0.92)]
    scar = curve(face.at(path))
    stitches = []
    at = lengths(scar)
    for along in np.linspace(8, at[-1] - 8, 7):
        k = int(np.searchsorted(at, along))
        tangent = scar[k] - scar[k - 1]
        across = np.array([-tangent[1], tangent[0]]) / np.hypot(*tangent)
        tilt = rng.normal(0, 0.12) * tangent * 3
        stitches.append(lines([scar[k] - 9 * across - tilt, scar[k] + 9 * across + tilt]))
    return [scar, *stitches]


def _dimples(face: Face, _rng: np.random.Generator) -> list[Points]:
    shapes: list[Line] = [
        [(0.56, 0.72), (0.62, 0.8), (0.62, 0.9), (0.57, 0.98)],
        [(0.68, 0.56), (0.74, 0.66), (0.75, 0.76)],
    ]
    chin: list[Line] = [[(0.0, 1.33), (0.015, 1.39), (0.0, 1.45)]]
    return _placed(face, shapes, mirrored=True) + _placed(face, chin)


def _outside(drawn: list[Points], polygons: list[Points]) -> list[Points]:
    return [piece for line in drawn for piece in hide(line, polygons, shortest=3.0)]


Maker = Callable[[Face, np.random.Generator], list[Points]]

ATTRIBUTES: tuple[tuple[Maker, ...], ...] = (
    (_beard, _moustache),
    (_moustache,),
    (_goatee,),
    (_stubble,),
    (_wrinkles__forehead,),
    (_wrinkles__old,),
    (_ears,),
    (_ears, _earrings),
    (_ears__pointed,),
    (_moustache__handlebar,),
    (_beard__long,),
    (_sideburns,),
    (_freckles,),
    (_scar, _dimples),
)
