"""What is known of an image's maps before any weight: which windows there are, and where.

It follows from the pixels and from the shapes of the convolutions alone. Networks of one shape
share it, whatever their weights.
"""

import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featviz.extraction.sparse.images import has_equal_channels, pixel_map
from featviz.extraction.sparse.windows import BACKGROUND, Numbers, distinct_windows, windows_at
from featviz.probing.windows import Window

_MEMORY = 1 << 27

_CellIndex = tuple[NDArray[np.int64], NDArray[np.int64]]
"""(rows, columns) of cells."""


@dataclass(frozen=True)
class Shape:
    """The steps of a chain as far as a layout hangs on them.

    steps: for each operation the window of a convolution, None for others. wanted: behind how many
    operations which layers are read, and cells: where, (column, row). fold: whether equal channels
    are taken as one.
    """

    steps: tuple[Window | None, ...]
    wanted: tuple[tuple[int, tuple[str, ...]], ...]
    cells: tuple[tuple[str, tuple[tuple[int, int], ...]], ...]
    fold: bool


@dataclass(frozen=True, eq=False)
class Layout:
    """The tables of rows that a chain makes of an image, without their values.

    pixels: (rows, channels), row 0 being padding. windows: for each convolution (n, taps) numbers
    of the rows before it; what it makes of them are the rows from `BACKGROUND` on. counts: of the
    image, and of the map behind each convolution, (rows,) how often each row occurs; behind the
    last operation there is no map, if that is a convolution. places: for each layer (cells,) the
    rows that are read.
    """

    pixels: Tensor
    windows: tuple[Numbers, ...]
    counts: tuple[Numbers, ...]
    places: Mapping[str, Numbers]

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        arrays = (*self.windows, *self.counts, *self.places.values())
        return int(self.pixels.nbytes) + sum(array.nbytes for array in arrays)


def lay_out(image: Tensor, shape: Shape) -> Layout:
    """The layout of (C, H, W)."""
    start = pixel_map(image, shape.fold)
    current = start.map
    wanted = dict(shape.wanted)
    cells = {layer: _rows_and_columns(entry) for layer, entry in shape.cells}
    windows: list[Numbers] = []
    counts: list[Numbers] = [current.counts]
    places: dict[str, Numbers] = {}
    for position, window in enumerate(shape.steps, start=1):
        layers = wanted.get(position, ())
        if window is not None and position == len(shape.steps):
            # Nobody asks for the rest of the last map.
            found = [windows_at(current, window, *cells[layer]) for layer in layers]
            windows.append(np.concatenate(found))
            ends = np.cumsum([len(part) for part in found])
            for layer, part, end in zip(layers, found, ends, strict=True):
                places[layer] = BACKGROUND + np.arange(end - len(part), end)
            break
        if window is not None:
            distinct, current = distinct_windows(current, window)
            windows.append(distinct)
            counts.append(current.counts)
        for layer in layers:
            places[layer] = current.numbers[cells[layer]]
    return Layout(start.pixels, tuple(windows), tuple(counts), places)


class Layouts:
    """Remembers layouts, for several models that read the same images.

    memory: bytes that they may take together. Those that come when it is full are made again
    every time, which costs a network of 48 filters an eighth of its time.
    """

    def __init__(self, memory: int = _MEMORY) -> None:
        self._memory = memory
        self._known: dict[Hashable, Layout] = {}
        self._lock = Lock()
        self._is_full = False
        self.nbytes = 0

    def __call__(self, image: Tensor, shape: Shape) -> Layout:
        """The layout of (C, H, W), made or remembered."""
        key = (_digest(image), image.dtype, image.shape, shape)
        with self._lock:
            known = self._known.get(key)
        if known is not None:
            return known
        layout = lay_out(image, shape)
        if self._is_full:
            return layout
        packed = _narrow(layout)
        with self._lock:
            self._is_full = self._is_full or self.nbytes + packed.nbytes > self._memory
            if not self._is_full and key not in self._known:
                self._known[key] = packed
                self.nbytes += packed.nbytes
        return layout


Lay = Callable[[Tensor, Shape], Layout]


def _narrow(layout: Layout) -> Layout:
    """The same in the smallest kinds of numbers."""

    def narrow(numbers: Numbers) -> Numbers:
        kind: Any = np.min_scalar_type(int(numbers.max(initial=0)))
        return numbers.astype(kind)

    return Layout(
        layout.pixels,
        tuple(map(narrow, layout.windows)),
        tuple(map(narrow, layout.counts)),
        {layer: narrow(numbers) for layer, numbers in layout.places.items()},
    )


def _digest(image: Tensor) -> bytes:
    if has_equal_channels(image):
        image = image[:1]
    content = image.contiguous().view(-1).view(torch.uint8).numpy()
    return hashlib.sha256(content.data).digest() + bytes([len(image) > 1])


def _rows_and_columns(cells: Sequence[tuple[int, int]]) -> _CellIndex:
    columns, rows = np.array(cells, np.int64).reshape(-1, 2).T
    return rows, columns
