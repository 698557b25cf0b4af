"""A network of anybody's as one that makes images of images."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featviz.base.errors import FeatvizError
from featviz.generators.foreign_models import ForeignModel
from featviz.probing.activations import evaluating
from featviz.probing.calling import Called
from featviz.probing.tracing import cannot_run
from featviz.sketches.drawing import CANVAS
from featviz.sketches.edits import absolute_change
from featviz.sketches.photo_set import read_scaled_photo
from featviz.sketches.sketch_set import read_sketch
from featviz.sketches.tensors import Normalisation, decode_photo, encode_photo, input_channels


@dataclass(frozen=True, eq=False)
class ImageModel:
    """A network of anybody's, given photos or drawings, whose output is an image.

    inputs, output: see `ForeignModel.with_inputs`. normalisation: of what it is given, and so of
    what it gives; that which the model tells, or else black -1 and white +1, if None. resize:
    (width, height) to scale photos to; None leaves them as they are. size: side of drawings.
    """

    model: ForeignModel
    inputs: Mapping[str, Any] = field(default_factory=dict)
    output: str | None = None
    normalisation: Normalisation | None = None
    resize: tuple[int, int] | None = None
    size: int = CANVAS

    @property
    def name(self) -> str:
        """What its results are called."""
        return self.model.name

    @cached_property
    def network(self) -> Called:
        """It as a module that takes images alone, (1, C, H, W), and gives one tensor."""
        return self.model.with_inputs(self.inputs, self.output)

    @cached_property
    def scaling(self) -> Normalisation:
        """How the values of its images are scaled."""
        return self.normalisation or self.model.normalisation or Normalisation()

    def read(self, path: Path) -> Tensor:
        """A photo, or an SVG drawing, as the network takes it: (1, C, H, W), where its weights are.

        Raises FeatvizError for files that cannot be read and channels that do not fit.
        """
        if path.suffix.lower() == ".svg":
            pixels = read_sketch(path, self.size)
        else:
            pixels = read_scaled_photo(path, self.resize)
        return self.given(pixels)

    def given(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Pixels (H, W) or (H, W, 3) uint8 as the network takes them, see `read`."""
        given = encode_photo(pixels, input_channels(self.network), self.scaling)[None]
        weights = (each for each in self.network.parameters() if each.is_floating_point())
        return given.to(next(weights, given))

    def run(self, given: Tensor) -> Tensor:
        """The image that it makes, (1, 1 or 3, H, W), in evaluation mode and without gradients.

        Raises FeatvizError, which says what it makes, if that is no image.
        """
        with evaluating(self.network), torch.no_grad():
            try:
                made: Tensor = self.network(given)
                if made.ndim != 4 or made.shape[0] != 1 or made.shape[1] not in (1, 3):
                    raise FeatvizError(self._makes_no_image(made, self.network.outputs(given)))
            except FeatvizError:
                raise
            except Exception as error:
                _, channels, height, width = given.shape
                name = f"'{self.model.word}'"
                raise cannot_run(name, (width, height), channels, error) from error
        return made

    def _makes_no_image(self, made: Tensor, outputs: Mapping[str, Tensor]) -> str:
        others = ", ".join(f"{name} {tuple(each.shape)}" for name, each in outputs.items() if name)
        told = f"'{self.model.word}' makes {tuple(made.shape)}, which is no image (1, 3, H, W)"
        return f"{told}; --output chooses another of {others}" if len(outputs) > 1 else told

    def picture(self, image: Tensor) -> NDArray[np.uint8]:
        """An image (1, C, H, W) of its as (H, W, 3) uint8; raises FeatvizError for NaN."""
        return decode_photo(image[0], self.scaling)

    def change(self, image: Tensor, base: Tensor) -> NDArray[np.float64]:
        """Mean absolute difference of two of its images in grey levels of 255, (H, W)."""
        std = self.scaling.std
        levels = 255 * (std[0] if len(std) == 1 else torch.tensor(std)[:, None, None])
        return absolute_change(image, base, levels)

    def ranged(self, image: Tensor) -> Tensor:
        """An image of its on the scale from -1, black, to 1, white, in three channels."""
        std, mean = (
            torch.tensor(each)[:, None, None].to(image)
            for each in (self.scaling.std, self.scaling.mean)
        )
        return (image * (2 * std) + (2 * mean - 1)).expand(-1, 3, -1, -1)

    def provenance(self) -> dict[str, Any]:
        """What results record of it."""
        return self.model.provenance(self.inputs, self.scaling)
