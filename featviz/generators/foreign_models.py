"""A word that says MODEL -> a network ready to run, whoever wrote it.

    package.module:function     or a class: the user's own code, which runs
    timm:NAME                   one of timm's networks
    diffusers:FOLDER            or a class: a model of diffusers
    transformers:FOLDER         or a class: a model of transformers

Nothing is downloaded: weights come from a file, from the folder, or from a seed.
"""

import ast
import hashlib
import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from featviz.base.errors import FeatvizError, reason
from featviz.generators.model_libraries import LIBRARIES, Found, others_code
from featviz.generators.weights import read_any_state, require_same_weights
from featviz.probing.activations import require_module
from featviz.probing.calling import Call, Called
from featviz.sketches.tensors import Normalisation

_WORD = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_PREFIX = re.compile(rf"({'|'.join(LIBRARIES)}):")


@dataclass(frozen=True, eq=False)
class ForeignModel:
    """A network in use that is none of featviz's own.

    name: what its results are called. word: as it was asked for. module: as it was made; its own
    weights are where and of what precision it has them. normalisation, image_size (width, height):
    of the images that it was made for, None if it does not tell. details: what results record.
    """

    name: str
    word: str
    module: nn.Module
    normalisation: Normalisation | None = None
    image_size: tuple[int, int] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def with_inputs(self, inputs: Mapping[str, Any], output: str | None = None) -> Called:
        """The network as one that takes images alone and gives one tensor.

        inputs: what it is given besides, by the names that its `forward` has for them; IMAGES_HERE
        in place of a value stands for the images, which come first if no name has it. output: which
        of its outputs, see `chosen_output`.
        """
        return Called(self.module, _call(inputs), output)

    def provenance(
        self, inputs: Mapping[str, Any] | None, normalisation: Normalisation
    ) -> dict[str, Any]:
        """What results record of it, of its inputs beside the images, and of these."""
        return {
            **self.details,
            "checkpoint": self.name,
            "digest": self.digest(),
            "architecture": {"class": type(self.module).__name__},
            "inputs": {key: _told(value) for key, value in (inputs or {}).items()},
            "normalisation": {
                "mean": list(normalisation.mean),
                "std": list(normalisation.std),
                "told_by": normalisation.told_by,
            },
        }

    def digest(self) -> str:
        """sha256 over names and values of its weights."""
        total = hashlib.sha256()
        for name, tensor in self.module.state_dict().items():
            values = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
            total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
            total.update(values.numpy())
        return total.hexdigest()


def _told(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{value.dtype} {tuple(value.shape)}"
    return repr(value)


class _Image:
    def __repr__(self) -> str:
        return "image"


IMAGES_HERE = _Image()
"""In place of an input's value: here the images go."""


def is_model_word(word: str | Path) -> bool:
    """Whether a word means a network of somebody else, and no checkpoint's name or file."""
    text = str(word)
    told = _PREFIX.match(text) or _WORD.fullmatch(text)
    return bool(told) and not Path(text).exists()


def model_name(word: str) -> str:
    """What a network is called if nobody says: by its function, class, folder or timm's name."""
    library, _, rest = word.partition(":")
    name = Path(rest).name or Path(rest).resolve().name if library in LIBRARIES else rest
    return re.sub(r"[^\w.-]+", "-", name).strip(".") or library


def open_model(
    word: str,
    weights: Path | None = None,
    arguments: Mapping[str, Any] | None = None,
    random_weights: int | None = None,
    name: str | None = None,
) -> ForeignModel:
    """The network that a word means, with its weights.

    weights: a file of a state dict, see `read_any_state`; all of it has to fit. arguments: what the
    function, the class or timm is given. random_weights: a seed for ones of no training. name: see
    `model_name`. The user's module is imported from the current folder or the path: its code runs.
    `drawn_weights` of its details: whether that drew random numbers where no weights are told.

    Raises FeatvizError for a word that means nothing, for what its code raises, what is no module,
    a library that is not installed, and weights that are not told, cannot be read or do not fit.
    """
    if not is_model_word(word):
        raise FeatvizError(
            f"'{word}' is no model; expected package.module:function, timm:NAME, diffusers:FOLDER "
            "or transformers:FOLDER (or a class of these), or a checkpoint"
        )
    if weights is not None and random_weights is not None:
        raise FeatvizError("give --weights FILE or --random-weights SEED, not both")
    # What code of others draws must not move the caller's random numbers.
    with torch.random.fork_rng(devices=[]):
        source, _, what = word.partition(":")
        given = dict(arguments or {})
        before, draws = torch.get_rng_state(), False
        if source in LIBRARIES:
            found = LIBRARIES[source](what, given, weights is not None, random_weights)
        else:
            found = Found(_own(source, what, given, random_weights))
            draws = not torch.equal(torch.get_rng_state(), before)
    _require_readable(found.module, word)
    if weights is not None:
        _load(found.module, weights, word)
    details = {
        "source": word,
        "model_arguments": {key: repr(value) for key, value in given.items()},
        "weights": None if weights is None else str(weights),
        "random_weights": random_weights,
        # They may have been loaded by that code afterwards.
        "drawn_weights": draws and weights is None and random_weights is None,
    }
    found.module.requires_grad_(False)
    return ForeignModel(name or model_name(word), word, *found, details)


def literals(words: Sequence[str], option: str) -> dict[str, Any]:
    """`key=value` words: values are Python literals, or else text as it is.

    Raises FeatvizError, which names the option, for a word that is no such pair.
    """
    values: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key.isidentifier():
            raise FeatvizError(f"{option} takes name=value; got '{word}'")
        if key in values:
            raise FeatvizError(f"{option} gives '{key}' twice")
        try:
            values[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            values[key] = text
    return values


def literal_inputs(words: Sequence[str]) -> dict[str, Any]:
    """The same of inputs: lists of numbers and files .npy become tensors, `image` the image."""
    return {key: _input(key, value) for key, value in literals(words, "--input").items()}


def _input(key: str, value: Any) -> Any:
    if value == "image":
        return IMAGES_HERE
    try:
        if isinstance(value, str) and value.endswith(".npy"):
            return torch.from_numpy(np.load(value, allow_pickle=False))
        if isinstance(value, list):
            return torch.tensor(value)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise FeatvizError(f"--input {key}={value}: no tensor ({reason(error)})") from None
    return value


def _call(inputs: Mapping[str, Any]) -> Call:
    named = [key for key, value in inputs.items() if value is IMAGES_HERE]
    others = {key: value for key, value in inputs.items() if value is not IMAGES_HERE}

    def call(model: nn.Module, images: Tensor) -> Any:
        given = {
            key: _beside(value, images) if isinstance(value, Tensor) else value
            for key, value in others.items()
        }
        if named:
            return model(**given, **dict.fromkeys(named, images))
        return model(images, **given)

    return call


def _beside(value: Tensor, images: Tensor) -> Tensor:
    """Where the images are, and fractions as precise as they."""
    dtype = images.dtype if value.is_floating_point() else value.dtype
    return value.to(images.device, dtype)


def _require_readable(model: object, word: str) -> None:
    if not isinstance(model, nn.Module | torch.export.ExportedProgram):
        raise FeatvizError(
            f"'{word}' gives a {type(model).__name__}; expected a torch.nn.Module, or a function "
            "or class that makes one"
        )
    try:
        require_module(model)
    except FeatvizError as error:
        raise FeatvizError(f"'{word}': {error}") from None


def _load(model: nn.Module, path: Path, word: str) -> None:
    state, expected = read_any_state(path), model.state_dict()
    # Counters that no computation uses; old files lack them.
    for key in expected:
        if key.endswith("num_batches_tracked"):
            state.setdefault(key, expected[key])
    require_same_weights(expected, state, path, f"'{word}'")
    model.load_state_dict(state)


def _own(module_name: str, attribute: str, arguments: Mapping[str, Any], seed: int | None) -> Any:
    """What the user's function, class or object gives."""
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    with others_code(f"importing {module_name}"):
        try:
            found: Any = import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise
            stem = module_name.removesuffix(".py").replace("/", ".")
            meant = f"; a module is named without .py: {stem}:{attribute}"
            raise FeatvizError(
                f"no module '{error.name}' in the current folder or on Python's path"
                f"{meant if module_name.endswith('.py') else ''}"
            ) from None
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise FeatvizError(f"module '{module_name}' has no '{attribute}'{_makers(found)}")
        found = getattr(found, part)
    if isinstance(found, nn.Module):
        if arguments:
            raise FeatvizError(
                f"{module_name}:{attribute} is a network already; leave out --model-args"
            )
        return found
    if not callable(found):
        return found
    with others_code(f"calling {module_name}:{attribute}", seed):
        return found(**arguments)


def _makers(found: Any) -> str:
    """The functions and classes of a module's own, to choose from."""
    if not isinstance(found, ModuleType):
        return ""
    own = [
        name
        for name, value in vars(found).items()
        if (inspect.isfunction(value) or inspect.isclass(value) or isinstance(value, nn.Module))
        and getattr(value, "__module__", found.__name__) == found.__name__
    ]
    return f"; it has {', '.join(own[:8])}" if own else ""
