"""Images from sketches, with any generator."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from featviz.base.errors import FeatvizError
from featviz.sketches.tensors import Image, decode_image, encode_image, input_channels


def generate(generator: nn.Module, sketch: Image) -> NDArray[np.uint8]:
    """The image that a generator makes of a sketch.

    sketch: (H, W) or (H, W, 3) uint8, paper 255; for a generator with conditions beside the
    sketch a float tensor (C, H, W), see `network_input.generator_input`. Returns (H, W, 3) uint8
    RGB. The generator runs as it is (its mode is not changed). Raises FeatvizError if it gives no
    image in [-1, 1], and for a mere sketch where it has conditions.
    """
    channels = input_channels(generator)
    if not isinstance(sketch, Tensor) and channels not in (1, 3):
        raise FeatvizError(
            f"this generator takes {channels} channels; a sketch has 3 (or 1), and the others "
            "(instance boundaries, appearance) are made from an SVG drawing"
        )
    inputs = encode_image(sketch, channels)[None]
    with torch.inference_mode():
        output = generator(inputs)
    if output.ndim != 4 or output.shape[:2] != (1, 3):
        raise FeatvizError(
            f"this network gives {tuple(output.shape)}; expected an image (1, 3, H, W): "
            "a front end alone generates nothing"
        )
    return decode_image(output[0])


def output_names(sketches: Sequence[Path]) -> list[str]:
    """What the image of each sketch is called: `003`.

    Where two sketches have the same name, those of all get their folder's in front: `G8-003`.
    Raises FeatvizError if that does not tell them apart.
    """
    names = [path.stem for path in sketches]
    if len(set(names)) < len(names):
        names = [f"{path.resolve().parent.name}-{path.stem}" for path in sketches]
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise FeatvizError(f"{count} of the sketches would be written as '{name}'; do them apart")
    return names
