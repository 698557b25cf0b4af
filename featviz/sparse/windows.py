"""The distinct windows that a convolution sees on a map of row numbers.

A map is held as numbers of rows, (H, W), beside a table of the rows, (n, channels): cells with the
same number have the same values, to the last bit. Windows are therefore told apart by the numbers
alone, exactly, and a convolution has to look at each distinct window only once.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PaddingMode = Literal["constant", "reflect", "replicate", "circular"]
Numbers = NDArray[np.integer[Any]]

# Row 0 of every table is what constant padding puts around the map; row 1 is the background.
PADDING, BACKGROUND = 0, 1

_NUMPY_MODES: dict[PaddingMode, Any] = {
    "reflect": "reflect",
    "replicate": "edge",
    "circular": "wrap",
}


@dataclass(frozen=True)
class Window:
    """What a convolution sees of its input; pairs are (rows, columns).

    padding: (left, right, top, bottom).
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    mode: PaddingMode = "constant"

    @property
    def taps(self) -> int:
        """Cells of one window."""
        return self.kernel[0] * self.kernel[1]

    def size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of the output for a map of this size."""
        left, right, top, bottom = self.padding
        padded = (height + top + bottom, width + left + right)
        rows, columns = (
            (padded[axis] - self.dilation[axis] * (self.kernel[axis] - 1) - 1) // self.stride[axis]
            + 1
            for axis in (0, 1)
        )
        return rows, columns


@dataclass(frozen=True, eq=False)
class NumberMap:
    """A map as numbers of rows.

    numbers: (H, W) of 0 ... rows - 1, `BACKGROUND` being the most frequent one in a sketch.
    counts: (rows,) cells with each number; 0 is possible.
    """

    numbers: Numbers
    counts: NDArray[np.int64]

    @property
    def rows(self) -> int:
        """How many rows the table of this map has."""
        return len(self.counts)


def distinct_windows(source: NumberMap, window: Window) -> tuple[NDArray[np.int64], NumberMap]:
    """The distinct windows on a map, and the map that a convolution makes of it.

    Returns (windows, map): windows (n, taps), from top left to bottom right, holds numbers of the
    source; cell values of the new map are 1 + the place among the windows, the first of which is
    nothing but background (0 being the padding of the next convolution).
    """
    padded = _pad(source.numbers, window)
    flat, (tall, wide) = padded.ravel(), window.kernel
    rows, columns = window.size(*source.numbers.shape)
    # Windows are merged along x first, so that overlapping ones share the work, then along y.
    strip_starts, window_starts, corners = _starts(window, padded.shape)
    touched = _any_of(padded != BACKGROUND, 1, wide, window.dilation[1], window.stride[1], columns)
    places = np.flatnonzero(touched)
    starts = strip_starts.take(places)
    steps = range(0, wide * window.dilation[1], window.dilation[1])
    codes, count = merge((flat.take(starts + step) for step in steps), source.rows)
    strips = np.zeros(touched.size, np.int32)
    strips[places] = codes + 1

    active = _any_of(touched, 0, tall, window.dilation[0], window.stride[0], rows)
    places = np.flatnonzero(active)
    starts = window_starts.take(places)
    below = window.dilation[0] * columns
    codes, count = merge(
        (strips.take(starts + step) for step in range(0, tall * below, below)), count + 1
    )

    examples = np.empty(count, np.int64)
    examples[codes] = corners.take(places)
    windows = np.empty((count + 1, window.taps), np.int64)
    windows[0] = BACKGROUND
    windows[1:] = flat.take(examples[:, None] + _taps(window, padded.shape[1]))
    numbers = np.full(rows * columns, BACKGROUND, np.int32)
    numbers[places] = codes + (BACKGROUND + 1)
    counts = np.empty(count + 2, np.int64)
    counts[PADDING], counts[BACKGROUND] = 0, rows * columns - len(places)
    counts[BACKGROUND + 1 :] = np.bincount(codes, minlength=count)
    return windows, NumberMap(numbers.reshape(rows, columns), counts)


@lru_cache(maxsize=64)
def _starts(window: Window, padded: tuple[int, int]) -> tuple[Numbers, Numbers, Numbers]:
    """Where windows begin, by cell of the map that they begin on.

    Of strips, windows one row high, on the padded map; of windows on the map of strips, and on
    the padded map.
    """
    (height, width), (down, across) = padded, window.stride
    (tall, wide), (below, right) = window.kernel, window.dilation
    rows = np.arange((height - below * (tall - 1) - 1) // down + 1)[:, None] * down
    columns = np.arange((width - right * (wide - 1) - 1) // across + 1)
    strips = np.arange(height)[:, None] * width + columns * across
    windows = rows * len(columns) + columns
    corners = rows * width + columns * across
    return strips.ravel(), windows.ravel(), corners.ravel()


def _taps(window: Window, width: int) -> NDArray[np.int64]:
    """Where the cells of a window lie behind its first, on a map of this width."""
    (tall, wide), (below, right) = window.kernel, window.dilation
    return (np.arange(tall)[:, None] * (below * width) + np.arange(wide) * right).ravel()


def windows_at(
    source: NumberMap, window: Window, rows: Numbers, columns: Numbers
) -> NDArray[np.int64]:
    """The windows (n, taps) of single cells of a convolution's output."""
    padded = _pad(source.numbers, window)
    (down, across), (tall, wide) = window.stride, window.kernel
    below = rows[:, None] * down + np.arange(tall) * window.dilation[0]
    right = columns[:, None] * across + np.arange(wide) * window.dilation[1]
    found: Numbers = padded[below[:, :, None], right[:, None, :]]
    return np.asarray(found.reshape(len(rows), window.taps), np.int64)


def merge(columns: Any, bound: int) -> tuple[NDArray[np.int64], int]:
    """One number for each distinct tuple: arrays of numbers below `bound` -> (numbers, how many).

    The tuples are packed into 64 bits, exactly, and renumbered whenever these are full.
    """
    codes: NDArray[np.int64] | None = None
    most = 1
    for column in columns:
        if codes is None:
            codes, most = column.astype(np.int64), bound
            continue
        if most * bound >= 2**63:
            codes, uniques = pd.factorize(codes)
            most = max(len(uniques), 1)
        codes = codes * bound + column
        most *= bound
    assert codes is not None
    codes, uniques = pd.factorize(codes)
    return codes, len(uniques)


def _pad(numbers: Numbers, window: Window) -> Numbers:
    left, right, top, bottom = window.padding
    if not any(window.padding):
        return np.ascontiguousarray(numbers)
    around = ((top, bottom), (left, right))
    if window.mode == "constant":
        return np.pad(numbers, around, constant_values=PADDING)
    return np.pad(numbers, around, mode=_NUMPY_MODES[window.mode])


def _any_of(
    flags: NDArray[np.bool_], axis: int, kernel: int, dilation: int, stride: int, result: int
) -> NDArray[np.bool_]:
    """Whether any of the cells of a window along one axis is set."""
    length = (result - 1) * stride + 1
    taken = []
    for tap in range(kernel):
        part = slice(tap * dilation, tap * dilation + length, stride)
        taken.append(flags[part] if axis == 0 else flags[:, part])
    found = taken[0].copy()
    for other in taken[1:]:
        found |= other
    return found
