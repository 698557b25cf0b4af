"""The distinct windows that a convolution sees on a map of row numbers.

A map is held as numbers of rows, (H, W), beside a table of the rows, (n, channels): cells with the
same number have the same values, to the last bit. Windows are therefore told apart by the numbers
alone, exactly, and a convolution has to look at each distinct window only once.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from featviz.probing.windows import Indices, Window

Numbers = NDArray[np.integer[Any]]

# Row 0 of every table is what constant padding puts around the map; row 1 is the background.
PADDING, BACKGROUND = 0, 1


@dataclass(frozen=True, eq=False)
class NumberMap:
    """A map as numbers of rows.

    numbers: (H, W) of 0 ... rows - 1, `BACKGROUND` being the most frequent one in a sketch.
    counts: (rows,) cells with each number; 0 is possible.
    """

    numbers: Numbers
    counts: Indices

    @property
    def rows(self) -> int:
        """How many rows the table of this map has."""
        return len(self.counts)


def distinct_windows(source: NumberMap, window: Window) -> tuple[Indices, NumberMap]:
    """The distinct windows on a map, and the map that a convolution makes of it.

    Returns (windows, map): windows (n, taps), from top left to bottom right, holds numbers of the
    source; cell values of the new map are 1 + the place among the windows, the first of which is
    nothing but background (0 being the padding of the next convolution).
    """
    padded = _pad(source.numbers, window)
    flat, (down, across) = padded.ravel(), (window.offsets(axis) for axis in (0, 1))
    rows, columns = window.size(*source.numbers.shape)
    # Windows are merged along x first, so that overlapping ones share the work, then along y.
    strip_starts, window_starts, corners = _starts(window, padded.shape)
    touched = _any_of(padded != BACKGROUND, 1, across, window.stride[1], columns)
    places = np.flatnonzero(touched)
    starts = strip_starts.take(places)
    codes, count = merge((flat.take(starts + step) for step in across), source.rows)
    strips = np.zeros(touched.size, np.int32)
    strips[places] = codes + 1

    active = _any_of(touched, 0, down, window.stride[0], rows)
    places = np.flatnonzero(active)
    starts = window_starts.take(places)
    codes, count = merge((strips.take(starts + step) for step in down * columns), count + 1)

    examples = np.empty(count, np.int64)
    examples[codes] = corners.take(places)
    windows = np.empty((count + 1, window.taps), np.int64)
    windows[0] = BACKGROUND
    taps = (down[:, None] * padded.shape[1] + across).ravel()
    windows[1:] = flat.take(examples[:, None] + taps)
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
    rows, columns = (
        np.arange(0, padded[axis] - window.offsets(axis)[-1], window.stride[axis])
        for axis in (0, 1)
    )
    height, width = padded
    strips = np.arange(height)[:, None] * width + columns
    windows = rows[:, None] * len(columns) + np.arange(len(columns))
    corners = rows[:, None] * width + columns
    return strips.ravel(), windows.ravel(), corners.ravel()


def windows_at(source: NumberMap, window: Window, rows: Indices, columns: Indices) -> Indices:
    """The windows (n, taps) of single cells of a convolution's output."""
    height, width = source.numbers.shape
    down = window.sources(0, height, rows)[:, :, None]
    across = window.sources(1, width, columns)[:, None, :]
    found = np.where((down < 0) | (across < 0), PADDING, source.numbers[down, across])
    return np.asarray(found.reshape(len(rows), window.taps), np.int64)


def merge(columns: Any, bound: int) -> tuple[Indices, int]:
    """One number for each distinct tuple: arrays of numbers below `bound` -> (numbers, how many).

    The tuples are packed into 64 bits, exactly, and renumbered whenever these are full.
    """
    codes: Indices | None = None
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
    if not any(window.padding):
        return np.ascontiguousarray(numbers)
    down, across = (window.padded(axis, length) for axis, length in enumerate(numbers.shape))
    padded = numbers.take(down, axis=0).take(across, axis=1)
    padded[down < 0] = PADDING
    padded[:, across < 0] = PADDING
    return padded


def _any_of(
    flags: NDArray[np.bool_], axis: int, offsets: Indices, stride: int, result: int
) -> NDArray[np.bool_]:
    """Whether any of the cells of a window along one axis is set."""
    length = (result - 1) * stride + 1
    taken = []
    for offset in offsets:
        part = slice(offset, offset + length, stride)
        taken.append(flags[part] if axis == 0 else flags[:, part])
    found = taken[0].copy()
    for other in taken[1:]:
        found |= other
    return found
