"""pix2pix's U-Net as its paper and its PyTorch port have it, one module in the other."""

import torch
from torch import nn


class Level(nn.Module):
    """One level of the U and all below it; names as in pytorch-CycleGAN-and-pix2pix."""

    def __init__(self, outside, inside, below, norm, inputs=3, dropout=False, is_outermost=False):
        super().__init__()
        self.is_outermost = is_outermost
        has_bias = norm is nn.InstanceNorm2d
        down = nn.Conv2d(inputs if is_outermost else outside, inside, 4, 2, 1, bias=has_bias)
        given = inside if below is None else 2 * inside
        if is_outermost:
            up = nn.ConvTranspose2d(given, outside, 4, 2, 1)
            layers = [down, below, nn.ReLU(), up, nn.Tanh()]
        else:
            up = nn.ConvTranspose2d(given, outside, 4, 2, 1, bias=has_bias)
            middle = [] if below is None else [norm(inside), below]
            layers = [nn.LeakyReLU(0.2), down, *middle, nn.ReLU(), up, norm(outside)]
            layers += [nn.Dropout(0.5)] if dropout else []
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x) if self.is_outermost else torch.cat([x, self.model(x)], 1)


class PlainUnet(nn.Module):
    """dropouts: behind how many of the innermost levels, as in the paper."""

    def __init__(self, levels, width, norm=nn.BatchNorm2d, inputs=3, dropouts=0):
        super().__init__()
        channels = [width * min(2**level, 8) for level in range(levels)]
        below = None
        for level in range(levels - 1, 0, -1):
            noisy = levels - 1 - level < dropouts
            below = Level(channels[level - 1], channels[level], below, norm, dropout=noisy)
        self.model = Level(3, width, below, norm, inputs=inputs, is_outermost=True)

    def forward(self, x):
        return self.model(x)


def settled_unet(*given, **settings):
    """A plain U-Net in float64 whose weights, norms and statistics are not trivial."""
    torch.manual_seed(1)
    network = PlainUnet(*given, **settings).double()
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            moved = 0.1 * torch.randn_like(tensor).abs() if tensor.is_floating_point() else 7
            tensor.add_(moved)
    return network
