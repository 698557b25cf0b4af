"""Convolutions whose windows many sketches share: each distinct one is computed once a call.

Before the first statistic over the whole map the same window gives the same row in every sketch.
"""

from collections.abc import Sequence
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featviz.extraction.sparse.layout import Layout
from featviz.extraction.sparse.numbering import Numbering
from featviz.extraction.sparse.operations import Convolution, Pointwise
from featviz.extraction.sparse.windows import BACKGROUND, PADDING

# Matrix products round differently in different shapes. In products of one shape, with as many
# columns as vector units like, a row does not depend on the rows that are computed with it.
_BLOCK_ROWS = 128
_COLUMN_MULTIPLE = 16

# Beyond this many bytes of pixels, or of one layer, all are forgotten, so that memory does not
# grow with sketches.
_MOST_BYTES = 1 << 26
# Of a dictionary beside the key's own bytes.
_ENTRY_BYTES = 130

_MULTIPLIERS = np.random.default_rng(0).integers(1, 2**62, 4096) * 2 + 1


class SharedRows:
    """The rows that a convolution and the activations behind it give, one a distinct window.

    source: the rows that the windows are made of; its first, and the first of this table, is the
    padding of the next convolution, `padding_value`.
    """

    def __init__(
        self, convolution: Convolution, behind: Sequence[Pointwise], padding_value: float
    ) -> None:
        self._behind, self._padding_value = behind, padding_value
        extra = -convolution.outputs % _COLUMN_MULTIPLE
        bias = convolution.bias
        self._outputs = convolution.outputs
        self._padded = Convolution(
            convolution.window,
            torch.nn.functional.pad(convolution.weight, (0, extra)),
            None if bias is None else torch.nn.functional.pad(bias, (0, extra)),
            convolution.padding_value,
        )
        self.clear()

    def clear(self) -> None:
        """Forget all rows; their numbers are void."""
        self._numbers = Numbering()
        self._windows = np.zeros((1, self._padded.window.taps), np.int32)
        self.table = self._padded.weight.new_full((1, self._outputs), self._padding_value)
        self._count = 1

    @property
    def bytes(self) -> int:
        """What the rows and their windows take."""
        row = self._outputs * self.table.element_size() + self._windows[0].nbytes
        return int(self._count * row)

    def numbers(self, windows: NDArray[np.int64], source: Tensor) -> NDArray[np.int64]:
        """(n, taps) different windows of rows of `source` -> their numbers in `table`."""
        # A sum of products tells windows apart but for one chance in 2 ** 64; the comparison
        # rules that out as well.
        keys = windows @ np.resize(_MULTIPLIERS, windows.shape[1])
        keys ^= keys >> 32
        found = self._numbers.get(keys)
        known = (found != PADDING) & (self._windows[found] == windows).all(axis=1)
        fresh = np.flatnonzero(~known)
        if len(fresh):
            unheard = fresh[found[fresh] == PADDING]
            found[fresh] = self._count + np.arange(len(fresh))
            self._add(windows[fresh], source)
            self._numbers.put(keys[unheard], found[unheard])
        return found

    def _add(self, windows: NDArray[np.int64], source: Tensor) -> None:
        count = len(windows)
        self._reserve(self._count + count)
        self._windows[self._count : self._count + count] = windows
        blocks = -(-count // _BLOCK_ROWS)
        places = torch.zeros(blocks * _BLOCK_ROWS, windows.shape[1], dtype=torch.int64)
        places[:count] = torch.from_numpy(windows)
        out = source.new_empty(_BLOCK_ROWS, self._padded.outputs)
        for block in range(blocks):
            start = block * _BLOCK_ROWS
            part = places[start : start + _BLOCK_ROWS]
            self._padded.apply(source.index_select(0, part.view(-1)).view(_BLOCK_ROWS, -1), out)
            rows = out[: count - start, : self._outputs].clone()
            for operation in self._behind:
                rows = operation.function(rows)
            self.table[self._count + start : self._count + start + len(rows)] = rows
        self._count += count

    def _reserve(self, count: int) -> None:
        if count > len(self.table):
            size = max(count, 2 * len(self.table))
            table = self.table.new_empty(size, self._outputs)
            table[: self._count] = self.table[: self._count]
            windows = np.empty((size, self._windows.shape[1]), np.int32)
            windows[: self._count] = self._windows[: self._count]
            self.table, self._windows = table, windows


class SharedPixels:
    """The distinct pixels of all images of a call."""

    def __init__(self, channels: int, dtype: torch.dtype, padding_value: float) -> None:
        self._padding = torch.full((1, channels), padding_value, dtype=dtype)
        self.clear()

    def clear(self) -> None:
        """Forget all pixels; their numbers are void."""
        self._numbers: dict[bytes, int] = {}
        self.table = self._padding

    @property
    def bytes(self) -> int:
        """About what the pixels and their numbers take."""
        return len(self._numbers) * (_ENTRY_BYTES + 2 * self._padding.nbytes)

    def numbers(self, pixels: Tensor) -> NDArray[np.int64]:
        """(n, channels) different pixels -> their numbers in `table`."""
        keys = [pixel.tobytes() for pixel in pixels.view(torch.uint8).numpy()]
        fresh = [place for place, key in enumerate(keys) if key not in self._numbers]
        for place in fresh:
            self._numbers[keys[place]] = len(self._numbers) + 1
        if fresh:
            self.table = torch.cat([self.table, pixels[fresh]])
        return np.array([self._numbers[key] for key in keys])


class SharedChain:
    """The convolutions in front of the first statistic, for all images of a call."""

    def __init__(
        self,
        operations: Sequence[Convolution | Pointwise],
        channels: int,
        dtype: torch.dtype,
        padding_value: float,
    ) -> None:
        """operations: from the first convolution on; padding_value: of a convolution behind."""
        places = [i for i, step in enumerate(operations) if isinstance(step, Convolution)]
        ends = [*places[1:], len(operations)]
        convolutions = [step for step in operations if isinstance(step, Convolution)]
        values = [step.padding_value for step in convolutions]
        behind = [
            [step for step in operations[start:end] if isinstance(step, Pointwise)]
            for start, end in zip(places, ends, strict=True)
        ]
        self._pixels = SharedPixels(channels, dtype, values[0])
        self._layers = [
            SharedRows(*layer)
            for layer in zip(convolutions, behind, [*values[1:], padding_value], strict=True)
        ]
        # Images are read in several threads; numbers are good until all is forgotten.
        self._lock = Lock()

    def run(self, layout: Layout) -> Tensor:
        """The rows behind the last of the operations, as a copy of its own."""
        with self._lock:
            # All at once: windows are told apart by the numbers of the layer before.
            tables: list[SharedPixels | SharedRows] = [self._pixels, *self._layers]
            if any(table.bytes > _MOST_BYTES for table in tables):
                for table in tables:
                    table.clear()
            pixels = self._pixels.numbers(layout.pixels[BACKGROUND:])
            source = self._pixels.table
            shared = np.concatenate([[PADDING], pixels])
            for windows, layer in zip(layout.windows, self._layers, strict=False):
                numbers = layer.numbers(shared[windows], source)
                shared = np.concatenate([[PADDING], numbers])
                source = layer.table
        # Rows that have a number stay as they are, whatever others add to or forget of the table.
        return source.index_select(0, torch.from_numpy(shared))
