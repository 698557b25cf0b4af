"""The front end of a generator, computed where a sketch has ink near by.

Of a line drawing nine tenths are paper, and a convolution gives the same vector wherever it sees
nothing else. A norm of whole maps and an activation keep that. So a map is kept as the distinct
rows that it may have, and, cell by cell, the number of its row.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featviz.generators.networks.instance_norm import InstanceNorm
from featviz.probing.statistics import Statistics

_PAPER = 1.0
"""A pixel without ink, as the network sees it."""
_BLOCK = 4
"""Cells of a side of a square of L0 that is computed as one row."""
_NOTHING, _BLANK = 0, 1
"""The rows of padding and of a cell that sees paper alone."""


@dataclass(frozen=True)
class _Rows:
    """A map: its rows (n, C), those of nothing and of paper first, and numbers (H, W) of them."""

    rows: Tensor
    numbers: Tensor

    def dense(self) -> Tensor:
        """The map (1, C, H, W) in channels_last."""
        height, width = self.numbers.shape
        cells = self.rows.index_select(0, self.numbers.flatten())
        return cells.view(1, height, width, -1).permute(0, 3, 1, 2)


class InkedFrontEnd(nn.Module):
    """A front end of `FrontEnd`'s kind, or an enhancer's, in float32 and without gradients.

    Sums are those of plain convolutions in another order, statistics of norms are float64.
    """

    def __init__(self, front_end: nn.Sequential) -> None:
        super().__init__()
        self.blocks = front_end
        first, *others = front_end.children()
        self._reach = convolution_of(first).kernel_size[0] // 2
        self._kernels = [_of_square(first), *map(_of_window, others)]

    def forward(self, images: Tensor) -> Tensor:
        """(1, 1, H, W), paper 1 -> (1, C, H / 2^n, W / 2^n) in channels_last."""
        if not self.takes(images):
            maps: Tensor = self.blocks(images)
            return maps
        *_, (last, _) = self._found(images[0, 0])
        return last.dense()

    def takes(self, images: Tensor) -> bool:
        """Whether a sketch (1, 1, H, W) is made of whole squares; any other is computed whole."""
        return not any(side % _BLOCK for side in images.shape[2:])

    def maps(self, images: Tensor) -> list[tuple[Tensor, Statistics | None]]:
        """The map of every block, in channels_last, with what its norm, if any, normalised it.

        images: as of `forward`, a sketch that it takes.
        """
        return [(found.dense(), statistics) for found, statistics in self._found(images[0, 0])]

    def _found(self, sketch: Tensor) -> Iterator[tuple[_Rows, Statistics | None]]:
        found = self._squares(sketch)
        for number, (block, kernel) in enumerate(zip(self.blocks, self._kernels, strict=True)):
            if number:
                found = _halved(found, kernel, convolution_of(block).bias)
            found, statistics = _finished(found, block)
            yield found, statistics

    def _squares(self, sketch: Tensor) -> _Rows:
        """The first convolution, by squares."""
        height, width = (side // _BLOCK for side in sketch.shape)
        padded = F.pad(sketch[None, None], (self._reach,) * 4, mode="reflect")[0, 0]
        side = _BLOCK + 2 * self._reach
        # Squares of ink first, then the squares whose windows touch one.
        lacking = [-length % _BLOCK for length in padded.shape]
        told = F.pad(padded, (0, lacking[1], 0, lacking[0]), value=_PAPER)
        squares = told.view(-1, _BLOCK, told.shape[1]).amin(1)
        squares = squares.view(len(squares), -1, _BLOCK).amin(2)
        near, touched = squares != _PAPER, -(-side // _BLOCK)
        near = near.unfold(0, touched, 1).any(-1).unfold(1, touched, 1).any(-1)
        down, across = near[:height, :width].nonzero(as_tuple=True)
        weight, bias = self._kernels[0], convolution_of(self.blocks[0]).bias
        seen = _windows(padded, down, across, _BLOCK, side)
        seen = torch.cat([seen.new_full((1, side * side), _PAPER), seen])
        rows = (seen @ weight).view(len(seen), _BLOCK**2, -1)
        if bias is not None:
            rows += bias
        numbers = torch.full((height, _BLOCK, width, _BLOCK), _BLANK)
        count = len(down) * _BLOCK**2
        numbers[down, :, across] = torch.arange(2, 2 + count).view(-1, _BLOCK, _BLOCK)
        rows = torch.cat([torch.zeros_like(rows[0, :1]), rows[0, :1], rows[1:].flatten(0, 1)])
        return _Rows(rows, numbers.view(sketch.shape))


def _halved(maps: _Rows, kernel: Tensor, bias: Tensor | None) -> _Rows:
    """A 3x3 convolution of stride 2 with a border of zeros, of a map of even sides."""
    height, width = (side // 2 for side in maps.numbers.shape)
    # The first rows and columns see the border; the last ones end before it.
    numbers = F.pad(maps.numbers, (1, 0, 1, 0), value=_NOTHING)
    told = maps.numbers != _BLANK
    for _ in range(2):
        even, odd = told[::2], told[1::2]
        told = (even | odd | F.pad(odd[:-1], (0, 0, 1, 0), value=True)).T
    down, across = told.nonzero(as_tuple=True)
    blank = torch.full((1, 9), _BLANK)
    windows = torch.cat([blank, _windows(numbers, down, across, 2, 3)])
    seen = maps.rows.index_select(0, windows.flatten())
    rows = seen.view(len(down) + 1, -1) @ kernel
    if bias is not None:
        rows += bias
    numbers = torch.full((height, width), _BLANK)
    numbers[down, across] = torch.arange(2, 2 + len(down))
    return _Rows(torch.cat([torch.zeros_like(rows[:1]), rows]), numbers)


def _windows(cells: Tensor, down: Tensor, across: Tensor, step: int, side: int) -> Tensor:
    """Windows of (H, W) that begin at so many steps down and across, (n,) each: (n, side^2)."""
    width, within = cells.shape[1], torch.arange(side)
    corners = step * (down * width + across)
    places = corners[:, None] + (within[:, None] * width + within).flatten()
    return cells.flatten().index_select(0, places.flatten()).view(places.shape)


def _finished(maps: _Rows, block: nn.Module) -> tuple[_Rows, Statistics | None]:
    """A map after the norm and the activation of its block, and what the norm used."""
    norm, rows, statistics = block.get_submodule("norm"), maps.rows[1:], None
    if isinstance(norm, InstanceNorm):
        count = maps.numbers.numel()
        # Less what most cells hold, their share of every sum is exactly 0.
        usual = rows[0]
        rows = rows - usual
        exact = rows.to(torch.float64, copy=True)
        each = exact.new_full((len(rows),), 1 / count)
        mean = each @ exact
        variance = each @ exact.square_() - mean.square()
        statistics = Statistics(mean + usual, variance)
        scale, shift = norm.scale_and_shift(mean, variance)
        rows = torch.addcmul(shift.to(rows), rows, scale.to(rows))
    rows = rows.relu_() if rows is not maps.rows else rows.relu()
    return _Rows(torch.cat([maps.rows[:1], rows]), maps.numbers), statistics


def convolution_of(block: nn.Module) -> nn.Conv2d:
    """The convolution of a block of padding, convolution, norm and activation."""
    convolution = block.get_submodule("conv")
    assert isinstance(convolution, nn.Conv2d)
    return convolution


def _of_window(block: nn.Module) -> Tensor:
    """(9 C_in, C_out): products of windows, channels last."""
    return convolution_of(block).weight.detach().permute(2, 3, 1, 0).flatten(0, 2).contiguous()


def _of_square(block: nn.Module) -> Tensor:
    """((_BLOCK + 2 reach)^2, _BLOCK^2 C_out): the kernel, of equal channels, all over a square."""
    kernel = convolution_of(block).weight.detach().sum(dim=1)
    side = _BLOCK - 1
    placed = [
        F.pad(kernel, (right, side - right, down, side - down))
        for down in range(_BLOCK)
        for right in range(_BLOCK)
    ]
    return torch.stack(placed).flatten(2).permute(2, 0, 1).flatten(1).contiguous()
