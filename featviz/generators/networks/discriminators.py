"""The multi-scale PatchGAN discriminator of pix2pixHD, and pix2pix's, which has one scale."""

from dataclasses import dataclass

from torch import Tensor, nn

from featviz.base.errors import FeatvizError, require_whole
from featviz.generators.networks.generators import halve
from featviz.generators.networks.normalization import Norm, initialize, normalization

_WIDEST = 512


@dataclass(frozen=True)
class DiscriminatorArchitecture:
    """What a multi-scale discriminator is made of.

    input_channels: sketch and image together. width: channels after the first convolution
    (NVIDIA's `ndf`). layers: stride-2 convolutions per scale (NVIDIA's `n_layers_D`); two more
    of stride 1 follow, so 3 gives the five 4x4 convolutions of the paper. padding: of each of
    these; pix2pix has 1. Either way a score sees 70x70 pixels.
    """

    input_channels: int = 6
    width: int = 64
    layers: int = 3
    scales: int = 3
    norm: Norm = "instance"
    padding: int = 2

    def __post_init__(self) -> None:
        require_whole(self, 1, "input_channels", "width", "layers", "scales")
        require_whole(self, 0, "padding")

    def require_fitting(self, size: int) -> None:
        """Raise FeatvizError if the norms of the coarsest scale have one cell of images of a size.

        size: the side in pixels.
        """
        side = size
        for _ in range(self.scales - 1):
            side = (side + 1) // 2
        for stride in (*[2] * self.layers, 1):
            side = (side + 2 * self.padding - 4) // stride + 1
            if side < 2:
                raise FeatvizError(
                    f"images of {size} px are too small for {self.scales} scales of a "
                    "discriminator, each of which halves them; take fewer (discriminator_scales)"
                )


class MultiScaleDiscriminator(nn.Module):
    """PatchGANs of one structure at full, 1/2, 1/4, ... size (arXiv 1711.11585, section 3.2)."""

    def __init__(self, architecture: DiscriminatorArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.scales = nn.ModuleList(
            PatchDiscriminator(architecture) for _ in range(architecture.scales)
        )
        self.apply(initialize)

    def forward(self, pair: Tensor) -> list[list[Tensor]]:
        """(N, C_in, H, W) -> for each scale, finest first, the map after every layer.

        The last map of a scale, (N, 1, h, w), holds the patch scores (not squashed).
        """
        results = []
        for index, scale in enumerate(self.scales):
            if index > 0:
                pair = halve(pair)
            results.append(scale(pair))
        return results


class PatchDiscriminator(nn.Module):
    """One PatchGAN; returns the map after every layer."""

    def __init__(self, architecture: DiscriminatorArchitecture) -> None:
        super().__init__()
        width, norm, padding = architecture.width, architecture.norm, architecture.padding
        layers = [
            nn.Sequential(
                nn.Conv2d(architecture.input_channels, width, 4, stride=2, padding=padding),
                nn.LeakyReLU(0.2, inplace=True),
            )
        ]
        for index in range(1, architecture.layers + 1):
            stride = 2 if index < architecture.layers else 1
            wider = min(2 * width, _WIDEST)
            layers.append(
                nn.Sequential(
                    nn.Conv2d(width, wider, 4, stride=stride, padding=padding),
                    normalization(norm, wider),
                    nn.LeakyReLU(0.2, inplace=True),
                )
            )
            width = wider
        layers.append(nn.Sequential(nn.Conv2d(width, 1, 4, stride=1, padding=padding)))
        self.layers = nn.ModuleList(layers)

    def forward(self, pair: Tensor) -> list[Tensor]:
        """(N, C_in, h, w) -> maps of every layer."""
        maps = []
        for layer in self.layers:
            pair = layer(pair)
            maps.append(pair)
        return maps
