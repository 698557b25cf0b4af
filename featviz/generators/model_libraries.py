"""Networks of timm, diffusers and transformers, by their own loaders; only here imported."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import nn

from featviz.base.errors import FeatvizError, one_line, reason
from featviz.base.foreign import read_json
from featviz.sketches.tensors import Normalisation

_CONFIG, _PIPELINE = "config.json", "model_index.json"
_PROCESSOR = "preprocessor_config.json"
_UNTOLD = (
    "its weights are not told; give --weights FILE, or --random-weights SEED for ones of no "
    "training (featviz downloads nothing)"
)


class Found(NamedTuple):
    """A network and what it tells of its images; see `ForeignModel`."""

    module: Any
    normalisation: Normalisation | None = None
    image_size: tuple[int, int] | None = None


@contextmanager
def others_code(what: str, seed: int | None = None) -> Iterator[None]:
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
        raise FeatvizError(
            f"importing {name} failed ({reason(error)}); install it anew, and torchvision, if it "
            "is there, from where torch is: builds for CPU and for CUDA do not fit together"
        ) from None


def _timm(what: str, arguments: dict[str, Any], has_file: bool, seed: int | None) -> Found:
    if not (has_file or seed is not None):
        raise FeatvizError(f"timm:{what}: {_UNTOLD}")
    timm = _library("timm")
    if not timm.is_model(what.partition(".")[0]):
        like = ", ".join(timm.list_models(f"*{what.partition('.')[0]}*")[:5])
        raise FeatvizError(f"timm has no model '{what}'{f'; there are {like}' if like else ''}")
    with others_code(f"timm:{what}", seed):
        model = timm.create_model(what, pretrained=False, **arguments)
    told = getattr(model, "pretrained_cfg", None) or {}
    shape = told.get("input_size")
    normalisation = _normalisation(told.get("mean"), told.get("std"), "timm's pretrained_cfg")
    return Found(model, normalisation, _size(list(shape[1:]) if shape else None))


def _diffusers(what: str, arguments: dict[str, Any], has_file: bool, seed: int | None) -> Found:
    folder = _folder("diffusers", what)
    library = _library("diffusers")
    if folder is None:
        kind = _told_class(library, what, has_file or seed is not None)
        with others_code(f"diffusers:{what}", seed):
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
        with others_code(f"diffusers:{what}", seed):
            if has_file or seed is not None:
                model = kind.from_config({**config, **arguments})
            else:
                model = kind.from_pretrained(str(folder), local_files_only=True, **arguments)
    size = getattr(getattr(model, "config", None), "sample_size", None)
    return Found(model, None, _size(size))


def _transformers(what: str, arguments: dict[str, Any], has_file: bool, seed: int | None) -> Found:
    folder = _folder("transformers", what)
    library = _library("transformers")
    normalisation = None
    if folder is None:
        kind = _told_class(library, what, has_file or seed is not None)
        with others_code(f"transformers:{what}", seed):
            model = kind(kind.config_class(**arguments))
    else:
        config = read_json(folder / _CONFIG, dict[str, Any])
        name = next(iter(config.get("architectures") or ()), "AutoModel")
        kind = _class(library, str(name), folder / _CONFIG)
        with others_code(f"transformers:{what}", seed):
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
    return Found(model, normalisation, _size(size))


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
    near = [each for each in dir(library) if each.lower() == name.lower()]
    hint = f"; there is {near[0]}" if near else ""
    raise FeatvizError(f"{where}{library.__name__} has no class of models '{name}'{hint}")


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


LIBRARIES: dict[str, Callable[[str, dict[str, Any], bool, int | None], Found]] = {
    "timm": _timm,
    "diffusers": _diffusers,
    "transformers": _transformers,
}
"""By the word before the colon: what finds the network that the rest of a MODEL word means.

Given the rest, what it is made with, whether a file of weights is told, and a seed of random ones.
"""
