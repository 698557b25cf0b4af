"""Shift robustness: what moved contours cost, measured against photos that stay where they are."""

import zlib
from dataclasses import dataclass

import numpy as np

from featviz.faces.augmentation import STUDY_ROTATION, STUDY_SHIFT

SHIFTS = tuple(STUDY_SHIFT * share for share in (0.2, 0.4, 0.6, 0.8, 1.0))
"""How far contours are shifted, pixels at 512: 5, 10, 15, 20, 25."""

ROTATIONS = (STUDY_ROTATION / 2, STUDY_ROTATION)
"""How far contours are turned, degrees."""


@dataclass(frozen=True)
class Move:
    """One way to move a contour. kind: "shift" or "rotation", `amount` its size.

    shift: (right, down) in pixels at 512, the larger of the two being `amount` or -`amount`.
    degrees: clockwise.
    """

    kind: str
    amount: float
    shift: tuple[float, float]
    degrees: float


def moves_for(name: str, seed: int) -> tuple[Move, ...]:
    """The moves of the contour of photo `name`: every amount once, in one random direction.

    All amounts share the direction, so a photo's curve shows the amount alone; the directions of
    many photos spread evenly over the edge of the square of +-amount on each axis. They depend on
    the name and the seed, not on which other photos are measured.
    """
    random = np.random.default_rng((seed, zlib.crc32(name.encode())))
    along = float(random.uniform(-1, 1))
    x, y = ((1.0, along), (-1.0, along), (along, 1.0), (along, -1.0))[random.integers(4)]
    turn = float(random.choice((-1.0, 1.0)))
    shifts = tuple(Move("shift", amount, (x * amount, y * amount), 0.0) for amount in SHIFTS)
    return shifts + tuple(
        Move("rotation", amount, (0.0, 0.0), turn * amount) for amount in ROTATIONS
    )
