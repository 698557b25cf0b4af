"""Pixels to what a network sees, and back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from featviz.base.errors import FeatvizError

Image = NDArray[Any] | Tensor


@dataclass(frozen=True)
class Normalisation:
    """How photos are scaled: (value - mean) / std, values from 0 to 1, one number or one a channel.

    told_by: who says so, as results record it. Raises FeatvizError for deviations that are not
    above 0, numbers that are not finite, and other numbers of means than of deviations.
    """

    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)
    told_by: str = "by default, black -1 and white +1"

    def __post_init__(self) -> None:
        if not self.mean or len(self.mean) != len(self.std):
            raise FeatvizError(
                f"expected one mean and one std a channel; got {len(self.mean)} and {len(self.std)}"
            )
        if not np.isfinite(self.mean).all() or not np.isfinite(self.std).all():
            raise FeatvizError(f"mean {self.mean} and std {self.std} are not all finite numbers")
        if min(self.std) <= 0:
            raise FeatvizError(f"expected a std above 0; got {min(self.std):g}")


def encode_photo(image: NDArray[np.uint8], channels: int, normalisation: Normalisation) -> Tensor:
    """A photo as a network of so many channels sees it: float32 (channels, H, W).

    image: uint8 (H, W) or (H, W, 3). Grey is repeated on all channels; a network of one channel is
    given the luma of colours. Raises FeatvizError for other shapes, and for other numbers of means
    than of channels.
    """
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or pixels.shape[2:] == (3,)):
        raise FeatvizError(
            f"an image is {pixels.dtype} of shape {pixels.shape}; expected uint8 (H, W) or "
            "(H, W, 3)"
        )
    _require_fitting(normalisation, channels)
    if pixels.ndim == 3 and channels == 1:
        pixels = np.asarray(PIL.Image.fromarray(pixels).convert("L"))
    elif pixels.ndim == 3 and channels != 3:
        raise FeatvizError(
            f"a photo has 3 channels and the network takes {channels}; expected 1 or 3, or float "
            "tensors (C, H, W) from Python"
        )
    values = torch.from_numpy(pixels.astype(np.float32) / 255)
    values = values.expand(channels, -1, -1) if values.ndim == 2 else values.permute(2, 0, 1)
    mean, std = (
        torch.tensor(each)[:, None, None] for each in (normalisation.mean, normalisation.std)
    )
    return (values - mean) / std


def decode_photo(image: Tensor, normalisation: Normalisation) -> NDArray[np.uint8]:
    """What `encode_photo` would see so, (1 or 3, H, W) -> (H, W, 3) uint8, grey in three channels.

    Raises FeatvizError for other numbers of channels, of means than of channels, and for NaN.
    """
    if image.ndim != 3 or len(image) not in (1, 3):
        raise FeatvizError(f"expected an image of 1 or 3 channels; got {tuple(image.shape)}")
    _require_fitting(normalisation, len(image))
    mean, std = (
        torch.tensor(each)[:, None, None] for each in (normalisation.mean, normalisation.std)
    )
    return decode_image(((image.float().cpu() * std + mean) * 2 - 1).expand(3, -1, -1))


def _require_fitting(normalisation: Normalisation, channels: int) -> None:
    if len(normalisation.mean) not in (1, channels):
        raise FeatvizError(
            f"{len(normalisation.mean)} means and stds ({normalisation.told_by}) do not fit a "
            f"network of {channels} channels"
        )


def input_channels(model: nn.Module) -> int:
    """How many channels the first convolution of a model takes; 3 if it has none."""
    convolutions = (module for module in model.modules() if isinstance(module, nn.Conv2d))
    first = next(convolutions, None)
    return 3 if first is None else first.in_channels


def encode_image(image: Image, channels: int = 3) -> Tensor:
    """One image as a generator sees it: float32 (channels, H, W), paper +1, ink -1.

    image: uint8 (H, W), which is repeated on all channels, or (H, W, 3) for networks of three; a
    uint8 tensor (1 or 3, H, W) too; a float tensor (C, H, W) is taken as it is. Raises
    FeatvizError for anything else.
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
    is_bytes = isinstance(image, Tensor) and image.dtype == torch.uint8
    if is_bytes and image.ndim == 3 and image.shape[2] != 3 and len(image) in (1, 3):
        # Channels come first in tensors, as data sets give them.
        image = image[0] if len(image) == 1 else torch.as_tensor(image).permute(1, 2, 0)
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
