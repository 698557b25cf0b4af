"""Drawings as a generator sees them, with its conditions beside the sketch if it has any."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featviz.base.errors import FeatvizError
from featviz.faces.instances import boundary_map, instance_map
from featviz.generators.networks.conditions import SKETCH_CHANNELS, Conditions
from featviz.sketches.drawing import Drawing, rasterize
from featviz.sketches.sketch_set import read_drawing, read_sketch
from featviz.sketches.tensors import Image, encode_image


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
    needs_instances = conditions.boundaries or appearance is not None
    return conditioned(
        rasterize(drawing),
        instance_map(drawing) if needs_instances else None,
        conditions,
        appearance,
    )


def conditioned(
    sketch: NDArray[np.uint8],
    instances: NDArray[np.uint8] | None,
    conditions: Conditions,
    appearance: NDArray[np.float32] | None = None,
) -> Tensor:
    """The same of a sketch (H, W) and the instance at each of its pixels, see `instance_map`."""
    channels = 0 if appearance is None else appearance.shape[1]
    if channels != conditions.appearance_channels:
        raise FeatvizError(
            f"this generator takes {conditions.appearance_channels} channels of appearance; "
            f"given {channels}"
        )
    parts = [encode_image(sketch, SKETCH_CHANNELS)]
    if conditions.boundaries:
        assert instances is not None
        parts.append(torch.from_numpy(boundary_map(instances)).float()[None])
    if appearance is not None:
        assert instances is not None
        parts.append(torch.from_numpy(appearance[instances]).permute(2, 0, 1))
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def encode_drawing(drawing: Drawing, boundaries: bool = False) -> Tensor:
    """A drawing as a generator sees it: float32 (3, H, W) or, with boundaries, (4, H, W).

    Raises FeatvizError if boundaries are wanted of a drawing without named parts.
    """
    return generator_input(drawing, Conditions(boundaries))
