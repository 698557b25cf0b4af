"""The cascaded refinement network (Chen and Koltun 2017, arXiv 1707.09405, section 3).

Its layers are modules of refinement, `refinement.M0`, M1, ..., from the smallest map to that of the
image's size. Each is given the sketch at its own size beside what the one before it made, twice as
large.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featviz.base.errors import require_whole
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

_WIDER = (1, 4, 4, 8)
"""Channels of the last modules by those of the last; of all before these as many as of the last."""
_FIRST = 4
"""Cells of a side of the first module's map, in the paper."""


def modules_for(size: int) -> int:
    """How many modules an image of a size takes if the first map is to have 4 to 7 cells a side."""
    return max(1, (size // _FIRST).bit_length())


@dataclass(frozen=True)
class CrnArchitecture:
    """What a cascaded refinement network is made of; enough to build one.

    levels: modules; the first map's side is that of the image / 2 ** (levels - 1), which the paper
    wants to be 4. width: channels of the last module (the paper's, at 512 px: 128); the two before
    it have 4 times, all others 8 times as many. norm: of all layers but the output, one name; see
    `normalization`. The paper's is "layer-affine".
    """

    levels: int = 8
    width: int = 128
    norm: Norm = "layer-affine"
    input_channels: int = 3
    output_channels: int = 3
    generator: Literal["crn"] = field(default="crn", init=False)

    def __post_init__(self) -> None:
        require_whole(self, 1, "levels", "width", "input_channels", "output_channels")
        require_norm(self.norm)

    @property
    def channels(self) -> tuple[int, ...]:
        """Those of M0, M1, ..."""
        last = len(_WIDER) - 1
        return tuple(self.width * _WIDER[min(last, n)] for n in reversed(range(self.levels)))

    @property
    def size_multiple(self) -> int:
        """Input height and width must be a multiple of this."""
        return int(2 ** (self.levels - 1))

    @property
    def least_size(self) -> int:
        """The least side of an input: the first map is 2x2, or the window of its norms."""
        return (window_of(self.norm) or 2) * self.size_multiple

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that are read if none are named."""
        return tuple(f"M{level}" for level in range(self.levels))


class Crn(nn.Module):
    """(N, C_in, H, W) -> (N, C_out, H, W); not squashed, as in the paper, but trained to [-1, 1].

    H and W are multiples of 2 ** (levels - 1), at least twice that.
    """

    def __init__(self, architecture: CrnArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        self._show = showing(sees_sketch(architecture.norm))
        norm, sketch = architecture.norm, architecture.input_channels
        modules, before = OrderedDict[str, nn.Module](), 0
        for level, channels in enumerate(architecture.channels):
            modules[f"M{level}"] = RefinementModule(before + sketch, channels, norm)
            before = channels
        self.refinement = nn.Sequential(modules)
        last = nn.Conv2d(before, architecture.output_channels, 1)
        self.output = nn.Sequential(OrderedDict(conv=last))
        self.apply(initialize)

    def forward(self, sketch: Tensor) -> Tensor:
        """Sketches in [-1, 1] to images."""
        check_size(sketch, self.architecture)
        pyramid = [sketch]
        for _ in range(self.architecture.levels - 1):
            pyramid.append(F.avg_pool2d(pyramid[-1], 2))
        first, *others = self.refinement
        with self._show(sketch):
            features = first(pyramid.pop())
            for module in others:
                larger = F.interpolate(features, scale_factor=2, mode="bilinear")
                features = module(torch.cat([larger, pyramid.pop()], dim=1))
        image: Tensor = self.output(features)
        return image


class RefinementModule(nn.Module):
    """Two 3x3 convolutions, each with a norm and a leaky ReLU: (N, C_in, H, W) -> (N, C, H, W)."""

    def __init__(self, inputs: int, outputs: int, norm: Norm) -> None:
        super().__init__()
        self.first = _block(inputs, outputs, norm)
        self.second = _block(outputs, outputs, norm)

    def forward(self, given: Tensor) -> Tensor:
        """What the module before made, twice as large, and the sketch -> features."""
        features: Tensor = self.second(self.first(given))
        return features


def _block(inputs: int, outputs: int, norm: Norm) -> nn.Sequential:
    # A norm with a shift of its own leaves nothing for a bias to do.
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=not norm.endswith("-affine"))
    return nn.Sequential(
        OrderedDict(
            **dict(block_parts(convolution, norm)),
            activation=nn.LeakyReLU(0.2, inplace=True),
        )
    )
