"""PyTorch's operations: what each makes of how its inputs lie over the image.

A table from an operation's name to its rule. A rule takes a call and gives the trace of one of its
outputs, or None if it does not understand this call; operations that slide a window are in
`operations`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from typing import Any

from torch import Tensor

from featviz.probing.field import Field, Placeless, Trace, Way, Ways, joined, statistic
from featviz.probing.layout import (
    Dimension,
    Part,
    all_cells,
    cells_alike,
    merged,
    no_places,
    plain_layout,
    shape_of,
)
from featviz.probing.operations import WINDOWS, call_window
from featviz.probing.regions import cut, written
from featviz.probing.windows import Step, Window


@dataclass(frozen=True, eq=False)
class Call:
    """One call of an operation of which some inputs depend on the image.

    given: its arguments by name. traces: of the inputs that depend on the image, in their order.
    trace_of: of a tensor; None if it does not. output, index: the output asked for, and which of
    all it is. module: that which runs.
    """

    name: str
    pointwise: bool
    given: dict[str, Any]
    traces: list[Trace]
    trace_of: Callable[[Tensor], Trace | None]
    output: Tensor
    index: int
    module: str

    @cached_property
    def fields(self) -> list[Field]:
        """Those of the inputs' traces that have places."""
        return [trace for trace in self.traces if isinstance(trace, Field)]

    @cached_property
    def source(self) -> Tensor | None:
        """The first tensor given."""
        return next(iter(tensors_in(self.given.values())), None)

    @cached_property
    def field(self) -> Field | None:
        """That of the first tensor."""
        trace = None if self.source is None else self.trace_of(self.source)
        return trace if isinstance(trace, Field) else None

    def way(self, kind: str) -> Way:
        """What lets places see each other, if this call does."""
        return Way(self.module, kind)

    def ways(self, kind: str) -> Ways:
        """The same, alone."""
        return frozenset({self.way(kind)})

    def joined(self, traces: Sequence[Trace] | None = None) -> Field | None:
        """All inputs meeting cell by cell."""
        return joined(self.traces if traces is None else traces, self.way("one cell for all"))

    def dims(self, *names: str) -> set[int]:
        """The dimensions of the first tensor that arguments name; all if one names none."""
        assert self.source is not None
        rank = self.source.ndim
        dims: set[int] = set()
        for name in names:
            value = self.given.get(name)
            if value is None or value == []:
                return set(range(rank))
            dims |= {dim % rank for dim in (value if isinstance(value, list | tuple) else [value])}
        return dims


Rule = Callable[[Call], Trace | None]


def tensors_in(values: Iterable[Any]) -> Iterable[Tensor]:
    """The tensors among arguments, also in lists."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from tensors_in(value)


def trace_through(call: Call) -> Trace:
    """The trace of one output of a call, from those of its inputs."""
    lost = [each for each in call.traces if isinstance(each, Placeless) and not each.is_statistic]
    attention = "softmax" in call.name or "attention" in call.name
    ways = frozenset[Way]().union(*(trace.ways for trace in call.traces))
    if lost:
        attention |= any(trace.is_attention for trace in lost)
        if call.fields and call.pointwise and attention:
            met = _fitted(call.joined(call.fields), call.output)
            if met is not None:
                return met.seeing_all(ways=ways | call.ways("attention"))
        trace = lost[0]
        stays = trace.is_map and call.pointwise
        stays |= call.name in _ON_MAPS and call.output.ndim == 4
        return replace(trace, is_map=stays, is_attention=attention, ways=ways)
    if not call.fields:
        return statistic(ways)
    rule = WAYS_THROUGH.get(call.name)
    if rule is None and call.pointwise:
        rule = _pointwise
    result = None if rule is None else rule(call)
    if isinstance(result, Field):
        result = _fitted(result, call.output)
    if result is not None:
        return result
    reason = f"operation '{call.name}' before it is not understood"
    return Placeless(reason, is_attention=attention, ways=ways)


def _fitted(field: Field | None, output: Tensor) -> Field | None:
    """The same, laid out in the output's shape; None if it does not fit."""
    if field is None or len(field.layout) > output.ndim:
        return None
    layout = (Dimension(),) * (output.ndim - len(field.layout)) + field.layout
    if shape_of(layout) != tuple(output.shape):
        layout = tuple(
            no_places(size) if dimension.size == 1 else dimension
            for dimension, size in zip(layout, output.shape, strict=True)
        )
    return field.laid(layout) if shape_of(layout) == tuple(output.shape) else None


def _one(call: Call) -> Field | None:
    """The first tensor's field, seeing what statistics among the other inputs bring in."""
    field = call.field
    if field is None or len(call.fields) > 1:
        return None
    ways = frozenset[Way]().union(*(trace.ways for trace in call.traces))
    ways = ways or call.ways("numbers made of the whole map")
    return field.seeing_all(when=len(call.traces) > 1, ways=ways)


def _pointwise(call: Call) -> Trace | None:
    return call.joined()


def _copied(call: Call) -> Trace | None:
    """What is copied over a tensor is all that it holds."""
    source = call.given["src"]
    return call.trace_of(source) or call.joined()


def _windowed(call: Call) -> Trace | None:
    field, source = _one(call), call.source
    if field is None or source is None or source.ndim != call.output.ndim or source.ndim < 3:
        return None
    if call.name == "convolution" and _takes_single_cells(call.given):
        field = field.spread(field.layout[1:2], call.ways("all places as channels"))
        return field.laid((field.layout[0], no_places(call.output.shape[1]), *field.layout[2:]))
    if any(dimension.digits for dimension in field.layout[:-3]):
        return None
    settled = field.settled(ways=call.ways("all places as channels"))
    size, result = (_rows_and_columns(tensor) for tensor in (source, call.output))
    steps = None if settled is None else WINDOWS[call.name](call.given, size, result)
    if settled is None or steps is None:
        return None
    field = settled.through(*steps).laid(plain_layout(call.output.shape))
    if result == (1, 1) != size:
        field = replace(field, ways=field.ways | call.ways("pooling to one cell"))
    return field


def _takes_single_cells(given: dict[str, Any]) -> bool:
    """Whether a convolution takes cells one by one, wherever they are."""
    padding = (*given["padding"], *given["output_padding"])
    return given["weight"].shape[2:].numel() == 1 == max(given["stride"]) and not any(padding)


def _rows_and_columns(tensor: Tensor) -> tuple[int, int]:
    return tensor.shape[-2], tensor.shape[-1]


def _padded(call: Call) -> Trace | None:
    """Padding by a constant, of any dimensions."""
    field, pad = _one(call), call.given["pad"]
    if field is None:
        return None
    field = field.compacted()
    for number in range(len(pad) // 2):
        before, behind = pad[2 * number : 2 * number + 2]
        dim = len(field.layout) - 1 - number
        dimension = field.layout[dim]
        axis, size = dimension.whole(field.cells), dimension.size + before + behind
        if (before, behind) == (0, 0):
            continue
        if axis is None and (size == before + behind + 1) and _alone(field, dim) is not None:
            axis = _alone(field, dim)
        if axis is not None and not field.shift[axis]:
            window = Window(padding=(before, behind, before, behind))
            field = field.along(axis, window.step(axis, field.cells[axis], size))
            field = field.replaced(dim, all_cells(axis, size))
        elif not dimension.digits and not dimension.extra:
            field = field.replaced(dim, no_places(size))
        elif min(before, behind) >= 0:
            extra = Dimension(dimension.parts, dimension.before + before, dimension.behind + behind)
            field = field.replaced(dim, extra)
        else:
            return None
    return field


def _alone(field: Field, dim: int) -> int | None:
    """The axis of a map's dimension that holds a single row or column."""
    axis = dim - len(field.layout) + 2
    return axis if axis in (0, 1) and field.cells[axis] == 1 else None


def _picked(field: Field, dim: int, value: int) -> Trace | None:
    """One value of a dimension."""
    dimension = field.layout[dim]
    if len(dimension.digits) == len(dimension.parts) == 1 and not dimension.extra:
        (part,) = dimension.parts
        axis = part.axis
        if axis is not None and dimension.whole(field.cells) is None:
            alike = cells_alike(field.cells[axis], [part], field.shift[axis])
            start = part.stride * (value - Fraction(part.size - 1, 2))
            field = field.along(axis, Step(alike[:, value : value + 1], start, Fraction(1)))
            return field.replaced(dim)
    one = cut(field, dim, value, 1, 1)
    return one.replaced(dim) if isinstance(one, Field) else one


def _sliced(call: Call) -> Trace | None:
    if call.field is None:
        return None
    (dim,), size = call.dims("dim"), call.output.shape
    length, start = call.field.layout[dim].size, call.given["start"] or 0
    first = min(max(start + length if start < 0 else start, 0), length)
    return cut(call.field, dim, first, call.given["step"], size[dim])


def _selected(call: Call) -> Trace | None:
    if call.field is None:
        return None
    (dim,), value = call.dims("dim"), call.given["index"]
    return _picked(call.field, dim, value % call.field.layout[dim].size)


def _split(call: Call) -> Trace | None:
    if call.field is None:
        return None
    (dim,) = call.dims("dim")
    sizes = call.given.get("split_size", call.given.get("split_sizes"))
    assert sizes is not None
    first = sizes * call.index if isinstance(sizes, int) else sum(sizes[: call.index])
    return cut(call.field, dim, first, 1, call.output.shape[dim])


def _unbound(call: Call) -> Trace | None:
    (dim,) = call.dims("dim")
    return None if call.field is None else _picked(call.field, dim, call.index)


def _concatenated(call: Call) -> Trace | None:
    (dim,) = call.dims("dim")
    parts = [tensor for tensor in call.given["tensors"] if tensor.numel()]
    traces = [call.trace_of(tensor) for tensor in parts]
    there = [trace for trace in traces if isinstance(trace, Field)]
    if all(dim < len(each.layout) and not each.layout[dim].digits for each in there) and not any(
        _alone(each, dim) is not None and call.output.shape[dim] > 1 for each in there
    ):
        met = call.joined()
        return None if met is None else met.replaced(dim, no_places(call.output.shape[dim]))
    firsts = [*accumulate((tensor.shape[dim] for tensor in parts), initial=0)]
    if len(there) == 1 and there[0].layout[dim].whole(there[0].cells) is None:
        # Tokens that stand for no cell, before or behind those that do.
        (index,) = (number for number, trace in enumerate(traces) if trace is there[0])
        parts_of, before, behind = there[0].layout[dim]
        extra = Dimension(
            parts_of,
            before + firsts[index],
            behind + firsts[-1] - firsts[index + 1],
        )
        others = frozenset[Way]().union(*(trace.ways for trace in call.traces))
        return replace(there[0].replaced(dim, extra), ways=others)
    if len(there) < len(call.traces):
        return None
    axes = {each.layout[dim].whole(each.cells) for each in there} - {None} or {
        _alone(each, dim) for each in there
    }
    field, axis = None, axes.pop()
    for tensor, trace, first in zip(parts, traces, firsts, strict=False):
        if isinstance(trace, Field) and axis is not None:
            if trace.cells[axis] == 1 and not trace.layout[dim].parts:
                trace = trace.replaced(dim, Dimension((Part(axis, 1, 1),)))
            region = [(0, size) for size in tensor.shape]
            region[dim] = (first, tensor.shape[dim])
            field = written(field, call.output.shape, trace, region)
            if field is None:
                return None
    return field


def _stacked(call: Call) -> Trace | None:
    met, dim = call.joined(), call.given["dim"] % call.output.ndim
    if met is None or len(met.layout) != call.output.ndim - 1:
        return None
    there = no_places(call.output.shape[dim])
    return met.laid((*met.layout[:dim], there, *met.layout[dim:]))


def _index_selected(call: Call) -> Trace | None:
    field, (dim,) = _one(call), call.dims("dim")
    if field is None or field.layout[dim].digits or field.layout[dim].extra:
        return None
    return field.replaced(dim, no_places(call.output.shape[dim]))


def _viewed(call: Call) -> Trace | None:
    field, shape = call.field, call.output.shape
    if field is None or call.source is None:
        return None
    if field.size == (1, 1) and shape[-2:] != call.source.shape[-2:]:
        return statistic(field.ways)
    return field.viewed(shape)


def _reordered(call: Call) -> Trace | None:
    if call.field is None:
        return None
    order = list(range(len(call.field.layout)))
    if call.name == "permute":
        order = [dim % len(order) for dim in call.given["dims"]]
    elif len(order) > 1:
        one, other = (call.given.get(name, -dim) for name, dim in (("dim0", 2), ("dim1", 1)))
        order[one], order[other] = order[other], order[one]
    return call.field.laid(tuple(call.field.layout[dim] for dim in order))


def _expanded(call: Call) -> Trace | None:
    # Where it has one value it gets more by itself, when it is fitted to the output.
    return call.field


def _repeated(call: Call) -> Trace | None:
    if call.field is None:
        return None
    repeats = call.given["repeats"]
    missing = len(repeats) - len(call.field.layout)
    layout = []
    pairs = zip((Dimension(),) * missing + call.field.layout, repeats, strict=True)
    for dimension, count in pairs:
        if dimension.extra and count > 1:
            return None
        parts = merged((Part(None, count), *dimension.parts))
        layout.append(dimension._replace(parts=parts) if count > 1 else dimension)
    return call.field.laid(tuple(layout))


def _rolled(call: Call) -> Trace | None:
    shifts, dims = call.given["shifts"], call.given["dims"]
    if call.field is None or len(shifts) != len(dims):
        return None
    field = call.field.compacted()
    moved = list(field.shift)
    for dim, by in zip(dims, shifts, strict=True):
        axis = field.layout[dim].whole(field.cells)
        if axis is not None:
            moved[axis] = (moved[axis] - by) % field.cells[axis]
        elif field.layout[dim].digits or field.layout[dim].extra:
            return None
    return replace(field, shift=(moved[0], moved[1]))


def _flipped(call: Call) -> Trace | None:
    field = call.field
    if field is None or any(field.layout[dim].digits for dim in call.dims("dims")):
        return None
    return field


def _mixed(call: Call) -> Trace | None:
    """Each value of a dimension made of all along it, as a softmax does."""
    if call.field is None or len(call.fields) > 1:
        return None
    kind = "attention" if "softmax" in call.name else "all places in a row"
    return call.field.spread([call.field.layout[dim] for dim in call.dims("dim")], call.ways(kind))


def _reduced(call: Call) -> Trace | None:
    field, source = call.field, call.source
    if field is None or source is None or len(call.fields) > 1:
        return None
    dims = call.dims("dim")
    ways = call.ways("statistics over the map")
    result = field.without(dims, ways, keep=bool(call.given.get("keepdim")))
    if not result.has_places and (field.has_places or dims & {source.ndim - 1, source.ndim - 2}):
        return statistic(field.ways | ways)
    return result


def _halved(call: Call) -> Trace | None:
    """A gated linear unit: one half of the channels times the other."""
    (dim,) = call.dims("dim")
    if call.field is None or call.field.layout[dim].digits:
        return None
    return call.field.replaced(dim, no_places(call.output.shape[dim]))


def _normalised(call: Call) -> Trace | None:
    source = call.source
    if source is None or call.index > 0 or call.output.shape != source.shape:
        ways = frozenset[Way]().union(*(trace.ways for trace in call.traces))
        return statistic(ways)
    met = call.joined()
    if met is None or len(met.layout) != source.ndim:
        return None
    if call.name == "native_layer_norm":
        dims = met.layout[source.ndim - len(call.given["normalized_shape"]) :]
        return met.spread(dims, call.ways("layer norm over the map"))
    if call.name == "native_group_norm":
        return _over_the_map(met, met.layout[1:], call.ways("group norm"))
    if not call.given.get("training", call.name not in _FIXED_NORMS):
        return met
    kind = "instance norm" if call.given.get("running_mean") is None else "batch norm in training"
    return _over_the_map(met, (met.layout[0], *met.layout[2:]), call.ways(kind))


def _over_the_map(field: Field, dimensions: Sequence[Dimension], ways: Ways) -> Field:
    """A map of a single cell sees all of it too: it may be one of many."""
    return field.spread(dimensions, ways) if field.has_places else field.seeing_all(ways=ways)


def _multiplied(call: Call) -> Trace | None:
    """A product of matrices (..., rows, inner) and (..., inner, columns)."""
    names = ("mat1", "mat2") if "mat1" in call.given else ("batch1", "batch2")
    names = names if names[0] in call.given else ("self", "mat2")
    first, second = (call.given[name] for name in names)
    traces = [call.trace_of(first), call.trace_of(second)]
    ways, kind = frozenset[Way]().union(*(trace.ways for trace in call.traces)), "attention"
    fields = [trace for trace in traces if isinstance(trace, Field)]
    if len(fields) < len(call.fields) or not fields:
        return None
    inner = call.ways("attention" if len(fields) > 1 else "product over all places")
    one, other = traces
    rows, columns = (no_places(size) for size in call.output.shape[-2:])
    sides = []
    if isinstance(one, Field):
        sides.append(one.without([-1], inner, keep=True))
        rows = one.layout[-2]
    if isinstance(other, Field):
        result = other.without([-2], inner, keep=True)
        if rows.digits and other.layout[-1].digits:
            # Places against places: the first are followed, each sees all of the others.
            result = result.without([-1], inner, keep=True)
        else:
            columns = other.layout[-1]
        sides.append(result)
    if not any(side.has_places for side in sides):
        if any(field.layout[-1 if field is other else -2].digits for field in fields):
            return None
        return statistic(ways | inner)
    met = joined(sides, call.way(kind))
    if met is None:
        return None
    met = met.laid((*met.layout[:-2], rows, columns))
    return met.seeing_all(when=len(call.traces) > len(fields), ways=ways or inner)


def _attended(call: Call) -> Trace | None:
    """Attention as one operation: (..., places, channels) of those that ask and are asked."""
    if call.index > 0:
        return statistic(call.ways("attention"))
    asking = call.given["src" if "src" in call.given else "query"]
    field, ways = call.trace_of(asking), call.ways("attention")
    if not isinstance(field, Field):
        return None
    sides = [field]
    for name in ("key", "value", "src"):
        asked = call.trace_of(call.given[name]) if name in call.given else None
        if isinstance(asked, Field):
            asked = asked.without([-2, -1], ways, keep=True)
            sides.append(asked.laid((*asked.layout[:-2], Dimension(), Dimension())))
    met = joined(sides, call.way("attention"))
    if met is None:
        return None
    met = met.laid((*met.layout[:-1], no_places(call.output.shape[-1])))
    return met.seeing_all(when=len(call.traces) > len(call.fields), ways=ways)


def _unfolded(call: Call) -> Trace | None:
    """`Tensor.unfold`: windows along one dimension, their cells in a dimension of their own."""
    field, (dim,) = call.field, call.dims("dimension")
    if field is None:
        return None
    field = field.compacted()
    size, step, count = call.given["size"], call.given["step"], call.output.shape[dim]
    axis = field.layout[dim].whole(field.cells)
    if axis is not None and not field.shift[axis]:
        window = Window((size, size), (step, step))
        field = field.along(axis, window.step(axis, field.cells[axis], count))
        field = field.replaced(dim, all_cells(axis, count))
    elif field.layout[dim].digits or field.layout[dim].extra:
        return None
    else:
        field = field.replaced(dim, no_places(count))
    return field.laid((*field.layout, no_places(size)))


def _columns(call: Call) -> Trace | None:
    """`F.unfold`: windows over the map, their cells as channels and the windows in a row."""
    field = None if call.field is None else call.field.settled(ways=call.ways("all as channels"))
    if field is None or call.source is None or call.source.ndim != 4:
        return None
    window = call_window(call.given)
    rows, columns = window.size(*field.cells)
    field = field.through(
        *(window.step(axis, field.cells[axis], (rows, columns)[axis]) for axis in (0, 1))
    )
    places = Dimension(merged((Part(0, rows, 1), Part(1, columns, 1))))
    return field.laid((field.layout[0], no_places(call.output.shape[1]), places))


def _folded(call: Call) -> Trace | None:
    """`F.fold`: the way back, where windows add up."""
    field, size = call.field, call.output.shape[-2:]
    if field is None or len(field.layout) != 3:
        return None
    window = call_window(call.given)
    rows, columns = window.size(size[0], size[1])
    field = (
        field.viewed((*call.source.shape[:2], rows, columns)) if call.source is not None else None
    )
    field = None if field is None else field.settled(ways=call.ways("all as channels"))
    if field is None:
        return None
    steps = (window.transposed_step(axis, field.cells[axis], size[axis]) for axis in (0, 1))
    return field.through(*steps).laid(plain_layout(call.output.shape))


def _shuffled(call: Call) -> Trace | None:
    """Channels as pixels of finer maps, and back."""
    field, source = call.field, call.source
    if field is None or source is None or source.ndim != 4:
        return None
    images, channels, rows, columns = source.shape
    if call.name == "pixel_shuffle":
        by = call.given["upscale_factor"]
        shape, order = (images, channels // by**2, by, by, rows, columns), (0, 1, 4, 2, 5, 3)
    else:
        by = call.given["downscale_factor"]
        shape = (images, channels, rows // by, by, columns // by, by)
        order = (0, 1, 3, 5, 2, 4)
    parted = field.viewed(shape)
    if parted is None:
        return None
    return parted.laid(tuple(parted.layout[dim] for dim in order)).viewed(call.output.shape)


def named_arguments(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of an operation's call by their names, those that were not given too."""
    arguments = func._schema.arguments
    given = {**dict(zip((each.name for each in arguments), args, strict=False)), **kwargs}
    defaults = {each.name: each.default_value for each in arguments if each.has_default_value()}
    return given | {name: value for name, value in defaults.items() if name not in given}


_FIXED_NORMS = {"_native_batch_norm_legit_no_training"}
_RUNNING_NORMS = (
    "native_batch_norm",
    "_native_batch_norm_legit",
    "_native_batch_norm_legit_no_training",
    "cudnn_batch_norm",
    "miopen_batch_norm",
)

NORMS = frozenset({*_RUNNING_NORMS, "native_group_norm", "native_layer_norm"})
REDUCTIONS = frozenset(
    (
        *("mean", "sum", "amax", "amin", "max", "min", "var", "std", "var_mean", "std_mean"),
        *("prod", "logsumexp", "linalg_vector_norm", "norm", "argmax", "argmin", "any", "all"),
        *("median", "aminmax"),
    )
)
POOLINGS = frozenset(name for name in WINDOWS if "pool" in name)

WAYS_THROUGH: dict[str, Rule] = {
    **dict.fromkeys(WINDOWS, _windowed),
    "constant_pad_nd": _padded,
    **dict.fromkeys(NORMS, _normalised),
    **dict.fromkeys(("_prelu_kernel", "prelu", "clone", "_to_copy", "native_dropout"), _pointwise),
    **dict.fromkeys(("hardswish", "hardswish_", "channel_shuffle", "zero_"), _pointwise),
    "copy_": _copied,
    "glu": _halved,
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "_reshape_alias", "flatten"), _viewed),
    **dict.fromkeys(("squeeze", "unsqueeze", "alias", "detach", "contiguous"), _viewed),
    "lift_fresh": _viewed,
    "expand": _expanded,
    "repeat": _repeated,
    **dict.fromkeys(("permute", "transpose", "t"), _reordered),
    "slice": _sliced,
    "select": _selected,
    **dict.fromkeys(("split", "split_with_sizes"), _split),
    "unbind": _unbound,
    "cat": _concatenated,
    "stack": _stacked,
    "index_select": _index_selected,
    "roll": _rolled,
    "flip": _flipped,
    **dict.fromkeys(("_softmax", "_log_softmax", "_safe_softmax", "cumsum", "cumprod"), _mixed),
    **dict.fromkeys(("sort", "logcumsumexp"), _mixed),
    **dict.fromkeys(REDUCTIONS, _reduced),
    **dict.fromkeys(("mm", "bmm", "addmm", "baddbmm"), _multiplied),
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_cudnn_attention",
            "_scaled_dot_product_fused_attention_overrideable",
            "_native_multi_head_attention",
            "_transformer_encoder_layer_fwd",
        ),
        _attended,
    ),
    "unfold": _unfolded,
    "im2col": _columns,
    "col2im": _folded,
    **dict.fromkeys(("pixel_shuffle", "pixel_unshuffle"), _shuffled),
}
"""For each operation what it does to places; any other that is element-wise leaves them."""

_ON_MAPS = {*WINDOWS, *_RUNNING_NORMS, "native_group_norm"}
