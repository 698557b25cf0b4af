"""Which layers a network has: what each gives, where its maps lie, how often it runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

import torch
from torch import nn

from featviz.base.errors import FeatvizError
from featviz.probing.activations import (
    Stage,
    available_layers,
    evaluating,
    find_layers,
    makes_weights,
    require_module,
    tensor_in,
)
from featviz.probing.receptive_field import Geometry, trace_geometry
from featviz.probing.survey import listening
from featviz.probing.tracing import either_way, run_without_values

Layers = Sequence[str] | Literal["all"]
"""Names, see `record_activations`, and patterns of names, see `locate_layers`."""

_WILD = frozenset("*?[")


@dataclass(frozen=True, eq=False)
class SurveyedLayer:
    """One run of a module in a forward.

    name: the module's, `name#2` for the second run of one that runs several times. kind: its
    class. runs: how often the module runs in a forward, 0 if not at all. shape: of its output, as
    (1, C, H, W) of a map or (1, L, C) of tokens; None if it gives no tensor. geometry: where its
    cells lie; None if it gives no tensor. reason: why that is, or why its geometry is unknown; ""
    if it is known.
    """

    name: str
    kind: str
    runs: int
    shape: tuple[int, ...] | None
    geometry: Geometry | None
    reason: str


def survey_layers(
    model: nn.Module, image_size: tuple[int, int], channels: int = 3
) -> tuple[SurveyedLayer, ...]:
    """Every module of a model in the order in which they end in a forward; behind them, idle ones.

    Lists of modules, which cannot run, are left out.
    image_size: (width, height). The model runs as in `trace_geometry`, with its errors.
    """
    runs, kinds = _observe(model, image_size, channels)
    readable = [run.name for run in runs if run.shape is not None]
    found = trace_geometry(model, readable, image_size, channels, tokens=True) if readable else {}
    layers = []
    for run in runs:
        geometry = found.get(run.name)
        reason = run.untold if geometry is None else geometry.reason
        shape = None if geometry is None else run.shape
        layers.append(
            SurveyedLayer(run.name, kinds[run.module], run.count, shape, geometry, reason)
        )
    idle, ran = "it takes no part in the forward", {run.module for run in runs}
    return (
        *layers,
        *(SurveyedLayer(n, kinds[n], 0, None, None, idle) for n in kinds if n not in ran),
    )


@dataclass(frozen=True, eq=False)
class Located:
    """Layers that were asked for, where their maps lie, and those left out.

    layers: their names, in the order of the forward if there were patterns, else as asked for.
    geometries: in the order of the forward. left_out: what patterns fit and cannot be read, and
    why.
    """

    layers: tuple[str, ...]
    geometries: Mapping[str, Geometry]
    left_out: Mapping[str, str]


def locate_layers(
    model: nn.Module,
    layers: Layers,
    image_size: tuple[int, int],
    channels: int = 3,
    stage: Stage = "activation",
    with_places: bool = True,
) -> Located:
    """The geometries of layers by names, patterns, or all of them.

    Patterns fit whole names: `*` stands for any part between dots (`down_blocks.*`), or for a
    piece of one, `**` for any number of parts (`**.norm2`). "all" are all modules. Of both only
    what can be read is taken: maps and, if with_places, only those on which points have places; a
    module that runs several times is all of its runs. At another stage than activation they fit
    the layers that have such a child. What is named without a pattern is taken as it is. Raises
    FeatvizError as `trace_geometry` does, and for patterns that nothing fits.
    """
    require_module(model)
    wild = patterns_of(model, layers, stage)
    if not wild:
        found = trace_geometry(model, layers, image_size, channels, stage, tokens=True)
        return Located(tuple(layers), found, {})
    plain = [] if layers == "all" else [layer for layer in layers if layer not in wild]
    runs, _ = _observe(model, image_size, channels)
    fitting: dict[str, _Run] = {}
    for pattern in wild:
        parts = "**" if pattern == "all" else pattern
        fits = {
            place[1]: run
            for place, run in ((run.at(stage), run) for run in runs)
            if place is not None and _fits(place[0].split("."), parts.split("."))
        }
        if not fits:
            raise FeatvizError(f"no layer is like '{pattern}'; {available_layers(model)}")
        fitting |= fits
    left_out = {name: run.untold for name, run in fitting.items() if run.shape is None}
    fitting = {name: run for name, run in fitting.items() if run.shape is not None}
    wanted = list(dict.fromkeys([*plain, *fitting]))
    found = (
        trace_geometry(model, wanted, image_size, channels, stage, tokens=True) if wanted else {}
    )
    for name in [name for name in fitting if name not in plain]:
        if found[name].map_size is None or (with_places and not found[name].known):
            left_out[name] = found.pop(name).reason
    if not found:
        name, reason = next(iter(left_out.items()))
        raise FeatvizError(
            f"no layer like {' '.join(wild)} can be read; the first of {len(left_out)}, '{name}': "
            f"{reason}"
        )
    return Located(tuple(found), found, left_out)


def patterns_of(model: nn.Module, layers: Layers, stage: Stage = "activation") -> tuple[str, ...]:
    """Those of the layers that are patterns; raises FeatvizError for others that are not there.

    A module may itself have a name that looks like one.
    """
    require_module(model)
    if layers == "all":
        return ("all",)
    if isinstance(layers, str):
        find_layers(model, layers, stage)
    names = [name for name, _ in model.named_modules()]
    ends = {name.rpartition(".")[2] for name in names}
    wild = {layer for layer in layers if _WILD & set(layer)} | {"all"} - ends
    if plain := [layer for layer in layers if layer not in wild - set(names)]:
        find_layers(model, plain, stage)
    return tuple(layer for layer in layers if layer in wild - set(names))


def _fits(name: list[str], pattern: list[str]) -> bool:
    if not pattern or not name:
        return not name and set(pattern) <= {"**"}
    if pattern[0] == "**":
        return _fits(name, pattern[1:]) or _fits(name[1:], pattern)
    return fnmatchcase(name[0], pattern[0]) and _fits(name[1:], pattern[1:])


@dataclass(frozen=True)
class _Run:
    """One run of a module, in a forward. module: its name. number: from 1, of `count`.

    shape: of its output; None if that is no tensor but, `untold`, something else.
    """

    module: str
    number: int
    count: int
    shape: tuple[int, ...] | None
    untold: str

    @property
    def name(self) -> str:
        """As `record_activations` takes it."""
        return f"{self.module}#{self.number}" if self.count > 1 else self.module

    def at(self, stage: Stage) -> tuple[str, str] | None:
        """The module whose `stage` this is, and this run's name as a layer; None if it is none."""
        if stage == "activation":
            return self.module, self.name
        block, _, child = self.module.rpartition(".")
        if child != stage or not block:
            return None
        return block, f"{block}{self.name.removeprefix(self.module)}"


def _observe(
    model: nn.Module, image_size: tuple[int, int], channels: int
) -> tuple[list[_Run], dict[str, str]]:
    """What each module gives in each of its runs, in the order of the forward; kinds of all."""
    require_module(model)
    seen: list[tuple[str, Any]] = []
    weights = [*model.parameters(), *model.buffers()]
    sample = next((tensor for tensor in weights if tensor.is_floating_point()), torch.empty(0))
    image_shape = (1, channels, image_size[1], image_size[0])

    def see(name: str, _: nn.Module, output: Any) -> None:
        tensor = tensor_in(output)
        given = type(output).__name__ if tensor is None else tuple(tensor.shape)
        seen.append((name.partition("#")[0], given))

    def run(on_meta: bool) -> None:
        seen.clear()
        device = "meta" if on_meta else sample.device
        image = torch.zeros(image_shape, dtype=sample.dtype, device=device)
        if on_meta:
            run_without_values(model, image)
        else:
            model(image)

    with evaluating(model), torch.no_grad(), listening(model, see):
        either_way(run, image_size, channels)
    counts, numbers = Counter(name for name, _ in seen), Counter[str]()
    runs = []
    for name, given in seen:
        numbers[name] += 1
        shape = given if isinstance(given, tuple) else None
        untold = "" if shape is not None else f"it gives a {given}, not a tensor"
        runs.append(_Run(name, numbers[name], counts[name], shape, untold))
    # A list of modules is none itself: it cannot run.
    lists = (nn.ModuleList, nn.ModuleDict)
    kinds = {
        name: type(module).__name__
        for name, module in model.named_modules()
        if name and not makes_weights(name) and not isinstance(module, lists)
    }
    return runs, kinds
