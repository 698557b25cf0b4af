"""3x3 convolutions with a quarter of the multiplications (Lavin and Gray 2016, arXiv 1509.09308).

F(4x4, 3x3): sixteen sums of 3x3 products are found from the 6x6 cells that they draw on with 36
multiplications instead of 144, of transformed cells and of a transformed kernel.
"""

from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featviz.generators.networks.instance_norm import InstanceNorm, is_instance_norm_or_none

_MOST_CHANNELS = 256
"""The transformed weights of more take four times a memory that is large already."""
_FEWEST_CHANNELS = 32
"""Of fewer the transforms take longer than what they save."""
TILE, WINDOW = 4, 6
"""Cells a side that are computed at once, and that they are computed of."""
_MOST_CELLS = 1024
"""So many may be added up one after the other in float32, as norms do with rows of channels."""

# Section 4.2 of the paper, with its points 0, 1, -1, 2, -2 and infinity.
_DATA = [
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
]
_KERNEL = [
    [1 / 4, 0, 0],
    [-1 / 6, -1 / 6, -1 / 6],
    [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [1 / 24, -1 / 12, 1 / 6],
    [0, 0, 1],
]
_OUTPUT = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]


class WinogradConvolution(nn.Module):
    """The sums of a 3x3 convolution of stride 1 without padding, without gradients.

    In float32 they are right to about 1e-5 of the largest, ten times less than a plain
    convolution's.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """weight: (C_out, C_in, 3, 3); bias: (C_out,)."""
        super().__init__()
        kernel = torch.tensor(_KERNEL, dtype=torch.float64)
        transformed = torch.einsum("ia,ocab,jb->ijco", kernel, weight.double(), kernel)
        self.weight = transformed.flatten(0, 1).to(weight.dtype)
        self.bias = bias
        data, output = (torch.tensor(each, dtype=weight.dtype) for each in (_DATA, _OUTPUT))
        # Down and across in one product: more terms, and half the passes over what is large.
        self._data, self._output = torch.kron(data, data), torch.kron(output, output)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C_in, H + 2, W + 2) -> (N, C_out, H, W), in channels_last."""
        height, width = (side - WINDOW + TILE for side in maps.shape[2:])
        lacking = (-height % TILE, -width % TILE)
        if any(lacking):
            maps = F.pad(maps, (0, lacking[1], 0, lacking[0]))
        maps = maps.contiguous(memory_format=torch.channels_last)
        images, channels = maps.shape[:2]
        down, across = (-(-side // TILE) for side in (height, width))
        image, channel, row, column = maps.stride()
        windows = maps.as_strided(
            (WINDOW, WINDOW, images, down, across, channels),
            (row, column, image, TILE * row, TILE * column, channel),
        )
        sums = self.of_windows(windows.reshape(WINDOW**2, -1))
        tiles = sums.view(TILE, TILE, images, down, across, -1).permute(2, 3, 0, 4, 1, 5)
        result = tiles.reshape(images, down * TILE, across * TILE, -1)[:, :height, :width]
        if self.bias is not None:
            result = result + self.bias
        return result.permute(0, 3, 1, 2)

    def of_windows(self, windows: Tensor) -> Tensor:
        """Sums without bias: windows (36, tiles C_in) -> (16, tiles C_out)."""
        cells = self._data @ windows
        products = torch.bmm(cells.view(WINDOW**2, -1, self.weight.shape[1]), self.weight)
        return self._output @ products.view(WINDOW**2, -1)


class WinogradTrunk(nn.Module):
    """Residual blocks, of Winograd's convolutions where those are faster, without gradients.

    Between two convolutions maps stay as one's tiles came out: rows of channels, from which the
    next one's windows are taken, mirrored at the border, in one step. Images lie side by side.
    """

    def __init__(self, residual: nn.Sequential) -> None:
        super().__init__()
        self.blocks = residual
        halves = [half for block in residual for half in block.children()]
        for half in halves:
            if has_winograd(convolution := half.get_submodule("conv")):
                half.conv = WinogradConvolution(convolution.weight.detach(), convolution.bias)
        self._is_plain = not all(
            isinstance(half.conv, WinogradConvolution)
            and is_instance_norm_or_none(half.get_submodule("norm"))
            for half in halves
        )
        self._places: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        images, channels, height, width = maps.shape
        if self._is_plain or height % TILE or width % TILE or height * width > _MOST_CELLS:
            refined: Tensor = self.blocks(maps)
            return refined
        if (height, width) not in self._places:
            rows = _rows_of_cells(height, width)
            self._places[height, width] = rows, rows_of_windows(rows.view(height, width))
        cells, windows = self._places[height, width]
        rows = maps.new_empty(height * width, images * channels)
        rows[cells] = maps.permute(2, 3, 0, 1).flatten(2).flatten(0, 1)
        for block in self.blocks:
            first, second = block.children()
            inner = _sums(first, rows, windows).relu_()
            rows += _sums(second, inner, windows)
        return rows[cells].view(height, width, images, channels).permute(2, 3, 0, 1)


def _sums(block: nn.Module, rows: Tensor, windows: Tensor) -> Tensor:
    """Convolution and norm of a block, of and to rows of tiles."""
    convolution, norm = block.get_submodule("conv"), block.get_submodule("norm")
    assert isinstance(convolution, WinogradConvolution)
    seen = rows.index_select(0, windows).view(WINDOW**2, -1)
    sums = convolution.of_windows(seen).view(rows.shape)
    images = rows.shape[1] // len(convolution.weight[0])
    if not isinstance(norm, InstanceNorm):
        return sums if convolution.bias is None else sums.add_(convolution.bias.repeat(images))
    # A norm takes away what all cells have in common: a bias, or all of a map of equal cells.
    sums -= sums[0].clone()
    each = sums.new_full((len(sums),), 1 / len(sums))
    sums -= each @ sums
    scale = (each @ sums.square() + norm.eps).rsqrt_()
    if not norm.affine:
        return sums.mul_(scale)
    weight, bias = norm.weight.repeat(images), norm.bias.repeat(images)
    return torch.addcmul(bias, sums, weight * scale, out=sums)


def _rows_of_cells(height: int, width: int) -> Tensor:
    """Where the cells of a map, row by row, lie among rows of tiles: (H W,)."""
    down, across = torch.arange(height)[:, None], torch.arange(width)
    place = down % TILE * TILE + across % TILE
    tile = down // TILE * (width // TILE) + across // TILE
    return (place * (height * width // TILE**2) + tile).flatten()


def rows_of_windows(rows: Tensor, box: tuple[int, int, int, int] | None = None) -> Tensor:
    """Which rows the windows of a map with a mirrored border are made of: (36 tiles,).

    rows: (H, W), in which row each cell lies. box: top, bottom, left and right of the cells to
    compute, all if not given; of the last tiles what is beyond it is made of any row.
    """
    mirrored = F.pad(rows[None, None].double(), (1, 1, 1, 1), mode="reflect")[0, 0].long()
    top, bottom, left, right = box or (0, rows.shape[0], 0, rows.shape[1])
    lacking = (0, -(right - left) % TILE, 0, -(bottom - top) % TILE)
    seen = F.pad(mirrored[top : bottom + 2, left : right + 2], lacking)
    windows = seen.unfold(0, WINDOW, TILE).unfold(1, WINDOW, TILE)
    return windows.permute(2, 3, 0, 1).flatten()


def has_winograd(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a module is a convolution that `WinogradConvolution` computes, and faster."""
    return (
        isinstance(module, nn.Conv2d)
        and module.kernel_size == (3, 3)
        and module.stride == module.dilation == (1, 1)
        and module.padding == (0, 0)
        and module.groups == 1
        and gains(module.weight)
    )


def gains(weight: Tensor) -> bool:
    """Whether a 3x3 convolution of these weights (C_out, C_in, 3, 3) is faster as Winograd's."""
    fewest, most = sorted(weight.shape[:2])
    return weight.dtype == torch.float32 and _FEWEST_CHANNELS <= fewest <= most <= _MOST_CHANNELS
