"""Other papers' networks, written plainly: what ours are compared with, in value and in time."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class _Level(nn.Module):
    """One level of the U and all below it; names as in pytorch-CycleGAN-and-pix2pix."""

    def __init__(
        self,
        outside: int,
        inside: int,
        below: "_Level | None",
        norm: type[nn.Module],
        inputs: int = 3,
        dropout: bool = False,
        is_outermost: bool = False,
    ) -> None:
        super().__init__()
        self.is_outermost = is_outermost
        has_bias = norm is nn.InstanceNorm2d
        down = nn.Conv2d(inputs if is_outermost else outside, inside, 4, 2, 1, bias=has_bias)
        given = inside if below is None else 2 * inside
        up = nn.ConvTranspose2d(given, outside, 4, 2, 1, bias=has_bias or is_outermost)
        layers: list[nn.Module]
        if is_outermost:
            assert below is not None
            layers = [down, below, nn.ReLU(inplace=True), up, nn.Tanh()]
        else:
            middle = [] if below is None else [norm(inside), below]
            layers = [nn.LeakyReLU(0.2, inplace=True), down, *middle]
            layers += [nn.ReLU(inplace=True), up, norm(outside)]
            layers += [nn.Dropout(0.5)] if dropout else []
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """What is outside, and behind it what the levels inside have made of it."""
        made: Tensor = self.model(x)
        return made if self.is_outermost else torch.cat([x, made], 1)


class PlainUnet(nn.Module):
    """pix2pix's, as its paper and its PyTorch port have it, one module in the other.

    dropouts: behind how many of the innermost levels, in the paper three.
    """

    def __init__(
        self,
        levels: int,
        width: int,
        norm: type[nn.Module] = nn.BatchNorm2d,
        inputs: int = 3,
        dropouts: int = 0,
    ) -> None:
        super().__init__()
        channels = [width * min(2**level, 8) for level in range(levels)]
        below = None
        for level in range(levels - 1, 0, -1):
            noisy = levels - 1 - level < dropouts
            below = _Level(channels[level - 1], channels[level], below, norm, dropout=noisy)
        self.model = _Level(3, width, below, norm, inputs=inputs, is_outermost=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 3, H, W)."""
        image: Tensor = self.model(x)
        return image


class PlainPatches(nn.Sequential):
    """pix2pix's discriminator: scores of patches of 70x70 pixels."""

    def __init__(self, width: int, norm: type[nn.Module] = nn.BatchNorm2d) -> None:
        layers: list[nn.Module] = [nn.Conv2d(6, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        for times, stride in ((1, 2), (2, 2), (4, 1)):
            inputs, outputs = width * times, width * times * 2
            layers += [nn.Conv2d(inputs, outputs, 4, stride, 1), norm(outputs)]
            layers += [nn.LeakyReLU(0.2, inplace=True)]
        super().__init__(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1))


class PlainCrn(nn.Module):
    """A cascaded refinement network, one module after the other."""

    def __init__(self, levels: int, width: int) -> None:
        super().__init__()
        channels = [8 * width] * (levels - 3) + [4 * width, 4 * width, width]
        self.modules_ = nn.ModuleList()
        before = 0
        for after in channels[-levels:]:
            layers: list[nn.Module] = []
            for inputs in (before + 3, after):
                layers += [nn.Conv2d(inputs, after, 3, padding=1, bias=False)]
                layers += [nn.GroupNorm(1, after), nn.LeakyReLU(0.2, inplace=True)]
            self.modules_.append(nn.Sequential(*layers))
            before = after
        self.last = nn.Conv2d(before, 3, 1)

    def forward(self, sketch: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 3, H, W)."""
        features = None
        for number, module in enumerate(self.modules_):
            side = sketch.shape[-1] >> (len(self.modules_) - 1 - number)
            given = F.interpolate(sketch, (side, side), mode="area")
            if features is not None:
                larger = F.interpolate(features, (side, side), mode="bilinear")
                given = torch.cat([larger, given], 1)
            features = module(given)
        image: Tensor = self.last(features)
        return image
