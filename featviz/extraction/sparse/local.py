"""Vectors that depend on the pixels around a cell and on nothing else.

Before the first statistic over the whole map a vector follows from its receptive field alone. It
is computed from just that, always in the same shapes, and remembered by its pixels: sketches with
the same surroundings get the same vector, to the last bit.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from featviz.extraction.sparse.images import has_equal_channels
from featviz.extraction.sparse.operations import Convolution, Operation, Pointwise
from featviz.probing.windows import Indices

# Fields that are remembered, and bytes that those of a cell may take unless less is asked for.
_REMEMBERED = 4096
_MOST_BYTES = 1 << 26


@dataclass(frozen=True, eq=False)
class _Step:
    """One convolution around one cell.

    sources: for both axes (outputs, taps) the places among the cells at hand, -1 for padding.
    """

    convolution: Convolution
    sources: tuple[Indices, Indices]


class LocalVector:
    """The vector of one cell (column, row) behind `operations`, for images (height, width).

    memory: bytes that remembered fields may take.
    """

    def __init__(
        self,
        operations: Sequence[Operation],
        cell: tuple[int, int],
        size: tuple[int, int],
        memory: int = _MOST_BYTES,
    ) -> None:
        sizes = [size]
        for operation in operations:
            last = sizes[-1]
            sizes.append(
                operation.window.size(*last) if isinstance(operation, Convolution) else last
            )
        needed = [np.array([cell[1]]), np.array([cell[0]])]
        self._steps: list[_Step | Pointwise] = []
        for operation, before in zip(reversed(operations), reversed(sizes[:-1]), strict=True):
            if isinstance(operation, Convolution):
                window = operation.window
                axes = [window.sources(axis, before[axis], needed[axis]) for axis in (0, 1)]
                needed = [np.unique(places[places >= 0]) for places in axes]
                down, across = (
                    np.where(axis >= 0, np.searchsorted(cells, axis), -1)
                    for axis, cells in zip(axes, needed, strict=True)
                )
                self._steps.insert(0, _Step(operation, (down, across)))
            else:
                assert isinstance(operation, Pointwise)
                self._steps.insert(0, operation)
        self._rows, self._columns = (torch.from_numpy(axis) for axis in needed)
        self._memory = memory
        self._lock = Lock()
        self._known: OrderedDict[tuple[bytes, int], Tensor] = OrderedDict()

    @property
    def convolutions(self) -> int:
        """How many convolutions it takes."""
        return sum(isinstance(step, _Step) for step in self._steps)

    @property
    def multiplications(self) -> int:
        """How many multiplications these are."""
        steps = [step for step in self._steps if isinstance(step, _Step)]
        cells = [len(down) * len(across) for down, across in (step.sources for step in steps)]
        weights = [step.convolution.weight.numel() for step in steps]
        return sum(count * size for count, size in zip(cells, weights, strict=True))

    def __call__(self, image: Tensor) -> Tensor:
        """(C, H, W) -> (channels,)."""
        crop = image[:, self._rows[:, None], self._columns]
        first = self._steps[0] if self._steps else None
        folds = isinstance(first, _Step) and has_equal_channels(crop)
        if folds:
            crop = crop[:1]
        key = (crop.contiguous().view(torch.uint8).numpy().tobytes(), len(crop))
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        vector = self._compute(crop, folds)
        with self._lock:
            vector = self._known.setdefault(key, vector)
            most = min(_REMEMBERED, self._memory // (len(key[0]) + vector.nbytes))
            while len(self._known) > most:
                self._known.popitem(last=False)
            return vector

    def _compute(self, crop: Tensor, folds: bool) -> Tensor:
        shape = (crop.shape[1], crop.shape[2])
        rows = crop.flatten(1).T.contiguous()
        for index, step in enumerate(self._steps):
            if isinstance(step, Pointwise):
                rows = step.function(rows)
                continue
            convolution = step.convolution.folded() if folds and index == 0 else step.convolution
            rows, shape = _convolve(rows, shape, convolution, step.sources)
        return rows[0].clone()


def _convolve(
    rows: Tensor, shape: tuple[int, int], convolution: Convolution, sources: tuple[Indices, Indices]
) -> tuple[Tensor, tuple[int, int]]:
    """Rows of cells at hand -> rows of the cells whose windows have these sources."""
    down, across = sources
    # (rows, columns, taps down, taps across), the cell behind the last one being padding.
    place = down[:, None, :, None] * shape[1] + across[None, :, None, :]
    outside = (down < 0)[:, None, :, None] | (across < 0)[None, :, None, :]
    place = np.where(outside, len(rows), place).reshape(len(down) * len(across), -1)
    padding = rows.new_full((1, rows.shape[1]), convolution.padding_value)
    table = torch.cat([rows, padding])
    return convolution.rows(table, torch.from_numpy(place)), (len(down), len(across))
