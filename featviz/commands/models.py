"""What commands share that take MODEL: a checkpoint of featviz's or a network of somebody else."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tyro.conf import UseAppendAction

from featviz.base.errors import FeatvizError
from featviz.commands.shared import remark, require_sketches

if TYPE_CHECKING:
    from torch import nn

    from featviz.generators.foreign_models import ForeignModel
    from featviz.generators.image_models import ImageModel
    from featviz.sketches.photo_set import PhotoSet
    from featviz.sketches.sketch_set import SketchSet
    from featviz.sketches.tensors import Normalisation


def one_model(words: Sequence[str]) -> str | None:
    """That of some words which is a network of anybody's; None if they are checkpoints.

    Raises FeatvizError if it is not alone.
    """
    from featviz.generators.foreign_models import is_model_word

    foreign = [word for word in words if is_model_word(word)]
    if foreign and len(words) > 1:
        raise FeatvizError(
            f"'{foreign[0]}' is no checkpoint of featviz's; give it in a call of its own, as "
            "--weights and the like are of one network"
        )
    return foreign[0] if foreign else None


def require_fitting(
    word: str | None, images: Path | None, base: str | None, variant: str | None
) -> None:
    """Raise FeatvizError for options that do not go with checkpoints, or with a network (word).

    images, base: the folder of photos and which of them are bases.
    """
    if word is None:
        if images is not None or base is not None:
            raise FeatvizError("--images and --base are for networks of anybody's")
        return
    if variant is not None:
        raise FeatvizError(f"--variant is for checkpoints; '{word}' is none")
    if base is not None and images is None:
        raise FeatvizError("--base is of photos in groups; give --images FOLDER")


def edited_images(
    images: Path | None, base: str | None, sketches: Path, size: int
) -> "PhotoSet | SketchSet":
    """The photos, or without a folder of them the sketches, whose edits are measured."""
    from featviz.sketches.photo_set import read_photos
    from featviz.sketches.sketch_set import read_sketches

    if images is not None:
        return read_photos(images, base=base)
    require_sketches(sketches, "; photos are --images FOLDER")
    return read_sketches(sketches, size)


class Opened(NamedTuple):
    """A module, and what it tells of the size (width, height) and scale of its images, if any."""

    module: "nn.Module"
    size: tuple[int, int] | None
    normalisation: "Normalisation | None"


@dataclass(frozen=True)
class ModelOptions:
    """Of a MODEL that is no checkpoint of featviz's, see docs/models.md."""

    weights: Path | None = None
    """File of its weights: .safetensors, or .pth that is a state dict or holds one as state_dict,
    model, generator, params_ema or params. It is read so that it cannot run code."""
    model_args: tuple[str, ...] = ()
    """What its function or class is given: name=value, values as in Python (width=64 norm=None)."""
    random_weights: int | None = None
    """Instead of weights: a seed for ones of no training."""
    input: UseAppendAction[tuple[str, ...]] = ()
    """What it takes beside the image, by the name in its forward: name=value, such as timestep=10;
    a list of numbers or a file .npy is a tensor, `image` is the image. Give it again for more."""
    output: str | None = None
    """Which of its outputs is its image, by key, field or number; the first that is like one if
    not given."""

    @property
    def any(self) -> bool:
        """Whether one of them is given."""
        return self != ModelOptions()

    def open(self, word: str, name: str | None = None) -> "ForeignModel":
        """The network that a word means, with its weights; says if they seem to be of no training.

        See `open_model`.
        """
        model = self._made(word, name)
        if model.details["drawn_weights"]:
            remark(
                f"'{word}' is told no weights, and its code draws random numbers: unless it then "
                "loads some itself, they are untrained and others each time (give --weights FILE "
                "or --random-weights SEED)"
            )
        return model

    def _made(self, word: str, name: str | None = None) -> "ForeignModel":
        from featviz.generators.foreign_models import literals, open_model

        given = literals(self.model_args, "--model-args")
        return open_model(word, self.weights, given, self.random_weights, name)

    def ready(self, model: "ForeignModel") -> "nn.Module":
        """The network as one that takes images alone, given the inputs beside them."""
        from featviz.generators.foreign_models import literal_inputs

        return model.with_inputs(literal_inputs(self.input), self.output)

    def of_images(self, word: str, photos: "ImageOptions", size: int | None = None) -> "ImageModel":
        """The network that a word means as one that makes images; size: of drawings."""
        from featviz.generators.checkpoint import given_names
        from featviz.generators.foreign_models import literal_inputs
        from featviz.generators.image_models import ImageModel
        from featviz.sketches.drawing import CANVAS
        from featviz.sketches.photo_set import require_size

        require_size(photos.resize)
        name = None if photos.name is None else given_names([photos.name], 1)[0]
        return ImageModel(
            self.open(word, name),
            literal_inputs(self.input),
            self.output,
            photos.normalisation(),
            photos.resize,
            size or CANVAS,
        )

    def opened(self, word: str, variant: str | None = None) -> "Opened":
        """The module that MODEL means, a checkpoint's too, and what it tells of its images."""
        from featviz.generators.checkpoint import open_checkpoint
        from featviz.generators.foreign_models import is_model_word

        if is_model_word(word):
            model = self._made(word)
            return Opened(self.ready(model), model.image_size, model.normalisation)
        self.require_none(word)
        checkpoint = open_checkpoint(word, variant)
        return Opened(checkpoint.generator, (checkpoint.size, checkpoint.size), None)

    def require_none(self, word: str) -> None:
        """Raise FeatvizError if one is given with a checkpoint, which tells all of this itself."""
        if self.any:
            raise FeatvizError(
                f"'{word}' is a checkpoint of featviz's, which tells its weights and inputs; leave "
                "out --weights, --model-args, --random-weights, --input and --output"
            )


@dataclass(frozen=True)
class PhotoOptions:
    """How photos are given to a MODEL that is no checkpoint of featviz's."""

    resize: tuple[int, int] | None = None
    """Width and height in pixels to scale photos to; they stay as they are if not given."""
    mean: tuple[float, ...] = ()
    """What is taken from the image's values (0 to 1), one number or one a channel; what the model
    tells, else 0.5, if not given."""
    std: tuple[float, ...] = ()
    """What they are divided by then; what the model tells, else 0.5, if not given."""

    def normalisation(self) -> "Normalisation | None":
        """What is given, if anything; raises FeatvizError for one half of it."""
        from featviz.sketches.tensors import Normalisation

        if bool(self.mean) != bool(self.std):
            raise FeatvizError("--mean and --std go together; got one of them")
        return Normalisation(self.mean, self.std, "given") if self.mean else None

    def require_none(self) -> None:
        """Raise FeatvizError if one is given with a checkpoint of featviz's."""
        if self != type(self)():
            *others, last = (f"--{each.name}" for each in fields(self))
            raise FeatvizError(
                f"{', '.join(others)} and {last} are for networks of anybody's; checkpoints of "
                "featviz's are given sketches, as they were trained"
            )


@dataclass(frozen=True)
class ImageOptions(PhotoOptions):
    """The same, and what to call it."""

    name: str | None = None
    """What to call it, and so its files; by its function, class or folder if not given."""
