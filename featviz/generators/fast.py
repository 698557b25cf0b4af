"""A generator made fast for one sketch after the other on a CPU.

The same network with the same weights: in bfloat16 unless told otherwise, with maps that keep the
channels of a pixel together, and with one input channel for a grey sketch instead of three equal
ones. In float32 the front end is computed where there is ink, the residual trunk's convolutions
are Winograd's, and the last layers work on four pixels at a time.
"""

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from featviz.base.errors import FeatvizError
from featviz.generators.folded import ScaledActivation, fold
from featviz.generators.inked import InkedFrontEnd, convolution_of
from featviz.generators.networks.conditions import SKETCH_CHANNELS
from featviz.generators.networks.generators import Enhancer, GlobalGenerator, LocalEnhancer
from featviz.generators.networks.instance_norm import InstanceNorm, is_instance_norm_or_none
from featviz.generators.networks.normalization import NORM_CLASSES, settle_weights
from featviz.generators.winograd import WinogradTrunk


class FastGenerator:
    """Sketches (H, W) uint8 to faces (H, W, 3) uint8 RGB, with its own copy of a generator.

    dtype: torch.bfloat16 differs from `generate` by the rounding of 8 bits, about a grey level on
    average, and is several times faster where the processor knows it; torch.float32 differs by the
    rounding of sums alone. Raises FeatvizError for a generator that is given more than a sketch.
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
        settle_weights(network)
        for convolution in _first_convolutions(network):
            _fold_input(convolution)
        self._network = network.to(dtype=dtype)
        if dtype == torch.float32:
            _take_faster(network)
        for module in network.modules():
            # These keep their statistics in the precision of their weights.
            if isinstance(module, NORM_CLASSES):
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
            if output.dtype == torch.uint8:
                return np.asarray(output[0].permute(1, 2, 0).numpy())
            pixels = output[0].permute(1, 2, 0).float()
            if not torch.isfinite(pixels).all():
                raise FeatvizError("the generated image holds NaN or infinity")
            pixels = ((pixels + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8)
        return np.asarray(pixels.numpy()).reshape(height, width, 3)


def _take_faster(network: GlobalGenerator | LocalEnhancer) -> None:
    """Put faster parts in the place of a float32 network's, which compute the same."""
    for part in list(network.modules()):
        if isinstance(part, GlobalGenerator | Enhancer):
            if all(
                is_instance_norm_or_none(block.get_submodule("norm")) for block in part.front_end
            ):
                part.add_module("front_end", InkedFrontEnd(part.front_end))
            part.add_module("residual", WinogradTrunk(part.residual))
    doublings = [block for block in network.modules() if _is_doubling(block)]
    for block in doublings[:-1]:
        if is_instance_norm_or_none(norm := block.get_submodule("norm")):
            block.norm, block.activation = ScaledActivation(norm), nn.Identity()
            if isinstance(norm, InstanceNorm):
                # The norm takes it away again, but for a rounding that a blank sheet's face shows.
                block.get_submodule("conv").register_parameter("bias", None)
    if doublings and is_instance_norm_or_none(doublings[-1].get_submodule("norm")):
        fold(doublings[-1], network.output)


def _is_doubling(block: nn.Module) -> bool:
    return isinstance(getattr(block, "conv", None), nn.ConvTranspose2d)


def _first_convolutions(network: GlobalGenerator | LocalEnhancer) -> list[nn.Conv2d]:
    """The convolutions that see the sketch."""
    if isinstance(network, GlobalGenerator):
        return [convolution_of(network.front_end[0])]
    enhancers = [enhancer.get_submodule("front_end.E0") for enhancer in network.enhancers]
    return [convolution_of(front) for front in (network.global_generator.front_end[0], *enhancers)]


def _fold_input(convolution: nn.Conv2d) -> None:
    """Make a convolution of equal channels one of a single channel."""
    folded = convolution.weight.sum(dim=1, keepdim=True)
    convolution.weight = nn.Parameter(folded, requires_grad=False)
    convolution.in_channels = 1
