"""The convolutions of a generator of ours, each with all that follows it up to the next."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featviz.editing.engine_places import widened
from featviz.editing.rectangles import Rectangle
from featviz.generators.networks.generators import (
    FrontEnd,
    GlobalGenerator,
    OutputConvolution,
    ResidualBlock,
)
from featviz.generators.networks.instance_norm import InstanceNorm
from featviz.generators.winograd import WinogradConvolution, has_winograd
from featviz.probing.statistics import Statistics
from featviz.sketches.edits import Mask

_TILE = 4
"""Boxes are computed in whole ones: of two for a stride, of four for Winograd's convolutions."""


class Reached(NamedTuple):
    """Cells of a map: those of a mask (H, W) in a box around them."""

    box: Rectangle
    mask: Mask

    def put(self, cells: Tensor, maps: Tensor) -> Tensor:
        """Maps (1, C, H, W) with cells (1, C, rows, columns) of the box where the mask is."""
        there = torch.from_numpy(self.box.of_mask(self.mask))
        if cells.shape == maps.shape:
            return torch.where(there, cells, maps)
        found = maps.clone()
        into = self.box.of(found)
        torch.where(there, cells, into, out=into)
        return found


@dataclass(frozen=True, eq=False)
class Convolved:
    """A convolution with its padding, and what follows it up to the next.

    multiply: the convolution of maps whose border is there. norm, name: its instance norm and what
    that is called. activation: in the end, in place. adds: how many steps before it the map was
    made that is added; 0 for none.
    """

    convolution: nn.Conv2d | nn.ConvTranspose2d
    border: int
    mirrors: bool
    multiply: Callable[[Tensor], Tensor]
    norm: InstanceNorm | None
    name: str
    activation: Callable[[Tensor], Tensor] | None
    adds: int = 0

    @property
    def _doubles(self) -> bool:
        return isinstance(self.convolution, nn.ConvTranspose2d)

    def reached(self, mask: Mask) -> Reached:
        """The cells that draw on some of its input's (H, W), in a box of whole tiles."""
        if self._doubles:
            fine = np.zeros([2 * side for side in mask.shape], dtype=bool)
            fine[::2, ::2] = mask
            mask = widened(fine, 1)
        else:
            stride = self.convolution.stride[0]
            mask = widened(mask, self.convolution.kernel_size[0] // 2)[::stride, ::stride]
        if not mask.any():
            return Reached(Rectangle(0, 0, 0, 0), mask)
        ends = []
        for axis, side in enumerate(mask.shape):
            there = np.flatnonzero(mask.any(axis=1 - axis))
            end = -(-int(there[-1] + 1) // _TILE) * _TILE
            ends += [int(there[0]) // _TILE * _TILE, min(side, end)]
        return Reached(Rectangle(*ends), mask)

    def cells(self, maps: Tensor, box: Rectangle | None = None) -> Tensor:
        """What the convolution makes of maps (1, C, H, W): a box's cells, all if not given."""
        height, width = maps.shape[2:]
        if self._doubles:
            return self._doubled(maps, box or Rectangle(0, 2 * height, 0, 2 * width))
        stride, border = self.convolution.stride[0], self.border
        box = box or Rectangle(0, height // stride, 0, width // stride)
        top, bottom, left, right = (end * stride for end in box)
        behind = self.convolution.kernel_size[0] - border - stride
        window = Rectangle(top - border, bottom + behind, left - border, right + behind)
        inside = window.cut(height, width)
        sides, given = window.sides_around(inside), inside.of(maps)
        return self.multiply(F.pad(given, sides, "reflect" if self.mirrors else "constant"))

    def _doubled(self, maps: Tensor, box: Rectangle) -> Tensor:
        top, bottom, left, right = (end // 2 for end in box)
        given = maps[:, :, top : bottom + 1, left : right + 1]
        # Of the last row and column that are given only their share in those before is wanted.
        rows, columns = box.bottom - box.top, box.right - box.left
        return self.multiply(given)[:, :, :rows, :columns]

    def finished(self, cells: Tensor, by: Statistics | None, added: Tensor | None) -> Tensor:
        """Cells of the convolution normalised by some statistics, activated and added to."""
        if self.norm is not None and by is not None:
            cells = _normalized(cells, by, self.norm)
        elif self.activation is not None:
            # Not the map that is kept, for activations work in place.
            cells = cells.clone()
        if self.activation is not None:
            cells = self.activation(cells)
        return cells if added is None else cells + added


def _normalized(cells: Tensor, by: Statistics, norm: InstanceNorm) -> Tensor:
    """Cells by some statistics, exact where nearly all of them are the mean and differ by little.

    Batch norm would multiply first and lose what a cell has beyond the mean; the difference to a
    number near it is exact.
    """
    mean, scale = by.mean.float(), (by.variance.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = (mean - by.mean.double()) * scale
    if norm.bias is not None:
        shift = shift + norm.bias
    mean, scale, shift = (each.float()[:, None, None] for each in (mean, scale, shift))
    return torch.sub(cells, mean).mul_(scale).add_(shift)


def blocks_of(network: GlobalGenerator | FrontEnd) -> Iterator[tuple[str, list[Convolved]]]:
    """The names of the blocks, in order, each with its steps; the last makes the image."""
    names = {module: name for name, module in network.named_modules()}
    if isinstance(network, FrontEnd):
        blocks = list(network)
    else:
        parts = (network.front_end, network.residual, network.back_end)
        blocks = [block for part in parts for block in part]
    for block in blocks:
        if isinstance(block, ResidualBlock):
            second = _convolved(block.second, names, adds=2)
            yield names[block], [_convolved(block.first, names), second]
        else:
            yield names[block], [_convolved(block, names)]
    if isinstance(network, GlobalGenerator):
        yield "", [_convolved(network.output, names)]


def _convolved(block: nn.Module, names: Mapping[nn.Module, str], adds: int = 0) -> Convolved:
    parts = dict(block.named_children())
    norm, pad, convolution = parts.get("norm"), parts.get("pad"), parts["conv"]
    assert isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d)
    activation = parts.get("activation")
    mirrors = isinstance(pad, nn.ReflectionPad2d)
    return Convolved(
        convolution,
        pad.padding[0] if isinstance(pad, nn.ReflectionPad2d) else int(convolution.padding[0]),
        mirrors,
        _multiply(convolution),
        norm if isinstance(norm, InstanceNorm) else None,
        names[norm] if norm is not None else "",
        torch.relu_ if isinstance(activation, nn.ReLU) else activation,
        adds,
    )


def _multiply(convolution: nn.Conv2d | nn.ConvTranspose2d) -> Callable[[Tensor], Tensor]:
    if has_winograd(convolution):
        return WinogradConvolution(convolution.weight, convolution.bias)
    if isinstance(convolution, nn.ConvTranspose2d | OutputConvolution):
        return lambda maps: _with_channels_last(convolution, maps)
    return lambda maps: F.conv2d(maps, convolution.weight, convolution.bias, convolution.stride)


def _with_channels_last(convolution: nn.Module, maps: Tensor) -> Tensor:
    """What it makes of large maps of few channels in half the time, contiguous for norms."""
    cells: Tensor = convolution(maps.contiguous(memory_format=torch.channels_last))
    return cells.contiguous()
