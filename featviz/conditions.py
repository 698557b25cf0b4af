"""What a generator may be given beside the sketch: instance boundaries and appearance.

pix2pixHD's optional inputs (Wang et al. 2018, arXiv 1711.11585, sections 3.3 and 3.4), as channels
behind the three of the sketch, in this order.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from featviz.drawing import Drawing, rasterize
from featviz.encoding import Image, encode_image
from featviz.errors import FeatvizError, require_whole
from featviz.faces.instances import boundary_map, instance_map
from featviz.sketches import SketchSet, read_drawing, read_sketch

SKETCH_CHANNELS = 3


@dataclass(frozen=True)
class Conditions:
    """Which conditions a generator has; none of them by default.

    boundaries: a channel that is 1 where instances meet. appearance_channels: so many channels of
    features from the encoder.
    """

    boundaries: bool = False
    appearance_channels: int = 0

    def __post_init__(self) -> None:
        require_whole(self, 0, "appearance_channels")

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self.channels > SKETCH_CHANNELS

    @property
    def drawn_channels(self) -> int:
        """Channels that the drawing alone decides; what the discriminator sees of it."""
        return SKETCH_CHANNELS + self.boundaries

    @property
    def channels(self) -> int:
        """All channels of the generator's input."""
        return self.drawn_channels + self.appearance_channels


def conditions_of(metadata: Mapping[str, Any]) -> Conditions:
    """The conditions that a checkpoint's description tells."""
    return Conditions(**metadata.get("conditions", {}))


@dataclass(frozen=True, eq=False)
class ConditionedSketches:
    """A sketch set as a generator with conditions sees it: drawings in, (C, H, W) float32 out."""

    sketches: SketchSet
    conditions: Conditions

    @property
    def folder(self) -> Path:
        """Where the set lies."""
        return self.sketches.folder

    @property
    def index(self) -> pd.DataFrame:
        """One row a sketch."""
        return self.sketches.index

    def __len__(self) -> int:
        return len(self.sketches)

    def images(self) -> Iterator[Tensor]:
        """The inputs in the order of the index; raises FeatvizError for a sketch of pixels."""
        for number in range(len(self)):
            yield generator_input(self.sketches.drawing(number), self.conditions)


def conditioned(sketches: SketchSet, conditions: Conditions) -> SketchSet | ConditionedSketches:
    """A sketch set as a generator needs it: with its conditions, or as it is without any."""
    return ConditionedSketches(sketches, conditions) if conditions.any else sketches


def read_generator_input(path: Path, size: int, conditions: Conditions) -> Image:
    """One sketch file as `generate` takes it, for faces of `size` x `size` pixels.

    A drawing is brought to that size, its lines stay 2 px wide; a sketch of pixels must have it
    and suffices only without conditions. Raises FeatvizError, naming the file.
    """
    if path.suffix.lower() != ".svg" and not conditions.any:
        return read_sketch(path, size)
    drawing = read_drawing(path)
    drawing = drawing if drawing.size == size else drawing.scaled(size)
    try:
        return generator_input(drawing, conditions) if conditions.any else rasterize(drawing)
    except FeatvizError as error:
        raise FeatvizError(f"{path}: {error}") from None


def generator_input(drawing: Drawing, conditions: Conditions) -> Tensor:
    """All that a generator is given of a drawing: float32 (channels, H, W).

    Raises FeatvizError for a drawing without named parts if they are needed.
    """
    return encode_drawing(drawing, conditions.boundaries)


def encode_drawing(drawing: Drawing, boundaries: bool = False) -> Tensor:
    """A drawing as a generator sees it: float32 (3, H, W) or, with boundaries, (4, H, W).

    Raises FeatvizError if boundaries are wanted of a drawing without named parts.
    """
    sketch = encode_image(rasterize(drawing), SKETCH_CHANNELS)
    if not boundaries:
        return sketch
    boundary = torch.from_numpy(boundary_map(instance_map(drawing))).float()
    return torch.cat([sketch, boundary[None]])
