"""The feature encoder of pix2pixHD: how each part of a photo looks, in a few numbers.

Wang et al. 2018, arXiv 1711.11585, section 3.4: an encoder-decoder maps the photo to feature maps,
which are averaged over each instance, so that all of a mouth has one feature vector. Trained
with the generator, the vectors come to hold what the sketch does not tell, such as colours.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from featviz.base.errors import require_whole
from featviz.generators.networks.generators import GeneratorArchitecture, GlobalGenerator
from featviz.generators.networks.normalization import Norm


@dataclass(frozen=True)
class EncoderArchitecture:
    """What a feature encoder is made of.

    appearance_channels: numbers an instance (NVIDIA's `feat_num`). width: channels of the first
    convolution (NVIDIA's `nef`). instances: how many values an instance map has.
    """

    appearance_channels: int = 3
    width: int = 16
    downsamplings: int = 4
    instances: int = 8
    norm: Norm = "instance"

    def __post_init__(self) -> None:
        require_whole(self, 1, "appearance_channels", "width", "instances")
        require_whole(self, 0, "downsamplings")


class FeatureEncoder(nn.Module):
    """Photos and instance maps to one vector an instance, each number in [-1, 1]."""

    def __init__(self, architecture: EncoderArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        # NVIDIA's encoder is a global generator without residual blocks.
        self.maps = GlobalGenerator(
            GeneratorArchitecture(
                width=architecture.width,
                downsamplings=architecture.downsamplings,
                residual_blocks=0,
                norm=architecture.norm,
                output_channels=architecture.appearance_channels,
            )
        )

    def forward(self, photo: Tensor, instances: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] and (N, H, W) whole numbers -> (N, instances, channels).

        An instance that a photo lacks has zeros.
        """
        return instance_means(self.maps(photo), instances, self.architecture.instances)


def instance_means(maps: Tensor, instances: Tensor, count: int) -> Tensor:
    """Mean of maps (N, C, H, W) over each of `count` instances: (N, count, C) float32."""
    members = _members(instances, count)
    # Sums over many pixels want more digits than autocast's.
    with torch.autocast(maps.device.type, enabled=False):
        sums = torch.einsum("nchw,nkhw->nkc", maps.float(), members)
        areas = members.sum(dim=(2, 3))
    return sums / areas.clamp(min=1)[:, :, None]


def paint_instances(vectors: Tensor, instances: Tensor) -> Tensor:
    """Give every pixel the vector of its instance: (N, K, C), (N, H, W) -> (N, C, H, W) float32."""
    members = _members(instances, vectors.shape[1])
    with torch.autocast(vectors.device.type, enabled=False):
        return torch.einsum("nkc,nkhw->nchw", vectors.float(), members)


def _members(instances: Tensor, count: int) -> Tensor:
    """(N, H, W) -> (N, count, H, W) float32, 1 where a pixel belongs to the instance."""
    numbers = torch.arange(count, device=instances.device, dtype=instances.dtype)
    return (instances[:, None] == numbers[:, None, None]).float()
