"""Mouths: 26 ways to redraw one on a given face."""

from dataclasses import dataclass, field

import numpy as np

from featviz.sketches.drawing import Stroke
from sketches.compose.base import Face, draw
from sketches.compose.pen import Points, curve, ellipse


@dataclass(frozen=True)
class Mouth:
    """A mouth in units of its own width on the face it is put on.

    width: times the face's. lift: how high the corners are above the middle. slant: how much
    higher the right corner is. upper, lower: thickness of the lips. gap: how far it is open.
    bow: depth of the dip in the upper lip. inner: lines of the opening, "line", "both" or
    "none". extras: what else is seen, "teeth", "tooth line", "tongue", "tongue out", "corners",
    "chin line".
    """

    width: float = 1.0
    lift: float = 0.02
    slant: float = 0.0
    upper: float = 0.12
    lower: float = 0.16
    gap: float = 0.0
    bow: float = 0.35
    inner: str = "line"
    extras: frozenset[str] = field(default_factory=frozenset)


def _with(*extras: str) -> frozenset[str]:
    return frozenset(extras)


MOUTHS: tuple[Mouth, ...] = (
    Mouth(lift=0.0),
    Mouth(width=1.1, lift=0.12, extras=_with("corners")),
    Mouth(width=1.25, lift=0.2, upper=0.07, lower=0.1, extras=_with("corners")),
    Mouth(lift=-0.12),
    Mouth(width=0.95, lift=-0.2, upper=0.08, lower=0.12, extras=_with("chin line")),
    Mouth(width=0.6, lift=0.0, upper=0.2, lower=0.26, bow=0.5),
    Mouth(width=0.46, lift=0.0, upper=0.12, lower=0.14, gap=0.24, inner="both", bow=0.25),
    Mouth(width=0.75, lift=0.0, upper=0.1, lower=0.13, gap=0.62, inner="both", bow=0.2),
    Mouth(width=0.9, lift=-0.05, upper=0.07, lower=0.09, gap=0.75, inner="both", bow=0.1),
    Mouth(width=1.2, lift=0.14, upper=0.07, lower=0.1, gap=0.28, inner="both", bow=0.2),
    Mouth(
        width=1.25, lift=0.16, upper=0.07, lower=0.1, gap=0.26, inner="both",
        extras=_with("teeth"),
    ),
    Mouth(
        width=1.3, lift=0.1, upper=0.05, lower=0.06, gap=0.2, inner="both", bow=0.15,
        extras=_with("teeth", "tooth line"),
    ),
    Mouth(width=1.05, slant=0.16, lift=0.04, extras=_with("corners")),
    Mouth(width=1.05, slant=-0.18, lift=0.03, upper=0.09),
    Mouth(width=1.05, upper=0.22, lower=0.3, bow=0.45),
    Mouth(width=0.9, upper=0.05, lower=0.06, bow=0.1),
    Mouth(width=1.35, upper=0.09, lower=0.11, lift=0.0),
    Mouth(width=0.7, upper=0.12, lower=0.14, lift=0.03),
    Mouth(upper=0.05, lower=0.28, bow=0.2, extras=_with("chin line")),
    Mouth(upper=0.22, lower=0.09, bow=0.6),
    Mouth(width=1.0, lift=0.1, upper=0.0, lower=0.0, extras=_with("corners")),
    Mouth(width=1.0, lift=0.1, gap=0.3, upper=0.08, lower=0.1, inner="both",
          extras=_with("tongue")),
    Mouth(width=0.95, lift=0.05, upper=0.1, lower=0.0, extras=_with("tongue out")),
    Mouth(width=0.8, lift=-0.1, gap=0.3, upper=0.1, lower=0.13, inner="both",
          extras=_with("teeth")),
    Mouth(width=1.1, lift=0.05, gap=0.14, upper=0.13, lower=0.17, inner="both", bow=0.4),
    Mouth(width=1.0, lift=0.0, slant=0.07, gap=0.42, upper=0.1, lower=0.14, inner="both",
          extras=_with("tongue", "teeth")),
)  # fmt: skip


def draw_mouth(face: Face, number: int) -> list[Stroke]:
    """Mouth `number` of `MOUTHS` on a face."""
    return draw("mouth", mouth_lines(face, MOUTHS[number]), (face.name, number), wobble=0.6)


def mouth_lines(face: Face, mouth: Mouth) -> list[Points]:
    """The lines of a mouth on a face, in pixels."""
    corners = face.landmarks[[48, 54]]
    unit = float(corners[1, 0] - corners[0, 0])
    middle = np.array([corners[:, 0].mean(), face.landmarks[[61, 62, 63], 1].mean()])
    half = unit * mouth.width / 2
    s = np.linspace(-1, 1, 25)
    round_off = np.sqrt(np.clip(1 - s**2, 0, 1))
    opening = round_off**1.2
    seam = -unit * (mouth.lift * (s**2 - 0.3) + mouth.slant * s / 2)
    top_gap, low_gap = 0.22 * mouth.gap * unit * opening, 0.78 * mouth.gap * unit * opening
    dip = 1 - mouth.bow * np.exp(-((s / 0.16) ** 2)) + 0.12 * np.cos(np.pi * s)
    # Closed lips meet along a line that dips where the upper lip does.
    seam = seam + (unit * 0.025 * np.exp(-((s / 0.2) ** 2)) if mouth.gap == 0 else 0)

    def line(y: Points, keep: slice = slice(None)) -> Points:
        return curve((middle + np.column_stack([s * half, y]))[keep])

    lips = [
        line(seam - top_gap - mouth.upper * unit * round_off * dip),
        line(seam + low_gap + mouth.lower * unit * round_off**1.3)[::-1],
    ]
    lines = [lip for lip, size in zip(lips, (mouth.upper, mouth.lower), strict=True) if size > 0]
    if mouth.inner == "line":
        lines.append(line(seam))
    elif mouth.inner == "both":
        # The opening ends a little inside the corners of the lips.
        inner = slice(2, -2)
        lines += [line(seam - top_gap, inner), line(seam + low_gap, inner)[::-1]]
    gap = mouth.gap * unit
    if "teeth" in mouth.extras:
        lines.append(line(seam - top_gap + 0.38 * gap * opening, slice(4, -4)))
    if "tooth line" in mouth.extras:
        for k in range(6, 20, 2):
            x = middle[0] + s[k] * half
            y = middle[1] + seam[k]
            lines.append(curve([(x, y - top_gap[k]), (x + 0.5, y + 0.08 * gap * opening[k])]))
    if "tongue" in mouth.extras:
        low = middle[1] + seam[12] + low_gap[12]
        lines.append(curve(ellipse((middle[0], low), (0.5 * half, 0.33 * gap), 200, 140)))
    if "tongue out" in mouth.extras:
        x, y = middle[0] + 0.1 * half, middle[1] + seam[12] + 1
        lines.append(curve(ellipse((x, y), (0.42 * half, 0.3 * unit), 178, -176)))
        lines.append(curve([(x, y + 4), (x + 1, y + 0.1 * unit), (x, y + 0.19 * unit)]))
    if "corners" in mouth.extras:
        for side, k in ((-1, 0), (1, -1)):
            x, y = middle[0] + side * (half + 4), middle[1] + seam[k]
            lines.append(curve([(x - side, y - 8), (x + side * 3, y), (x, y + 7)]))
    if "chin line" in mouth.extras:
        y = middle[1] + seam[12] + low_gap[12] + (mouth.lower + 0.1) * unit
        lines.append(
            curve(
                [(middle[0] - 0.22 * unit, y + 3), (middle[0], y), (middle[0] + 0.2 * unit, y + 4)]
            )
        )
    return lines
