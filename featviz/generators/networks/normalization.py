"""The normalisations that a layer can have, by name.

What each lets the cells of a map know of each other: pixel norm, demodulation, standardised
weights, batch norm in evaluation and none of them nothing, a window its size, a region itself, all
others the whole map.
"""

import math
import re
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from featviz.base.errors import FeatvizError
from featviz.generators.networks.group_norm import GroupNorm, lies_last
from featviz.generators.networks.instance_norm import InstanceNorm
from featviz.generators.networks.local_norms import (
    EPS,
    AdaptiveNorm,
    Affine,
    PixelNorm,
    RegionNorm,
    WindowNorm,
)
from featviz.generators.networks.modulation import Modulated

Norm = str
"""A name that `normalization` knows."""

NAMES = (
    *("instance", "batch", "group", "group-N", "layer", "pixel", "region", "window-N", "adaptive"),
    *("filter-response", "demodulation", "weight-standardization", "none", "none-scaled"),
)
"""Those; all but the last five may end in -affine or -spade."""

_GROUPS = 32
_MOMENTUM = 0.1
_NAME = re.compile(
    r"(?P<norm>instance|batch|group(-(?P<groups>\d+))?|layer|pixel|region|adaptive"
    r"|window-(?P<window>\d+))(-(?P<behind>affine|spade))?"
    r"|filter-response|demodulation|weight-standardization|none(-scaled)?"
)


def normalization(name: Norm, channels: int) -> nn.Module:
    """A module that normalises maps (N, channels, H, W).

    y = (x - mean) / sqrt(var + 1e-5), where mean and variance are taken

    - "instance": per image and channel over the whole map (Ulyanov et al. 2016), as in NVIDIA's
      code;
    - "batch": per channel over the maps of a batch; in evaluation those that training has met
      (Ioffe and Szegedy 2015, algorithm 2);
    - "group": over the map and N channels' group, "group-N" for N groups; else as many as divide
      both 32 and the channels (Wu and He 2018);
    - "layer": over the map and all channels (Ba et al. 2016);
    - "pixel": of each cell over its channels (Li et al. 2019, positional normalization, eq. 1);
    - "region": per image and channel over each part of a face and over the rest apart (Yu et al.
      2020, region normalization); parts are where aligned faces have them, see `RegionNorm`;
    - "window-N": per channel over N x N cells around each cell, those of them that are on the map
      (after Ortiz et al. 2020, local context normalization, whose windows also span channels);
    - "adaptive": per channel, near the parts of a face over a window around each cell and elsewhere
      over the whole map (ours, after the study's outlook), see `AdaptiveNorm`.

    Each followed by "-affine" has a learnable gamma and beta: y gamma + beta, as in the study's
    formula. Followed by "-spade", what is drawn at each cell tells them: y (1 + gamma) + beta (Park
    et al. 2019, spatially-adaptive normalization, eq. 1), see `Modulated`. Otherwise

    - "filter-response": y = max(gamma x / sqrt(mean(x^2) + 1e-6) + beta, tau), the mean over the
      map, all three learnable (Singh and Krishnan 2020, eq. 1 to 3 and 5);
    - "demodulation": the convolution's weights have length 1 for each channel that they give
      (Karras et al. 2020, eq. 3, without styles); see `block_parts`;
    - "weight-standardization": those weights have mean 0, and such a variance that maps behind a
      ReLU keep theirs (Qiao et al. 2019, scaled after Brock et al. 2021); see `Standardized`;
    - "none": nothing; "none-scaled": nothing, and weights that begin with He's variance of
      2 / (inputs x kernel) (He et al. 2015, eq. 10), so that maps keep their scale.

    Raises FeatvizError for another name, for groups that do not divide the channels and for a
    window that is even.
    """
    parts = _parsed(name)
    if parts["behind"] == "spade":
        return Modulated(normalization(str(parts["norm"]), channels), channels)
    affine = parts["behind"] == "affine"
    match (parts["norm"] or name).split("-"):
        case ["instance"]:
            return InstanceNorm(channels, affine=affine)
        case ["batch"]:
            return BatchNorm(channels, affine)
        case ["group", *_]:
            groups = int(parts["groups"] or math.gcd(_GROUPS, channels))
            if not groups or channels % groups:
                raise FeatvizError(f"{groups} groups do not divide {channels} channels")
            return GroupNorm(groups, channels, EPS, affine)
        case ["layer"]:
            return GroupNorm(1, channels, EPS, affine)
        case ["pixel"]:
            return PixelNorm(channels, affine)
        case ["region"]:
            return RegionNorm(channels, affine)
        case ["adaptive"]:
            return AdaptiveNorm(channels, affine)
        case ["window", *_]:
            return WindowNorm(channels, int(parts["window"] or 0), affine)
        case ["filter", "response"]:
            return FilterResponseNorm(channels)
        case _:
            return _Unnormalized() if name == "none-scaled" else nn.Identity()


def require_norm(name: Norm) -> None:
    """Raise FeatvizError for a name that there is not, whatever the channels."""
    groups = _parsed(name)["groups"]
    normalization(name, int(groups) if groups else 1)


def _parsed(name: Norm) -> dict[str, str | None]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise FeatvizError(
            f"unknown normalisation '{name}'; there are {', '.join(NAMES)}, and -affine or "
            "-spade behind all but the last five"
        )
    return match.groupdict()


def sees_sketch(name: Norm) -> bool:
    """Whether a norm is told what is drawn."""
    return _parsed(name)["behind"] == "spade"


def window_of(name: Norm) -> int | None:
    """How many cells wide the window of a norm is; None if it has none."""
    window = _parsed(name)["window"]
    return None if window is None else int(window)


class BatchNorm(Affine):
    """Batch norm by the running statistics in evaluation: a fixed scale and shift."""

    def __init__(self, channels: int, affine: bool = False) -> None:
        super().__init__(channels, affine)
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        given = self.running_mean, self.running_var, self.weight, self.bias
        if not self.training or not lies_last(maps):
            return F.batch_norm(maps, *given, self.training, _MOMENTUM, EPS)
        found = F.batch_norm(maps.contiguous(), *given, True, _MOMENTUM, EPS)
        return found.contiguous(memory_format=torch.channels_last)


class FilterResponseNorm(nn.Module):
    """Filter response normalization with its thresholded linear unit."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.threshold = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        wide = maps.to(torch.promote_types(maps.dtype, torch.float32))
        power = wide.square().mean(dim=(2, 3), keepdim=True)
        weight, bias, least = (
            each[:, None, None] for each in (self.weight, self.bias, self.threshold)
        )
        scaled = torch.addcmul(bias, wide * (power + 1e-6).rsqrt(), weight)
        return torch.maximum(scaled, least).to(maps.dtype)


class _Unnormalized(nn.Identity):
    """No norm, behind a convolution whose weights begin as large as is right without one."""


class Demodulated(nn.Module):
    """A convolution's weights, scaled so that each channel that it gives has those of length 1."""

    def __init__(self, along: int) -> None:
        """along: which dimension of the weights counts the channels that the convolution gives."""
        super().__init__()
        self._dims = tuple(dim for dim in range(4) if dim != along)

    def forward(self, weight: Tensor) -> Tensor:
        """(C_out, C_in, k, k), or the other way round -> the same shape."""
        return weight * (weight.square().sum(self._dims, keepdim=True) + 1e-8).rsqrt()


class Standardized(nn.Module):
    """A convolution's weights, those of each channel that it gives less their mean, and scaled.

    By their deviation, by the root of the number of inputs of a cell, and by the gain that gives
    the maps behind a ReLU the variance of those before it: sqrt(2 / (1 - 1 / pi)).
    """

    def __init__(self, along: int, inputs: int) -> None:
        """along: which dimension of the weights counts the channels that the convolution gives."""
        super().__init__()
        self._dims = tuple(dim for dim in range(4) if dim != along)
        self._gain = math.sqrt(2 / (1 - 1 / math.pi) / inputs)

    def forward(self, weight: Tensor) -> Tensor:
        """(C_out, C_in, k, k), or the other way round -> the same shape."""
        variance, mean = torch.var_mean(weight, self._dims, correction=0, keepdim=True)
        standardized: Tensor = (weight - mean) * (variance + 1e-8).rsqrt() * self._gain
        return standardized


NORM_CLASSES = (nn.InstanceNorm2d, nn.GroupNorm, Affine, FilterResponseNorm)
"""The classes of those that have statistics."""


def settle_weights(network: nn.Module) -> None:
    """Make weights that are made anew in each forward plain ones, as for a network that is done."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if parametrize.is_parametrized(child, "weight"):
                setattr(parent, name, _settled(child))


def _settled(module: nn.Module) -> nn.Module:
    """The same module with its present weight.

    torch's own way would take the weight from all copies of the module, which share a class.
    """
    kind: type[nn.Module] = parametrize.type_before_parametrizations(module)
    plain = kind.__new__(kind)
    plain.__dict__.update(module.__dict__)
    plain._modules = {k: v for k, v in module._modules.items() if k != "parametrizations"}
    weight = nn.Parameter(torch.as_tensor(module.weight).detach(), requires_grad=False)
    plain._parameters = {**module._parameters, "weight": weight}
    return plain


def block_parts(
    convolution: nn.Conv2d | nn.ConvTranspose2d, norm: Norm
) -> Iterator[tuple[str, nn.Module]]:
    """A convolution and its norm, as parts of a block by name."""
    along = 1 if isinstance(convolution, nn.ConvTranspose2d) else 0
    if norm == "demodulation":
        parametrize.register_parametrization(convolution, "weight", Demodulated(along))
    elif norm == "weight-standardization":
        standardized = Standardized(along, _inputs_of_a_cell(convolution))
        parametrize.register_parametrization(convolution, "weight", standardized)
    yield "conv", convolution
    yield "norm", normalization(norm, convolution.out_channels)


def initialize(module: nn.Module) -> None:
    """pix2pixHD's initialisation: convolution weights from N(0, 0.02), biases zero.

    In blocks without a norm that are to keep their scale, N(0, sqrt(2 / inputs of a cell)).
    """
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        _fill(module, 0.02)
    elif isinstance(getattr(module, "norm", None), _Unnormalized):
        convolution = module.get_submodule("conv")
        assert isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d)
        _fill(convolution, math.sqrt(2 / _inputs_of_a_cell(convolution)))


def _inputs_of_a_cell(convolution: nn.Conv2d | nn.ConvTranspose2d) -> int:
    inputs = convolution.in_channels * math.prod(convolution.kernel_size)
    if isinstance(convolution, nn.ConvTranspose2d):
        # Each cell is given only those of a kernel's weights that fall on it.
        inputs //= math.prod(convolution.stride)
    return inputs


def _fill(convolution: nn.Conv2d | nn.ConvTranspose2d, deviation: float) -> None:
    weight = convolution.weight
    if parametrize.is_parametrized(convolution, "weight"):
        (weight,) = convolution.parametrizations.parameters()  # type: ignore[union-attr]
    # Without memory there is nothing to fill, and torch would import its compiler to find out.
    if not weight.is_meta:
        nn.init.normal_(weight, 0.0, deviation)
        if convolution.bias is not None:
            nn.init.zeros_(convolution.bias)
