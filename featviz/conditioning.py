"""Drawings as a generator sees them, with its conditions beside the sketch if it has any."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from featviz.drawing import Drawing, rasterize
from featviz.encoding import Image, encode_image
from featviz.errors import FeatvizError
from featviz.faces.instances import boundary_map, instance_map
from featviz.networks.conditions import SKETCH_CHANNELS, Conditions
from featviz.sketches import SketchSet, read_drawing, read_sketch


@dataclass(frozen=True, eq=False)
class ConditionedSketches:
    """A sketch set as a generator with conditions sees it: drawings in, (C, H, W) float32 out."""

    sketches: SketchSet
    conditions: Conditions
    appearance: NDArray[np.float32] | None = None

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
            yield generator_input(self.sketches.drawing(number), self.conditions, self.appearance)


def read_generator_input(
    path: Path,
    size: int,
    conditions: Conditions,
    appearance: NDArray[np.float32] | None = None,
) -> Image:
    """One sketch file as `generate` takes it, for faces of `size` x `size` pixels.

    A sketch of pixels suffices only without conditions. Raises FeatvizError, naming the file.
    """
    if not conditions.any:
        return read_sketch(path, size)
    drawing = read_drawing(path, size)
    try:
        return generator_input(drawing, conditions, appearance)
    except FeatvizError as error:
        raise FeatvizError(f"{path}: {error}") from None


def generator_input(
    drawing: Drawing, conditions: Conditions, appearance: NDArray[np.float32] | None = None
) -> Tensor:
    """All that a generator is given of a drawing: float32 (channels, H, W).

    appearance: (instances, channels), how each instance is to look. Raises FeatvizError for a
    drawing without named parts if they are needed, and for an appearance of other channels.
    """
    drawn = encode_drawing(drawing, conditions.boundaries)
    channels = 0 if appearance is None else appearance.shape[1]
    if channels != conditions.appearance_channels:
        raise FeatvizError(
            f"this generator takes {conditions.appearance_channels} channels of appearance; "
            f"given {channels}"
        )
    if appearance is None:
        return drawn
    painted = torch.from_numpy(appearance[instance_map(drawing)]).permute(2, 0, 1)
    return torch.cat([drawn, painted])


def encode_drawing(drawing: Drawing, boundaries: bool = False) -> Tensor:
    """A drawing as a generator sees it: float32 (3, H, W) or, with boundaries, (4, H, W).

    Raises FeatvizError if boundaries are wanted of a drawing without named parts.
    """
    sketch = encode_image(rasterize(drawing), SKETCH_CHANNELS)
    if not boundaries:
        return sketch
    boundary = torch.from_numpy(boundary_map(instance_map(drawing))).float()
    return torch.cat([sketch, boundary[None]])
