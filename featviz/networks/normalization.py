"""The normalisations a layer can have, by name."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featviz.errors import FeatvizError

Norm = Literal["instance", "instance-affine", "none"]

NORMS: tuple[Norm, ...] = get_args(Norm)


class InstanceNorm(nn.InstanceNorm2d):
    """torch's instance norm, which on the CPU leaves maps in channels_last as they lie.

    torch's own copies such maps to the other order and returns them so, which costs more than the
    norm itself. Of one image, instance norm is batch norm, and that one knows channels_last. In
    bfloat16 the mean and the variance are kept in float32 (torch's own are rounded to bfloat16).
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        """(N, C, H, W) -> the same shape."""
        if (
            input.ndim != 4
            or input.device.type != "cpu"
            or not input.is_contiguous(memory_format=torch.channels_last)
        ):
            return super().forward(input)
        # batch_norm keeps its statistics in the precision of the weight that it is given.
        half = input.dtype in (torch.bfloat16, torch.float16)
        dtype = torch.float32 if half else input.dtype
        weight = self.weight if self.affine else input.new_ones(input.shape[1], dtype=dtype)
        images = [
            F.batch_norm(image, None, None, weight, self.bias, training=True, eps=self.eps)
            for image in torch.split(input, 1)
        ]
        return images[0] if len(images) == 1 else torch.cat(images)


def normalization(name: Norm, channels: int) -> nn.Module:
    """A module that normalises maps (N, channels, H, W).

    "instance": y = (x - mean) / sqrt(var + 1e-5) per image and channel over the whole map, as in
    NVIDIA's code; "instance-affine": the same, then gamma * y + beta with learnable gamma and
    beta, as in the study's formula; "none": the identity. Raises FeatvizError for another name.
    """
    match name:
        case "instance":
            return InstanceNorm(channels, affine=False)
        case "instance-affine":
            return InstanceNorm(channels, affine=True)
        case "none":
            return nn.Identity()
        case _:
            raise FeatvizError(f"unknown normalisation '{name}'; there are {', '.join(NORMS)}")
