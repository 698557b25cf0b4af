"""How the dimensions of a tensor hold the cells of a map.

A map (N, C, H, W), one with its channels last, a row of tokens (N, H * W, C) and the windows of a
transformer hold the same cells in other dimensions. So each dimension is described by its parts:
digits of a cell's row or column, as of a number, the major first, or what is no place at all.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from featviz.probing.windows import Indices

ROWS, COLUMNS = 0, 1


class Part(NamedTuple):
    """A factor of a dimension: one digit of the cells' rows or columns, or no place.

    axis: ROWS, COLUMNS, or None for channels, heads, images and the like. size: how many values it
    has. stride: cells of the axis from one value to the next.
    """

    axis: int | None
    size: int
    stride: int = 0


class Dimension(NamedTuple):
    """One dimension of a tensor.

    parts: its factors, the major first; none if it has one value only. before, behind: values that
    stand for no cell, as class and register tokens do.
    """

    parts: tuple[Part, ...] = ()
    before: int = 0
    behind: int = 0

    @property
    def cells(self) -> int:
        """Its values but those that stand for no cell."""
        return math.prod(part.size for part in self.parts)

    @property
    def size(self) -> int:
        """All its values."""
        return self.before + self.cells + self.behind

    @property
    def extra(self) -> bool:
        """Whether some of its values stand for no cell."""
        return self.before + self.behind > 0

    @property
    def digits(self) -> tuple[Part, ...]:
        """Its parts that are places."""
        return tuple(part for part in self.parts if part.axis is not None)

    def whole(self, cells: tuple[int, int]) -> int | None:
        """The axis of which this dimension holds all cells (rows, columns), and nothing else."""
        if len(self.parts) == 1 and not self.extra:
            axis, size, stride = self.parts[0]
            if axis is not None and stride == 1 and size == cells[axis]:
                return axis
        return None


TensorLayout = tuple[Dimension, ...]


def no_places(size: int) -> Dimension:
    """A dimension of this size without places, as that of channels."""
    return Dimension(() if size == 1 else (Part(None, size),))


def all_cells(axis: int, cells: int) -> Dimension:
    """The dimension that holds the cells of an axis, and nothing else."""
    return Dimension(() if cells == 1 else (Part(axis, cells, 1),))


def plain_layout(shape: Sequence[int]) -> TensorLayout:
    """That of maps (..., H, W)."""
    *others, rows, columns = shape
    return (*map(no_places, others), all_cells(ROWS, rows), all_cells(COLUMNS, columns))


def shape_of(layout: TensorLayout) -> tuple[int, ...]:
    """The shape of a tensor that is laid out like this."""
    return tuple(dimension.size for dimension in layout)


def digits_of(dimensions: Iterable[Dimension]) -> list[Part]:
    """The digits in some dimensions."""
    return [part for dimension in dimensions for part in dimension.digits]


def are_apart(digits: Sequence[Part]) -> bool:
    """Whether no two of some digits tell of the same thing."""
    for axis in (ROWS, COLUMNS):
        mine = sorted((part.stride, part.size) for part in digits if part.axis == axis)
        if any(low * size > high for (low, size), (high, _) in pairwise(mine)):
            return False
    return True


def viewed(layout: TensorLayout, shape: Sequence[int]) -> TensorLayout | None:
    """The same values in the same order, in another shape; None if a part would be torn."""
    if 0 in shape or math.prod(shape) != math.prod(shape_of(layout)):
        return None
    left = list(_runs(layout))
    result = []
    for size in shape:
        taken: list[Part] = []
        missing = size
        while missing > 1:
            first = left.pop(0)
            if isinstance(first, Dimension):
                # Values that stand for no cell are in the way of any other order.
                if first.size != size or taken:
                    return None
                result.append(first)
                break
            if first.size > missing:
                low, rest = divmod(first.size, missing)
                if rest:
                    return None
                left.insert(0, Part(first.axis, low, first.stride))
                first = Part(first.axis, missing, first.stride * low)
            elif missing % first.size:
                return None
            taken.append(first)
            missing //= first.size
        else:
            result.append(Dimension(merged(taken)))
    return tuple(result)


def _runs(layout: TensorLayout) -> Iterator[Part | Dimension]:
    """The parts of all dimensions in order; a dimension with extra values is one."""
    parts: list[Part] = []
    for dimension in layout:
        if dimension.extra:
            yield from merged(parts)
            yield dimension
            parts = []
        else:
            parts += dimension.parts
    yield from merged(parts)


def merged(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The same, digits that follow each other as one."""
    result: list[Part] = []
    for part in parts:
        if part.size == 1:
            continue
        if result and result[-1].axis == part.axis:
            axis, size, stride = result[-1]
            if axis is None or stride == part.stride * part.size:
                result[-1] = Part(axis, size * part.size, part.stride)
                continue
        result.append(part)
    return tuple(result)


def cells_named(parts: Sequence[Part], axis: int) -> Indices:
    """For each value of a dimension of these parts the cell of an axis, its other digits 0."""
    cells = np.zeros(1, dtype=np.int64)
    for part in parts:
        stride = part.stride if part.axis == axis else 0
        cells = (cells[:, None] + np.arange(part.size) * stride).ravel()
    return cells


def cells_alike(cells: int, parts: Sequence[Part], shift: int = 0) -> Indices:
    """(cells, n) for each cell of an axis those that differ from it in some of its digits only.

    shift: how many cells further the digits begin to count.
    """
    counted = (np.arange(cells) - shift) % cells
    for part in parts:
        counted -= counted // part.stride % part.size * part.stride
    members = counted[:, None]
    for part in parts:
        values = np.arange(part.size) * part.stride
        members = (members[:, :, None] + values).reshape(cells, -1)
    return np.asarray((members + shift) % cells)
