"""Which layers a network has: what each gives, where its maps lie, how often it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

import torch
from torch import Tensor, nn

from featviz.base.errors import FeatvizError
from featviz.probing.activations import (
    Stage,
    available_layers,
    evaluating,
    find_layers,
    require_module,
)
from featviz.probing.receptive_field import Geometry, trace_geometry
from featviz.probing.tracing import run_without_values

Layers = Sequence[str] | Literal["all"]
"""Names, see `record_activations`, and patterns of names, see `locate_layers`."""

_WILD = frozenset("*?[")


@dataclass(frozen=True, eq=False)
class Layer:
    """One run of a module in a forward.

    name: the module's, `name#2` for the second run of one that runs several times. kind: its
    class. runs: how often the module runs in a forward, 0 if not at all. shape: of its output,
    (1, C, H, W) of a map; None if it gives no tensor. geometry: where its cells lie; None if it
    gives no tensor. reason: why that is, or why its geometry is unknown; "" if it is known.
    """

    name: str
    kind: str
    runs: int
    shape: tuple[int, ...] | None
    geometry: Geometry | None
    reason: str


def survey_layers(
    model: nn.Module, image_size: tuple[int, int], channels: int = 3
) -> tuple[Layer, ...]:
    """Every module of a model in the order in which they end in a forward; behind them, idle ones.

    image_size: (width, height). The model runs as in `trace_geometry`, with its errors.
    """
    ran, kinds = _observe(model, image_size, channels)
    shapes = dict(_runs(ran))
    readable = [name for name, shape in shapes.items() if isinstance(shape, tuple)]
    found = trace_geometry(model, readable, image_size, channels) if readable else {}
    layers = []
    for name, shape in shapes.items():
        module, geometry = name.partition("#")[0] if name not in ran else name, found.get(name)
        reason = f"it gives a {shape}, not a tensor" if geometry is None else geometry.reason
        told = shape if isinstance(shape, tuple) else None
        layers.append(Layer(name, kinds[module], len(ran[module]), told, geometry, reason))
    idle = "it takes no part in the forward"
    return (*layers, *(Layer(n, kinds[n], 0, None, None, idle) for n in kinds if n not in ran))


@dataclass(frozen=True, eq=False)
class Located:
    """Layers that were asked for, by name in the order of the forward, and those left out.

    left_out: what patterns fit and cannot be read, and why.
    """

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
    module that runs several times is all of its runs. What is named without a pattern is taken as
    it is. Raises FeatvizError as `trace_geometry` does, and for patterns that nothing fits.
    """
    require_module(model)
    patterns = ["**"] if isinstance(layers, str) and layers == "all" else list(layers)
    wild = [] if isinstance(layers, str) and layers != "all" else _wild(model, patterns)
    if not wild:
        return Located(trace_geometry(model, layers, image_size, channels, stage), {})
    plain = [layer for layer in patterns if layer not in wild]
    if plain:
        find_layers(model, plain, stage)
    ran, _ = _observe(model, image_size, channels)
    fitting: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for pattern in wild:
        fits = [name for name in ran if _fits(name.split("."), pattern.split("."))]
        if stage != "activation":
            fits = [name for name in fits if f"{name}.{stage}" in ran]
        if not fits:
            raise FeatvizError(f"no layer is like '{pattern}'; {available_layers(model)}")
        ends = {name: ran[name if stage == "activation" else f"{name}.{stage}"] for name in fits}
        fitting |= dict(_runs(ends))
    for name in [name for name, shape in fitting.items() if not isinstance(shape, tuple)]:
        left_out[name] = f"it gives a {fitting.pop(name)}, not a tensor"
    wanted = list(dict.fromkeys([*plain, *fitting]))
    found = trace_geometry(model, wanted, image_size, channels, stage) if wanted else {}
    for name in [name for name in fitting if name not in plain]:
        if found[name].map_size is None or (with_places and not found[name].known):
            left_out[name] = found.pop(name).reason
    if not found:
        name, reason = next(iter(left_out.items()))
        raise FeatvizError(
            f"no layer like {' '.join(wild)} can be read; the first of {len(left_out)}, '{name}': "
            f"{reason}"
        )
    return Located(found, left_out)


def _wild(model: nn.Module, layers: Sequence[str]) -> list[str]:
    """Those that are patterns; a module may have such a name itself."""
    names = {name for name, _ in model.named_modules()}
    return [layer for layer in layers if _WILD & set(layer) and layer not in names]


def _fits(name: list[str], pattern: list[str]) -> bool:
    if not pattern or not name:
        return not name and set(pattern) <= {"**"}
    if pattern[0] == "**":
        return _fits(name, pattern[1:]) or _fits(name[1:], pattern)
    return fnmatchcase(name[0], pattern[0]) and _fits(name[1:], pattern[1:])


_Shape = tuple[int, ...] | str
"""Of a module's output, or the kind of an output that is no tensor."""


def _runs(ran: Mapping[str, list[_Shape]]) -> list[tuple[str, _Shape]]:
    """Each run by its name."""
    return [
        (f"{name}#{number}" if len(shapes) > 1 else name, shape)
        for name, shapes in ran.items()
        for number, shape in enumerate(shapes, start=1)
    ]


def _observe(
    model: nn.Module, image_size: tuple[int, int], channels: int
) -> tuple[dict[str, list[_Shape]], dict[str, str]]:
    """What each module gives in each of its runs, in the order of the last; and kinds of all."""
    require_module(model)
    modules = {name: module for name, module in model.named_modules() if name}
    ran: dict[str, list[_Shape]] = {}

    def listen(name: str) -> Any:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            is_tensor = isinstance(output, Tensor)
            given = tuple(output.shape) if is_tensor else type(output).__name__
            ran[name] = [*ran.pop(name, []), given]

        return hook

    weights = [*model.parameters(), *model.buffers()]
    sample = next((tensor for tensor in weights if tensor.is_floating_point()), torch.empty(0))
    shape = (1, channels, image_size[1], image_size[0])
    handles = [module.register_forward_hook(listen(name)) for name, module in modules.items()]
    try:
        with evaluating(model), torch.no_grad():
            try:
                run_without_values(model, torch.zeros(shape, dtype=sample.dtype, device="meta"))
            except Exception:
                # Some models make tensors of their own on a fixed device or look at values.
                ran.clear()
                model(torch.zeros(shape, dtype=sample.dtype, device=sample.device))
    except FeatvizError:
        raise
    except Exception as error:
        width, height = image_size
        raise FeatvizError(
            f"the model cannot run on a {width}x{height} image of {channels} channels: "
            f"{' '.join(str(error).split())}"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    return ran, {name: type(module).__name__ for name, module in modules.items()}
