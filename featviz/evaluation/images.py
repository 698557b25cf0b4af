"""Whole generators, and the images they make of sketches, on the device at hand."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from featviz.checkpoints import LoadedGenerator, load_generator
from featviz.drawing import CANVAS
from featviz.encoding import encode_image, input_channels
from featviz.errors import FeatvizError
from featviz.networks.generators import GeneratorArchitecture

_SKETCH_CHANNELS = (1, 3)


@dataclass(frozen=True, eq=False)
class Painter:
    """A generator that is ready to make images of sketches of `size` x `size` pixels."""

    generator: nn.Module
    size: int
    device: torch.device

    def __call__(self, sketch: NDArray[np.uint8]) -> Tensor:
        """A sketch (size, size) uint8 -> its image (1, 3, size, size) float32, as it comes.

        Raises FeatvizError if the image holds NaN or infinity.
        """
        inputs = encode_image(sketch, input_channels(self.generator))[None]
        with torch.inference_mode():
            image: Tensor = self.generator(
                inputs.to(self.device, memory_format=torch.channels_last)
            ).float()
        if not torch.isfinite(image).all():
            raise FeatvizError("the generated image holds NaN or infinity")
        return image


def load_whole_generator(source: str | Path, variant: str | None = None) -> LoadedGenerator:
    """Load a generator that makes images of contours; refuses front ends and other inputs."""
    loaded = load_generator(source, variant)
    if loaded.metadata["kind"] == "front-end":
        raise FeatvizError(
            f"'{source}' is a front end alone, which generates nothing; expected a whole generator"
        )
    if (channels := input_channels(loaded.generator)) not in _SKETCH_CHANNELS:
        raise FeatvizError(
            f"'{source}' takes {channels} channels; expected 3 (or 1), a sketch and nothing else"
        )
    return loaded


def painter(loaded: LoadedGenerator, size: int | None = None) -> Painter:
    """Put a generator on the GPU, if there is one, else on the CPU.

    size: that of the checkpoint's training if it tells, else 512, unless given. Raises
    FeatvizError for a size that does not fit the generator.
    """
    size = size or int(loaded.metadata.get("sketch_size") or CANVAS)
    architecture = loaded.generator.architecture
    assert isinstance(architecture, GeneratorArchitecture)
    multiple = architecture.size_multiple
    if size % multiple or size < 2 * multiple:
        raise FeatvizError(
            f"'{loaded.name}' takes sketches whose sides are at least {2 * multiple} px and "
            f"multiples of {multiple}; got {size}"
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    generator = loaded.generator.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Painter(generator, size, device)
