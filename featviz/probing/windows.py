"""Windows: which input cells an output cell draws on.

Said once, for the tracer, which follows any network, and for the sparse engine, which computes
some. Axis 0 is that of rows, axis 1 that of columns; pairs are (rows, columns), as PyTorch's are.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
PaddingMode = Literal["constant", "reflect", "replicate", "circular"]


class Step(NamedTuple):
    """What one operation does along one axis.

    sources: (cells, n) for each output cell the input cells it draws on, -1 for none. start: the
    middle of the first output cell's window among the input cells, padding included; pitch: input
    cells from one output cell to the next.
    """

    sources: Indices
    start: Fraction
    pitch: Fraction


@dataclass(frozen=True)
class Window:
    """What a convolution, a pooling or padding sees of its input.

    padding: (left, right, top, bottom); negative where it cuts the map.
    """

    kernel: tuple[int, int] = (1, 1)
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
        rows, columns = (
            (length + sum(self._sides(axis)) - self.offsets(axis)[-1] - 1) // self.stride[axis] + 1
            for axis, length in enumerate((height, width))
        )
        return int(rows), int(columns)

    def offsets(self, axis: int) -> Indices:
        """(kernel,) where the cells of a window lie behind its first."""
        return np.arange(self.kernel[axis]) * self.dilation[axis]

    def padded(self, axis: int, length: int) -> Indices:
        """For each cell of the padded map the cell of the map that it holds, -1 for none."""
        before, behind = self._sides(axis)
        return self._held(np.arange(-before, length + behind), length)

    def sources(self, axis: int, length: int, outputs: Indices) -> Indices:
        """(outputs, kernel) the cells of the map that output cells draw on, -1 for none."""
        starts = outputs * self.stride[axis] - self._sides(axis)[0]
        return self._held(starts[:, None] + self.offsets(axis), length)

    def step(self, axis: int, length: int, result: int) -> Step:
        """From a map of `length` cells along an axis to one of `result`."""
        middle = Fraction(int(self.offsets(axis)[-1]), 2) - self._sides(axis)[0]
        sources = self.sources(axis, length, np.arange(result))
        return Step(sources, middle, Fraction(self.stride[axis]))

    def transposed_step(self, axis: int, length: int, result: int) -> Step:
        """The way back: input cell j adds to the output cells j * stride - padding + offset."""
        stride, before = self.stride[axis], self._sides(axis)[0]
        scaled = np.arange(result)[:, None] + before - self.offsets(axis)
        there = (scaled % stride == 0) & (scaled >= 0) & (scaled < length * stride)
        middle = before - Fraction(int(self.offsets(axis)[-1]), 2)
        return Step(np.where(there, scaled // stride, -1), middle / stride, Fraction(1, stride))

    def _sides(self, axis: int) -> tuple[int, int]:
        """Cells of padding before and behind."""
        left, right, top, bottom = self.padding
        return (left, right) if axis else (top, bottom)

    def _held(self, places: Indices, length: int) -> Indices:
        """What places of the padded map hold, the first cell of the map being 0."""
        match self.mode:
            case "constant":
                held = np.where((places >= 0) & (places < length), places, -1)
            case "reflect":
                held = length - 1 - np.abs(length - 1 - np.abs(places))
            case "replicate":
                held = places.clip(0, length - 1)
            case "circular":
                held = places % length
        return np.asarray(held)
