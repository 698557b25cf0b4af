"""The convolutions of a generator of ours, each with all that follows it up to the next.

Maps keep the channels of a cell together (channels_last).
"""

import functools
from collections.abc import Callable, Mapping
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
from featviz.generators.networks.instance_norm import InstanceNorm, usual_cell
from featviz.generators.winograd import (
    TILE,
    WINDOW,
    WinogradConvolution,
    has_winograd,
    rows_of_windows,
)
from featviz.probing.statistics import Statistics
from featviz.sketches.edits import Mask

_LINES = 32
"""Rows of a map that stay in a processor's cache, and whose cells are added up in float32."""


class Reached(NamedTuple):
    """Cells of a map: those of a mask (H, W) in a box around them."""

    box: Rectangle
    mask: Mask

    def put(self, cells: Tensor, maps: Tensor) -> Tensor:
        """Maps (1, C, H, W) with cells (1, C, rows, columns) of the box where the mask is."""
        there = torch.from_numpy(self.box.of_mask(self.mask))
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
        """The cells that draw on some of its input's (H, W), in a box of whole tiles.

        That is of two cells for a stride, of four for Winograd's convolutions.
        """
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
            end = -(-int(there[-1] + 1) // TILE) * TILE
            ends += [int(there[0]) // TILE * TILE, min(side, end)]
        return Reached(Rectangle(*ends), mask)

    def cells(self, maps: Tensor, box: Rectangle | None = None) -> Tensor:
        """What the convolution makes of maps (1, C, H, W): a box's cells, all if not given."""
        height, width = maps.shape[2:]
        if self._doubles:
            return self._doubled(maps, box or Rectangle(0, 2 * height, 0, 2 * width))
        stride, border = self.convolution.stride[0], self.border
        box = box or Rectangle(0, height // stride, 0, width // stride)
        if self.mirrors and isinstance(self.multiply, WinogradConvolution):
            return _by_tiles(self.multiply, maps, box)
        top, bottom, left, right = (end * stride for end in box)
        behind = self.convolution.kernel_size[0] - border - stride
        window = Rectangle(top - border, bottom + behind, left - border, right + behind)
        return self.multiply(_seen(maps, window, self.mirrors))

    def _doubled(self, maps: Tensor, box: Rectangle) -> Tensor:
        top, bottom, left, right = (end // 2 for end in box)
        given = maps[:, :, top : bottom + 1, left : right + 1]
        # Of the last row and column that are given only their share in those before is wanted.
        rows, columns = box.bottom - box.top, box.right - box.left
        return self.multiply(given)[:, :, :rows, :columns]

    def finished(self, cells: Tensor, by: Statistics | None, added: Tensor | None) -> Tensor:
        """Cells of the convolution normalised by some statistics, activated and added to."""
        lines, width = _lines(cells), cells.shape[3]
        found = torch.empty_like(lines)
        fixed = None if self.norm is None or by is None else _fixed(by, self.norm, width)
        for given, into in zip(
            *(torch.split(each, _LINES) for each in (lines, found)), strict=True
        ):
            if fixed is None:
                into.copy_(given)
            else:
                # Batch norm would multiply first and lose what a cell has beyond the mean; the
                # difference to a number near it is exact.
                mean, scale, shift = fixed
                torch.sub(given, mean, out=into)
                torch.addcmul(shift, into, scale, out=into)
            if self.activation is not None:
                self.activation(into)
        maps = found.view(1, len(lines), width, -1).permute(0, 3, 1, 2)
        return maps if added is None else maps + added


def own_statistics(maps: Tensor) -> Statistics:
    """Mean and biased variance of each channel of maps (1, C, H, W), (C,) in float64.

    Only so many cells are added up in float32 as leave all its digits.
    """
    lines, (height, width) = _lines(maps), maps.shape[2:]
    # Less what most cells hold, their share of every sum is exactly 0.
    usual = usual_cell(maps)
    sums = lines.new_zeros(2, lines.shape[1], dtype=torch.float64)
    apart = usual.repeat(width)
    for each in torch.split(lines, _LINES):
        beyond = each - apart
        sums[0] += beyond.sum(dim=0)
        sums[1] += beyond.square_().sum(dim=0)
    mean, square = sums.view(2, width, -1).sum(dim=1) / (height * width)
    return Statistics(usual.double() + mean, (square - mean.square()).clamp_(min=0))


def _lines(maps: Tensor) -> Tensor:
    """Maps (1, C, H, W) in channels_last as rows of cells: (H, W C), a view of whole ones."""
    return maps.permute(0, 2, 3, 1).reshape(maps.shape[2], -1)


def _fixed(by: Statistics, norm: InstanceNorm, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """What is subtracted from a row of cells, and its scale and shift then, (width C,) each."""
    mean, scale = by.mean.float(), (by.variance.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = (mean - by.mean.double()) * scale
    if norm.bias is not None:
        shift = shift + norm.bias
    mean, scale, shift = (each.float().repeat(width) for each in (mean, scale, shift))
    return mean, scale, shift


def _seen(maps: Tensor, window: Rectangle, mirrors: bool) -> Tensor:
    """A window of maps (1, C, H, W) with what lies outside: their mirror image or zeros."""
    inside = window.cut(*maps.shape[2:])
    left, right, above, below = window.sides_around(inside)
    if not mirrors:
        return F.pad(inside.of(maps), (left, right, above, below))
    tall, wide = window.bottom - window.top, window.right - window.left
    seen = maps.new_empty(1, tall, wide, maps.shape[1]).permute(0, 3, 1, 2)
    seen[:, :, above : tall - below, left : wide - right] = inside.of(maps)
    for axis, before, behind in ((2, above, below), (3, left, right)):
        last = seen.shape[axis] - 1
        for into, source in (
            *((before - step, before + step) for step in range(1, before + 1)),
            *((last - behind + step, last - behind - step) for step in range(1, behind + 1)),
        ):
            seen.select(axis, into).copy_(seen.select(axis, source))
    return seen


def _by_tiles(convolution: WinogradConvolution, maps: Tensor, box: Rectangle) -> Tensor:
    """The cells of a box of maps (1, C, H, W) whose border is mirrored."""
    height, width = maps.shape[2:]
    rows = maps.permute(0, 2, 3, 1).reshape(height * width, -1)
    windows = rows.index_select(0, _rows_of_windows(height, width, box))
    sums = convolution.of_windows(windows.view(WINDOW**2, -1))
    tall, wide = box.bottom - box.top, box.right - box.left
    down, across = -(-tall // TILE), -(-wide // TILE)
    tiles = sums.view(TILE, TILE, down, across, -1).permute(2, 0, 3, 1, 4)
    if convolution.bias is not None:
        tiles = torch.add(tiles, convolution.bias, out=torch.empty(tiles.shape))
    cells = tiles.reshape(down * TILE, across * TILE, -1)[:tall, :wide]
    return cells.permute(2, 0, 1)[None]


@functools.lru_cache(maxsize=64)
def _rows_of_windows(height: int, width: int, box: Rectangle) -> Tensor:
    """Which cells of a mirrored map each tile of a box is made of: (36 tiles,)."""
    return rows_of_windows(torch.arange(height * width).view(height, width), box)


def blocks_of(network: GlobalGenerator | FrontEnd) -> dict[str, nn.Module]:
    """The blocks by name, in order; the last, "", makes the image."""
    names = {module: name for name, module in network.named_modules()}
    if isinstance(network, FrontEnd):
        return {names[block]: block for block in network}
    parts = (network.front_end, network.residual, network.back_end)
    return {names[block]: block for part in parts for block in part} | {"": network.output}


def steps_of(block: nn.Module, names: Mapping[nn.Module, str]) -> list[Convolved]:
    """The steps of a block. names: of all modules."""
    if isinstance(block, ResidualBlock):
        return [_convolved(block.first, names), _convolved(block.second, names, adds=2)]
    return [_convolved(block, names)]


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
        None if activation is None else _in_place(activation),
        adds,
    )


def _multiply(convolution: nn.Conv2d | nn.ConvTranspose2d) -> Callable[[Tensor], Tensor]:
    if has_winograd(convolution):
        return WinogradConvolution(convolution.weight, convolution.bias)
    if isinstance(convolution, nn.ConvTranspose2d):
        return convolution
    if isinstance(convolution, OutputConvolution):
        return _of_squares(convolution)
    return lambda maps: F.conv2d(maps, convolution.weight, convolution.bias, convolution.stride)


def _of_squares(convolution: OutputConvolution) -> Callable[[Tensor], Tensor]:
    """What it makes of maps (1, C, H, W) of even sides, in channels_last."""
    weight, bias = convolution.of_neighbours()
    weight = weight.contiguous(memory_format=torch.channels_last)

    def multiply(maps: Tensor) -> Tensor:
        squares = F.conv2d(maps, weight, bias, stride=2).permute(0, 2, 3, 1)
        _, height, width, _ = squares.shape
        pixels = squares.reshape(height, width, -1, 2, 2).permute(0, 3, 1, 4, 2)
        return pixels.reshape(1, 2 * height, 2 * width, -1).permute(0, 3, 1, 2)

    return multiply


def _in_place(activation: nn.Module) -> Callable[[Tensor], Tensor]:
    known = {nn.ReLU: torch.relu_, nn.Tanh: torch.tanh_}
    return known.get(type(activation), lambda maps: maps.copy_(activation(maps)))
