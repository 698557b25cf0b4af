"""Norms by the statistics of a cell, a window, a part of a face, or of these and the map mixed."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featviz.base.errors import FeatvizError

EPS = 1e-5
_REGIONS = ((5, 8, 4, 8), (5, 8, 8, 12), (8, 11, 6, 10), (11, 14, 5, 11))
"""An aligned face's eyes with their brows, nose and mouth: top, bottom, left, right, 16ths."""


class Affine(nn.Module):
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


class PixelNorm(Affine):
    """Positional normalization: each cell's vector by its own mean and variance."""

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        wide = maps.to(torch.promote_types(maps.dtype, torch.float32))
        variance, mean = torch.var_mean(wide, dim=1, correction=0, keepdim=True)
        return self.scaled((wide - mean) * (variance + EPS).rsqrt(), maps.dtype)


class RegionNorm(Affine):
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


class WindowNorm(Affine):
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


class AdaptiveNorm(Affine):
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
