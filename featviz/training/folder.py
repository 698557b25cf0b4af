"""What a run's folder holds, checked as it is read: files of another kind are refused there."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypedDict, Union, get_args, get_origin, get_type_hints

import torch
from torch import Tensor, nn

from featviz.base.errors import FeatvizError, one_line, reason
from featviz.generators.weights import require_weights
from featviz.training.presets import TrainingConfig, with_defaults
from featviz.training.run import Run

_OF_A_RUN = (
    "training_state.pt",
    "losses.csv",
    "generator.safetensors",
    "discriminator.safetensors",
    "encoder.safetensors",
)
_NO_LOSSES = ("step", "seconds")
"""The columns of losses.csv that hold something else."""


@dataclass(frozen=True)
class RunDescription:
    """config.json, beside the settings."""

    data: str
    featviz_version: str
    perceptual_weights: dict[str, str] | None = None
    start: dict[str, Any] | None = None


class _State(TypedDict):
    """training_state.pt, as `Run.state` makes it, beside the networks."""

    step: int
    seconds: float
    optimizers: dict[str, dict[str, Any]]
    random_state: Tensor
    recent: list[dict[str, float]]


def read_folder(out: Path, resume: bool) -> dict[str, Any]:
    """The settings and the description of the run that a folder holds; empty without one.

    Raises FeatvizError if there is none to resume, if there is one and it is not to be resumed, and
    for files of a run that lack the description.
    """
    path = out / "config.json"
    if not path.exists():
        if left := [name for name in _OF_A_RUN if (out / name).exists()]:
            raise FeatvizError(
                f"{out} holds {left[0]} but no config.json, which says of which run it is; "
                "put that back, or choose another folder"
            )
        if resume:
            raise FeatvizError(f"{out} holds no run to resume")
        return {}
    if not resume:
        raise FeatvizError(f"{out} holds a run already; continue it with --resume")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise FeatvizError(f"{path} cannot be read: not the settings of a run")
    found = {"start": None, "perceptual_weights": None} | with_defaults(found)
    _check_fields(found, get_type_hints(TrainingConfig) | get_type_hints(RunDescription), path)
    TrainingConfig(**{field.name: found[field.name] for field in fields(TrainingConfig)})
    if found["start"] is not None and not isinstance(found["start"].get("name"), str):
        raise FeatvizError(f"{path} cannot be read: what the run started from has no name")
    return found


def read_state(path: Path, run: Run, steps: int, device: torch.device) -> dict[str, Any]:
    """A training state that `run` can take up; raises FeatvizError for any other.

    steps: how many the run has in all.
    """
    require_weights(path)
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        raise FeatvizError(f"{path} cannot be read ({reason(error)})") from None
    if not isinstance(state, dict):
        raise FeatvizError(f"{path} cannot be read: not a training state")
    own = run.state()
    _check_fields(state, get_type_hints(_State), path)
    if not 0 <= state["step"] <= steps:
        raise FeatvizError(f"{path} is at step {state['step']}; expected 0 to {steps}")
    for name in [key for key in own if key not in _State.__annotations__]:
        _check_tensors(state.get(name), own[name], f"{path}: {name}")
    for name, network in run.learning.items():
        (group,) = run.optimizers[name].state_dict()["param_groups"]
        what = f"{path}: optimiser of {name}"
        _check_optimizer(state["optimizers"].get(name), network, group, what)
    _check_random_state(state["random_state"], path)
    return state


def read_losses(path: Path, step: int, losses: Sequence[str]) -> list[dict[str, str]]:
    """The complete lines of losses.csv up to a step; a full disk leaves half a line.

    losses: the names of the run's.

    Raises FeatvizError for losses of another run and for what are no losses.
    """
    if not path.exists():
        return []
    names = [*_NO_LOSSES, *losses]
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = [row for row in reader if None not in row.values()]
            header = list(reader.fieldnames or [])
    except (csv.Error, ValueError) as error:
        raise FeatvizError(f"{path} cannot be read ({one_line(error)})") from None
    if header and header != names:
        raise FeatvizError(
            f"{path} is not this run's: its columns are {one_line(ValueError(', '.join(header)))}; "
            f"expected {', '.join(names)}"
        )
    for row in rows:
        try:
            fits = None not in row and int(row["step"]) > 0
            fits = fits and all(math.isfinite(float(row[name])) for name in names)
        except ValueError:
            fits = False
        if not fits:
            raise FeatvizError(f"{path} cannot be read: {one_line(ValueError(row))} are no losses")
    return [row for row in rows if int(row["step"]) <= step]


def losses_of(row: Mapping[str, str]) -> dict[str, float]:
    """The losses by name of a line of losses.csv."""
    return {name: float(loss) for name, loss in row.items() if name not in _NO_LOSSES}


def _check_fields(found: Mapping[Any, Any], kinds: Mapping[str, Any], path: Path) -> None:
    for name, kind in kinds.items():
        if name not in found:
            raise FeatvizError(f"{path} cannot be read: '{name}' is missing")
        if not _fits(found[name], kind):
            shown = one_line(ValueError(repr(found[name])), 40)
            raise FeatvizError(
                f"{path} cannot be read: '{name}' is {shown}; "
                f"expected {getattr(kind, '__name__', None) or kind}"
            )


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value is of a kind, down to what it contains; numbers are finite."""
    within = get_args(kind)
    match get_origin(kind) or kind:
        case origin if origin in (Union, UnionType):
            return any(_fits(value, each) for each in within)
        case origin if origin is Literal:
            return isinstance(value, str) and value in within
        case origin if origin is dict:
            return isinstance(value, dict) and all(
                _fits(key, within[0]) and _fits(each, within[1]) for key, each in value.items()
            )
        case origin if origin is list:
            return isinstance(value, list) and all(_fits(each, within[0]) for each in value)
        case origin if origin is float:
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return is_number and abs(value) < math.inf
        case origin if origin is int:
            return isinstance(value, int) and not isinstance(value, bool)
        case origin:
            return origin is Any or isinstance(value, origin)


def _check_tensors(found: Any, own: Mapping[str, Tensor], what: str) -> None:
    """Raise FeatvizError unless tensors have the names and shapes of a network's and are finite."""
    if not _fits(found, dict[str, Tensor]) or set(found) != set(own):
        raise FeatvizError(f"{what} is not the network of this run")
    for name, tensor in own.items():
        if found[name].shape != tensor.shape or found[name].dtype != tensor.dtype:
            raise FeatvizError(
                f"{what}: '{name}' is {tuple(found[name].shape)} {found[name].dtype}; "
                f"expected {tuple(tensor.shape)} {tensor.dtype}"
            )
        if not torch.isfinite(found[name]).all():
            raise FeatvizError(f"{what}: '{name}' holds NaN or infinity")


def _check_optimizer(found: Any, network: nn.Module, own: dict[str, Any], what: str) -> None:
    """Raise FeatvizError unless the state is of Adam for the network's weights."""
    weights = dict(enumerate(network.parameters()))
    match found:
        case {"state": dict() as memories, "param_groups": [dict() as group]}:
            pass
        case _:
            raise FeatvizError(f"{what} is missing or is no state of Adam")
    # The learning rate is set before each step.
    if repr({**group, "lr": 0}) != repr({**own, "lr": 0}) or not set(memories) <= set(weights):
        raise FeatvizError(f"{what} is of other weights than this run's")
    for number, memory in memories.items():
        shape = weights[number].shape
        expected = {"step": torch.Size([]), "exp_avg": shape, "exp_avg_sq": shape}
        if not _fits(memory, dict[str, Tensor]) or expected != {
            name: tensor.shape for name, tensor in memory.items()
        }:
            raise FeatvizError(f"{what}: what it remembers of weight {number} does not fit it")


def _check_random_state(found: Tensor, path: Path) -> None:
    try:
        torch.Generator().set_state(found.cpu())
    except (RuntimeError, TypeError):
        raise FeatvizError(f"{path} cannot be read: its random state is none") from None
