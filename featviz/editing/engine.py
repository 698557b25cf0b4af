"""Edits that stay where they were drawn, computed where they were drawn.

The base is run once, whole; its maps and its norms' statistics are kept. Of an edit, each layer
computes the cells that stand for the edited area alone, from the base's maps around them. What
comes out is what `keeping` defines for kept maps of every layer.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from featviz.base.errors import FeatvizError
from featviz.editing.engine_layers import Layer, Scale, has_layers, layers_of
from featviz.editing.engine_places import LayerPlaces, cost, places_of, rectangles
from featviz.editing.engine_run import EditRun
from featviz.editing.prepared_base import (
    Patch,
    PreparedBase,
    check_finite,
    encoded,
    patched,
    pixels_of,
    stacked,
)
from featviz.editing.rectangles import Rectangle
from featviz.generators.inked import InkedFrontEnd
from featviz.generators.networks.conditions import SKETCH_CHANNELS
from featviz.generators.networks.generators import Generator, GlobalGenerator, LocalEnhancer, halve
from featviz.generators.networks.normalization import settle_weights
from featviz.probing.statistics import Statistics
from featviz.sketches.edits import MARGIN, Edit, Mask, Pixels

__all__ = ["EditedFace", "LocalEditor", "PreparedBase", "StatisticsOf"]

_WHOLE = 0.65
"""Of the canvas: where rectangles are more to compute than this, one whole box takes no longer."""


StatisticsOf = Literal["base", "edit", "composite"] | float
"""Whose mean and variance norms use in an edited area: the base's, those of a free run of the edit,
composite ones, each of its own map as it is kept, or a share of the edit's between both, from 0 to
1."""


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
        return patched(self.base.image, self.patches)


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
        settle_weights(self._generator)
        self._generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._layers = layers_of(self._generator)
        self._levels = self._generator.architecture.enhancers + 1
        self._front_ends = {
            number: InkedFrontEnd(_front_end_of(self._generator, layer))
            for number, layer in enumerate(self._layers)
            if layer.source < self._levels and dtype == torch.float32
        }
        self._found_places: dict[tuple[int, ...], LayerPlaces] = {}

    @torch.inference_mode()
    def prepare(self, sketch: Pixels) -> PreparedBase:
        """Run a base once, whole, and keep what its edits need.

        sketch: (H, W) uint8, paper 255 and ink 0. Raises FeatvizError for a sketch of a size that
        does not fit the generator and for a face that holds NaN or infinity.
        """
        self._check(sketch)
        maps, own, statistics = self._free(sketch)
        image = maps.pop().tanh_()
        check_finite(image)
        held = [*maps[: self._levels], *(each.to(self._cache) for each in maps[self._levels :])]
        kept, stacks = stacked(held, self._layers, self._places(sketch))
        scales = self._scales(statistics)
        return PreparedBase(
            sketch.copy(),
            image,
            kept,
            own,
            statistics,
            scales,
            stacks,
        )

    @torch.inference_mode()
    def edit(
        self,
        base: PreparedBase,
        edited: Pixels,
        margin: float = MARGIN,
        statistics: StatisticsOf = "base",
    ) -> EditedFace:
        """The face of a base's edit, whose change stays in the edited area.

        edited: (H, W) uint8, of the base's size. margin: pixels at 512 around what differs that are
        edited, too. statistics: what the norms normalise the area with; "composite" takes two to
        three times as long as "base", all else as long as a whole forward. Raises FeatvizError for
        a sketch of another size, for statistics or a margin that there are not and for a face that
        holds NaN or infinity.
        """
        return self._edited(base, edited, margin, statistics)[0]

    @torch.inference_mode()
    def rebase(
        self,
        base: PreparedBase,
        edited: Pixels,
        margin: float = MARGIN,
        statistics: StatisticsOf = "base",
    ) -> PreparedBase:
        """An edit as a base of its own: with the maps and the image of the edit as kept.

        The base's statistics stay those of the first base, which is held, too.
        """
        found, run = self._edited(base, edited, margin, statistics)
        return run.rebased(edited.copy(), found.image)

    def _free(
        self, sketch: Pixels
    ) -> tuple[list[Tensor], dict[int, Tensor], tuple[Statistics | None, ...]]:
        """All maps of a sketch, the image the last, and the rest as in `PreparedBase`."""
        apart = self._places(sketch).apart
        maps = self._pyramid(sketch)
        own: dict[int, Tensor] = {}
        statistics = []
        inked = self._inked(maps)
        for number, layer in enumerate(self._layers):
            cells, found = inked.pop(number) if number in inked else layer.free(maps[layer.source])
            statistics.append(found)
            if number in apart:
                own[number] = cells.to(self._cache)
            maps.append(cells if layer.added is None else cells + maps[layer.added])
        return maps, own, tuple(statistics)

    def _inked(self, pyramid: Sequence[Tensor]) -> dict[int, tuple[Tensor, Statistics | None]]:
        """What the layers of front ends give that are computed near ink alone."""
        found: dict[int, tuple[Tensor, Statistics | None]] = {}
        for first, front in self._front_ends.items():
            if front.takes(given := pyramid[self._layers[first].source]):
                found |= dict(enumerate(front.maps(given), start=first))
        return found

    def _held(
        self, base: PreparedBase, edited: Pixels, statistics: StatisticsOf
    ) -> tuple[Scale | None, ...]:
        """What the layers' norms do, None where one takes the statistics of its map as kept."""
        if statistics == "composite":
            pairs = zip(self._layers, base.scales, strict=True)
            return tuple(scale if layer.norm is None else None for layer, scale in pairs)
        share = _share(statistics)
        if share == 0:
            return base.scales
        both = zip(base.statistics, self._free(edited)[2], strict=True)
        return self._scales([_blended(*pair, share) for pair in both])

    def _edited(
        self, base: PreparedBase, edited: Pixels, margin: float, statistics: StatisticsOf
    ) -> tuple[EditedFace, EditRun]:
        self._check(edited)
        if edited.shape != base.sketch.shape:
            given, expected = (f"{s.shape[1]}x{s.shape[0]}" for s in (edited, base.sketch))
            raise FeatvizError(f"an edit of {given} does not fit its base of {expected}")
        if not 0 <= margin < math.inf:
            raise FeatvizError(f"the margin must be 0 px or more; got {margin}")
        if statistics != "composite":
            _share(statistics)
        area = Edit(base.sketch, edited, margin).area
        parts = rectangles(area)
        canvas = Rectangle(0, area.shape[0], 0, area.shape[1])
        whole = cost(parts) > _WHOLE * cost([canvas])
        parts = [canvas] if whole else parts
        run = EditRun(base, self._layers, self._places(edited), area, parts, self._dtype)
        if not parts:
            return EditedFace(base.face, area, np.zeros_like(area), False, base, ()), run
        run.put_sketch(edited)
        run.compute(self._held(base, edited, statistics))
        image, reach = run.image(base.scales[-1])
        face = base.face.copy()
        for box, cells in image:
            face[box.top : box.bottom, box.left : box.right] = pixels_of(cells)
        return EditedFace(face, area, reach, whole, base, tuple(image)), run

    def _places(self, sketch: Pixels) -> LayerPlaces:
        """Where maps lie over sketches of the size of one."""
        if sketch.shape not in self._found_places:
            found = places_of(self._generator, self._layers, *sketch.shape)
            self._found_places[sketch.shape] = found
        return self._found_places[sketch.shape]

    def _pyramid(self, sketch: Pixels) -> list[Tensor]:
        maps = [encoded(sketch, self._dtype)]
        while len(maps) < self._levels:
            maps.append(halve(maps[-1]))
        return maps

    def _scales(self, statistics: Sequence[Statistics | None]) -> tuple[Scale, ...]:
        return tuple(map(Layer.scale, self._layers, statistics))

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


def _front_end_of(generator: Generator, layer: Layer) -> nn.Sequential:
    """The blocks of which a layer's is one."""
    blocks = generator.get_submodule(layer.name.rsplit(".", 2)[0])
    assert isinstance(blocks, nn.Sequential)
    return blocks


def _share(statistics: StatisticsOf) -> float:
    """How much of the edit's statistics is held, from 0 to 1."""
    share = (
        {"base": 0.0, "edit": 1.0}.get(statistics) if isinstance(statistics, str) else statistics
    )
    if share is None or not 0 <= share <= 1:
        raise FeatvizError(
            f"statistics are {statistics!r}; expected base, edit, composite or a share of the "
            "edit's from 0 to 1"
        )
    return share


def _blended(base: Statistics | None, edit: Statistics | None, share: float) -> Statistics | None:
    """Mean and variance between those of a base and of an edit, by the share of the edit's."""
    if base is None or edit is None:
        return None
    return Statistics(
        torch.lerp(base.mean, edit.mean, share), torch.lerp(base.variance, edit.variance, share)
    )


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
    if not has_layers(generator):
        raise FeatvizError(
            "local editing of this kind knows instance norm and none; this generator's norm is "
            f"{generator.architecture.norm} (featviz.edit takes any)"
        )
    if (channels := generator.architecture.input_channels) not in (1, SKETCH_CHANNELS):
        raise FeatvizError(
            f"this generator takes {channels} channels; expected {SKETCH_CHANNELS} (or 1), a "
            "sketch and nothing else"
        )
    if (device := next(generator.parameters()).device).type != "cpu":
        raise FeatvizError(f"local editing computes on the CPU; this generator is on {device}")
