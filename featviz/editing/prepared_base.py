"""A base whose maps are kept, and how maps are held, patched and shown."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featviz.base.errors import FeatvizError
from featviz.editing.engine_layers import Layer, Scale
from featviz.editing.engine_places import LayerPlaces, Region
from featviz.editing.rectangles import Rectangle
from featviz.probing.statistics import Statistics
from featviz.sketches.edits import Pixels


class RegionCells(NamedTuple):
    """What a layer gives in a region, (1, C, rows, columns) of its box."""

    region: Region
    cells: Tensor


@dataclass(frozen=True, eq=False)
class PreparedBase:
    """A sketch whose maps are kept, with its face.

    sketch: (H, W) uint8. image: (1, 3, H, W) in [-1, 1]. maps: those of the sketch, from the finest
    to the coarsest, then one a layer but for the last. own: by a layer's number what it gives
    before another map is added to it, where that is needed. statistics: of every layer's norm, None
    without one; scales: the same as what is done to the convolution's cells. stacks: by the first
    layer of a chain the maps that its layers read and give, (maps, H W, C); `maps` are views.
    origin, of an edit: the base that was run. sums: by layer with a norm what its convolution gave
    in the areas edited since, one after the other. kept_statistics: of these convolutions' maps as
    kept, where `statistics` are those of the origin.
    """

    sketch: Pixels
    image: Tensor
    maps: tuple[Tensor, ...]
    own: dict[int, Tensor]
    statistics: tuple[Statistics | None, ...]
    scales: tuple[Scale, ...]
    stacks: dict[int, Tensor]
    origin: "PreparedBase | None" = None
    sums: Mapping[int, Sequence[RegionCells]] = field(default_factory=dict)
    kept_statistics: Sequence[Statistics | None] | None = None

    @cached_property
    def face(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB."""
        return pixels_of(self.image)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that its maps and its image take, without its origin's."""
        held = sum(tensor.nbytes for tensor in (self.image, *self.maps, *self.own.values()))
        sums = sum(cells.nbytes for each in self.sums.values() for _, cells in each)
        return held + sums


class Patch(NamedTuple):
    """Cells of a map that may differ from the base's, as kept: (1, C, rows, columns) of a box."""

    box: Rectangle
    cells: Tensor


def patched(maps: Tensor, patches: Sequence[Patch]) -> Tensor:
    """Maps with patches in them; the very same without any."""
    if patches:
        maps = maps.clone()
        for box, cells in patches:
            box.of(maps).copy_(cells)
    return maps


def stacked(
    maps: Sequence[Tensor], layers: Sequence[Layer], places: LayerPlaces
) -> tuple[tuple[Tensor, ...], dict[int, Tensor]]:
    """Maps of a base as they are held, see `PreparedBase`, and the stacks of its chains."""
    held, stacks = list(maps), {}
    levels = len(maps) - len(layers) + 1
    for chain in places.chains:
        numbers = [layers[chain.start].source, *(levels + number for number in chain)]
        stacks[chain.start] = torch.stack([_rows(held[number]) for number in numbers])
        for number, rows in zip(numbers, stacks[chain.start], strict=True):
            height, width = held[number].shape[2:]
            held[number] = rows.view(1, height, width, -1).permute(0, 3, 1, 2)
    return tuple(held), stacks


def encoded(pixels: Pixels, dtype: torch.dtype) -> Tensor:
    """A sketch as (1, 1, H, W): paper exactly +1 and ink exactly -1, as of `encode_image`."""
    return torch.from_numpy(pixels.astype(np.float32)).to(dtype)[None, None] / 127.5 - 1


def pixels_of(image: Tensor) -> NDArray[np.uint8]:
    """(1, 3, H, W) in [-1, 1] -> (H, W, 3) uint8, in one piece; as `decode_image`."""
    values = (image[0].permute(1, 2, 0).float().contiguous() + 1).mul_(127.5)
    return np.asarray(values.round_().clamp_(0, 255).to(torch.uint8).numpy())


def check_finite(image: Tensor) -> None:
    """Raise FeatvizError for an image in [-1, 1] that holds NaN or infinity."""
    if not math.isfinite(image.sum()):
        raise FeatvizError("the generated image holds NaN or infinity")


def _rows(maps: Tensor) -> Tensor:
    """A map (1, C, H, W) in channels_last as (H W, C), a view."""
    return maps.permute(0, 2, 3, 1).view(-1, maps.shape[1])
