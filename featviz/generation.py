"""Images from sketches, with any generator."""

import copy
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from featviz.encoding import decode_image, encode_image, input_channels
from featviz.errors import FeatvizError


def generate(generator: nn.Module, sketch: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image that a generator makes of a sketch.

    sketch: (H, W) or (H, W, 3) uint8, paper 255. Returns (H, W, 3) uint8 RGB. The generator runs
    as it is (its mode is not changed). Raises FeatvizError if it gives no image in [-1, 1].
    """
    inputs = encode_image(sketch, input_channels(generator))[None]
    with torch.inference_mode():
        output = generator(inputs)
    if output.ndim != 4 or output.shape[:2] != (1, 3):
        raise FeatvizError(
            f"this network gives {tuple(output.shape)}; expected an image (1, 3, H, W): "
            "a front end alone generates nothing"
        )
    return decode_image(output[0])


def output_names(sketches: Sequence[Path], checkpoint: str) -> list[str]:
    """A file name for the image of each sketch: `003-modified.png`.

    Where two sketches have the same name, those of all get their folder's in front:
    `G8-003-modified.png`. Raises FeatvizError if that does not tell them apart.
    """
    names = [path.stem for path in sketches]
    if len(set(names)) < len(names):
        names = [f"{path.resolve().parent.name}-{path.stem}" for path in sketches]
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise FeatvizError(f"{count} of the sketches would be written as '{name}'; do them apart")
    return [f"{name}-{checkpoint}.png" for name in names]


class FastGenerator:
    """A generator made ready to be run often on one CPU.

    Its own copy of the network, in evaluation mode.
    """

    def __init__(self, generator: nn.Module) -> None:
        self._generator = copy.deepcopy(generator).eval()
        self._generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, sketch: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """As `generate`."""
        inputs = encode_image(sketch, input_channels(self._generator))[None]
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            output = self._generator(inputs)
        return decode_image(output[0])
