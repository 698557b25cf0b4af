"""Pixels to what a network sees, and back."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from featviz.base.errors import FeatvizError

Image = NDArray[Any] | Tensor


def input_channels(model: nn.Module) -> int:
    """How many channels the first convolution of a model takes; 3 if it has none."""
    convolutions = (module for module in model.modules() if isinstance(module, nn.Conv2d))
    first = next(convolutions, None)
    return 3 if first is None else first.in_channels


def encode_image(image: Image, channels: int = 3) -> Tensor:
    """One image as a generator sees it: float32 (channels, H, W), paper +1, ink -1.

    image: uint8 (H, W), which is repeated on all channels, or (H, W, 3) for networks of three;
    a float tensor (C, H, W) is taken as it is. Raises FeatvizError for anything else.
    """
    if isinstance(image, Tensor) and image.is_floating_point() and image.ndim == 3:
        return image
    if isinstance(image, tuple | list | dict):
        kinds = ", ".join(type(part).__name__ for part in image)
        raise FeatvizError(
            f"an image is a {type(image).__name__} ({kinds}); expected the image alone: of a data "
            "set of (image, label) give the images, `(image for image, _ in data)`, and the labels "
            "as `groups`, or a function `encode` that takes what there is"
        )
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8:
        raise FeatvizError(
            f"an image is {pixels.dtype} of shape {pixels.shape}; expected uint8 (H, W) or "
            "(H, W, 3), a float tensor (C, H, W), or a function `encode` that makes one"
        )
    # 127.5 and the two ends are exact in float32, so paper is exactly +1 and ink exactly -1.
    values = torch.from_numpy(pixels.astype(np.float32, order="C")) / 127.5 - 1
    if values.ndim == 2:
        return values.expand(channels, -1, -1)
    if values.ndim == 3 and values.shape[2] == channels == 3:
        return values.permute(2, 0, 1)
    raise FeatvizError(
        f"an image has shape {pixels.shape}; expected (H, W)"
        + (" or (H, W, 3)" if channels == 3 else f" for a network of {channels} channels")
    )


def decode_image(image: Tensor) -> NDArray[np.uint8]:
    """(3, H, W) in [-1, 1] -> (H, W, 3) uint8; raises FeatvizError for NaN."""
    if not torch.isfinite(image).all():
        raise FeatvizError("the generated image holds NaN or infinity")
    pixels = ((image.float().permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255)
    return np.asarray(pixels.to(torch.uint8).cpu().numpy())
