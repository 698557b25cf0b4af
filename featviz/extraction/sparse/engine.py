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

from featviz.extraction.sparse.layout import Lay, Layout, Shape, lay_out
from featviz.extraction.sparse.local import LocalVector
from featviz.extraction.sparse.operations import Convolution, InstanceNormOperation, Pointwise
from featviz.extraction.sparse.plan import Plan
from featviz.extraction.sparse.shared import SharedChain
from featviz.extraction.sparse.windows import BACKGROUND, PADDING, Numbers

# In multiplications that take as long: what a distinct window costs beside its multiplications, a
# convolution around a single cell, a cell in the dense engine, an image in both; and how much
# slower the dense engine multiplies.
_DISTINCT, _LOCAL, _CELL, _IMAGE, _DENSE = 60_000, 4_000_000, 3_000, 100_000_000, 2.0

# What is remembered of the pixels around all cells together.
_REMEMBERED_BYTES = 1 << 27

_Cells = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class _Work:
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

    cells: for each layer of the plan the cells (column, row). lay: how layouts come about;
    `Layouts` remembers them.
    """

    def __init__(self, plan: Plan, cells: Mapping[str, _Cells], lay: Lay = lay_out) -> None:
        self._plan, self._lay = plan, lay
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
        mapped: dict[int, list[str]] = {}
        for layer, position in plan.targets.items():
            if position > local_end:
                mapped.setdefault(position, []).append(layer)
        self._mapped = mapped
        first = plan.operations[0] if plan.operations else None
        self._folded = first.folded() if isinstance(first, Convolution) else None
        self._shape = Shape(
            tuple(
                step.window if isinstance(step, Convolution) else None for step in plan.operations
            ),
            tuple((position, tuple(layers)) for position, layers in mapped.items()),
            tuple(
                (layer, tuple((column, row) for column, row in cells[layer]))
                for layers in mapped.values()
                for layer in layers
            ),
            fold=self._folded is not None,
        )
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

    def work(self, image: Tensor) -> _Work:
        """What (C, H, W) costs."""
        around = [vector for entry in self._local.values() for vector in entry]
        local = sum(vector.convolutions for vector in around)
        sparse = sum(vector.multiplications for vector in around)
        distinct = windows = dense = 0
        size = (image.shape[1], image.shape[2])
        layout = self._lay(image, self._shape) if self._mapped else None
        found = iter(layout.windows if layout is not None else ())
        for operation in self._plan.operations:
            if isinstance(operation, Convolution):
                size = operation.window.size(*size)
                windows += size[0] * size[1]
                dense += size[0] * size[1] * operation.weight.numel()
                if layout is not None:
                    rows = len(next(found))
                    distinct += rows
                    sparse += rows * operation.weight.numel()
        return _Work(distinct, windows, local, sparse, dense)

    def _read_maps(self, image: Tensor, vectors: dict[str, Tensor]) -> None:
        layout = self._lay(image, self._shape)
        operations = list(self._plan.operations)
        if layout.pixels.shape[1] < self._plan.channels and self._folded is not None:
            operations[0] = self._folded
        position, rows = self._start(operations, layout)
        done = sum(isinstance(operation, Convolution) for operation in operations[:position])
        for operation in operations[position:]:
            position += 1
            if isinstance(operation, Convolution):
                windows = layout.windows[done]
                done += 1
                rows[PADDING] = operation.padding_value
                source, rows = rows, rows.new_zeros(BACKGROUND + len(windows), operation.outputs)
                operation.rows(source, _as_index(windows), out=rows[BACKGROUND:])
            elif isinstance(operation, InstanceNormOperation):
                operation.apply(rows[BACKGROUND:], _as_index(layout.counts[done][BACKGROUND:]))
            else:
                rows = operation.function(rows)
            for layer in self._mapped.get(position, ()):
                vectors[layer] = rows[_as_index(layout.places[layer])]

    def _start(self, operations: Sequence[object], layout: Layout) -> tuple[int, Tensor]:
        """How many operations sketches share, and the rows behind these."""
        if not self._shares:
            # A copy, because rows are worked on in place and the layout may be used again.
            return 0, layout.pixels.clone()
        chain = self._chain(operations, layout.pixels.shape[1])
        return self._plan.local_end, chain.run(layout)

    def _chain(self, operations: Sequence[object], channels: int) -> SharedChain:
        with self._lock:
            if channels not in self._chains:
                local = operations[: self._plan.local_end]
                steps = [step for step in local if isinstance(step, Convolution | Pointwise)]
                self._chains[channels] = SharedChain(steps, channels, self._plan.dtype, 0.0)
            return self._chains[channels]


def _as_index(numbers: Numbers) -> Tensor:
    return torch.from_numpy(numbers.astype(np.int64, copy=False))
