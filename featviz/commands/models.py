"""What commands share that take MODEL: a checkpoint of featviz's or a network of somebody else."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import UseAppendAction

from featviz.base.errors import FeatvizError

if TYPE_CHECKING:
    from torch import nn

    from featviz.generators.foreign_models import ForeignModel


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
        """The network that a word means, with its weights; see `open_model`."""
        from featviz.generators.foreign_models import literals, open_model

        given = literals(self.model_args, "--model-args")
        return open_model(word, self.weights, given, self.random_weights, name)

    def ready(self, model: "ForeignModel") -> "nn.Module":
        """The network as one that takes images alone, given the inputs beside them."""
        from featviz.generators.foreign_models import literal_inputs

        return model.with_inputs(literal_inputs(self.input), self.output)

    def opened(
        self, word: str, variant: str | None = None
    ) -> "tuple[nn.Module, tuple[int, int] | None]":
        """The module that MODEL means, a checkpoint's too, and the image size it was made for."""
        from featviz.generators.checkpoint import open_checkpoint
        from featviz.generators.foreign_models import is_model_word

        if is_model_word(word):
            model = self.open(word)
            return self.ready(model), model.image_size
        self.require_none(word)
        checkpoint = open_checkpoint(word, variant)
        return checkpoint.generator, (checkpoint.size, checkpoint.size)

    def require_none(self, word: str) -> None:
        """Raise FeatvizError if one is given with a checkpoint, which tells all of this itself."""
        if self.any:
            raise FeatvizError(
                f"'{word}' is a checkpoint of featviz's, which tells its weights and inputs; leave "
                "out --weights, --model-args, --random-weights, --input and --output"
            )
