"""Edits that stay where they were drawn, computed where they were drawn.

The base is run once, whole; its maps and its norms' statistics are kept. Of an edit, each layer
computes the cells that stand for the edited area alone, from the base's maps around them. What
comes out is what `keeping` defines for kept maps of every layer.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featviz.base.errors import FeatvizError
from featviz.editing.engine_layers import Box, Layer, layers_of
from featviz.editing.engine_places import Lattice, Region, boxes, cost, lattices, regions, widened
from featviz.generators.networks.conditions import SKETCH_CHANNELS
from featviz.generators.networks.generators import Generator, GlobalGenerator, LocalEnhancer, halve
from featviz.probing.statistics import Statistics
from featviz.sketches.edits import MARGIN, Edit, Mask, Pixels
from featviz.sketches.tensors import decode_image

_WHOLE = 0.8
"""Of the canvas: of boxes that are more to compute than this, one whole box takes no longer."""


HeldStatistics = Literal["base", "edit"] | float
"""Whose mean and variance norms use in an edited area: the base's, those of a free run of the edit,
or a share of the edit's between both, from 0 to 1."""


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


@dataclass(frozen=True, eq=False)
class EditedFace:
    """What an edit makes of a base's face.

    face: (H, W, 3) uint8 RGB. area: (H, W) bool, the edited area. reach: (H, W) bool, the pixels
    that may differ from the base's face; all others equal it to the last bit. whole: whether the
    area is so large that every cell was computed. patches: of the base's image.
    """

    face: NDArray[np.uint8]
    area: Mask
    reach: Mask
    whole: bool
    base: PreparedBase
    patches: tuple[Patch, ...]

    @cached_property
    def image(self) -> Tensor:
        """(1, 3, H, W) in [-1, 1]."""
        return _patched(self.base.image, self.patches)


class LocalEditor:
    """Makes faces of edits, with its own copy of a generator on the CPU.

    dtype: float32 or float64, in which all is computed. cache: in which the maps of a base are
    held, as they are if not given; torch.bfloat16 takes half of the memory of float32, and rounds
    what surrounds an edit to 8 bits. Raises FeatvizError for anything but a whole generator that is
    given a sketch alone.
    """

    def __init__(
        self,
        generator: Generator,
        dtype: torch.dtype = torch.float32,
        cache: torch.dtype | None = None,
    ) -> None:
        _check_generator(generator)
        _check_type("compute in", dtype, (torch.float32, torch.float64))
        self._cache = dtype if cache is None else cache
        _check_type("hold maps in", self._cache, (torch.bfloat16, torch.float32, torch.float64))
        self._dtype = dtype
        self._generator = copy.deepcopy(generator).eval().requires_grad_(False).to(dtype=dtype)
        self._generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._layers = layers_of(self._generator)
        self._levels = self._generator.architecture.enhancers + 1
        self._lattices: dict[tuple[int, ...], tuple[Lattice, ...]] = {}

    @torch.inference_mode()
    def prepare(self, sketch: Pixels) -> PreparedBase:
        """Run a base once, whole, and keep what its edits need.

        sketch: (H, W) uint8, paper 255 and ink 0. Raises FeatvizError for a sketch of a size that
        does not fit the generator and for a face that holds NaN or infinity.
        """
        self._check(sketch)
        maps, own, statistics = self._free(sketch)
        image = maps.pop()
        _check_finite(image)
        return PreparedBase(
            sketch.copy(),
            image.contiguous(),
            (*maps[: self._levels], *(each.to(self._cache) for each in maps[self._levels :])),
            own,
            statistics,
            self._scales(statistics),
        )

    @torch.inference_mode()
    def edit(
        self,
        base: PreparedBase,
        edited: Pixels,
        margin: float = MARGIN,
        statistics: HeldStatistics = "base",
    ) -> EditedFace:
        """The face of a base's edit, whose change stays in the edited area.

        edited: (H, W) uint8, of the base's size. margin: pixels at 512 around what differs that are
        edited, too. statistics: what the norms normalise the area with; all but "base" take as
        long as a whole forward. Raises FeatvizError for a sketch of another size, for statistics
        that there are not and for a face that holds NaN or infinity.
        """
        return self._edited(base, edited, margin, statistics)[0]

    @torch.inference_mode()
    def rebase(
        self,
        base: PreparedBase,
        edited: Pixels,
        margin: float = MARGIN,
        statistics: HeldStatistics = "base",
    ) -> PreparedBase:
        """An edit as a base of its own: with the maps and the image of the edit as kept.

        The base's statistics stay those of the first base.
        """
        found, patches = self._edited(base, edited, margin, statistics)
        pairs = zip(base.maps, patches.maps, strict=True)
        return PreparedBase(
            edited.copy(),
            found.image,
            tuple(_patched(maps, parts) for maps, parts in pairs),
            {number: _patched(base.own[number], patches.own[number]) for number in base.own},
            base.statistics,
            base.scales,
        )

    def _free(
        self, sketch: Pixels
    ) -> tuple[list[Tensor], dict[int, Tensor], tuple[Statistics | None, ...]]:
        """All maps of a sketch, the image the last, and the rest as in `PreparedBase`."""
        apart = self._added_apart(sketch)
        maps = self._pyramid(sketch)
        own: dict[int, Tensor] = {}
        statistics = []
        for number, layer in enumerate(self._layers):
            cells, found = layer.free(maps[layer.source])
            statistics.append(found)
            if number in apart:
                own[number] = cells.to(self._cache)
            maps.append(cells if layer.added is None else cells + maps[layer.added])
        return maps, own, tuple(statistics)

    def _held(
        self, base: PreparedBase, edited: Pixels, statistics: HeldStatistics
    ) -> tuple[Scale | None, ...]:
        """What the norms do under some statistics."""
        if statistics == "base":
            return base.scales
        share = 1.0 if statistics == "edit" else statistics
        if not isinstance(share, int | float) or not 0 <= share <= 1:
            raise FeatvizError(
                f"statistics are {statistics!r}; expected base, edit or a share of the edit's "
                "from 0 to 1"
            )
        pairs = zip(base.statistics, self._free(edited)[2], strict=True)
        return self._scales([_blended(*pair, share) for pair in pairs])

    def _edited(
        self, base: PreparedBase, edited: Pixels, margin: float, statistics: HeldStatistics
    ) -> tuple[EditedFace, "_Patches"]:
        self._check(edited)
        if edited.shape != base.sketch.shape:
            given, expected = (f"{s.shape[1]}x{s.shape[0]}" for s in (edited, base.sketch))
            raise FeatvizError(f"an edit of {given} does not fit its base of {expected}")
        area = Edit(base.sketch, edited, margin).area
        parts = boxes(area)
        height, width = area.shape
        whole = cost(parts) > _WHOLE * cost([Box(0, height, 0, width)])
        if whole:
            parts = [Box(0, height, 0, width)]
        patches = _Patches(base, self._dtype)
        scales = self._held(base, edited, statistics)
        if not parts:
            nothing = np.zeros_like(area)
            return EditedFace(base.face, area, nothing, False, base, ()), patches
        self._put_sketch(patches, edited, parts)
        places = self._places(edited)
        for number, lattice in enumerate(places[:-1]):
            found = regions(lattice, area, parts)
            self._put_layer(patches, number, scales[number], found)
        reach = np.zeros_like(area)
        for region in regions(places[-2], area, parts):
            region.box.of_mask(reach)[...] |= region.mask
        reach = widened(reach, self._layers[-1].padding)
        image = self._image(patches, reach, parts)
        face = base.face.copy()
        for box, cells in image:
            face[box.top : box.bottom, box.left : box.right] = decode_image(cells[0])
        return EditedFace(face, area, reach, whole, base, tuple(image)), patches

    def _put_sketch(self, patches: "_Patches", edited: Pixels, parts: Sequence[Box]) -> None:
        """Patch the maps of the sketch."""
        for box in parts:
            cells = self._encoded(edited[box.top : box.bottom, box.left : box.right])
            patches.maps[0].append(Patch(box, cells))
        for level in range(1, self._levels):
            height, width = patches.base.maps[level].shape[2:]
            for finer, _ in patches.maps[level - 1]:
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
                cells = halve(patches.cells(level - 1, window))
                cells = cells[:, :, box.top - top :, box.left - left :]
                patches.maps[level].append(Patch(box, cells))

    def _put_layer(
        self, patches: "_Patches", number: int, scale: Scale | None, found: Sequence[Region]
    ) -> None:
        """Patch the map of a layer, from those of the layers before it."""
        base, layer = patches.base, self._layers[number]
        result = self._levels + number
        own = base.own.get(number)
        for box, mask in found:
            cells = patches.computed(layer, box, scale)
            if layer.added is not None and own is None:
                cells = cells + patches.cells(layer.added, box)
            before = box.of(base.maps[result] if own is None else own)
            cells = torch.where(torch.from_numpy(mask), cells, before.to(self._dtype))
            (patches.maps[result] if own is None else patches.own[number]).append(Patch(box, cells))
        if own is None:
            return
        assert layer.added is not None
        for box, _ in (*patches.own[number], *patches.maps[layer.added]):
            cells = patches.laid_over(own, patches.own[number], box)
            cells = cells + patches.cells(layer.added, box)
            patches.maps[result].append(Patch(box, cells))

    def _image(self, patches: "_Patches", reach: Mask, parts: Sequence[Box]) -> list[Patch]:
        """What the last layer makes of the pixels that an edit reaches."""
        base, layer = patches.base, self._layers[-1]
        found = []
        for part in parts:
            padding = layer.padding
            height, width = reach.shape
            box = Box(
                max(0, part.top - padding),
                min(height, part.bottom + padding),
                max(0, part.left - padding),
                min(width, part.right + padding),
            )
            cells = patches.computed(layer, box, None)
            _check_finite(cells)
            mask = torch.from_numpy(reach[box.top : box.bottom, box.left : box.right])
            found.append(Patch(box, torch.where(mask, cells, box.of(base.image))))
        return found

    def _places(self, sketch: Pixels) -> tuple[Lattice, ...]:
        """The lattice of each layer, for sketches of the size of one."""
        if sketch.shape not in self._lattices:
            self._lattices[sketch.shape] = lattices(self._generator, self._layers, *sketch.shape)
        return self._lattices[sketch.shape]

    def _added_apart(self, sketch: Pixels) -> set[int]:
        """The layers to which a map is added that may change in other cells than their own."""
        places = self._places(sketch)
        changing: list[set[Lattice]] = [set() for _ in range(self._levels)]
        apart = set()
        for number, layer in enumerate(self._layers):
            own = {places[number]}
            others = set() if layer.added is None else changing[layer.added]
            if others - own:
                apart.add(number)
            changing.append(own | others)
        return apart

    def _pyramid(self, sketch: Pixels) -> list[Tensor]:
        maps = [self._encoded(sketch)]
        while len(maps) < self._levels:
            maps.append(halve(maps[-1]))
        return maps

    def _encoded(self, pixels: Pixels) -> Tensor:
        """(1, 1, H, W): paper is exactly +1 and ink exactly -1, as of `encode_image`."""
        return torch.from_numpy(pixels.astype(np.float32)).to(self._dtype)[None, None] / 127.5 - 1

    def _scales(self, statistics: Sequence[Statistics | None]) -> tuple[Scale | None, ...]:
        return tuple(map(self._scale, self._layers, statistics))

    def _scale(self, layer: Layer, statistics: Statistics | None) -> Scale | None:
        """What a norm of some statistics does to cells without the convolution's bias."""
        if layer.norm is None or statistics is None:
            return None
        factor = (statistics.variance + layer.norm.eps).rsqrt()
        if layer.norm.affine:
            factor = factor * layer.norm.weight
        shift = -statistics.mean * factor
        if layer.bias is not None:
            shift = shift + layer.bias * factor
        if layer.norm.affine:
            shift = shift + layer.norm.bias
        return Scale(*(each.to(self._dtype)[None, :, None, None] for each in (factor, shift)))

    def _check(self, sketch: Pixels) -> None:
        if sketch.ndim != 2 or sketch.dtype != np.uint8:
            raise FeatvizError(
                f"a sketch is {sketch.dtype} of shape {sketch.shape}; expected uint8 (H, W)"
            )
        multiple = self._generator.architecture.size_multiple
        if any(side % multiple or side < 2 * multiple for side in sketch.shape):
            height, width = sketch.shape
            raise FeatvizError(
                f"a sketch of {width}x{height} does not fit this generator; expected sides that "
                f"are at least {2 * multiple} and multiples of {multiple}"
            )


class _Patches:
    """The maps of an edit: its base's, and the patches that lie over them."""

    def __init__(self, base: PreparedBase, dtype: torch.dtype) -> None:
        self.base, self._dtype = base, dtype
        self.maps: list[list[Patch]] = [[] for _ in base.maps]
        self.own: dict[int, list[Patch]] = {number: [] for number in base.own}

    def cells(self, number: int, box: Box) -> Tensor:
        """A copy of some cells of a map."""
        return self.laid_over(self.base.maps[number], self.maps[number], box)

    def laid_over(self, maps: Tensor, patches: Sequence[Patch], box: Box) -> Tensor:
        """Cells of a base's map with patches over them, a copy."""
        cells = box.of(maps).to(self._dtype, copy=True)
        for place, patch in patches:
            shared = place.within(box)
            if shared.is_some:
                shared.of(cells).copy_(box.within(place).of(patch))
        return cells

    def computed(self, layer: Layer, box: Box, scale: Scale | None) -> Tensor:
        """What a layer computes for some cells of its map, before anything is added."""
        wide = layer.aligned(box)
        window = layer.window(wide)
        height, width = self.base.maps[layer.source].shape[2:]
        top, bottom, left, right = window
        inside = Box(max(0, top), min(height, bottom), max(0, left), min(width, right))
        given = layer.padded(self.cells(layer.source, inside), window, inside)
        cells = layer.convolved(given, biased=scale is None)
        if wide != box:
            cells = box.within(wide).of(cells)
        if scale is not None:
            cells = torch.addcmul(scale.shift, cells, scale.factor)
        return cells if layer.activation is None else layer.activation(cells)


def _patched(maps: Tensor, patches: Sequence[Patch]) -> Tensor:
    """Maps with patches in them; the very same without any."""
    if patches:
        maps = maps.clone()
        for box, cells in patches:
            box.of(maps).copy_(cells)
    return maps


def _blended(base: Statistics | None, edit: Statistics | None, share: float) -> Statistics | None:
    """Mean and variance between those of a base and of an edit, by the share of the edit's."""
    if base is None or edit is None:
        return None
    return Statistics(
        torch.lerp(base.mean, edit.mean, share), torch.lerp(base.variance, edit.variance, share)
    )


def _check_finite(image: Tensor) -> None:
    if not torch.isfinite(image).all():
        raise FeatvizError("the generated image holds NaN or infinity")


def _check_type(purpose: str, dtype: torch.dtype, allowed: Sequence[torch.dtype]) -> None:
    if dtype not in allowed:
        raise FeatvizError(
            f"cannot {purpose} {dtype}; expected one of {', '.join(map(str, allowed))}"
        )


def _check_generator(generator: object) -> None:
    if not isinstance(generator, GlobalGenerator | LocalEnhancer):
        raise FeatvizError(
            f"local editing takes a whole generator of pix2pixHD; got {type(generator).__name__}"
        )
    if (channels := generator.architecture.input_channels) not in (1, SKETCH_CHANNELS):
        raise FeatvizError(
            f"this generator takes {channels} channels; expected {SKETCH_CHANNELS} (or 1), a "
            "sketch and nothing else"
        )
    if (device := next(generator.parameters()).device).type != "cpu":
        raise FeatvizError(f"local editing computes on the CPU; this generator is on {device}")
