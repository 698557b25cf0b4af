"""Keeping the maps of a base outside of an edited area: what it means that an edit stays.

This is the definition, plain and slow, for any network whose layers can be placed over the image.
The base runs once, free. When the edited image runs, each instance norm normalises with the
statistics of the base, and behind each layer the cells that do not stand for a pixel of the edited
area take the base's values. Nothing can then leave the area but through what lies behind the last
kept layer, by default one convolution.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from scipy.ndimage import binary_dilation
from torch import Tensor, nn

from featviz.base.errors import FeatvizError
from featviz.probing.activations import evaluating, find_layers, makes_weights
from featviz.probing.arrangement import Arrangement, Windowed, arranged
from featviz.probing.axes import Axis
from featviz.probing.field import Field, Placeless, Trace, as_map
from featviz.probing.reach import cells_of
from featviz.probing.receptive_field import Geometry
from featviz.probing.statistics import Statistics, hold_statistics, record_statistics
from featviz.probing.survey import listening
from featviz.probing.tracing import Tracer, cannot_run, follow
from featviz.sketches.edits import Mask

Keep = Literal["layers", "trunk"] | Sequence[str]
"""Where maps are kept: see `record_base`."""


@dataclass(frozen=True, eq=False)
class KeptLayer:
    """One run of a layer whose map is kept.

    geometry: how the map lies over the image. arrangement: how the layer's output holds it. wider:
    cells around those of the edited area that are free too.
    """

    geometry: Geometry
    arrangement: Arrangement | Windowed
    wider: int = 0

    def free_cells(self, area: Mask) -> Mask:
        """The cells that stand for the area, (H, W) bool -> (h, w) bool, and those around."""
        cells = cells_of(self.geometry, area)
        if not self.wider:
            return cells
        square = np.ones((3, 3), dtype=bool)
        return np.asarray(binary_dilation(cells, square, iterations=self.wider))


@dataclass(frozen=True, eq=False)
class Base:
    """What a network made of the image that edits start from.

    given: the network's input, (1, C, H, W). image: its output, (1, C', H', W'). statistics: of
    each instance norm, see `record_statistics`. layers, maps: the kept layers and their outputs,
    by name; a module that runs several times is `name`, `name#2`, `name#3`, ... is_held: whether
    norms were held at the statistics when the maps were made, or took their own.
    """

    given: Tensor
    image: Tensor
    statistics: Mapping[str, Statistics]
    layers: Mapping[str, KeptLayer]
    maps: Mapping[str, Tensor]
    is_held: bool


def record_base(model: nn.Module, given: Tensor, keep: Keep = "layers") -> Base:
    """Run a base, and remember what is kept of it where something is edited.

    given: (1, C, H, W), as the model takes it. keep: "layers", every module without modules of its
    own but paddings, activations, the last convolution (or linear layer of tokens) and all behind
    that: tightest; tokens that stand for no place, as class tokens, are the base's. "trunk", of
    these the ones on the smallest maps, and one cell more around: strongest inside. Or modules by
    name, as in `record_activations`. The model runs in evaluation mode, thrice: followed by a
    tracer, for its statistics, and for its maps. The last is free with "layers"; else, because
    norms are left that are not kept, with its own statistics held, which is equal up to rounding.

    Raises FeatvizError for an input or output that is no single map or holds NaN, for a layer
    that is not there, and if no layer can be placed over the image, with the operation that is in
    the way.
    """
    _require_map("the input", given)
    with evaluating(model):
        layers = _kept_layers(model, given, keep)
        statistics = record_statistics(model, given)
        maps: dict[str, Tensor] = {}

        def record(key: str, _: nn.Module, output: Any) -> None:
            if key in layers:
                maps[key] = output.clone()

        is_held = bool(statistics) and keep != "layers"
        with ExitStack() as block, torch.no_grad():
            if is_held:
                block.enter_context(hold_statistics(model, statistics))
            block.enter_context(listening(model, record, _modules(model, layers)))
            image = model(given)
    _require_map("the output", image)
    return Base(given, image, statistics, layers, maps, is_held)


@contextmanager
def keep_outside(
    model: nn.Module,
    base: Base,
    area: Mask,
    statistics: Mapping[str, Statistics] | None = None,
) -> Iterator[dict[str, Tensor]]:
    """Inside the `with`, what `model` computes outside of an area is what it did of the base.

    area: (H, W) bool, of the input's pixels. statistics: what instance norms normalise with, as
    in `hold_statistics`; each its own, of its map as kept, if not given. Yields a mapping that
    holds, after each forward, the maps of the kept layers as they were kept. When the block ends,
    however it ends, the model is as it was.
    """
    maps: dict[str, Tensor] = {}
    with _keeping(model, base, area, statistics, maps, lambda *_: None):
        yield maps


def reach_of_edit(
    model: nn.Module,
    base: Base,
    changed: Mask,
    area: Mask,
    statistics: Mapping[str, Statistics] | None = None,
) -> Mask:
    """The pixels of the output that may change in an edit that is kept in an area, (H', W') bool.

    changed: the input's pixels that differ, (H, W) bool. A forward is followed operation by
    operation; what is not marked cannot differ from the base's. Raises FeatvizError if an
    operation behind the last kept layers is not understood.
    """
    height, width = changed.shape
    start = Field(Axis.of_image(width), Axis.of_image(height), changes=changed)

    # A scale and shift other than those of the base's run changes every cell; the same statistics
    # held and its own do so by rounding.
    held = statistics or {}
    others = [
        name for name, each in held.items() if not base.is_held or each is not base.statistics[name]
    ]

    @contextmanager
    def keeping(tracer: Tracer) -> Iterator[None]:
        def scaled(_: nn.Module, __: Any, output: Tensor) -> None:
            if isinstance(trace := tracer.get(output), Field):
                tracer.put(output, trace.seeing_all())

        def kept(output: Tensor, free: Mask) -> None:
            trace, _ = _as_kept(tracer.get(output), output, (width, height))
            assert isinstance(trace, Field) and trace.changes is not None
            tracer.put(output, replace(trace, changes=trace.changes & free))

        with ExitStack() as hooks:
            for name in others:
                norm = model.get_submodule(name)
                hooks.callback(norm.register_forward_hook(scaled).remove)
            hooks.enter_context(_keeping(model, base, area, statistics, {}, kept))
            yield

    with evaluating(model):
        trace = _followed(model, base.given.shape[1], start, keeping)
    if not isinstance(trace, Field) or trace.changes is None:
        reason = trace.reason if isinstance(trace, Placeless) else "it does not depend on the input"
        raise FeatvizError(f"how far an edit reaches in the output is not known: {reason}")
    return trace.changes


@contextmanager
def _keeping(
    model: nn.Module,
    base: Base,
    area: Mask,
    statistics: Mapping[str, Statistics] | None,
    maps: dict[str, Tensor],
    kept: Callable[[Tensor, Mask], None],
) -> Iterator[None]:
    """See `keep_outside`. kept: told the map of each layer as kept, and its free cells."""
    free = {key: layer.free_cells(area) for key, layer in base.layers.items()}

    def keep(key: str, _: nn.Module, output: Any) -> Tensor | None:
        if key not in free:
            return None
        cells, there = torch.from_numpy(free[key]), base.maps[key].to(output.device)
        mask = base.layers[key].arrangement.mask(cells).to(output.device)
        kept_map = torch.where(mask, output, there)
        if kept_map.stride() != there.stride():
            # What comes next may round another way where values lie in another order.
            kept_map = torch.empty_like(there).copy_(kept_map)
        maps[key] = kept_map
        kept(maps[key], free[key])
        # A copy, because who is given it may work in place.
        return maps[key].clone()

    with ExitStack() as block:
        block.enter_context(evaluating(model))
        if statistics:
            block.enter_context(hold_statistics(model, statistics))
        block.enter_context(listening(model, keep, _modules(model, base.layers)))
        yield


def _kept_layers(model: nn.Module, given: Tensor, keep: Keep) -> dict[str, KeptLayer]:
    """The runs of layers whose maps are to be kept, in the order in which they run."""
    named = None if isinstance(keep, str) else find_layers(model, list(keep))
    modules = _modules_by_default(model) if named is None else named
    if isinstance(keep, str) and keep not in ("layers", "trunk"):
        raise FeatvizError(f"cannot keep '{keep}'; expected layers, trunk or the names of layers")
    _, channels, height, width = given.shape
    ran: dict[str, tuple[nn.Module, Trace, Arrangement | Windowed | None]] = {}

    def traced(tracer: Tracer) -> AbstractContextManager[object]:
        ran.clear()

        def see(key: str, module: nn.Module, output: Any) -> None:
            if not isinstance(output, Tensor):
                return
            ran[key] = module, *_as_kept(tracer.get(output), output, (width, height))

        return listening(model, see, modules)

    field = Field(Axis.of_image(width), Axis.of_image(height))
    _followed(model, channels, field, traced)
    if named is None:
        keys = list(ran)
        last = max((n for n, key in enumerate(keys) if _is_convolution(*ran[key][:2])), default=0)
        ran = {key: ran[key] for key in keys[:last]}
    placed = {
        key: KeptLayer(
            Geometry((width, height), trace.size, trace.x, trace.y, None, trace.sees_whole_map),
            arrangement or Arrangement(),
        )
        for key, (_, trace, arrangement) in ran.items()
        if isinstance(trace, Field)
    }
    if not placed or (named is not None and len(placed) < len(ran)):
        lost = {key: trace for key, (_, trace, _) in ran.items() if isinstance(trace, Placeless)}
        if lost:
            key, why = next(iter(lost.items()))
            raise FeatvizError(f"layer '{key}' cannot be kept: {why.reason}")
        raise FeatvizError("this model has no layer whose map could be kept, but its last one")
    if keep == "trunk":
        cells = {key: math.prod(each.geometry.map_size or ()) for key, each in placed.items()}
        smallest = min(cells.values())
        return {
            key: replace(each, wider=1) for key, each in placed.items() if cells[key] == smallest
        }
    return placed


def _as_kept(
    trace: Trace | None, output: Tensor, size: tuple[int, int]
) -> tuple[Trace, Arrangement | Windowed | None]:
    """How the cells of an output lie, as its own dimensions hold them, and which do."""
    placed = None
    if isinstance(trace, Field):
        # Cells that were rolled around the edges lie elsewhere than where they would be kept.
        placed = arranged(trace, output) if trace.shift == (0, 0) else None
        if placed is None and (windowed := Windowed.of(trace)) is not None:
            return trace, windowed
    if placed is None or not isinstance(trace, Field):
        return as_map(trace, output, size), None
    field, arrangement = placed
    if arrangement.kind in ("NCHW", "NHWC"):
        return field, arrangement
    # The field of a row of tokens is that of their grid, laid out otherwise.
    return (trace, arrangement) if trace.size == field.size else (as_map(trace, output, size), None)


def _modules_by_default(model: nn.Module) -> dict[str, nn.Module]:
    """Modules without modules of their own, by name, but those that work cell by cell and pad."""
    return {
        name: module
        for name, module in model.named_modules()
        if name
        and not makes_weights(name)
        and all(child == "parametrizations" for child, _ in module.named_children())
        and type(module).__module__ not in _CELLWISE
        and not isinstance(module, nn.Identity)
    }


# Behind these a cell is kept if it is before; what padding puts around is made of the map as kept.
_CELLWISE = {f"torch.nn.modules.{kind}" for kind in ("activation", "dropout", "padding")}


def _is_convolution(module: nn.Module, trace: Trace) -> bool:
    """Whether it is one, or a linear layer of cells, which is one of kernels of one cell."""
    weight = getattr(module, "weight", None)
    dimensions = (2, 4) if isinstance(trace, Field) else (4,)
    return isinstance(weight, Tensor) and weight.ndim in dimensions


def _modules(model: nn.Module, layers: Mapping[str, KeptLayer]) -> dict[str, nn.Module]:
    return find_layers(model, list(dict.fromkeys(key.partition("#")[0] for key in layers)))


def _followed(
    model: nn.Module,
    channels: int,
    field: Field,
    block: Callable[[Tracer], AbstractContextManager[object]],
) -> Trace | None:
    """The trace of the output of a forward that a tracer sees inside of a block."""
    for on_meta in (True, False):
        tracer = Tracer()
        try:
            with block(tracer):
                output = follow(model, tracer, field, channels, on_meta)
        except FeatvizError:
            raise
        except Exception as error:
            # Some models make tensors of their own on a fixed device or look at values.
            if not on_meta:
                raise cannot_run("the model", field.size, channels, error) from error
            continue
        break
    return as_map(tracer.get(output), output, field.size) if isinstance(output, Tensor) else None


def _require_map(what: str, tensor: object) -> None:
    if not isinstance(tensor, Tensor) or tensor.ndim != 4 or len(tensor) != 1:
        shape = tuple(tensor.shape) if isinstance(tensor, Tensor) else type(tensor).__name__
        raise FeatvizError(f"{what} of the model is {shape}; expected one map (1, C, H, W)")
    if not torch.isfinite(tensor).all():
        raise FeatvizError(f"{what} of the model holds NaN or infinity")
