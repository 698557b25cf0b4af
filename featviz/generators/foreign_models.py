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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from featviz.base.errors import FeatvizError, one_line, reason
from featviz.base.foreign import read_json
from featviz.generators.weights import read_state, require_fitting
from featviz.probing.calling import Call, Called
from featviz.sketches.tensors import Normalisation

LIBRARIES = ("timm", "diffusers", "transformers")

_WORD = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_PREFIX = re.compile(rf"({'|'.join(LIBRARIES)}):")
_CONFIG, _PIPELINE = "config.json", "model_index.json"
_PROCESSOR = "preprocessor_config.json"
_UNTOLD = (
    "its weights are not told; give --weights FILE, or --random-weights SEED for ones of no "
    "training (featviz downloads nothing)"
)


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

    def with_inputs(self, inputs: Mapping[str, Any], output: str | None = None) -> nn.Module:
        """The network as one that takes images alone and gives one tensor.

        inputs: what it is given besides, by the names that its `forward` has for them; IMAGE in
        place of a value stands for the images, which come first if no name has it. output: which
        of its outputs, see `chosen_output`.
        """
        return Called(self.module, _call(inputs), output)

    def digest(self) -> str:
        """sha256 over names and values of its weights."""
        total = hashlib.sha256()
        for name, tensor in self.module.state_dict().items():
            values = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
            total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
            total.update(values.numpy())
        return total.hexdigest()


class _Image:
    def __repr__(self) -> str:
        return "image"


IMAGE = _Image()
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

    weights: a file of a state dict, see `read_state`; all of it has to fit. arguments: what the
    function, the class or timm is given. random_weights: a seed for ones of no training. name: see
    `model_name`. The user's module is imported from the current folder or the path: its code runs.

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
        if source in LIBRARIES:
            open_of = {"timm": _timm, "diffusers": _diffusers, "transformers": _transformers}
            found = open_of[source](what, given, weights is not None, random_weights)
        else:
            found = _Found(_own(source, what, given, random_weights))
    _require_readable(found.module, word)
    if weights is not None:
        _load(found.module, weights, word)
    details = {
        "source": word,
        "model_arguments": {key: repr(value) for key, value in given.items()},
        "weights": None if weights is None else str(weights),
        "random_weights": random_weights,
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


def read_inputs(words: Sequence[str], option: str = "--input") -> dict[str, Any]:
    """The same of inputs: lists of numbers and files .npy become tensors, `image` the image."""
    return {key: _input(key, value, option) for key, value in literals(words, option).items()}


def _input(key: str, value: Any, option: str) -> Any:
    if value == "image":
        return IMAGE
    try:
        if isinstance(value, str) and value.endswith(".npy"):
            return torch.from_numpy(np.load(value, allow_pickle=False))
        if isinstance(value, list):
            return torch.tensor(value)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise FeatvizError(f"{option} {key}={value}: no tensor ({reason(error)})") from None
    return value


def _call(inputs: Mapping[str, Any]) -> Call:
    named = [key for key, value in inputs.items() if value is IMAGE]
    others = {key: value for key, value in inputs.items() if value is not IMAGE}

    def call(model: nn.Module, images: Tensor) -> Any:
        given = {
            key: _beside(value, images) if isinstance(value, Tensor) else value
            for key, value in others.items()
        }
        if named:
            return model(**given, **dict.fromkeys(named, images))
        return model(images, **given)

    return call


class _Found(NamedTuple):
    """A network and what it tells of its images; see `ForeignModel`."""

    module: Any
    normalisation: Normalisation | None = None
    image_size: tuple[int, int] | None = None


def _beside(value: Tensor, images: Tensor) -> Tensor:
    """Where the images are, and fractions as precise as they."""
    dtype = images.dtype if value.is_floating_point() else value.dtype
    return value.to(images.device, dtype)


def _require_readable(model: object, word: str) -> None:
    if not isinstance(model, nn.Module):
        raise FeatvizError(
            f"'{word}' gives a {type(model).__name__}; expected a torch.nn.Module, or a function "
            "or class that makes one"
        )


def _load(model: nn.Module, path: Path, word: str) -> None:
    state, expected = read_state(path), model.state_dict()
    # Counters that no computation uses; old files lack them.
    for key in expected:
        if key.endswith("num_batches_tracked"):
            state.setdefault(key, expected[key])
    require_fitting(expected, state, path, f"'{word}'")
    model.load_state_dict(state)


def _own(module_name: str, attribute: str, arguments: Mapping[str, Any], seed: int | None) -> Any:
    """What the user's function, class or object gives."""
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    with _running(f"importing {module_name}"):
        try:
            found: Any = import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise
            raise FeatvizError(
                f"no module '{error.name}' in the current folder or on Python's path"
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
    with _running(f"calling {module_name}:{attribute}", seed):
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


@contextmanager
def _running(what: str, seed: int | None = None) -> Iterator[None]:
    """Tell in one line, with the place in the code, what the code of others raises.

    seed: of the random numbers that it draws. After imports, which may draw some too.
    """
    if seed is not None:
        torch.manual_seed(seed)
    try:
        yield
    except FeatvizError:
        raise
    except Exception as error:
        here = Path.cwd()
        places = [
            f" ({Path(each.filename).relative_to(here)}, line {each.lineno})"
            for each in extract_tb(error.__traceback__)
            if Path(each.filename).is_relative_to(here) and "site-packages" not in each.filename
        ]
        said = f"{type(error).__name__}: {one_line(error)}".removesuffix(": ")
        raise FeatvizError(f"{what} failed: {said}{places[-1] if places else ''}") from error


def _library(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        needs = "" if error.name == name else f", which needs {error.name}"
        raise FeatvizError(
            f"{name}: models need {name}{needs}; pip install 'featviz[models]'"
        ) from None
    except Exception as error:
        raise FeatvizError(f"importing {name} failed ({reason(error)})") from None


def _timm(what: str, arguments: dict[str, Any], has_file: bool, seed: int | None) -> _Found:
    if not (has_file or seed is not None):
        raise FeatvizError(f"timm:{what}: {_UNTOLD}")
    timm = _library("timm")
    if not timm.is_model(what.partition(".")[0]):
        like = ", ".join(timm.list_models(f"*{what.partition('.')[0]}*")[:5])
        raise FeatvizError(f"timm has no model '{what}'{f'; there are {like}' if like else ''}")
    with _running(f"timm:{what}", seed):
        model = timm.create_model(what, pretrained=False, **arguments)
    told = getattr(model, "pretrained_cfg", None) or {}
    shape = told.get("input_size")
    normalisation = _normalisation(told.get("mean"), told.get("std"), "timm's pretrained_cfg")
    return _Found(model, normalisation, _size(list(shape[1:]) if shape else None))


def _diffusers(what: str, arguments: dict[str, Any], has_file: bool, seed: int | None) -> _Found:
    folder = _folder("diffusers", what)
    library = _library("diffusers")
    if folder is None:
        kind = _told_class(library, what, has_file or seed is not None)
        with _running(f"diffusers:{what}", seed):
            model = kind(**arguments)
    else:
        if not (folder / _CONFIG).is_file() and (folder / _PIPELINE).is_file():
            parts = [path.parent.name for path in sorted(folder.glob(f"*/{_CONFIG}"))]
            raise FeatvizError(
                f"{folder} is a whole pipeline; name one of its models: "
                f"{', '.join(f'diffusers:{folder / part}' for part in parts)}"
            )
        config = read_json(folder / _CONFIG, dict[str, Any])
        kind = _class(library, str(config.get("_class_name")), folder / _CONFIG)
        with _running(f"diffusers:{what}", seed):
            if has_file or seed is not None:
                model = kind.from_config({**config, **arguments})
            else:
                model = kind.from_pretrained(str(folder), local_files_only=True, **arguments)
    size = getattr(getattr(model, "config", None), "sample_size", None)
    return _Found(model, None, _size(size))


def _transformers(what: str, arguments: dict[str, Any], has_file: bool, seed: int | None) -> _Found:
    folder = _folder("transformers", what)
    library = _library("transformers")
    normalisation = None
    if folder is None:
        kind = _told_class(library, what, has_file or seed is not None)
        with _running(f"transformers:{what}", seed):
            model = kind(kind.config_class(**arguments))
    else:
        config = read_json(folder / _CONFIG, dict[str, Any])
        name = next(iter(config.get("architectures") or ()), "AutoModel")
        kind = _class(library, str(name), folder / _CONFIG)
        with _running(f"transformers:{what}", seed):
            if has_file or seed is not None:
                told = library.AutoConfig.from_pretrained(
                    str(folder), local_files_only=True, **arguments
                )
                make = getattr(kind, "from_config", None) or kind
                model = make(told)
            else:
                model = kind.from_pretrained(str(folder), local_files_only=True, **arguments)
        if (folder / _PROCESSOR).is_file():
            told = read_json(folder / _PROCESSOR, dict[str, Any])
            if told.get("do_normalize", True):
                # The processor multiplies pixels by this before; with ours they lie in 0 to 1.
                scale = 255 * float(told.get("rescale_factor", 1 / 255))
                mean, deviation = told.get("image_mean"), told.get("image_std")
                normalisation = _normalisation(mean, deviation, _PROCESSOR, scale)
    size = getattr(getattr(model, "config", None), "image_size", None)
    return _Found(model, normalisation, _size(size))


def _folder(library: str, what: str) -> Path | None:
    """The folder that a word names; None if it names a class."""
    folder = Path(what)
    if what and folder.is_dir():
        return folder
    if what.isidentifier():
        return None
    raise FeatvizError(f"{library}:{what}: no such folder, and no name of a class")


def _told_class(library: ModuleType, name: str, is_told: bool) -> Any:
    """The class that a word names; raises FeatvizError if nobody tells where weights come from."""
    kind = _class(library, name, None)
    if not is_told:
        raise FeatvizError(f"{library.__name__}:{name}: {_UNTOLD}")
    return kind


def _class(library: ModuleType, name: str, file: Path | None) -> Any:
    """A library's class of models; what a file asks for is nothing else either."""
    kind = getattr(library, name, None) if name.isidentifier() else None
    is_auto = name.startswith("AutoModel") and hasattr(kind, "from_config")
    if inspect.isclass(kind) and (issubclass(kind, nn.Module) or is_auto):
        return kind
    where = "" if file is None else f"{file}: "
    raise FeatvizError(f"{where}{library.__name__} has no class of models '{name}'")


def _normalisation(
    mean: Any, deviation: Any, told_by: str, scale: float = 1.0
) -> Normalisation | None:
    if mean is None or deviation is None:
        return None
    try:
        means, deviations = ([float(part) / scale for part in each] for each in (mean, deviation))
    except (TypeError, ValueError, ArithmeticError):
        raise FeatvizError(f"{told_by}: mean {mean} and std {deviation} are no numbers") from None
    return Normalisation(tuple(means), tuple(deviations), told_by)


def _size(side: Any) -> tuple[int, int] | None:
    """(width, height) of a library's image size, one number or (height, width)."""
    if isinstance(side, int):
        return side, side
    if isinstance(side, list | tuple) and len(side) == 2:
        return int(side[1]), int(side[0])
    return None
