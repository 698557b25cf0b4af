"""What a network is made of, as far as the sparse engine can compute it, and its values.

Maps are tables of rows here, (rows, channels); see `windows`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from featviz.extraction.sparse.windows import BACKGROUND
from featviz.probing.windows import Window

# Rows of windows that are gathered and multiplied at a time: few enough to stay in the cache.
_CHUNK_ELEMENTS = 1 << 20

# From so many inputs of a window, and so many windows, on leaving out background pays.
_WIDE, _MANY = 800, 64


@dataclass(frozen=True, eq=False)
class Convolution:
    """weight: (taps * input channels, output channels), taps from top left to bottom right.

    padding_value: what constant padding puts around the map.
    """

    window: Window
    weight: Tensor
    bias: Tensor | None
    padding_value: float = 0.0

    @property
    def inputs(self) -> int:
        """Channels of the map it takes."""
        return self.weight.shape[0] // self.window.taps

    @property
    def outputs(self) -> int:
        """Channels of the map it gives."""
        return self.weight.shape[1]

    def folded(self) -> "Convolution":
        """The same for an input whose channels are all equal, as one channel."""
        per_tap = self.weight.view(self.window.taps, self.inputs, self.outputs)
        return replace(self, weight=per_tap.double().sum(dim=1).to(self.weight.dtype))

    def rows(self, table: Tensor, windows: Tensor, out: Tensor | None = None) -> Tensor:
        """(rows, inputs) values and (n, taps) row numbers -> (n, outputs)."""
        count = len(windows)
        if out is None:
            out = table.new_empty(count, self.outputs)
        if self.weight.shape[0] >= _WIDE and count >= _MANY:
            return self._rows_by_tap(table, windows, out)
        chunk = max(64, _CHUNK_ELEMENTS // self.weight.shape[0])
        for start in range(0, count, chunk):
            part = windows[start : start + chunk]
            patches = table.index_select(0, part.reshape(-1)).view(len(part), -1)
            self.apply(patches, out[start : start + chunk])
        return out

    @cached_property
    def _all_taps(self) -> Tensor:
        """(inputs, outputs), what a window multiplies a value with that all its cells have."""
        return self.weight.view(self.window.taps, self.inputs, self.outputs).sum(dim=0)

    def _rows_by_tap(self, table: Tensor, windows: Tensor, out: Tensor) -> Tensor:
        """As `rows`, tap by tap, and without multiplying what is background.

        The background's share is that of a window of nothing else; each tap adds how far its cells
        are from it.
        """
        per_tap = self.weight.view(self.window.taps, self.inputs, self.outputs)
        background = table[BACKGROUND]
        plain = background @ self._all_taps
        out[:] = plain if self.bias is None else plain + self.bias
        beyond = table - background
        for tap, weight in enumerate(per_tap):
            numbers = windows[:, tap]
            places = (numbers != BACKGROUND).nonzero().squeeze(1)
            out.index_add_(0, places, beyond.index_select(0, numbers[places]) @ weight)
        return out

    def apply(self, patches: Tensor, out: Tensor) -> None:
        """(n, taps * inputs) -> (n, outputs)."""
        if self.bias is None:
            torch.mm(patches, self.weight, out=out)
        else:
            torch.addmm(self.bias, patches, self.weight, out=out)


@dataclass(frozen=True, eq=False)
class InstanceNormOperation:
    """(x - mean) / sqrt(var + eps) over the map, then scale and shift; (channels,) or none."""

    eps: float
    scale: Tensor | None = None
    shift: Tensor | None = None

    def apply(self, rows: Tensor, counts: Tensor) -> Tensor:
        """Normalise (rows, channels), a row occurring counts (rows,) times; works in place.

        The most frequent row, the first, is subtracted beforehand: what is left of it in the sums
        is exactly 0, so that neither many equal values nor a large common part costs digits.
        """
        if rows.dtype == torch.bfloat16:
            return rows.copy_(self.apply(rows.float(), counts))
        weights = counts.to(rows.dtype) / counts.sum()
        rows -= rows[0].clone()
        rows -= weights @ rows
        variance = weights @ rows.square()
        factor = (variance + self.eps).rsqrt()
        if self.scale is not None:
            factor *= self.scale
        rows *= factor
        if self.shift is not None:
            rows += self.shift
        return rows


@dataclass(frozen=True, eq=False)
class Pointwise:
    """An operation on each cell by itself: (rows, channels) -> (rows, channels)."""

    function: Callable[[Tensor], Tensor]


Operation = Convolution | InstanceNormOperation | Pointwise
