"""One edit of a base, layer by layer: the cells that stand for the edited area, and no others."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from featviz.editing.engine_layers import Layer, Scale
from featviz.editing.engine_places import Lattice, LayerPlaces, Neighbours, Region, regions, widened
from featviz.editing.prepared_base import (
    Patch,
    PreparedBase,
    RegionCells,
    check_finite,
    encoded,
    patched,
    stacked,
)
from featviz.editing.rectangles import Rectangle
from featviz.generators.networks.generators import halve
from featviz.probing.statistics import Statistics
from featviz.sketches.edits import Mask, Pixels


class EditRun:
    """The maps of an edit: its base's, and what lies over them.

    Where residual blocks read and write the same cells, these are rows of a matrix; elsewhere
    patches.
    """

    def __init__(
        self,
        base: PreparedBase,
        layers: Sequence[Layer],
        places: LayerPlaces,
        area: Mask,
        parts: list[Rectangle],
        dtype: torch.dtype,
    ) -> None:
        self._base, self._layers, self._places = base, layers, places
        self._area, self._parts, self._dtype = area, parts, dtype
        self._levels = len(base.maps) - len(layers) + 1
        self._is_whole = parts == [Rectangle(0, area.shape[0], 0, area.shape[1])]
        self._patches: list[list[Patch]] = [[] for _ in base.maps]
        self._own: dict[int, list[Patch]] = {number: [] for number in base.own}
        self._rows: dict[int, Tensor] = {}
        self._regions: dict[Lattice, list[Region]] = {}
        # Convolutions take less long where the cells are most of the map.
        chains = () if self._is_whole else places.chains
        self._chains = {chain.start: chain for chain in chains}

    def put_sketch(self, edited: Pixels) -> None:
        """Take the edit's sketch (H, W), which differs in the edited area alone."""
        self._patches[0] = [
            Patch(box, encoded(box.of_mask(edited), self._dtype)) for box in self._readings(0)
        ]
        for level in range(1, self._levels):
            height, width = self._base.maps[level].shape[2:]
            for finer, _ in self._patches[level - 1]:
                # Cell i is the average of the finer map's cells 2 i - 1 to 2 i + 1.
                box = Rectangle(
                    finer.top // 2,
                    min(finer.bottom // 2 + 1, height),
                    finer.left // 2,
                    min(finer.right // 2 + 1, width),
                )
                # It begins a cell early, or the average would take what is before for an edge.
                top, left = (max(0, end - 1) for end in (box.top, box.left))
                window = Rectangle(2 * top, 2 * box.bottom, 2 * left, 2 * box.right)
                cells = halve(self._cells(level - 1, window))
                cells = cells[:, :, box.top - top :, box.left - left :]
                self._patches[level].append(Patch(box, cells))

    def compute(self, scales: Sequence[Scale | None]) -> None:
        """Compute the layers' maps but for the last.

        scales: what their norms do, None where one takes the statistics of its map as it is kept.
        """
        number = 0
        while number < len(self._layers) - 1:
            chain = self._chains.get(number, range(0))
            known = [scale for scale in scales[chain.start : chain.stop] if scale is not None]
            if chain and len(known) == len(chain):
                self._put_chain(chain, known)
                number = chain.stop
                continue
            if number in self._places.apart:
                self._put_apart(number, scales[number])
            else:
                self._put(number, scales[number])
            number += 1

    def image(self, scale: Scale) -> tuple[list[Patch], Mask]:
        """What the last layer makes of the pixels that the edit reaches, and which those are.

        Raises FeatvizError for NaN or infinity.
        """
        layer, found = self._layers[-1], []
        height, width = self._area.shape
        changed, reach = (np.zeros((height, width), dtype=bool) for _ in range(2))
        for region in self._in(len(self._layers) - 2):
            region.box.of_mask(changed)[...] |= region.mask
        for box in self._computed_boxes(len(self._layers) - 1):
            around = box.grown(layer.padding, height, width)
            mask = box.within(around).of_mask(widened(around.of_mask(changed), layer.padding))
            box.of_mask(reach)[...] |= mask
            cells = self._computed(layer, box, scale).tanh_()
            check_finite(cells)
            found.append(Patch(box, Region(box, mask, width).kept(cells, self._base.image)))
        return found, reach

    def rebased(self, sketch: Pixels, image: Tensor) -> PreparedBase:
        """The edit as a base."""
        base = self._base
        maps = [patched(each, self._over(number)) for number, each in enumerate(base.maps)]
        own = {number: patched(each, self._own[number]) for number, each in base.own.items()}
        held, stacks = stacked(maps, self._layers, self._places)
        sums = dict(base.sums)
        statistics: list[Statistics | None] = list(base.statistics)
        for number, layer in enumerate(self._layers):
            if layer.norm is not None:
                given = [
                    RegionCells(region, self._computed(layer, region.box, layer.plain, held))
                    for region in self._in(number)
                ]
                statistics[number] = self._statistics_as_kept(number, given)
                before = [
                    each for each in sums.get(number, ()) if not _is_hidden(each.region, given)
                ]
                sums[number] = (*before, *given)
        return PreparedBase(
            sketch,
            image,
            held,
            own,
            base.statistics,
            base.scales,
            stacks,
            base.origin or base,
            sums,
            statistics,
        )

    def _in(self, number: int) -> list[Region]:
        """The regions of a layer's map."""
        lattice = self._places.lattices[number]
        if lattice not in self._regions:
            self._regions[lattice] = regions(lattice, self._area, self._parts)
        return self._regions[lattice]

    def _computed_boxes(self, number: int) -> list[Rectangle]:
        """The boxes in which a layer computes cells."""
        if number < len(self._layers) - 1:
            return [region.box for region in self._in(number)]
        padding, (height, width) = self._layers[number].padding, self._area.shape
        return [part.grown(padding, height, width) for part in self._parts]

    def _readings(self, number: int) -> list[Rectangle]:
        """The boxes of a map's cells that the next layer reads; its own, if that only adds it."""
        reader = self._places.readers.get(number)
        if reader is None:
            return self._computed_boxes(number - self._levels)
        boxes, layer = self._computed_boxes(reader), self._layers[reader]
        if reader in self._chains:
            return boxes
        height, width = self._base.maps[number].shape[2:]
        return [layer.window(layer.aligned(box)).cut(height, width) for box in boxes]

    def _put(self, number: int, scale: Scale | None) -> None:
        """The map of a layer to which none is added, or one that changes in the same cells."""
        layer, found = self._layers[number], []
        for region, cells in self._found(number, scale):
            if layer.added is not None:
                cells = cells.add_(self._read(layer.added, region.box))
            found.append((region, cells))
        self._lay(self._levels + number, found)

    def _found(self, number: int, scale: Scale | None) -> list[tuple[Region, Tensor]]:
        """What a layer computes in its regions, before anything is added."""
        layer, regions = self._layers[number], self._in(number)
        if scale is not None:
            return [(region, self._computed(layer, region.box, scale)) for region in regions]
        found = [(region, self._computed(layer, region.box, layer.plain)) for region in regions]
        scale = self._composite(number, found)
        return [(region, layer.finished(cells, scale)) for region, cells in found]

    def _composite(self, number: int, found: Sequence[tuple[Region, Tensor]]) -> Scale:
        """What a norm does that takes the statistics of its map as kept; found: as below."""
        return self._layers[number].scale(self._statistics_as_kept(number, found))

    def _statistics_as_kept(
        self, number: int, found: Sequence[tuple[Region, Tensor]]
    ) -> Statistics:
        """The statistics of a norm's map as kept.

        These are the base's, less what its cells add to them in the edited area, and with what the
        edit's do. found: of the regions what the convolution gives for the edit.
        """
        layer, base = self._layers[number], self._base
        before = (base.kept_statistics or base.statistics)[number]
        lattice = self._places.lattices[number]
        assert before is not None
        if not found:
            return before
        bias = 0 if layer.bias is None else layer.bias
        of_base = [(region, self._sums_of_base(number, region)) for region, _ in found]
        # Around the base's mean sums lose no digits.
        edited, replaced = (
            torch.cat([region.rows(cells) for region, cells in each]).double() + bias - before.mean
            for each in (found, of_base)
        )
        count = lattice.height * lattice.width
        moved = (edited.sum(dim=0) - replaced.sum(dim=0)) / count
        wider = (edited.square().sum(dim=0) - replaced.square().sum(dim=0)) / count
        variance = before.variance + wider - moved.square()
        return Statistics(before.mean + moved, variance)

    def _sums_of_base(self, number: int, region: Region) -> Tensor:
        """What a layer's convolution gave in a region, in the map that the base keeps."""
        layer, origin = self._layers[number], self._base.origin or self._base
        cells = self._computed(layer, region.box, layer.plain, origin.maps)
        for edited, sums in self._base.sums.get(number, ()):
            here, there = edited.box.within(region.box), region.box.within(edited.box)
            if here.is_some:
                mask = torch.from_numpy(there.of_mask(edited.mask))
                given = here.of(cells)
                given.copy_(torch.where(mask, there.of(sums), given))
        return cells

    def _lay(self, number: int, found: Sequence[tuple[Region, Tensor]]) -> None:
        """Lay the computed cells of regions over a map, as it will be read."""
        maps = self._base.maps[number]
        kept = [Patch(region.box, region.kept(cells, maps)) for region, cells in found]
        for box in self._readings(number):
            same = [patch for patch in kept if patch.box == box]
            self._patches[number].append(
                same[0] if same else Patch(box, self._laid(maps, kept, box))
            )

    def _put_apart(self, number: int, scale: Scale | None) -> None:
        """The map of a layer to which one is added that changes in other cells."""
        layer, own, patches = self._layers[number], self._base.own[number], self._own[number]
        assert layer.added is not None
        for region, cells in self._found(number, scale):
            patches.append(Patch(region.box, region.kept(cells, own)))
        for box, _ in (*patches, *self._over(layer.added)):
            cells = self._laid(own, patches, box).add_(self._cells(layer.added, box))
            self._patches[self._levels + number].append(Patch(box, cells))

    def _put_chain(self, chain: range, scales: Sequence[Scale]) -> None:
        """The maps of layers that read and give the same cells, as rows."""
        number, source = chain.start, self._layers[chain.start].source
        near = Neighbours(self._in(number), self._places.lattices[number])
        count, stack = len(near.cells), self._base.stacks[number]
        # Of each map the cells, then what is around them.
        rows = stack.new_empty(
            (len(stack), count + len(near.around), stack.shape[2]), dtype=self._dtype
        )
        rows[:, count:] = stack.index_select(1, near.around)
        found = zip(self._over(source), self._in(number), strict=True)
        cells = [region.rows(cells) for (_, cells), region in found]
        rows[0, :count] = torch.cat(cells)
        maps = dict(zip([source, *(self._levels + each for each in chain)], rows, strict=True))
        drawn = rows.new_empty((9 * count, rows.shape[2]))
        windows = drawn.view(count, -1)
        for number, scale in zip(chain, scales, strict=True):
            layer = self._layers[number]
            torch.index_select(maps[layer.source], 0, near.table, out=drawn)
            cells = maps[self._levels + number][:count]
            scale.product(windows, layer.matrices[0], out=cells)
            if layer.rectified:
                cells.relu_()
            if layer.added is not None:
                cells.add_(maps[layer.added][:count])
            self._rows[self._levels + number] = cells
        self._lay(self._levels + number, self._spread(number))

    def _spread(self, number: int) -> list[tuple[Region, Tensor]]:
        """The rows of a layer as cells of its regions."""
        found, begin = [], 0
        for region in self._in(number):
            end = begin + len(region.inside)
            rows = self._rows[self._levels + number][begin:end]
            found.append((region, region.spread(rows)))
            begin = end
        return found

    def _over(self, number: int) -> list[Patch]:
        """What lies over a map of the base."""
        if number in self._rows and not self._patches[number]:
            self._patches[number] = [
                Patch(region.box, region.kept(cells, self._base.maps[number]))
                for region, cells in self._spread(number - self._levels)
            ]
        return self._patches[number]

    def _cells(self, number: int, box: Rectangle) -> Tensor:
        """A copy of some cells of a map."""
        return self._laid(self._base.maps[number], self._over(number), box)

    def _read(self, number: int, box: Rectangle) -> Tensor:
        """The same, but no copy where a patch holds just them."""
        for place, cells in self._over(number):
            if place == box:
                return cells
        return self._cells(number, box)

    def _laid(self, maps: Tensor, patches: Sequence[Patch], box: Rectangle) -> Tensor:
        """Cells of a base's map with patches over them, a copy."""
        cells = box.of(maps).to(self._dtype, copy=True)
        for place, patch in patches:
            shared = place.within(box)
            if shared.is_some:
                shared.of(cells).copy_(box.within(place).of(patch))
        return cells

    def _computed(
        self, layer: Layer, box: Rectangle, scale: Scale, maps: Sequence[Tensor] | None = None
    ) -> Tensor:
        """What a layer computes for some cells of its map, before anything is added.

        maps: of which it does, a base's; the edit's if not given.
        """
        wide = layer.aligned(box)
        window = layer.window(wide)
        height, width = self._base.maps[layer.source].shape[2:]
        inside = window.cut(height, width)
        given = (
            self._read(layer.source, inside)
            if maps is None
            else inside.of(maps[layer.source]).to(self._dtype)
        )
        if self._is_whole and inside == (0, height, 0, width):
            return layer.scaled(given, scale)
        cells = layer.cells(layer.padded(given, window, inside), scale)
        return cells if wide == box else box.within(wide).of(cells)


def _is_hidden(region: Region, later: Sequence[RegionCells]) -> bool:
    """Whether one of some later regions holds all cells of a region."""
    return any(
        above.box == above.box.joined(region.box)
        and bool(region.box.within(above.box).of_mask(above.mask)[region.mask].all())
        for above, _ in later
    )
