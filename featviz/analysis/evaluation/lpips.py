"""LPIPS, the learned perceptual distance of two images (Zhang et al. 2018, arXiv 1801.03924).

Version 0.1 with VGG16: activations of five layers are scaled to unit length at every position,
their squared differences weighted channel by channel, averaged over positions and added up.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from featviz.base.assets import asset_files
from featviz.base.errors import FeatvizError, one_line, reason

_LPIPS_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
DESCRIPTOR_LAYER = _LPIPS_LAYERS[-1]

_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and convolutions of each stage (Simonyan and Zisserman 2015, table 1, column D)."""

_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
_TINY = 1e-10
_SMALLEST = 16


class Lpips(nn.Module):
    """Two batches of images (N, 3, H, W), RGB in [-1, 1] -> distances (N,); weights are frozen."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        channels, stages = 3, []
        for width, count in _STAGES:
            stage = nn.ModuleList()
            for _ in range(count):
                stage.append(nn.Conv2d(channels, width, 3, padding=1))
                channels = width
            stages.append(stage)
        self.stages = nn.ModuleList(stages)
        self.heads = nn.ParameterList(torch.empty(width) for width, _ in _STAGES)
        self.register_buffer("shift", torch.tensor(_SHIFT)[:, None, None])
        self.register_buffer("scale", torch.tensor(_SCALE)[:, None, None])
        self.requires_grad_(False)

    def maps(self, images: Tensor) -> list[Tensor]:
        """VGG16's maps at _LPIPS_LAYERS; raises FeatvizError for images under 16 px."""
        height, width = images.shape[-2:]
        if min(height, width) < _SMALLEST:
            raise FeatvizError(
                f"LPIPS needs images of at least {_SMALLEST}x{_SMALLEST}; got {width}x{height}"
            )
        x, maps = (images - self.shift) / self.scale, []
        for number, stage in enumerate(self.stages):
            if number > 0:
                x = F.max_pool2d(x, 2)
            assert isinstance(stage, nn.ModuleList)
            for convolution in stage:
                x = F.relu(convolution(x))
            maps.append(x)
        return maps

    def distance(
        self,
        first: Sequence[Tensor],
        second: Sequence[Tensor],
        where: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """Distances (N,) of images from their maps; one of the two may hold a single image.

        where: of each layer the positions (h, w) bool that are averaged over; all if not given. A
        layer without any adds nothing.
        """
        layers = []
        for number, (a, b, head) in enumerate(zip(first, second, self.heads, strict=True)):
            squares = (_unit_length(a) - _unit_length(b)).square()
            if where is None:
                layers.append(squares.mean(dim=(2, 3)) @ head)
            elif where[number].any():
                layers.append(squares[..., where[number]].mean(dim=2) @ head)
        return torch.stack(layers).sum(dim=0)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Distances (N,) of two batches of images."""
        return self.distance(self.maps(first), self.maps(second))


def _unit_length(maps: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(maps, dim=1, keepdim=True)
    return maps / (length + _TINY)


def descriptors(maps: Sequence[Tensor]) -> Tensor:
    """(N, 512): what VGG16 sees in an image wherever it is, the mean of relu5_3 over positions."""
    return maps[-1].mean(dim=(2, 3))


def reduce_to(images: Tensor, size: int) -> Tensor:
    """Images (N, C, H, W) averaged down to `size` px a side; smaller ones stay as they are."""
    if max(images.shape[-2:]) <= size:
        return images
    return F.interpolate(images, size=(size, size), mode="area")


def load_lpips() -> Lpips:
    """LPIPS with the weights of the asset `lpips`, in eval mode.

    Raises FeatvizError naming the command that gets the asset, or if the file is damaged.
    """
    path = lpips_file()
    try:
        arrays = load_file(path)
    except (SafetensorError, OSError) as error:
        raise FeatvizError(f"{path}: not readable ({one_line(error)})") from None
    network = Lpips()
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    try:
        for number, convolution in enumerate(convolutions):
            kernel = arrays[f"VGG16_0/Conv_{number}/kernel"]
            # Stored as (height, width, in, out), the order of the library they were made with.
            convolution.weight.copy_(kernel.permute(3, 2, 0, 1))
            assert convolution.bias is not None
            convolution.bias.copy_(arrays[f"VGG16_0/Conv_{number}/bias"])
        for number, head in enumerate(network.heads):
            head.copy_(arrays[f"NetLinLayer_{number}/Conv_0/kernel"][0, 0, :, 0])
    except (KeyError, RuntimeError) as error:
        raise FeatvizError(f"{path}: not the weights of LPIPS ({reason(error)})") from None
    return network.eval()


def lpips_file() -> Path:
    """Where the asset's weights lie; raises FeatvizError if they were not fetched."""
    return asset_files("lpips")["lpips-vgg16.safetensors"]
