"""Images from sketches, with any generator."""

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
