"""Which cells of each layer's map stand for an edited area, and the boxes to compute them in."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featviz.editing.engine_layers import Box, Layer
from featviz.generators.networks.generators import Generator
from featviz.probing.receptive_field import trace_geometry
from featviz.sketches.edits import Mask


@dataclass(frozen=True, eq=False)
class Region:
    """Some cells of a map: those of a mask in a box. mask: (rows, columns) of the box.

    width: of the map. Cells are counted row by row, in the box and in the map alike.
    """

    box: Box
    mask: Mask
    width: int

    @cached_property
    def inside(self) -> Tensor:
        """The cells of the box that are in the mask."""
        return torch.from_numpy(np.flatnonzero(self.mask))

    @cached_property
    def outside(self) -> Tensor:
        """The cells of the box that are not."""
        return torch.from_numpy(np.flatnonzero(~self.mask))

    @cached_property
    def outside_on_map(self) -> Tensor:
        """The same as cells of the map."""
        return self.on_map(self.outside)

    def on_map(self, cells: Tensor) -> Tensor:
        """Cells of the box as cells of the map."""
        columns = self.box.right - self.box.left
        rows = torch.div(cells, columns, rounding_mode="floor")
        return cells + rows * (self.width - columns) + self.box.top * self.width + self.box.left


class Lattice:
    """The cells of a map that stand for each row and each column of pixels.

    rows: (H,), columns: (W,), both rising by no more than one from one pixel to the next. height,
    width: of the map.
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

    def region(self, pixels: Mask, box: Box) -> Region:
        """The cells that stand for pixels of a mask in a box; the box holds some."""
        rows = self.rows[box.top : box.bottom]
        columns = self.columns[box.left : box.right]
        mask = pixels[box.top : box.bottom, box.left : box.right]
        for axis, cells in enumerate((rows, columns)):
            if cells[-1] - cells[0] + 1 < len(cells):
                first = np.flatnonzero(np.diff(cells, prepend=-1))
                mask = np.logical_or.reduceat(mask, first, axis=axis)
        return Region(
            Box(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1),
            mask,
            self.width,
        )


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
        numbers = np.full(height * width, -1)
        numbers[cells] = np.arange(len(cells))
        around = np.unique(drawn[numbers[drawn] < 0])
        numbers[around] = len(cells) + np.arange(len(around))
        self.around = torch.from_numpy(around)
        self.table = torch.from_numpy(numbers[drawn].ravel())


@dataclass(frozen=True, eq=False)
class Places:
    """Where the layers' maps lie over sketches of one size.

    lattices: of every layer. apart: the layers to which a map is added that may change in other
    cells than their own. alike: those whose 3x3 kernels read a map that changes in the cells that
    stand for pixels on their own map.
    """

    lattices: tuple[Lattice, ...]
    apart: frozenset[int]
    alike: frozenset[int]


def places_of(generator: Generator, layers: Sequence[Layer], height: int, width: int) -> Places:
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
    apart, alike = set(), set()
    # Of each map, those of the sketch first, the lattices in whose cells an edit changes it.
    changing: list[set[Lattice]] = [set() for _ in range(generator.architecture.enhancers + 1)]
    for number, layer in enumerate(layers):
        geometry = geometries[layer.name]
        assert geometry.x is not None and geometry.y is not None and geometry.map_size is not None
        columns, rows = geometry.map_size
        lattice = Lattice(geometry.y.cells, geometry.x.cells, rows, columns)
        lattice = known.setdefault(lattice.key, lattice)
        lattices.append(lattice)
        added = set() if layer.added is None else changing[layer.added]
        if added - {lattice}:
            apart.add(number)
        elif layer.refines and changing[layer.source] == {lattice}:
            alike.add(number)
        changing.append(added | {lattice})
    return Places(tuple(lattices), frozenset(apart), frozenset(alike))


def bounds(mask: Mask, within: Box) -> Box | None:
    """The smallest box around the pixels of a mask in a box; None without any."""
    part = mask[within.top : within.bottom, within.left : within.right]
    rows, columns = (np.flatnonzero(part.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    return Box(
        within.top + int(rows[0]),
        within.top + int(rows[-1]) + 1,
        within.left + int(columns[0]),
        within.left + int(columns[-1]) + 1,
    )


_GRAIN = 16
"""Pixels of the blocks between which an area may be cut into boxes: two cells of the coarsest maps
would share a finer cut."""
_HALO = 24.0
"""Pixels around a box that cost about as much as its halo in all maps."""


def boxes(area: Mask) -> list[Box]:
    """Boxes that hold all pixels of an area, cut where that leaves less to compute."""
    height, width = area.shape
    whole = bounds(area, Box(0, height, 0, width))
    return [] if whole is None else _cut(area, whole)


def cost(parts: Sequence[Box]) -> float:
    """Pixels that have about as much to be computed as the boxes and what is around them."""
    return sum((b.bottom - b.top + _HALO) * (b.right - b.left + _HALO) for b in parts)


def _cut(area: Mask, box: Box) -> list[Box]:
    best = [box]
    for top, bottom in _ends(box.top, box.bottom):
        halves = (box._replace(bottom=top), box._replace(top=bottom))
        best = _better(area, halves, best)
    for left, right in _ends(box.left, box.right):
        halves = (box._replace(right=left), box._replace(left=right))
        best = _better(area, halves, best)
    if len(best) == 1:
        return best
    return [part for half in best for part in _cut(area, half)]


def _ends(first: int, last: int) -> list[tuple[int, int]]:
    places = range(first // _GRAIN * _GRAIN + _GRAIN, last, _GRAIN)
    return [(place, place) for place in places]


def _better(area: Mask, halves: Sequence[Box], best: list[Box]) -> list[Box]:
    parts = [part for half in halves if (part := bounds(area, half)) is not None]
    return parts if cost(parts) < cost(best) else best


def regions(lattice: Lattice, area: Mask, parts: Sequence[Box]) -> list[Region]:
    """The cells that stand for an area in boxes of pixels, those that meet joined in one box."""
    found: list[Region] = []
    left = list(parts)
    while left:
        part = left.pop()
        region = lattice.region(area, part)
        for other in left:
            box = lattice.region(area, other).box.within(region.box)
            if box.top < box.bottom and box.left < box.right:
                left.remove(other)
                left.append(_around(part, other))
                break
        else:
            found.append(region)
    return found


def _around(one: Box, other: Box) -> Box:
    return Box(
        min(one.top, other.top),
        max(one.bottom, other.bottom),
        min(one.left, other.left),
        max(one.right, other.right),
    )


def widened(mask: Mask, cells: int) -> Mask:
    """The cells of a mask (H, W) and all that are no farther from one along either axis."""
    found = mask.copy()
    for axis in (0, 1):
        before = found.copy()
        for step in range(1, cells + 1):
            here, there = [slice(None)] * 2, [slice(None)] * 2
            here[axis], there[axis] = slice(step, None), slice(None, -step)
            found[tuple(here)] |= before[tuple(there)]
            found[tuple(there)] |= before[tuple(here)]
    return found
