"""An image as a map of numbers and the table of its distinct pixels."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from featviz.sparse.windows import BACKGROUND, NumberMap, Numbers, merge

_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(frozen=True, eq=False)
class PixelMap:
    """numbers: the image; pixels: (rows, channels), the first row being left for padding.

    The channels are one if all of the image's are equal and `fold` allows it.
    """

    map: NumberMap
    pixels: Tensor


def pixel_map(image: Tensor, fold: bool = True) -> PixelMap:
    """(C, H, W) floating point -> the distinct pixels and where they are."""
    height, width = image.shape[1:]
    if fold and has_equal_channels(image):
        image = image[:1]
    numbered = [_number(channel) for channel in image]
    if len(numbered) == 1:
        numbers, count = numbered[0]
    else:
        bound = max(count for _, count in numbered)
        flat, count = merge((channel.ravel() for channel, _ in numbered), bound)
        frequency = np.bincount(flat)
        # The most frequent pixel is the background.
        order = np.argsort(-frequency, kind="stable")
        renumbered = np.empty(count, np.int32)
        renumbered[order] = np.arange(count)
        numbers = renumbered[flat].reshape(height, width)
    numbers = numbers + np.int32(BACKGROUND)
    examples = np.empty(count + BACKGROUND, np.int64)
    examples[numbers.ravel()] = np.arange(height * width)
    pixels = image.new_zeros(count + BACKGROUND, len(image))
    pixels[BACKGROUND:] = image.flatten(1).T[torch.from_numpy(examples[BACKGROUND:])]
    counts = np.bincount(numbers.ravel(), minlength=count + BACKGROUND)
    return PixelMap(NumberMap(numbers, counts), pixels)


def has_equal_channels(image: Tensor) -> bool:
    """Whether all channels of (C, H, W) are the same, as those of a grey sketch are."""
    if len(image) == 1 or image.stride(0) == 0:
        return True
    return all(torch.equal(channel, image[0]) for channel in image[1:])


def _number(channel: Tensor) -> tuple[Numbers, int]:
    """(H, W) values -> numbers 0, 1, ... of its distinct values, and how many there are.

    Number 0 is the value that most of a sample of pixels have.
    """
    # Compared as bits, so that a difference of sign in zero is one too.
    bits: Numbers = channel.contiguous().view(_BITS[channel.element_size()]).numpy()
    background = np.sort(bits[::8, ::8], axis=None)
    background = background[len(background) // 2]
    others = np.flatnonzero(bits != background)
    numbers = np.zeros(bits.shape, np.int32)
    if not len(others):
        return numbers, 1
    uniques, codes = np.unique(bits.ravel()[others], return_inverse=True)
    numbers.ravel()[others] = codes + 1
    return numbers, len(uniques) + 1
