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
from featviz.generators.networks.modulation import Modulated

Norm = str
"""A name that `normalization` knows."""

NAMES = (
    *("instance", "batch", "group", "group-N", "layer", "pixel", "region", "window-N", "adaptive"),
    *("filter-response", "demodulation", "weight-standardization", "none", "none-scaled"),
)
"""Those; all but the last five may end in -affine or -spade."""

EPS = 1e-5
_GROUPS = 32
_MOMENTUM = 0.1
_NAME = re.compile(
    r"(?P<norm>instance|batch|group(-(?P<groups>\d+))?|layer|pixel|region|adaptive"
    r"|window-(?P<window>\d+))(-(?P<behind>affine|spade))?"
    r"|filter-response|demodulation|weight-standardization|none(-scaled)?"
)
_REGIONS = ((5, 8, 4, 8), (5, 8, 8, 12), (8, 11, 6, 10), (11, 14, 5, 11))
"""An aligned face's eyes with their brows, nose and mouth: top, bottom, left, right, 16ths."""


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


class _Affine(nn.Module):
    """A norm with a scale and a shift for each channel, if wanted."""

    def __init__(self, channels: int, affine: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None

    def scaled(self, normalized: Tensor, dtype: torch.dtype) -> Tensor:
        """What was normalised, scaled and shifted, in the precision of the map."""
        if self.weight is not None and self.bias is not None:
            weight, bias = self.weight[:, None, None], self.bias[:, None, None]
            normalized = torch.addcmul(bias, normalized, weight)
        return normalized.to(dtype)


class BatchNorm(_Affine):
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


class PixelNorm(_Affine):
    """Positional normalization: each cell's vector by its own mean and variance."""

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        wide = maps.to(torch.promote_types(maps.dtype, torch.float32))
        variance, mean = torch.var_mean(wide, dim=1, correction=0, keepdim=True)
        return self.scaled((wide - mean) * (variance + EPS).rsqrt(), maps.dtype)


class RegionNorm(_Affine):
    """Each cell by mean and variance of its region: the eyes, nose, mouth, and all else.

    Regions are where faces aligned by their eyes have these parts, at the same share of every map,
    whatever is drawn: so pixels do, no edit moves a region, and what it changes in one part is not
    told to another.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        wide = maps.to(torch.promote_types(maps.dtype, torch.float32))
        regions = face_regions(*maps.shape[2:]).to(wide)
        centred = wide - _means_of_regions(wide, regions)
        variance = _means_of_regions(centred.square(), regions)
        return self.scaled(centred * (variance + EPS).rsqrt(), maps.dtype)


def face_regions(height: int, width: int) -> Tensor:
    """Which cells of a map are in which region, (regions, H, W) of 0 and 1; the rest is last."""
    regions = torch.zeros(len(_REGIONS) + 1, height, width)
    for region, (top, bottom, left, right) in zip(regions, _REGIONS, strict=False):
        down, across = (
            # Cells whose centres lie inside.
            slice(math.ceil(start * side / 16 - 0.5), math.ceil(end * side / 16 - 0.5))
            for start, end, side in ((top, bottom, height), (left, right, width))
        )
        region[down, across] = 1
    regions[-1] = 1 - regions.sum(dim=0)
    return regions


def _means_of_regions(maps: Tensor, regions: Tensor) -> Tensor:
    """At each cell the mean over its region. Cells of others are added as exact zeros."""
    means = [
        (maps * region).sum(dim=(2, 3), keepdim=True) / region.sum().clamp_min(1) * region
        for region in regions
    ]
    return torch.stack(means).sum(dim=0)


class WindowNorm(_Affine):
    """Each cell by mean and variance of a square around it, as far as the map goes.

    Sums go over a row of the square and then over a column. Integral images would need less, but
    join all cells of the map, if only by rounding.
    """

    def __init__(self, channels: int, window: int, affine: bool = False) -> None:
        super().__init__(channels, affine)
        if window % 2 == 0 or window < 3:
            raise FeatvizError(
                f"a window has an odd number of cells, at least 3, a side; got {window}"
            )
        self.window = window

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape; raises FeatvizError for maps smaller than the window."""
        height, width = maps.shape[2:]
        if min(height, width) < self.window:
            raise FeatvizError(
                f"a norm's window of {self.window} cells is larger than the map of {width}x{height}"
            )
        wide = maps.to(torch.promote_types(maps.dtype, torch.float32))
        mean = self._mean(wide)
        # Rounding may leave a little less than nothing.
        variance = (self._mean(wide.square()) - mean.square()).clamp_min(0)
        return self.scaled((wide - mean) * (variance + EPS).rsqrt(), maps.dtype)

    def _mean(self, maps: Tensor) -> Tensor:
        for size in ((1, self.window), (self.window, 1)):
            padding = (size[0] // 2, size[1] // 2)
            maps = F.avg_pool2d(maps, size, 1, padding, count_include_pad=False)
        return maps


class AdaptiveNorm(_Affine):
    """Near the eyes, nose and mouth by a window around each cell, elsewhere by the whole map.

    Moments are mixed: of each cell the mean of x and of x^2 over the window, as much as the cell is
    near a part, and over the map for the rest. The window is a quarter of the map, and how near a
    cell is falls from 1 to 0 over an eighth around the boxes of `face_regions`; both are the same
    share of every map.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        wide = maps.to(torch.promote_types(maps.dtype, torch.float32))
        near = nearness_to_parts(*maps.shape[2:]).to(wide)
        # Less its mean, the map's is 0, and sums over it are small.
        centred = wide - wide.mean(dim=(2, 3), keepdim=True)
        squares = centred.square()
        mean = near * _means_of_windows(centred, 4)
        over_map = squares.mean(dim=(2, 3), keepdim=True)
        power = over_map + near * (_means_of_windows(squares, 4) - over_map)
        variance = (power - mean.square()).clamp_min(0)
        return self.scaled((centred - mean) * (variance + EPS).rsqrt(), maps.dtype)


def nearness_to_parts(height: int, width: int) -> Tensor:
    """How near each cell of a map is to an aligned face's inner parts, (H, W) in [0, 1]."""
    inside = 1 - face_regions(height, width)[-1:].double()
    reach = (height // 16, width // 16)
    # Grown by half of the ramp, so that a part keeps 1 everywhere.
    grown = F.max_pool2d(inside, (2 * reach[0] + 1, 2 * reach[1] + 1), 1, reach)
    return _means_of_windows(grown, 8)[0]


def _means_of_windows(maps: Tensor, share: int) -> Tensor:
    """At each cell of (..., H, W) the mean over a window, a share of the map, as far as it goes.

    As two products with banded matrices: what a window costs does not depend on its size.
    """
    for dim in (-2, -1):
        side = maps.shape[dim]
        at = torch.arange(side, device=maps.device)
        band = ((at[:, None] - at).abs() <= side // (2 * share)).to(maps.dtype)
        band /= band.sum(dim=1, keepdim=True)
        maps = band @ maps if dim == -2 else maps @ band.T
    return maps


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


NORM_CLASSES = (nn.InstanceNorm2d, nn.GroupNorm, _Affine, FilterResponseNorm)
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
