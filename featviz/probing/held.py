"""Holding statistics that are found by what a model does, not by what its modules are called.

Instance norm of any class, group norm, layer norm over maps, norms by the image's own statistics
as AdaIN has them, and means, variances and the like over a map, however they are written: what a
forward computes of a whole map is recorded of a base, operation by operation, and taken from there
when another image runs. Instance norms that compute in a way of their own, as those of featviz's
generators, are held whole, by `statistics`.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

from featviz.base.errors import FeatvizError
from featviz.probing.activations import evaluating
from featviz.probing.axes import Axis
from featviz.probing.field import Field, Trace, Ways, WholeMapWay
from featviz.probing.layout import plain_layout
from featviz.probing.operation_call import OperationCall, named_arguments
from featviz.probing.rules import (
    ATTENTION,
    NORMS,
    POOLINGS,
    REDUCTIONS,
    SOFTMAXES,
    trace_through,
)
from featviz.probing.statistics import (
    Statistics,
    hold_statistics,
    instance_norms,
    statistics_of,
)
from featviz.probing.survey import image_in
from featviz.probing.tracing import Tracer, naming

Moment = tuple[str, int]
"""Which operation of a forward: the run of a module that it is in, and the number in that."""


@dataclass(frozen=True, eq=False)
class MapStatistic:
    """What one operation computed of a whole map of a base.

    moment: when. operation: its name. way: the module in which it runs, and what it is. values:
    mean and variance that a norm takes, (C,) or as many as broadcast; or all that it gives.
    """

    moment: Moment
    operation: str
    way: WholeMapWay
    values: tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class MapStatistics:
    """The statistics of a base.

    operations: of single operations. norms: of whole modules, by name. free: the ways to everywhere
    that cannot be held, as attention. attention: its weights, if they were asked for; held, they
    leave the way open, for places go on giving to each other what they hold, but no longer choose.
    """

    operations: tuple[MapStatistic, ...]
    norms: Mapping[str, Statistics]
    free: tuple[WholeMapWay, ...]
    attention: tuple[MapStatistic, ...] = ()

    @property
    def ways(self) -> tuple[WholeMapWay, ...]:
        """Those that can be held."""
        norms = [WholeMapWay(name, _NORM) for name in self.norms]
        return tuple(dict.fromkeys([*norms, *(each.way for each in self.operations)]))


_NORM = "instance norm"


def record_map_statistics(
    model: nn.Module, image: Tensor, attention: bool = False
) -> MapStatistics:
    """Every statistic of a whole map that the forward of one image computes.

    image: (1, C, H, W), as the model takes it. attention: whether also the weights by which places
    attend to each other, of a softmax; n x n numbers a head of n places. The model runs once, in
    evaluation mode. Raises FeatvizError for more than one image, and for a norm that is held whole
    and runs twice.
    """
    if image.ndim != 4 or len(image) != 1:
        raise FeatvizError(
            f"statistics are those of one image (1, C, H, W); got {tuple(image.shape)}"
        )
    sample = next((tensor for tensor in model.parameters() if tensor.is_floating_point()), image)
    image = image.to(sample.device, sample.dtype)
    clock = _Clock()
    recorder = _Recorder(clock, attention)
    _, _, height, width = image.shape
    field = Field(Axis.of_image(width), Axis.of_image(height), layout=plain_layout(image.shape))
    recorder.put(image, field)
    with (
        evaluating(model),
        torch.no_grad(),
        naming(model, recorder.running),
        _whole_norms(model, recorder) as norms,
        _clocked(model, clock),
        plain_attention(attention),
        recorder,
    ):
        output = image_in(model(image))
    trace = None if output is None else recorder.get(output)
    ways: Ways = frozenset() if trace is None else trace.ways
    weights = tuple(each for each in recorder.found if each.operation in SOFTMAXES)
    operations = tuple(each for each in recorder.found if each not in weights)
    found = MapStatistics(operations, norms, (), weights)
    return replace(found, free=tuple(sorted(ways - set(found.ways))))


@contextmanager
def hold_map_statistics(
    model: nn.Module, statistics: MapStatistics, ways: Collection[WholeMapWay] | None = None
) -> Iterator[tuple[WholeMapWay, ...]]:
    """Inside the `with`, `model` takes its statistics from those of a base.

    ways: which of them; all if not given, the weights of attention too if they were recorded.
    Yields those that are held. The statistics have the base's values in any precision, and the
    arithmetic of norms is that of a fixed scale and shift, so the base itself comes out equal up to
    rounding. When the block ends, however it ends, the model is as it was. Raises FeatvizError for
    a way that the statistics have not and, in the forward, where another operation runs than in the
    base's.
    """
    attended = [each for each in statistics.attention if ways is None or each.way in ways]
    there = {*statistics.ways, *(each.way for each in statistics.attention)}
    if missing := [way for way in ways or () if way not in there]:
        raise FeatvizError(
            f"no statistics are given of {missing[0].kind} in '{missing[0].module}'; there are "
            f"{', '.join(dict.fromkeys(way.module for way in statistics.ways)) or 'none'}"
        )
    chosen = [way for way in statistics.ways if ways is None or way in ways]
    norms = [name for name in statistics.norms if WholeMapWay(name, _NORM) in chosen]
    clock = _Clock()
    with ExitStack() as block:
        if norms:
            block.enter_context(hold_statistics(model, statistics.norms, norms))
        block.enter_context(_clocked(model, clock))
        block.enter_context(plain_attention(bool(statistics.attention)))
        operations = [each for each in statistics.operations if each.way in chosen] + attended
        holder = _Holder(clock, {each.moment: each for each in operations})
        block.callback(model.register_forward_hook(holder.check).remove)
        block.enter_context(holder)
        yield tuple(dict.fromkeys([*chosen, *(each.way for each in attended)]))


@contextmanager
def plain_attention(wanted: bool) -> Iterator[None]:
    """Inside the `with` attention is products and a softmax, and not one operation, if wanted."""
    if not wanted:
        yield
        return
    is_fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(is_fast)


class _Clock:
    """Tells the moments of a forward: the same in each that runs the same way."""

    def __init__(self) -> None:
        self._runs: Counter[str] = Counter()
        self._stack: list[list[Any]] = []

    def enter(self, name: str) -> None:
        """A module begins; "" is the model itself."""
        if not name:
            self._runs.clear()
        self._stack.append([f"{name}#{self._runs[name]}", 0])
        self._runs[name] += 1

    def leave(self) -> None:
        """It has ended."""
        self._stack.pop()

    def tick(self) -> Moment | None:
        """An operation runs; None outside of the forward."""
        if not self._stack:
            return None
        self._stack[-1][1] += 1
        return self._stack[-1][0], self._stack[-1][1]


@contextmanager
def _clocked(model: nn.Module, clock: _Clock) -> Iterator[None]:
    def begin(name: str) -> Callable[..., None]:
        return lambda *_: clock.enter(name)

    with ExitStack() as hooks:
        for name, module in model.named_modules():
            hooks.callback(module.register_forward_pre_hook(begin(name), prepend=True).remove)
            end = module.register_forward_hook(lambda *_: clock.leave(), always_call=True)
            hooks.callback(end.remove)
        yield


@contextmanager
def _whole_norms(model: nn.Module, recorder: "_Recorder") -> Iterator[dict[str, Statistics]]:
    """Record the statistics of instance norms with a forward of their own, each as one."""
    own = {
        name: norm
        for name, norm in instance_norms(model).items()
        if type(norm).forward is not nn.InstanceNorm2d.forward
    }
    found: dict[str, Statistics] = {}

    def begin(*_: Any) -> None:
        recorder.muted = True

    def end(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            found[name] = statistics_of(name, inputs[0], found)
            recorder.muted = False
            if isinstance(trace := recorder.get(inputs[0]), Field):
                recorder.put(output, trace.seeing_all(ways=frozenset({WholeMapWay(name, _NORM)})))

        return hook

    with ExitStack() as hooks:
        for name, norm in own.items():
            hooks.callback(norm.register_forward_pre_hook(begin).remove)
            hooks.callback(norm.register_forward_hook(end(name)).remove)
        yield found


class _Recorder(Tracer):  # type: ignore[no-untyped-call]
    """Records what each operation on a map takes of all of it, unless it is muted."""

    def __init__(self, clock: _Clock, attention: bool) -> None:
        super().__init__()
        self.found: list[MapStatistic] = []
        self.muted = False
        self._clock, self._attention = clock, attention
        self._moment: Moment | None = None
        self._pending: MapStatistic | None = None

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        self._moment = self._clock.tick()
        output = super().__torch_dispatch__(func, types, args, kwargs)
        if self._pending is not None:
            values = self._pending.values
            if not values:
                given = output if isinstance(output, tuple | list) else (output,)
                values = tuple(each.detach().clone() for each in given)
            self.found.append(replace(self._pending, values=values))
            self._pending = None
        return output

    def saw(self, call: OperationCall) -> None:
        """Note what makes all places seen by itself: norms, reductions, softmaxes that attend."""
        if self._attention and call.name in SOFTMAXES and self._moment is not None:
            way = _attention_before(call)
            if way is not None:
                self._pending = MapStatistic(self._moment, call.name, way, ())
            return
        recorded = call.name in NORMS | REDUCTIONS | POOLINGS and not self.muted
        if call.index > 0 or not recorded or self._moment is None:
            return
        bare = replace(
            call,
            traces=[_without_ways(trace) for trace in call.traces],
            trace_of=lambda tensor: _without_ways(call.trace_of(tensor)),
        )
        for way in trace_through(bare).ways:
            values = _of_norm(call.name, call.given) if call.name in NORMS else ()
            self._pending = MapStatistic(self._moment, call.name, way, values)


def _attention_before(call: OperationCall) -> WholeMapWay | None:
    """The product of places with places that a softmax weighs; None if it weighs something else.

    It runs in the product's module or in one inside of that, over the last dimension; in the
    model's own forward, which holds all modules, over as many numbers as there are places.
    """
    scores = call.source
    if scores is None or call.dims("dim") != {scores.ndim - 1}:
        return None
    for way in (way for trace in call.traces for way in trace.ways if way.kind == ATTENTION):
        within = f"{call.module}.".startswith(f"{way.module}.")
        if within or (not way.module and scores.shape[-1] == scores.shape[-2]):
            return way
    return None


def _without_ways(trace: Trace | None) -> Any:
    if isinstance(trace, Field):
        return replace(trace, ways=frozenset(), sees_whole_map=False)
    return None if trace is None else replace(trace, ways=frozenset())


class _Holder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Gives what was recorded in place of what operations would compute."""

    def __init__(self, clock: _Clock, held: Mapping[Moment, MapStatistic]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._clock, self._held = clock, held
        self._left = dict(held)

    def check(self, *_: Any) -> None:
        """A forward has ended: refuse one in which a statistic was not asked for."""
        left, self._left = self._left, dict(self._held)
        if left:
            self._refuse(next(iter(left.values())), "does not run")

    def _refuse(self, held: MapStatistic, what: str) -> None:
        raise FeatvizError(
            f"an operation in '{held.way.module}' {what}, and in the base it is "
            f"'{held.operation}'; statistics can be held of images that run the same way"
        )

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        moment = self._clock.tick()
        held = None if moment is None else self._held.get(moment)
        if held is None:
            return func(*args, **kwargs)
        name = func.overloadpacket.__name__
        if name != held.operation:
            self._refuse(held, f"is '{name}'")
        self._left.pop(held.moment, None)
        if name in NORMS:
            return _normalised(name, named_arguments(func, args, kwargs), held.values)
        values = tuple(each.clone() for each in held.values)
        return values if len(values) > 1 else values[0]


def _of_norm(name: str, given: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Mean and (biased) variance that a norm takes of its input."""
    maps: Tensor = given["input"]
    # Sums over many positions want more digits than the maps have.
    wide = maps.detach().double()
    if name == "native_layer_norm":
        dims = tuple(range(-len(given["normalized_shape"]), 0))
        variance, mean = torch.var_mean(wide, dim=dims, correction=0, keepdim=True)
    elif name == "native_group_norm":
        groups = wide.reshape(given["N"], given["group"], -1)
        parts = torch.var_mean(groups, dim=2, correction=0)
        channels = given["C"] // given["group"]
        variance, mean = (part.repeat_interleave(channels, 1).flatten() for part in parts)
    else:
        dims = tuple(dim for dim in range(maps.ndim) if dim != 1)
        variance, mean = torch.var_mean(wide, dim=dims, correction=0)
    dtype = torch.promote_types(maps.dtype, torch.float32)
    return mean.to(dtype), variance.to(dtype)


def _normalised(name: str, given: dict[str, Any], held: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """What a norm gives with the mean and variance of another image, as its kernel gives it."""
    maps, eps = given["input"], given["eps"]
    # Half precision is too coarse for a scale and a shift; the maps come back in their own.
    dtype = torch.promote_types(maps.dtype, torch.float32)
    parts = (maps, *held, given.get("weight"), given.get("bias"))
    wide, mean, variance, weight, bias = (
        None if part is None else part.to(maps.device, dtype) for part in parts
    )
    assert wide is not None and mean is not None and variance is not None
    scale = torch.rsqrt(variance + eps)
    if name == "native_layer_norm":
        result = (wide - mean) * scale
        result = result if weight is None else result * weight
        result = result if bias is None else result + bias
    else:
        result = F.batch_norm(wide, mean, variance, weight, bias, eps=eps)
    return result.to(maps.dtype), mean, scale
