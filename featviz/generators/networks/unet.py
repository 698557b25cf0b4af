"""The generator of pix2pix: a U-Net (Isola et al. 2017, arXiv 1611.07004, section 6.1.1).

Its layers carry the names of the other generators' parts: `front_end.L0`, L1, ... halve the map,
`back_end.U0`, U1, ... double it, and `output` doubles it once more and makes the image. In front of
the channels that it is given from below, each U but the first takes those of the L of its size.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featviz.base.errors import FeatvizError, require_whole
from featviz.generators.networks.generators import check_size
from featviz.generators.networks.modulation import showing
from featviz.generators.networks.normalization import (
    Norm,
    block_parts,
    initialize,
    require_norm,
    sees_sketch,
    window_of,
)

_WIDEST = 8
"""Channels of the deepest layers, by those of L0."""
_NOISY = 3
"""So many of the first layers that double drop out."""


@dataclass(frozen=True)
class UnetArchitecture:
    """What a U-Net is made of; enough to build one.

    levels: how often the side is halved (pix2pix: 8 for 256 px). width: channels of L0 (pix2pix:
    64); they double with each of the next three. norm: of all layers but L0, the deepest and the
    output, one name; see `normalization`. pix2pix's is "batch-affine", and "instance-affine" where
    each image is normalised by its own statistics, as in batches of one. dropout: the share of
    U0's, U1's and U2's values that training leaves out; none is left out in evaluation.
    """

    levels: int = 8
    width: int = 64
    norm: Norm = "batch-affine"
    dropout: float = 0.5
    input_channels: int = 3
    output_channels: int = 3
    generator: Literal["unet"] = field(default="unet", init=False)

    def __post_init__(self) -> None:
        require_whole(self, 1, "width", "input_channels", "output_channels")
        require_whole(self, 2, "levels")
        require_norm(self.norm)
        if not 0 <= self.dropout < 1:
            raise FeatvizError(f"dropout must be 0 or more and less than 1; got {self.dropout}")

    @property
    def channels(self) -> tuple[int, ...]:
        """Those of L0, L1, ..."""
        return tuple(self.width * min(2**level, _WIDEST) for level in range(self.levels))

    @property
    def size_multiple(self) -> int:
        """Input height and width must be a multiple of this."""
        return int(2**self.levels)

    @property
    def least_size(self) -> int:
        """The least side of an input: the deepest norms are given 2x2 cells, or their window."""
        return int(-(-(window_of(self.norm) or 2) // 2) * self.size_multiple)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that are read if none are named."""
        return tuple(f"L{level}" for level in range(self.levels))


class Unet(nn.Module):
    """pix2pix's generator: (N, C_in, H, W) -> (N, C_out, H, W) in [-1, 1].

    H and W are multiples of 2 ** levels.
    """

    def __init__(self, architecture: UnetArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        self._show = showing(sees_sketch(architecture.norm))
        channels = architecture.channels
        self.front_end = nn.Sequential(OrderedDict(_halving(architecture)))
        self.back_end = nn.Sequential(OrderedDict(_doubling(architecture)))
        last = nn.ConvTranspose2d(2 * channels[0], architecture.output_channels, 4, 2, 1)
        self.output = nn.Sequential(OrderedDict(conv=last, activation=nn.Tanh()))
        self.apply(initialize)
        for module in self.modules():
            scale = getattr(getattr(module, "norm", None), "weight", None)
            if isinstance(scale, Tensor) and not scale.is_meta:
                nn.init.normal_(scale, 1.0, 0.02)

    def forward(self, sketch: Tensor) -> Tensor:
        """Sketches in [-1, 1] to images in [-1, 1]."""
        check_size(sketch, self.architecture)
        maps, features = [], sketch
        with self._show(sketch):
            for layer in self.front_end:
                features = layer(features)
                maps.append(features)
            maps.pop()
            for layer in self.back_end:
                features = torch.cat([F.relu(maps.pop()), layer(features)], dim=1)
        image: Tensor = self.output(features)
        return image


def _halving(architecture: UnetArchitecture) -> Iterator[tuple[str, nn.Module]]:
    inputs, deepest = architecture.input_channels, architecture.levels - 1
    for level, outputs in enumerate(architecture.channels):
        convolution = nn.Conv2d(inputs, outputs, 4, 2, 1, bias=has_bias(architecture))
        parts: dict[str, nn.Module] = {"conv": convolution}
        if 0 < level < deepest:
            parts = dict(block_parts(convolution, architecture.norm))
        # Below the deepest layer there is no skip that would let negative values by.
        leaky = nn.LeakyReLU(0.2, inplace=True)
        parts["activation"] = leaky if level < deepest else nn.ReLU(inplace=True)
        yield f"L{level}", nn.Sequential(OrderedDict(parts))
        inputs = outputs


def _doubling(architecture: UnetArchitecture) -> Iterator[tuple[str, nn.Module]]:
    channels = architecture.channels
    inputs = channels[-1]
    for number, outputs in enumerate(reversed(channels[:-1])):
        convolution = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=has_bias(architecture))
        parts = dict(block_parts(convolution, architecture.norm))
        if number < _NOISY and architecture.dropout:
            parts["dropout"] = nn.Dropout(architecture.dropout)
        parts["activation"] = nn.ReLU(inplace=True)
        yield f"U{number}", nn.Sequential(OrderedDict(parts))
        inputs = 2 * outputs


def has_bias(architecture: UnetArchitecture) -> bool:
    """Whether convolutions have a bias: not beside norms that have one, as in pix2pix's code."""
    return not architecture.norm.endswith("-affine")
