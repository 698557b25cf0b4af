"""Maps that are no (N, C, H, W): which dimensions of a layer's output hold its cells."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from featviz.probing.field import Field, Trace
from featviz.probing.layout import (
    COLUMNS,
    ROWS,
    Dimension,
    TensorLayout,
    are_apart,
    cells_named,
    digits_of,
)

ArrangementKind = Literal["NCHW", "NHWC", "NLC", "NCL"]


class Arrangement(NamedTuple):
    """How a tensor of one image holds a map.

    kind: N images, C channels, H rows, W columns, L all cells row by row. before, behind: tokens
    that stand for no cell, as class and register tokens do.
    """

    kind: ArrangementKind = "NCHW"
    before: int = 0
    behind: int = 0

    @property
    def channel_dimension(self) -> int:
        """Which dimension of the tensor holds the channels."""
        return self.kind.index("C")

    def maps(self, tensor: Tensor, size: tuple[int, int]) -> Tensor:
        """The same values as maps (N, C, H, W), without the tokens that stand for no cell.

        size: (width, height) in cells.
        """
        if self.kind == "NCHW":
            return tensor
        if self.kind == "NHWC":
            return tensor.permute(0, 3, 1, 2)
        rows = tensor.transpose(1, 2) if self.kind == "NLC" else tensor
        cells = rows[..., self.before : rows.shape[-1] - self.behind]
        return cells.reshape(*cells.shape[:-1], size[1], size[0])

    def beside(self, tensor: Tensor) -> Tensor:
        """The tokens before the cells, which stand for none: (N, C, before)."""
        rows = tensor.transpose(1, 2) if self.kind == "NLC" else tensor
        return rows[..., : self.before]

    def mask(self, cells: Tensor) -> Tensor:
        """Cells (H, W) bool as those of the tensor, to broadcast; other tokens are none."""
        if self.kind == "NCHW":
            return cells[None, None]
        if self.kind == "NHWC":
            return cells[None, :, :, None]
        tokens = F.pad(cells.flatten(), (self.before, self.behind))
        return tokens[None, :, None] if self.kind == "NLC" else tokens[None, None]


@dataclass(frozen=True)
class Windowed:
    """How a tensor holds a map in windows, or rolled around its edges, each cell once.

    layout, shift: as a field has them.
    """

    layout: TensorLayout
    shift: tuple[int, int]

    @classmethod
    def of(cls, field: Field) -> "Windowed | None":
        """How the tensor of a field does; None if it does not tell all cells apart."""
        digits = digits_of(field.layout)
        are_all = (
            len(set(cells_named([part for part in digits if part.axis == axis], axis))) == cells
            for axis, cells in enumerate(field.cells)
        )
        return cls(field.layout, field.shift) if are_apart(digits) and all(are_all) else None

    def mask(self, cells: Tensor) -> Tensor:
        """Cells (H, W) bool as those of the tensor, to broadcast; other tokens are none."""
        found = cells.numpy()[self._named(ROWS, cells), self._named(COLUMNS, cells)]
        for number, dimension in enumerate(self.layout):
            tokens = np.arange(dimension.size) - dimension.before
            found = found & self._along(number, (tokens >= 0) & (tokens < dimension.cells))
        return torch.from_numpy(found)

    def _named(self, axis: int, cells: Tensor) -> NDArray[np.int64]:
        """Of each value of the tensor the row or column, to broadcast."""
        digits = (
            self._along(number, np.pad(cells_named(each.parts, axis), (each.before, each.behind)))
            for number, each in enumerate(self.layout)
        )
        start = np.full((1,) * len(self.layout), self.shift[axis])
        return np.asarray(sum(digits, start) % cells.shape[axis])

    def _along(self, number: int, values: NDArray[Any]) -> NDArray[Any]:
        """Values of one dimension, to broadcast against the others'."""
        return values.reshape([-1 if dim == number else 1 for dim in range(len(self.layout))])


def arranged(trace: Trace | None, tensor: Tensor) -> tuple[Field, Arrangement] | None:
    """The field of the map that a tensor of one image holds, and how; None if that is not known."""
    if not isinstance(trace, Field) or len(trace.layout) != tensor.ndim or tensor.shape[0] != 1:
        return None
    if tensor.ndim == 4:
        if maps := trace.settled():
            return maps, Arrangement()
        last = trace.settled(1, 2)
        return None if last is None else (last, Arrangement("NHWC"))
    if tensor.ndim != 3:
        return None
    for dim, kind in ((1, "NLC"), (2, "NCL")):
        parts, before, behind = trace.layout[dim]
        cells = trace.replaced(dim, Dimension(parts))
        shape = [each.size for each in cells.layout]
        grid = cells.viewed([*shape[:dim], *trace.cells, *shape[dim + 1 :]])
        found = None if grid is None else grid.settled(dim, dim + 1)
        if found is not None and found.has_places:
            return found, Arrangement("NLC" if kind == "NLC" else "NCL", before, behind)
    return None
