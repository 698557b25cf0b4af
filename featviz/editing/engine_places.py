"""Which cells of each layer's map stand for an edited area, and where to compute them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featviz.editing.engine_layers import Layer, whole_cells
from featviz.editing.rectangles import Rectangle
from featviz.generators.networks.generators import Generator
from featviz.probing.receptive_field import trace_geometry
from featviz.sketches.edits import Mask


@dataclass(frozen=True, eq=False)
class Region:
    """Some cells of a map: those of a mask in a box. mask: (rows, columns) of the box.

    width: of the map. Cells are counted row by row, in the box and in the map alike.
    """

    box: Rectangle
    mask: Mask
    width: int

    @cached_property
    def inside(self) -> Tensor:
        """The cells of the box that are in the mask."""
        return torch.from_numpy(np.flatnonzero(self.mask))

    @cached_property
    def is_full(self) -> bool:
        """Whether all cells of the box are in the mask."""
        return bool(self.mask.all())

    def kept(self, cells: Tensor, maps: Tensor) -> Tensor:
        """Cells of the box, into which those of a map are put where they are not in the mask."""
        if not self.is_full:
            there = self.box.of(maps).to(cells.dtype)
            np.copyto(_in_place(cells), _in_place(there), where=~self.mask)
        return cells

    def rows(self, cells: Tensor) -> Tensor:
        """Cells of the box (1, C, rows, columns) as rows of those in the mask, (n, C)."""
        return cells.permute(0, 2, 3, 1).flatten(0, 2).index_select(0, self.inside)

    def spread(self, rows: Tensor) -> Tensor:
        """Rows of the cells in the mask as cells of the box, zero where they are not."""
        cells = rows.new_zeros(self.box.cells, rows.shape[1]).index_copy_(0, self.inside, rows)
        return cells.view(1, *self.mask.shape, -1).permute(0, 3, 1, 2)

    def on_map(self, cells: Tensor) -> Tensor:
        """Cells of the box as cells of the map."""
        columns = self.box.right - self.box.left
        rows = torch.div(cells, columns, rounding_mode="floor")
        return cells + rows * (self.width - columns) + self.box.top * self.width + self.box.left


def _in_place(maps: Tensor) -> NDArray[np.void]:
    """The cells of (1, C, H, W) in channels_last, (H, W), a view."""
    return whole_cells(maps.permute(0, 2, 3, 1)[0])


class Lattice:
    """The cells of a map that stand for each row and each column of pixels.

    rows: (H,), columns: (W,), both rising by no more than one from one pixel to the next, so that
    every cell stands for some. height, width: of the map.
    """

    def __init__(
        self, rows: NDArray[np.int64], columns: NDArray[np.int64], height: int, width: int
    ) -> None:
        self.rows, self.columns = rows, columns
        self.height, self.width = height, width

    @cached_property
    def key(self) -> tuple[bytes, bytes]:
        """The same for lattices of the same cells."""
        return self.rows.tobytes(), self.columns.tobytes()

    @cached_property
    def starts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The first row of pixels of each row of cells, and the first column of each column."""
        return np.flatnonzero(np.diff(self.rows, prepend=-1)), np.flatnonzero(
            np.diff(self.columns, prepend=-1)
        )

    def box(self, pixels: Rectangle) -> Rectangle:
        """The cells that stand for a box of pixels."""
        return Rectangle(
            int(self.rows[pixels.top]),
            int(self.rows[pixels.bottom - 1]) + 1,
            int(self.columns[pixels.left]),
            int(self.columns[pixels.right - 1]) + 1,
        )

    def region(self, area: Mask, pixels: Rectangle) -> Region:
        """The cells that stand for an area's pixels in a box, which holds some."""
        box, mask = self.box(pixels), pixels.of_mask(area)
        rows, columns = self.starts
        for axis, starts in (
            (0, rows[box.top : box.bottom] - pixels.top),
            (1, columns[box.left : box.right] - pixels.left),
        ):
            if len(starts) < mask.shape[axis]:
                starts[0] = 0
                mask = np.logical_or.reduceat(mask, starts, axis=axis)
        return Region(box, mask, self.width)


class Neighbours:
    """The cells that 3x3 kernels draw on for some cells of a map that is mirrored at its edges.

    cells: (n,) of the map, region by region. around: (m,) the cells that are drawn on besides.
    table: (9 n,) of each cell its nine, kernel row by kernel row, as numbers of the cells and, from
    n on, of those around.
    """

    def __init__(self, regions: Sequence[Region], lattice: Lattice) -> None:
        height, width = lattice.height, lattice.width
        self.cells = torch.cat([region.on_map(region.inside) for region in regions])
        cells = self.cells.numpy()
        places = []
        for at, length in ((cells // width, height), (cells % width, width)):
            at = np.abs(at[:, None] + np.arange(-1, 2))
            places.append(length - 1 - np.abs(length - 1 - at))
        drawn = places[0][:, :, None] * width + places[1][:, None, :]
        besides = np.zeros(height * width, dtype=bool)
        besides[drawn] = True
        besides[cells] = False
        around = np.flatnonzero(besides)
        numbers = np.empty(height * width, dtype=np.int64)
        numbers[cells] = np.arange(len(cells))
        numbers[around] = np.arange(len(cells), len(cells) + len(around))
        self.around = torch.from_numpy(around)
        self.table = torch.from_numpy(numbers[drawn].ravel())


@dataclass(frozen=True, eq=False)
class LayerPlaces:
    """Where the layers' maps lie over sketches of one size.

    lattices: of every layer. apart: the layers to which a map is added that may change in other
    cells than their own. chains: layers of residual blocks, one after the other, that read and
    give maps that change in the same cells. readers: of maps the layer that reads them first.
    """

    lattices: tuple[Lattice, ...]
    apart: frozenset[int]
    chains: tuple[range, ...]
    readers: Mapping[int, int]


def places_of(
    generator: Generator, layers: Sequence[Layer], height: int, width: int
) -> LayerPlaces:
    """The places for sketches of a size; traced, so ask once."""
    # Operations in inference mode are not seen by the tracer.
    with torch.inference_mode(False):
        geometries = trace_geometry(
            generator,
            [layer.name for layer in layers],
            (width, height),
            generator.architecture.input_channels,
        )
    known: dict[tuple[bytes, bytes], Lattice] = {}
    lattices: list[Lattice] = []
    apart: set[int] = set()
    chains: list[range] = []
    # Of each map, those of the sketch first, the lattices in whose cells an edit changes it.
    changing: list[set[Lattice]] = [set() for _ in range(generator.architecture.enhancers + 1)]
    for number, layer in enumerate(layers):
        geometry = geometries[layer.name]
        assert geometry.x is not None and geometry.y is not None and geometry.map_size is not None
        columns, rows = geometry.map_size
        lattice = Lattice(geometry.y.cells, geometry.x.cells, rows, columns)
        assert [len(starts) for starts in lattice.starts] == [rows, columns]
        lattice = known.setdefault(lattice.key, lattice)
        lattices.append(lattice)
        added = set() if layer.added is None else changing[layer.added]
        if added - {lattice}:
            apart.add(number)
        elif layer.refines and changing[layer.source] == {lattice}:
            if chains and chains[-1].stop == number and lattices[number - 1] is lattice:
                chains[-1] = range(chains[-1].start, number + 1)
            else:
                chains.append(range(number, number + 1))
        changing.append(added | {lattice})
    # Of several that read a map the first is the last to be put down.
    readers = {layer.source: number for number, layer in reversed(list(enumerate(layers)))}
    return LayerPlaces(tuple(lattices), frozenset(apart), tuple(chains), readers)


_HALO = 24
"""Pixels around a box that cost about as much as its halo in all maps."""
_BOX = 3000
"""Pixels that cost about as much as computing a box by itself."""
_FULL = 0.6
"""Share of a box's pixels, from which on no cut is looked for."""


def rectangles(area: Mask) -> list[Rectangle]:
    """Boxes that hold all pixels of an area, cut where that leaves less to compute."""
    rows, columns = (np.flatnonzero(area.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return []
    ends = (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)
    return _cut(area, Rectangle(*map(int, ends)))


def cost(parts: Sequence[Rectangle]) -> int:
    """Pixels that have about as much to be computed as the rectangles and what is around them."""
    sides = ((box.bottom - box.top, box.right - box.left) for box in parts)
    return sum((height + _HALO) * (width + _HALO) + _BOX for height, width in sides)


def _cut(area: Mask, box: Rectangle) -> list[Rectangle]:
    """The box, or those of its parts, whose edges all touch the area as its own do."""
    mask = box.of_mask(area)
    if np.count_nonzero(mask) > _FULL * box.cells:
        return [box]
    halves = min(_halves(mask), _halves(mask.T, swapped=True), key=cost)
    if cost(halves) >= cost([box]):
        return [box]
    placed = (
        Rectangle(
            box.top + half.top, box.top + half.bottom, box.left + half.left, box.left + half.right
        )
        for half in halves
    )
    return [part for half in placed for part in _cut(area, half)]


def _halves(mask: Mask, swapped: bool = False) -> list[Rectangle]:
    """The two cheapest rectangles, of all cuts between rows of a mask that fills its box."""
    height, width = mask.shape
    there, line = mask.any(axis=1), np.arange(height)
    first = np.where(there, mask.argmax(axis=1), width)
    last = np.where(there, width - mask[:, ::-1].argmax(axis=1), 0)
    # Of the rows before each cut, and of those from it on: the ends of what the mask holds.
    left, right = np.minimum.accumulate(first)[:-1], np.maximum.accumulate(last)[:-1]
    bottom = np.maximum.accumulate(np.where(there, line + 1, 0))[:-1]
    low, high = (
        np.minimum.accumulate(first[::-1])[-2::-1],
        np.maximum.accumulate(last[::-1])[-2::-1],
    )
    top = np.minimum.accumulate(np.where(there, line, height)[::-1])[-2::-1]
    costs = (bottom + _HALO) * (right - left + _HALO) + (height - top + _HALO) * (
        high - low + _HALO
    )
    if not len(costs):
        return [Rectangle(0, height, 0, width)]
    at = int(costs.argmin())
    found = [
        (0, int(bottom[at]), int(left[at]), int(right[at])),
        (int(top[at]), height, int(low[at]), int(high[at])),
    ]
    return [Rectangle(*ends[2:], *ends[:2]) if swapped else Rectangle(*ends) for ends in found]


def regions(lattice: Lattice, area: Mask, parts: Sequence[Rectangle]) -> list[Region]:
    """The cells that stand for an area in rectangles of pixels; those that meet are joined."""
    found: list[Region] = []
    left = list(parts)
    while left:
        part = left.pop()
        for other in left:
            if lattice.box(other).within(lattice.box(part)).is_some:
                left.remove(other)
                left.append(part.joined(other))
                break
        else:
            found.append(lattice.region(area, part))
    return found


def widened(mask: Mask, cells: int) -> Mask:
    """The cells of a mask (H, W) and all that are no farther from one along either axis."""
    for _ in range(2):
        reached = 0
        while reached < cells:
            # A step farther would leave gaps at the edges, where nothing comes from beyond.
            step = min(reached + 1, cells - reached)
            before, mask = mask, mask.copy()
            mask[step:] |= before[:-step]
            mask[:-step] |= before[step:]
            reached += step
        mask = mask.T
    return mask
