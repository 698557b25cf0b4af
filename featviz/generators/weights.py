"""What is in a checkpoint file, whoever wrote it: checked here, so that nobody else has to.

Weights come out as finite float32 tensors by plain names, descriptions as dictionaries whose known
entries are of their kinds. Anything else is a FeatvizError that names the file.
"""

import json
import pickle
import re
import warnings
from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from featviz.base.errors import FeatvizError, FeatvizWarning, one_line, reason
from featviz.generators.networks.conditions import Conditions
from featviz.generators.networks.pix2pix import is_patches, is_unet
from featviz.generators.networks.pix2pixhd import without_statistics

CHECKPOINT_KEY = "featviz"

_LARGEST_SKETCH = 1 << 14
"""No description may ask for sketches of more pixels in each direction."""

STATE_KEYS = ("state_dict", "model", "generator", "params_ema", "params")
"""What training code calls the state dict that it saves among other things, in order of choice."""

_PREFIXES = re.compile(r"((module|_orig_mod)\.)*")
"""What torch's DataParallel and `torch.compile` put before the names of weights."""

_NO_WEIGHTS = (
    (
        b"version https://git-lfs",
        "a Git LFS pointer, which stands for a file that was not fetched; `git lfs pull` gets it",
    ),
    *(
        (start, "a web page, as a failed download leaves it; download the file again")
        for start in (b"<!doctype", b"<html", b"<head", b"<?xml")
    ),
)

_WHOLE, _TEXT, _OBJECT = (int, "a whole number"), (str, "text"), (dict, "an object")
_KINDS: dict[str, tuple[type, str]] = {
    "kind": _TEXT,
    "variant": _TEXT,
    "architecture": _OBJECT,
    "step": _WHOLE,
    "seed": _WHOLE,
    "sketch_size": _WHOLE,
    "conditions": _OBJECT,
    "data": _OBJECT,
    "training": _OBJECT,
}

_COUNTS = {
    *("downsamplings", "residual_blocks", "enhancers", "enhancer_blocks", "layers", "scales"),
    "levels",
}
_ALWAYS_POSSIBLE = 64
_NAMED = 3


def read_metadata(path: Path) -> dict[str, Any]:
    """What a featviz checkpoint says of itself; what featviz uses of it is of the right kind."""
    require_weights(path)
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(CHECKPOINT_KEY)
    except (SafetensorError, OSError, ValueError) as error:
        raise FeatvizError(
            f"{path}: cannot read this safetensors file ({one_line(error)})"
        ) from None
    if text is None:
        raise FeatvizError(
            f"{path}: a safetensors file without featviz's description; expected metadata "
            f"'{CHECKPOINT_KEY}' (to use your own network, see the Python API)"
        )
    try:
        return _described(text)
    except FeatvizError as error:
        raise FeatvizError(
            f"{path}: featviz's description in this file cannot be read ({error})"
        ) from None


def _described(text: str) -> dict[str, Any]:
    try:
        metadata = json.loads(text)
    except RecursionError:
        raise FeatvizError("it is nested too deeply") from None
    except ValueError as error:
        raise FeatvizError(f"no JSON: {one_line(error)}") from None
    if not isinstance(metadata, dict):
        raise FeatvizError(f"it is a {type(metadata).__name__}; expected an object")
    for key, (kind, name) in _KINDS.items():
        value = metadata.get(key)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise FeatvizError(f"'{key}' is {str(value)[:50]!r}; expected {name}")
    size = metadata.get("sketch_size")
    if size is not None and not 1 <= size <= _LARGEST_SKETCH:
        raise FeatvizError(f"'sketch_size' is {size}; expected 1 to {_LARGEST_SKETCH}")
    stated_conditions(metadata)
    return metadata


def stated_conditions(metadata: Mapping[str, Any]) -> Conditions:
    """What a checkpoint's description tells of its conditions; none if it does not mention any."""
    stated = metadata.get("conditions") or {}
    try:
        return Conditions(**stated)
    except TypeError:
        raise FeatvizError(
            f"the description of a checkpoint tells of unknown conditions: {stated}"
        ) from None


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The weights in a .safetensors file."""
    return _weights(_safetensors(path), path)


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise FeatvizError(
            f"{path}: cannot read this safetensors file ({one_line(error)})"
        ) from None


def read_pickle(path: Path) -> dict[str, Tensor]:
    """The weights in a .pth file, which is read so that it cannot run code.

    Statistics that an instance norm of PyTorch before 0.4 kept and never used are dropped; those of
    a U-Net or PatchGAN by pix2pix stay, and what its norms have counted.
    """
    state = _unpickled(path)
    if not _is_state(state):
        raise FeatvizError(f"{path}: expected a state dict (names to tensors){_instead(state)}")
    with _naming(path):
        named = _plainly_named(state, path)
        if is_unet(named) or is_patches(named):
            counts = {key: each.float() for key, each in named.items() if each.dtype == torch.int64}
            return _weights(named | counts, path)
        kept, dropped = without_statistics(named)
    if dropped:
        remark = (
            f"holds running statistics of {dropped} instance norms, which PyTorch before 0.4 saved "
            "and never used; left out"
        )
        warnings.warn(FeatvizWarning(str(path), remark), stacklevel=2)
    return _weights(kept, path)


def read_any_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a file for a network of any code base: counters too, any precision.

    A .safetensors, or what torch.save wrote, which is read so that it cannot run code. A state
    dict may lie inside under a name that training code gives it (see `STATE_KEYS`); that, and
    prefixes that are left out, is a FeatvizWarning.
    """
    path = Path(path)
    require_weights(path)
    if not path.is_file():
        raise FeatvizError(f"{path}: no such file of weights")
    if path.suffix == ".safetensors":
        return _state(_safetensors(path), path)
    state = _unpickled(path)
    inside: list[str] = []
    # No deeper than there are names: a dictionary can hold itself.
    while isinstance(state, dict) and not _is_state(state) and len(inside) < len(STATE_KEYS):
        key = next((key for key in STATE_KEYS if isinstance(state.get(key), dict)), None)
        if key is None:
            break
        inside.append(key)
        state = state[key]
    if inside:
        remark = f"has its weights inside '{'.'.join(inside)}'; read from there"
        warnings.warn(FeatvizWarning(str(path), remark), stacklevel=2)
    if not _is_state(state):
        raise FeatvizError(
            f"{path}: expected a state dict (names to tensors), by itself or as one of "
            f"{', '.join(STATE_KEYS)}{_instead(state)}"
        )
    return _state(state, path)


def _unpickled(path: Path) -> Any:
    require_weights(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise FeatvizError(f"{path}: no such file") from None
    except pickle.UnpicklingError:
        raise FeatvizError(
            f"{path}: refused, because reading it could run code; expected a plain dictionary of "
            "tensors as saved by torch.save(model.state_dict(), ...)"
        ) from None
    except Exception as error:
        # A foreign pickle can make its reader stumble over anything.
        raise FeatvizError(f"{path}: not a readable .pth file ({reason(error)})") from None


def _is_state(state: object) -> bool:
    return isinstance(state, dict) and all(isinstance(value, Tensor) for value in state.values())


def _instead(state: object) -> str:
    if not isinstance(state, dict):
        return f"; it holds a {type(state).__name__}"
    held = [f"'{str(key)[:30]}' ({type(value).__name__})" for key, value in state.items()]
    return f"; it holds {', '.join(held[:3])}; save the state dict alone"


def require_weights(path: Path) -> None:
    """Raise FeatvizError for what people have in place of a checkpoint: nothing, or text."""
    try:
        with path.open("rb") as file:
            start = file.read(100)
    except OSError:
        return  # Whoever reads it says so.
    if not start:
        raise FeatvizError(f"{path} is empty; expected a checkpoint")
    for beginning, what in _NO_WEIGHTS:
        if start.lstrip().lower().startswith(beginning):
            raise FeatvizError(f"{path} is no checkpoint but {what}")
    # Zip files, pickles and safetensors all begin with bytes that no text has.
    with suppress(UnicodeDecodeError):
        text = getincrementaldecoder("utf-8")().decode(start)
        if all(character.isprintable() or character.isspace() for character in text):
            raise FeatvizError(
                f"{path} is no checkpoint but text, which begins {one_line(text, 40)!r}"
            )


def _plainly_named(state: Mapping[Any, Tensor], path: Path) -> dict[str, Tensor]:
    """Weights without the prefixes that wrappers of a network give all of their names."""
    names = list(map(str, state))
    prefix = _PREFIXES.match(names[0]) if names else None
    found = prefix[0] if prefix and all(name.startswith(prefix[0]) for name in names) else ""
    if found:
        remark = f"has weights named with '{found}' in front; read without it"
        warnings.warn(FeatvizWarning(str(path), remark), stacklevel=3)
    return {str(key).removeprefix(found): tensor for key, tensor in state.items()}


def _weights(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The same in float32; raises FeatvizError unless all are plain, real and finite."""
    weights = {}
    for key, tensor in _state(tensors, path).items():
        if not tensor.is_floating_point():
            raise FeatvizError(f"{path}: weight '{key}' is {tensor.dtype}; expected real numbers")
        weights[key] = tensor.to(torch.float32)
    return weights


def _state(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Plainly named tensors, as they are; raises FeatvizError unless all are plain and finite."""
    state = {}
    for key, tensor in _plainly_named(tensors, path).items():
        if tensor.is_meta:
            raise FeatvizError(f"{path}: weight '{key}' was saved without its values (on 'meta')")
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex():
            raise FeatvizError(f"{path}: weight '{key}' is {tensor.dtype}; expected real numbers")
        # Strides of 0 let a few bytes stand for any number of weights.
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise FeatvizError(f"{path}: weight '{key}' is larger than what is stored of it")
        state[key] = tensor.detach()
        # In float32, because 8-bit floats cannot be asked.
        if tensor.is_floating_point() and not torch.isfinite(state[key].to(torch.float32)).all():
            raise FeatvizError(
                f"{path}: weight '{key}' holds NaN or infinity; expected finite numbers"
            )
    return state


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let errors about a file name it."""
    try:
        yield
    except FeatvizError as error:
        raise FeatvizError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None


@contextmanager
def readable_architecture(path: Path) -> Iterator[None]:
    """Whatever a malformed description makes the code stumble over is the file's fault."""
    try:
        with _naming(path):
            yield
    except FeatvizError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as e:
        what = f"{type(e).__name__}: {one_line(e)}"
        raise FeatvizError(f"{path}: its architecture cannot be read ({what})") from None


def require_possible(architecture: Any, tensors: Mapping[str, Tensor]) -> None:
    """Raise FeatvizError for an architecture that cannot be that of these tensors.

    Before it is built: a description of a billion blocks takes minutes and all memory to refuse
    otherwise. Sizes that this lets pass are compared one by one in `load_strictly`.
    """
    largest = max((side for tensor in tensors.values() for side in tensor.shape), default=0)
    for name in (field.name for field in fields(architecture)):
        value = getattr(architecture, name)
        most = max(_ALWAYS_POSSIBLE, len(tensors) if name in _COUNTS else largest)
        if isinstance(value, int) and value > most:
            raise FeatvizError(
                f"its architecture has {name} {value}, but the file holds {len(tensors)} weights "
                f"of at most {largest} channels"
            )


def load_strictly(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Give a network that was built without memory its weights; all of them, and no other."""
    require_same_weights(network.state_dict(), state, path, "its architecture")
    network.load_state_dict(state, assign=True)


def require_same_weights(
    expected: Mapping[str, Tensor], state: Mapping[str, Tensor], path: Path, to: str
) -> None:
    """Raise FeatvizError, naming the first few that differ, unless names and shapes are equal."""
    missing, unexpected = sorted(expected.keys() - state), sorted(state.keys() - expected.keys())
    shapes = [key for key in expected if key in state and expected[key].shape != state[key].shape]
    if missing or unexpected or shapes:
        parts = [
            f"{len(keys)} {what} (such as {', '.join(map(repr, keys[:_NAMED]))})"
            for what, keys in (
                ("missing", missing),
                ("unexpected", unexpected),
                ("of another shape", shapes),
            )
            if keys
        ]
        raise FeatvizError(f"{path}: its weights do not fit {to}: {', '.join(parts)}")
