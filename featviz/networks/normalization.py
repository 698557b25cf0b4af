"""The normalisations a layer can have, by name."""

from typing import Literal, get_args

from torch import nn

from featviz.errors import FeatvizError

Norm = Literal["instance", "instance-affine", "none"]

NORMS: tuple[Norm, ...] = get_args(Norm)


def normalization(name: Norm, channels: int) -> nn.Module:
    """A module that normalises maps (N, channels, H, W).

    "instance": y = (x - mean) / sqrt(var + 1e-5) per image and channel over the whole map, as in
    NVIDIA's code; "instance-affine": the same, then gamma * y + beta with learnable gamma and
    beta, as in the study's formula; "none": the identity. Raises FeatvizError for another name.
    """
    match name:
        case "instance":
            return nn.InstanceNorm2d(channels, affine=False)
        case "instance-affine":
            return nn.InstanceNorm2d(channels, affine=True)
        case "none":
            return nn.Identity()
        case _:
            raise FeatvizError(f"unknown normalisation '{name}'; there are {', '.join(NORMS)}")
