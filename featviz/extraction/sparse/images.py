"""An image as a map of numbers and the table of its distinct pixels."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featviz.extraction.sparse.windows import BACKGROUND, NumberMap, Numbers, merge

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
    if fold and has_equal_channels(image):
        image = image[:1]
    if len(image) == 1:
        numbers, places, counts = _number(image[0])
    else:
        numbers, places, counts = _number_vectors(image)
    pixels = image.new_zeros(len(places) + BACKGROUND, len(image))
    pixels[BACKGROUND:] = image.flatten(1)[:, torch.from_numpy(places)].T
    return PixelMap(NumberMap(numbers, np.concatenate([[0], counts])), pixels)


def has_equal_channels(image: Tensor) -> bool:
    """Whether all channels of (C, H, W) are the same, as those of a grey sketch are."""
    if len(image) == 1 or image.stride(0) == 0:
        return True
    return all(torch.equal(channel, image[0]) for channel in image[1:])


_Numbered = tuple[Numbers, NDArray[np.int64], NDArray[np.int64]]
"""(H, W) numbers from `BACKGROUND` on, and of each the place of an example and how many it has."""


def _number(channel: Tensor) -> _Numbered:
    """Number the distinct values of (H, W); the first is what most of a sample of pixels have."""
    # Compared as bits, so that a difference of sign in zero is one too.
    bits: Numbers = channel.contiguous().view(_BITS[channel.element_size()]).numpy()
    sample = np.sort(bits[::8, ::8], axis=None)
    background = sample[len(sample) // 2]
    others = np.flatnonzero(bits != background)
    uniques, first, codes = np.unique(bits.ravel()[others], return_index=True, return_inverse=True)
    numbers = np.full(bits.shape, BACKGROUND, np.int32)
    numbers.ravel()[others] = codes + (BACKGROUND + 1)
    example = int((bits == background).argmax())
    places = np.concatenate([[example], others[first]])
    counts = np.concatenate([[bits.size - len(others)], np.bincount(codes, minlength=len(uniques))])
    return numbers, places, counts


def _number_vectors(image: Tensor) -> _Numbered:
    """Number the distinct pixels of (C, H, W), the most frequent first."""
    channels = [_number(channel) for channel in image]
    bound = max(len(places) for _, places, _ in channels) + BACKGROUND
    codes, count = merge((numbers.ravel() for numbers, _, _ in channels), bound)
    counts = np.bincount(codes)
    order = np.argsort(-counts, kind="stable")
    renumbered = np.empty(count, np.int32)
    renumbered[order] = np.arange(BACKGROUND, count + BACKGROUND)
    examples = np.empty(count, np.int64)
    examples[codes] = np.arange(len(codes))
    numbers = renumbered[codes].reshape(channels[0][0].shape)
    return numbers, examples[order], counts[order]
