"""Whole generators, and the images they make of sketches, on the device at hand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from featviz.base.errors import FeatvizError
from featviz.generators.checkpoint import Checkpoint, open_checkpoint
from featviz.probing.device import device_at_hand, exactly
from featviz.sketches.drawing import Drawing
from featviz.sketches.tensors import Image


class Paints(Protocol):
    """What makes faces of sketches of `size` x `size` pixels; a network lies on the device."""

    @property
    def size(self) -> int:
        """Pixels of a side."""

    @property
    def device(self) -> torch.device:
        """Where its images are."""

    def __call__(self, sketch: Image | Drawing) -> Tensor:
        """A sketch (size, size) uint8 -> its image (1, 3, size, size) float32."""


@dataclass(frozen=True, eq=False)
class Painter:
    """A generator that is ready to make images of sketches of `size` x `size` pixels."""

    checkpoint: Checkpoint
    size: int
    device: torch.device

    @property
    def generator(self) -> nn.Module:
        """The network."""
        return self.checkpoint.generator

    def __call__(self, sketch: Image | Drawing) -> Tensor:
        """A sketch (size, size) uint8 -> its image (1, 3, size, size) float32, as it comes.

        A generator with conditions beside the sketch takes drawings. Raises FeatvizError if the
        image holds NaN or infinity.
        """
        inputs = self.checkpoint.input(sketch)[None]
        with torch.inference_mode(), exactly(self.device):
            image: Tensor = self.generator(
                inputs.to(self.device, memory_format=torch.channels_last)
            ).float()
        if not torch.isfinite(image).all():
            raise FeatvizError("the generated image holds NaN or infinity")
        return image


def load_whole_generator(source: str | Path, variant: str | None = None) -> Checkpoint:
    """Load a generator that makes images of contours; refuses front ends and other inputs."""
    checkpoint = open_checkpoint(source, variant)
    checkpoint.require_sketch_alone()
    return checkpoint


def painter(checkpoint: Checkpoint, size: int | None = None) -> Painter:
    """Put a generator on the GPU, if there is one, else on the CPU.

    size: that of the checkpoint's training if it tells, else 512, unless given. Raises
    FeatvizError for a size that does not fit the generator.
    """
    size = size or checkpoint.size
    multiple = checkpoint.architecture.size_multiple
    least = checkpoint.architecture.least_size
    if size % multiple or size < least:
        raise FeatvizError(
            f"'{checkpoint.name}' takes sketches whose sides are at least {least} px and "
            f"multiples of {multiple}; got {size}"
        )
    device = device_at_hand()
    checkpoint.generator.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Painter(checkpoint, size, device)
