"""Sketch sets as a generator with conditions sees them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from torch import Tensor

from featviz.base.errors import FeatvizError
from featviz.extraction.inputs import LabelledImages
from featviz.extraction.rasters import Rasters, read_rasters
from featviz.generators.appearances import Vectors
from featviz.generators.checkpoint import Checkpoint
from featviz.generators.network_input import conditioned
from featviz.generators.networks.conditions import Conditions
from featviz.sketches.sketch_set import SketchSet


@dataclass(frozen=True, eq=False)
class ConditionedSketches:
    """Rasters and instance maps in, (C, H, W) float32 out."""

    rasters: Rasters
    conditions: Conditions
    appearance: Vectors | None = None

    @property
    def folder(self) -> Path:
        """Where the set lies."""
        return self.rasters.folder

    @property
    def index(self) -> pd.DataFrame:
        """One row a sketch."""
        return self.rasters.index

    def __len__(self) -> int:
        return len(self.rasters)

    def images(self) -> Iterator[Tensor]:
        """The inputs in the order of the index."""
        for image, instances in self.rasters.with_instances():
            yield conditioned(image, instances, self.conditions, self.appearance)


def with_conditions(images: LabelledImages, checkpoint: Checkpoint) -> LabelledImages:
    """The images, with what the generator is given beside them if that is anything.

    Boundaries are made from the drawings; of each part's appearances it is the most common one.
    """
    require_drawings(images, checkpoint)
    if not checkpoint.conditions.any:
        return images
    if isinstance(images, SketchSet):
        images = read_rasters(images, with_instances=True)
    assert isinstance(images, Rasters)
    return ConditionedSketches(images, checkpoint.conditions, checkpoint.appearance)


def require_drawings(images: LabelledImages, checkpoint: Checkpoint) -> None:
    """Raise FeatvizError for images that a checkpoint with conditions cannot be given."""
    if not checkpoint.conditions.any:
        return
    if not isinstance(images, SketchSet | Rasters):
        raise FeatvizError(f"'{checkpoint.name}' needs the named parts of SVG drawings; got images")
    pixels = [file for file in images.index["file"] if not file.lower().endswith(".svg")]
    if pixels:
        raise FeatvizError(
            f"'{checkpoint.name}' needs the named parts of SVG drawings beside the sketch; sketch "
            f"{pixels[0]} is made of pixels"
        )
    checkpoint.require_conditions()
