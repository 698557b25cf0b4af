"""One edit of a base, layer by layer: the cells that stand for the edited area, and no others."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from featviz.base.errors import FeatvizError
from featviz.editing.engine_layers import Box, Layer
from featviz.editing.engine_places import Lattice, Neighbours, Places, Region, regions
from featviz.generators.networks.generators import halve
from featviz.probing.statistics import Statistics
from featviz.sketches.edits import Mask, Pixels
from featviz.sketches.tensors import decode_image


class Scale(NamedTuple):
    """A norm with fixed statistics, its convolution's bias included: (1, C, 1, 1) each."""

    factor: Tensor
    shift: Tensor


@dataclass(frozen=True, eq=False)
class PreparedBase:
    """A sketch whose maps are kept, with its face.

    sketch: (H, W) uint8. image: (1, 3, H, W) in [-1, 1]. maps: those of the sketch, from the finest
    to the coarsest, then one a layer but for the last. own: by a layer's number what it gives
    before another map is added to it, where that is needed. statistics: of every layer's norm, None
    without one; scales: the same as what is done to the convolution's cells.
    """

    sketch: Pixels
    image: Tensor
    maps: tuple[Tensor, ...]
    own: dict[int, Tensor]
    statistics: tuple[Statistics | None, ...]
    scales: tuple[Scale | None, ...]

    @cached_property
    def face(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB."""
        return decode_image(self.image[0])

    @property
    def nbytes(self) -> int:
        """Bytes of memory that its maps and its image take."""
        return sum(tensor.nbytes for tensor in (self.image, *self.maps, *self.own.values()))


class Patch(NamedTuple):
    """Cells of a map that may differ from the base's, as kept: (1, C, rows, columns) of a box."""

    box: Box
    cells: Tensor


class Run:
    """The maps of an edit: its base's, and what lies over them.

    Where residual blocks read and write the same cells, these are rows of a matrix; elsewhere
    patches.
    """

    def __init__(
        self,
        base: PreparedBase,
        layers: Sequence[Layer],
        places: Places,
        area: Mask,
        parts: Sequence[Box],
        dtype: torch.dtype,
    ) -> None:
        self._base, self._layers, self._places = base, layers, places
        self._area, self._parts, self._dtype = area, parts, dtype
        self._levels = len(base.maps) - len(layers) + 1
        self._patches: list[list[Patch]] = [[] for _ in base.maps]
        self._own: dict[int, list[Patch]] = {number: [] for number in base.own}
        self._rows: dict[int, Tensor] = {}
        self._regions: dict[Lattice, list[Region]] = {}
        self._neighbours: dict[Lattice, Neighbours] = {}

    def put_sketch(self, edited: Tensor) -> None:
        """Take the edit's sketch (1, 1, H, W)."""
        self._patches[0] = [Patch(box, box.of(edited)) for box in self._parts]
        for level in range(1, self._levels):
            height, width = self._base.maps[level].shape[2:]
            for finer, _ in self._patches[level - 1]:
                # Cell i is the average of the finer map's cells 2 i - 1 to 2 i + 1.
                box = Box(
                    finer.top // 2,
                    min(finer.bottom // 2 + 1, height),
                    finer.left // 2,
                    min(finer.right // 2 + 1, width),
                )
                # It begins a cell early, or the average would take what is before for an edge.
                top, left = (max(0, end - 1) for end in (box.top, box.left))
                window = Box(2 * top, 2 * box.bottom, 2 * left, 2 * box.right)
                cells = halve(self._cells(level - 1, window))
                cells = cells[:, :, box.top - top :, box.left - left :]
                self._patches[level].append(Patch(box, cells))

    def put_layer(self, number: int, scale: Scale | None, by_row: bool) -> None:
        """Compute a layer's map from those of the layers before it.

        by_row: whether a residual block's cells are multiplied one by one, which takes less long
        than a convolution unless they are most of the map.
        """
        if by_row and number in self._places.alike:
            self._put_rows(number, scale)
        elif number in self._places.apart:
            self._put_apart(number, scale)
        else:
            layer, result = self._layers[number], self._levels + number
            for region in self._in(number):
                cells = self._computed(layer, region.box, scale)
                if layer.added is not None:
                    cells = cells.add_(self._cells(layer.added, region.box))
                self._keep(cells, region, self._base.maps[result])
                self._patches[result].append(Patch(region.box, cells))

    def image(self, reach: Mask) -> list[Patch]:
        """What the last layer makes of the pixels that an edit reaches.

        Raises FeatvizError for NaN or infinity.
        """
        layer, found = self._layers[-1], []
        height, width = reach.shape
        for part in self._parts:
            box = part.grown(layer.padding, height, width)
            cells = torch.tanh(self._computed(layer, box, None))
            check_finite(cells)
            mask = torch.from_numpy(box.of_mask(reach))
            found.append(Patch(box, torch.where(mask, cells, box.of(self._base.image))))
        return found

    def maps(self) -> tuple[tuple[Tensor, ...], dict[int, Tensor]]:
        """The edit's maps and own maps, see `PreparedBase`."""
        base = self._base
        maps = (patched(each, self._over(number)) for number, each in enumerate(base.maps))
        own = {number: patched(each, self._own[number]) for number, each in base.own.items()}
        return tuple(maps), own

    def last_cells(self) -> Mask:
        """The cells of the last kept map that stand for the area."""
        lattice = self._places.lattices[-2]
        found = np.zeros((lattice.height, lattice.width), dtype=bool)
        for region in self._in(len(self._layers) - 2):
            region.box.of_mask(found)[...] |= region.mask
        return found

    def _in(self, number: int) -> list[Region]:
        """The regions of a layer's map."""
        lattice = self._places.lattices[number]
        if lattice not in self._regions:
            self._regions[lattice] = regions(lattice, self._area, self._parts)
        return self._regions[lattice]

    def _put_apart(self, number: int, scale: Scale | None) -> None:
        """The map of a layer to which one is added that changes in other cells."""
        layer, own, patches = self._layers[number], self._base.own[number], self._own[number]
        assert layer.added is not None
        for region in self._in(number):
            cells = self._computed(layer, region.box, scale)
            self._keep(cells, region, own)
            patches.append(Patch(region.box, cells))
        for box, _ in (*patches, *self._over(layer.added)):
            cells = self._laid(own, patches, box).add_(self._cells(layer.added, box))
            self._patches[self._levels + number].append(Patch(box, cells))

    def _put_rows(self, number: int, scale: Scale | None) -> None:
        layer, lattice = self._layers[number], self._places.lattices[number]
        if lattice not in self._neighbours:
            self._neighbours[lattice] = Neighbours(self._in(number), lattice)
        near = self._neighbours[lattice]
        given, count = self._rows_of(layer.source, number), len(near.cells)
        drawn = given.index_select(0, near.table).view(count, -1)
        result = self._new_rows(self._levels + number, near)
        cells = result[:count]
        if scale is None:
            cells.copy_(F.linear(drawn, layer.matrix, layer.bias))
        else:
            factor, shift = (part.flatten() for part in scale)
            torch.addcmul(shift, F.linear(drawn, layer.matrix), factor, out=cells)
        if layer.rectified:
            cells.relu_()
        if layer.added is not None:
            cells.add_(self._rows_of(layer.added, number)[:count])

    def _rows_of(self, source: int, number: int) -> Tensor:
        """The rows of a map that a layer reads or adds: its cells, then what is around."""
        if source not in self._rows:
            near = self._neighbours[self._places.lattices[number]]
            found = zip(self._patches[source], self._in(number), strict=True)
            rows = [_rows(cells).index_select(0, region.inside) for (_, cells), region in found]
            torch.cat(rows, out=self._new_rows(source, near)[: len(near.cells)])
        return self._rows[source]

    def _new_rows(self, result: int, near: Neighbours) -> Tensor:
        """Rows of a map, of which those around the cells are the base's and the others empty."""
        maps = self._base.maps[result]
        count = len(near.cells)
        rows = maps.new_empty((count + len(near.around), maps.shape[1]), dtype=self._dtype)
        rows[count:] = _rows(maps).index_select(0, near.around)
        self._rows[result] = rows
        return rows

    def _over(self, number: int) -> list[Patch]:
        """What lies over a map of the base."""
        if number in self._rows and not self._patches[number]:
            layer, begin = number - self._levels, 0
            for region in self._in(layer):
                cells = region.box.of(self._base.maps[number]).to(self._dtype, copy=True)
                end = begin + len(region.inside)
                _rows(cells).index_copy_(0, region.inside, self._rows[number][begin:end])
                self._patches[number].append(Patch(region.box, cells))
                begin = end
        return self._patches[number]

    def _cells(self, number: int, box: Box) -> Tensor:
        """A copy of some cells of a map."""
        return self._laid(self._base.maps[number], self._over(number), box)

    def _laid(self, maps: Tensor, patches: Sequence[Patch], box: Box) -> Tensor:
        """Cells of a base's map with patches over them, a copy."""
        cells = box.of(maps).to(self._dtype, copy=True)
        for place, patch in patches:
            shared = place.within(box)
            if shared.is_some:
                shared.of(cells).copy_(box.within(place).of(patch))
        return cells

    def _computed(self, layer: Layer, box: Box, scale: Scale | None) -> Tensor:
        """What a layer computes for some cells of its map, before anything is added."""
        wide = layer.aligned(box)
        window = layer.window(wide)
        height, width = self._base.maps[layer.source].shape[2:]
        inside = window.cut(height, width)
        given = layer.padded(self._cells(layer.source, inside), window, inside)
        cells = layer.convolved(given, biased=scale is None)
        if wide != box:
            cells = box.within(wide).of(cells)
        cells = cells.contiguous(memory_format=torch.channels_last)
        if scale is not None:
            torch.addcmul(scale.shift, cells, scale.factor, out=cells)
        return cells.relu_() if layer.rectified else cells

    def _keep(self, cells: Tensor, region: Region, maps: Tensor) -> None:
        """Take the base's cells where those of a region's box do not stand for the area."""
        if len(region.outside):
            kept = _rows(maps).index_select(0, region.outside_on_map)
            _rows(cells).index_copy_(0, region.outside, kept.to(self._dtype))


def patched(maps: Tensor, patches: Sequence[Patch]) -> Tensor:
    """Maps with patches in them; the very same without any."""
    if patches:
        maps = maps.clone()
        for box, cells in patches:
            box.of(maps).copy_(cells)
    return maps


def check_finite(image: Tensor) -> None:
    """Raise FeatvizError for an image in [-1, 1] that holds NaN or infinity."""
    if not math.isfinite(image.sum()):
        raise FeatvizError("the generated image holds NaN or infinity")


def _rows(maps: Tensor) -> Tensor:
    """A map (1, C, H, W) in channels_last as (H W, C), a view."""
    return maps.permute(0, 2, 3, 1).view(-1, maps.shape[1])
