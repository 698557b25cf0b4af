"""The exact-sparse engine: activation vectors of sketches, each distinct window computed once.

A map is held as row numbers and a table of distinct rows. A convolution multiplies each distinct
window once; instance normalisation takes its mean and variance from the rows and how often each
occurs. Nothing is left out and nothing is approximated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from featviz.sparse.images import pixel_map
from featviz.sparse.local import LocalVector
from featviz.sparse.operations import Convolution, InstanceNorm, Pointwise
from featviz.sparse.plan import Plan
from featviz.sparse.shared import SharedChain
from featviz.sparse.windows import (
    BACKGROUND,
    PADDING,
    NumberMap,
    distinct_windows,
    windows_at,
)

# In multiplications that take as long: what a distinct window costs beside its multiplications, a
# convolution around a single cell, a cell in the dense engine, an image in both; and how much
# slower the dense engine multiplies.
_DISTINCT, _LOCAL, _CELL, _IMAGE, _DENSE = 60_000, 4_000_000, 3_000, 100_000_000, 2.0

# What is remembered of the pixels around all cells together.
_REMEMBERED_BYTES = 1 << 27

Cells = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Work:
    """What an image costs this engine, and what it costs to compute whole maps.

    distinct, windows: windows of maps that are computed and all there are. local: convolutions
    around single cells. sparse, dense: multiplications.
    """

    distinct: int
    windows: int
    local: int
    sparse: int
    dense: int

    @property
    def estimate(self) -> float:
        """Expected time as a share of the dense engine's, by measurements (docs/engine.md)."""
        sparse = self.sparse + _DISTINCT * self.distinct + _LOCAL * self.local
        sparse += _IMAGE if self.distinct else 0
        return sparse / (_DENSE * self.dense + _CELL * self.windows + _IMAGE / 2)


class SparseReader:
    """Reads vectors of one plan at given cells, for one image after the other.

    cells: for each layer of the plan the cells (column, row).
    """

    def __init__(self, plan: Plan, cells: Mapping[str, Cells]) -> None:
        self._plan = plan
        width, height = plan.image_size
        local_end = plan.local_end
        local = [layer for layer, position in plan.targets.items() if position <= local_end]
        memory = _REMEMBERED_BYTES // max(1, sum(len(cells[layer]) for layer in local))
        self._local = {
            layer: [
                LocalVector(plan.operations[:position], cell, (height, width), memory)
                for cell in cells[layer]
            ]
            for layer, position in plan.targets.items()
            if layer in local
        }
        self._mapped: dict[int, list[str]] = {}
        for layer, position in plan.targets.items():
            if position > local_end:
                self._mapped.setdefault(position, []).append(layer)
        self._cells = {
            layer: (np.array([row for _, row in entry]), np.array([column for column, _ in entry]))
            for layer, entry in cells.items()
        }
        first = plan.operations[0] if plan.operations else None
        self._folded = first.folded() if isinstance(first, Convolution) else None
        convolutions = sum(isinstance(step, Convolution) for step in plan.operations[:local_end])
        # One convolution alone costs less than looking up what is known.
        self._shares = self._folded is not None and convolutions > 1
        self._chains: dict[int, SharedChain] = {}
        self._lock = Lock()

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """(C, H, W) in the plan's dtype -> for each layer (cells, channels)."""
        vectors = {
            layer: torch.stack([vector(image) for vector in entry])
            for layer, entry in self._local.items()
        }
        if self._mapped:
            self._read_maps(image, vectors)
        return {layer: vectors[layer] for layer in self._plan.targets}

    def work(self, image: Tensor) -> Work:
        """What (C, H, W) costs."""
        around = [vector for entry in self._local.values() for vector in entry]
        local = sum(vector.convolutions for vector in around)
        sparse = sum(vector.multiplications for vector in around)
        distinct = windows = dense = 0
        size = (image.shape[1], image.shape[2])
        current = pixel_map(image, fold=self._folded is not None).map if self._mapped else None
        for operation in self._plan.operations:
            if isinstance(operation, Convolution):
                size = operation.window.size(*size)
                windows += size[0] * size[1]
                dense += size[0] * size[1] * operation.weight.numel()
                if current is not None:
                    _, current = distinct_windows(current, operation.window)
                    distinct += current.rows
                    sparse += current.rows * operation.weight.numel()
        return Work(distinct, windows, local, sparse, dense)

    def _read_maps(self, image: Tensor, vectors: dict[str, Tensor]) -> None:
        start = pixel_map(image, fold=self._folded is not None)
        folds = start.pixels.shape[1] < self._plan.channels
        operations = list(self._plan.operations)
        if folds and self._folded is not None:
            operations[0] = self._folded
        position = 0
        current, rows = start.map, start.pixels
        if self._shares:
            position = self._plan.local_end
            current, rows = self._chain(operations, rows.shape[1]).run(start)
        while position < len(operations):
            operation = operations[position]
            position += 1
            if isinstance(operation, Convolution):
                rows[PADDING] = operation.padding_value
                if position == len(operations):
                    # Behind the last convolution nobody asks for the rest of the map.
                    self._read_windows(operation, current, rows, position, vectors)
                    return
                windows, current = distinct_windows(current, operation.window)
                source, rows = rows, rows.new_zeros(current.rows, operation.outputs)
                operation.rows(source, torch.from_numpy(windows), out=rows[BACKGROUND:])
            elif isinstance(operation, InstanceNorm):
                operation.apply(rows[BACKGROUND:], torch.from_numpy(current.counts[BACKGROUND:]))
            else:
                rows = operation.function(rows)
            for layer in self._mapped.get(position, ()):
                places = current.numbers[self._cells[layer]]
                vectors[layer] = rows[torch.from_numpy(places.astype(np.int64))]

    def _read_windows(
        self,
        convolution: Convolution,
        current: NumberMap,
        rows: Tensor,
        position: int,
        vectors: dict[str, Tensor],
    ) -> None:
        for layer in self._mapped[position]:
            windows = windows_at(current, convolution.window, *self._cells[layer])
            vectors[layer] = convolution.rows(rows, torch.from_numpy(windows))

    def _chain(self, operations: Sequence[object], channels: int) -> SharedChain:
        with self._lock:
            if channels not in self._chains:
                local = operations[: self._plan.local_end]
                steps = [step for step in local if isinstance(step, Convolution | Pointwise)]
                self._chains[channels] = SharedChain(steps, channels, self._plan.dtype, 0.0)
            return self._chains[channels]
