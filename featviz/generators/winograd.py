"""3x3 convolutions with a quarter of the multiplications (Lavin and Gray 2016, arXiv 1509.09308).

F(4x4, 3x3): sixteen sums of 3x3 products are found from the 6x6 cells that they draw on with 36
multiplications instead of 144, of transformed cells and of a transformed kernel.
"""

from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_MOST_CHANNELS = 256
"""The transformed weights of more take four times a memory that is large already."""
_FEWEST_CHANNELS = 32
"""Of fewer the transforms take longer than what they save."""
_TILE, _WINDOW = 4, 6

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

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        kernel = torch.tensor(_KERNEL, dtype=torch.float64)
        weight = convolution.weight.detach()
        transformed = torch.einsum("ia,ocab,jb->ijco", kernel, weight.double(), kernel)
        self.weight = transformed.flatten(0, 1).to(weight.dtype)
        self.bias = convolution.bias
        data, output = (torch.tensor(rows, dtype=weight.dtype) for rows in (_DATA, _OUTPUT))
        # Both directions at once: a product of two small matrices is one larger matrix.
        self._data, self._output = torch.kron(data, data), torch.kron(output, output)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C_in, H + 2, W + 2) -> (N, C_out, H, W), in channels_last."""
        height, width = (side - _WINDOW + _TILE for side in maps.shape[2:])
        lacking = (-height % _TILE, -width % _TILE)
        if any(lacking):
            maps = F.pad(maps, (0, lacking[1], 0, lacking[0]))
        maps = maps.contiguous(memory_format=torch.channels_last)
        images, channels = maps.shape[:2]
        down, across = (-(-side // _TILE) for side in (height, width))
        image, channel, row, column = maps.stride()
        windows = maps.as_strided(
            (_WINDOW, _WINDOW, images, down, across, channels),
            (row, column, image, _TILE * row, _TILE * column, channel),
        )
        cells = self._data @ windows.reshape(_WINDOW**2, -1)
        products = torch.bmm(cells.view(_WINDOW**2, -1, channels), self.weight)
        sums = self._output @ products.view(_WINDOW**2, -1)
        tiles = sums.view(_TILE, _TILE, images, down, across, -1).permute(2, 3, 0, 4, 1, 5)
        result = tiles.reshape(images, down * _TILE, across * _TILE, -1)[:, :height, :width]
        if self.bias is not None:
            result = result + self.bias
        return result.permute(0, 3, 1, 2)


def has_winograd(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a module is a convolution that `WinogradConvolution` computes, and faster."""
    return (
        isinstance(module, nn.Conv2d)
        and module.kernel_size == (3, 3)
        and module.stride == module.dilation == (1, 1)
        and module.padding == (0, 0)
        and module.groups == 1
        and module.weight.dtype == torch.float32
        and min(module.in_channels, module.out_channels) >= _FEWEST_CHANNELS
        and max(module.in_channels, module.out_channels) <= _MOST_CHANNELS
    )
