"""A generator made fast for one sketch after the other on a CPU.

The same network with the same weights, rearranged; in bfloat16 unless told otherwise. What is
used: a grey sketch needs one input channel instead of three equal ones, and neighbouring pixels of
a thin map can be taken as channels of a narrower one, so that a convolution to three channels
fills a processor's vectors.
"""

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from featviz.errors import FeatvizError
from featviz.networks.conditions import SKETCH_CHANNELS
from featviz.networks.generators import GlobalGenerator, LocalEnhancer

_MERGED = 4
"""Pixels of a row that the last convolution takes together."""


class FastGenerator:
    """Sketches (H, W) uint8 to faces (H, W, 3) uint8 RGB, with its own copy of a generator.

    dtype: torch.bfloat16 differs from `generate` by the rounding of 8 bits, about a grey level on
    average, and is several times faster where the processor knows it; torch.float32 differs by the
    order of sums alone. Raises FeatvizError for a generator that is given more than a sketch.
    """

    def __init__(
        self, generator: GlobalGenerator | LocalEnhancer, dtype: torch.dtype = torch.bfloat16
    ) -> None:
        if (channels := generator.architecture.input_channels) not in (1, SKETCH_CHANNELS):
            raise FeatvizError(
                f"this generator takes {channels} channels; expected {SKETCH_CHANNELS} (or 1), a "
                "sketch and nothing else"
            )
        network = copy.deepcopy(generator).eval().requires_grad_(False)
        for convolution in _first_convolutions(network):
            _fold_input(convolution)
        # The hyperbolic tangent comes last, in float32.
        network.output = _MergedConvolution(_convolution(network.output), _MERGED)
        self._network = network.to(dtype=dtype)
        for module in network.modules():
            # These keep their statistics in the precision of their weights.
            if isinstance(module, nn.InstanceNorm2d):
                module.float()
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._dtype = dtype

    def __call__(self, sketch: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The face of a sketch, paper 255 and ink 0; raises FeatvizError as `generate` does."""
        height, width = sketch.shape
        # The same numbers as of `encode_image`: paper is exactly +1 and ink exactly -1.
        values = torch.from_numpy(sketch.astype(np.float32)) / 127.5 - 1
        inputs = values.to(self._dtype)[None, None]
        with torch.inference_mode():
            output = self._network(inputs.contiguous(memory_format=torch.channels_last))
            pixels = output[0].permute(1, 2, 0).float().tanh_()
            if not torch.isfinite(pixels).all():
                raise FeatvizError("the generated image holds NaN or infinity")
            pixels = ((pixels + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8)
        return np.asarray(pixels.numpy()).reshape(height, width, 3)


class _MergedConvolution(nn.Module):
    """Reflection padding and a convolution of stride 1, `merged` pixels of a row at a time.

    In memory a channels-last map of C channels is one of merged * C channels and a width less by
    that factor. A kernel k wide becomes ceil((k + merged - 1) / merged) wide, with zeros where a
    pixel lies outside the original window.
    """

    def __init__(self, conv: nn.Conv2d, merged: int) -> None:
        super().__init__()
        outputs, inputs, height, width = conv.weight.shape
        columns = (width + 2 * (merged - 1)) // merged
        weight = conv.weight.new_zeros(merged, outputs, merged, inputs, height, columns)
        for out in range(merged):
            for tap in range(width):
                column, place = divmod(out + tap, merged)
                weight[out, :, place, :, :, column] = conv.weight[:, :, :, tap]
        self.weight = nn.Parameter(
            weight.reshape(merged * outputs, merged * inputs, height, columns), requires_grad=False
        )
        bias = conv.bias if conv.bias is not None else conv.weight.new_zeros(outputs)
        self.bias = nn.Parameter(bias.repeat(merged), requires_grad=False)
        self.merged, self.outputs, self.inputs = merged, outputs, inputs
        self.margin, self.columns = (height // 2, width // 2), columns

    def forward(self, maps: Tensor) -> Tensor:
        """(1, C, H, W), W a multiple of `merged` -> (1, outputs, H, W)."""
        height, width = maps.shape[-2:]
        rows, left = self.margin
        right = width + (self.columns - 1) * self.merged - width - left
        padded = F.pad(maps, (left, right, rows, rows), mode="reflect")
        wide = padded.permute(0, 2, 3, 1).contiguous()
        merged = wide.view(1, height + 2 * rows, -1, self.merged * self.inputs)
        output = F.conv2d(merged.permute(0, 3, 1, 2), self.weight, self.bias)
        narrow = output.permute(0, 2, 3, 1).contiguous().view(1, height, width, self.outputs)
        return narrow.permute(0, 3, 1, 2)


def _first_convolutions(network: GlobalGenerator | LocalEnhancer) -> list[nn.Conv2d]:
    """The convolutions that see the sketch."""
    if isinstance(network, GlobalGenerator):
        return [_convolution(network.front_end[0])]
    enhancers = [enhancer.get_submodule("front_end.E0") for enhancer in network.enhancers]
    return [_convolution(front) for front in (network.global_generator.front_end[0], *enhancers)]


def _convolution(block: nn.Module) -> nn.Conv2d:
    """The convolution of a block of padding, convolution and activation."""
    convolution = block.get_submodule("conv")
    assert isinstance(convolution, nn.Conv2d)
    return convolution


def _fold_input(convolution: nn.Conv2d) -> None:
    """Make a convolution of equal channels one of a single channel."""
    folded = convolution.weight.sum(dim=1, keepdim=True)
    convolution.weight = nn.Parameter(folded, requires_grad=False)
    convolution.in_channels = 1
