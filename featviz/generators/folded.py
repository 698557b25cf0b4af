"""The last layers of a generator by squares of 2x2 pixels, as four times the channels.

Vector units work on 8 or 16 channels at once. The last map has the fewest channels of all and the
most cells, and an image has 3. Of four pixels at a time both have enough: a transposed convolution
of stride 2 becomes a plain 2x2 convolution, and the 7x7 convolution that follows a 4x4 one.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featviz.base.errors import FeatvizError
from featviz.generators.networks.generators import OutputConvolution
from featviz.generators.networks.instance_norm import InstanceNorm

_WIDE = 8
"""Channels of a register, of which no convolution has less work than for all."""


def fold(doubling: nn.Module, output: nn.Module) -> None:
    """Let a doubling block and the output block that follows hand on squares, for grey levels."""
    convolution = output.get_submodule("conv")
    assert isinstance(convolution, OutputConvolution)
    doubling.conv = FoldedDoubling(doubling, convolution.kernel_size[0] // 2)
    output.conv = FoldedOutput(convolution)
    doubling.norm = doubling.activation = output.pad = output.activation = nn.Identity()


class ScaledActivation(nn.Module):
    """An instance norm of one map, if any, and ReLU, in place; float32 without gradients."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, maps: Tensor) -> Tensor:
        """(1, C, H, W) -> the same in channels_last."""
        maps = maps.contiguous(memory_format=torch.channels_last)
        cells = maps.permute(0, 2, 3, 1)[0]
        if isinstance(self.norm, InstanceNorm):
            scale, shift = _scale_and_shift(self.norm, cells, maps[0, 0].numel())
            torch.addcmul(shift, cells, scale, out=cells)
        cells.relu_()
        return maps


def _scale_and_shift(norm: InstanceNorm, cells: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """What an instance norm does to cells, see `moments`, (k C,) each."""
    scale, shift = norm.scale_and_shift(*moments(cells, norm.num_features, count))
    parts = cells.shape[-1] // norm.num_features
    return scale.to(cells).repeat(parts), shift.to(cells).repeat(parts)


def moments(cells: Tensor, channels: int, count: int) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of the channels of cells (H, W, k C), (C,) each in float64.

    A channel's k parts are taken together. count: how many cells of a channel are not outside of
    the map, where they are 0.
    """
    height, width, wide = cells.shape
    # Every column by itself: so few values may be added up one after the other in float32.
    columns = cells.view(1, height, 1, width * wide).permute(0, 3, 1, 2)
    buffer = cells.new_zeros(width * wide)
    means, variances = (
        statistic.view(-1, channels).double()
        for statistic in torch.batch_norm_update_stats(columns, buffer, buffer, 0.0)
    )
    every = height * len(means) / count
    mean = means.mean(dim=0) * every
    around = (variances + (means - mean).square()).mean(dim=0)
    return mean, around * every - (every - 1) * mean.square()


class FoldedDoubling(nn.Module):
    """A doubling block of one map, as squares of pixels and with the border that comes next.

    A square holds pixels 2i - 1 and 2i of either direction. Of the first and the last ones half
    lies outside, and is mirrored as by the output's padding.
    """

    def __init__(self, block: nn.Module, border: int) -> None:
        super().__init__()
        convolution = block.get_submodule("conv")
        assert isinstance(convolution, nn.ConvTranspose2d)
        self.norm, self._border = block.get_submodule("norm"), border
        kernel = F.pad(convolution.weight.detach(), (0, 1, 0, 1)).transpose(0, 1)
        # Pixel 2i - 1 takes tap 2 of cell i - 1 and tap 0 of cell i; pixel 2i takes tap 1 of i.
        taps = torch.tensor([[2, 0], [3, 1]])
        placed = kernel[:, :, taps[:, None, :, None], taps[None, :, None, :]]
        weight = placed.permute(2, 3, 0, 1, 4, 5).flatten(0, 2)
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        bias = convolution.bias
        self.bias = None if bias is None else bias.detach().repeat(4)

    def forward(self, maps: Tensor) -> Tensor:
        """(1, C_in, H, W) -> (1, 4 C_out, H + border, W + border) in channels_last."""
        # A norm takes away what all cells have in common.
        bias = None if isinstance(self.norm, InstanceNorm) else self.bias
        sums = F.conv2d(maps, self.weight, bias, padding=1).permute(0, 2, 3, 1)[0]
        height, width, wide = sums.shape
        squares = sums.view(height, width, 2, 2, -1)
        for end, half in ((0, 0), (-1, 1)):
            squares[end, :, half] = squares[:, end, :, half] = 0
        more = self._border // 2
        result = sums.new_empty(height + 2 * more, width + 2 * more, wide)
        inner = result[more:-more, more:-more]
        if isinstance(self.norm, InstanceNorm):
            count = 4 * (height - 1) * (width - 1)
            scale, shift = _scale_and_shift(self.norm, sums, count)
            torch.addcmul(shift, sums, scale, out=inner)
        else:
            inner.copy_(sums)
        inner.relu_()
        _mirror(result.view(*result.shape[:2], 2, 2, -1), self._border)
        return result.permute(2, 0, 1)[None]


def _mirror(squares: Tensor, border: int) -> None:
    """Fill the outermost pixels of (H, W, 2, 2, C) with those inside, the edge not repeated."""
    for axis in (0, 1):
        pixels = squares.movedim((axis, axis + 2), (0, 1))
        last = 2 * len(pixels) - 1
        for step in range(border):
            for into, source in (
                (step, 2 * border - step),
                (last - step, last - 2 * border + step),
            ):
                pixels[into // 2, into % 2] = pixels[source // 2, source % 2]


class FoldedOutput(nn.Module):
    """The output block of what `FoldedDoubling` gives, four pixels at a time, as grey levels."""

    def __init__(self, convolution: OutputConvolution) -> None:
        super().__init__()
        weight, bias = convolution.of_neighbours()
        # (4 C_out, C_in, 8, 8) -> (4 C_out, 4 C_in, 4, 4); the places in a square come first.
        taps = weight.shape[2] // 2
        kernel = weight.detach().view(*weight.shape[:2], taps, 2, taps, 2)
        kernel = kernel.permute(0, 3, 5, 1, 2, 4).flatten(1, 3)
        lacking = -len(kernel) % _WIDE
        self._channels = convolution.out_channels
        # 127.5 (tanh(x) + 1) = 255 sigmoid(2 x), in fewer steps.
        weight = 2 * F.pad(_squares_first(kernel), (0, 0, 0, 0, 0, 0, 0, lacking))
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = None if bias is None else 2 * F.pad(_squares_first(bias.detach()), (0, lacking))

    def forward(self, maps: Tensor) -> Tensor:
        """(1, 4 C_in, H / 2 + border, W / 2 + border) -> (1, C_out, H, W) uint8.

        Raises FeatvizError for maps that hold NaN.
        """
        shares = F.conv2d(maps, self.weight, self.bias).permute(0, 2, 3, 1)[0].sigmoid_()
        if shares.sum().isnan():
            raise FeatvizError("the generated image holds NaN or infinity")
        levels = shares.mul_(255).round_().to(torch.uint8)[..., : 4 * self._channels]
        height, width = levels.shape[:2]
        squares = levels.view(height, width, 2, 2, -1).transpose(1, 2)
        return squares.reshape(1, 2 * height, 2 * width, -1).permute(0, 3, 1, 2)


def _squares_first(channels: Tensor) -> Tensor:
    """(C 4, ...) -> (4 C, ...)."""
    return channels.view(-1, 4, *channels.shape[1:]).transpose(0, 1).flatten(0, 1)
