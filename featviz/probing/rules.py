"""PyTorch's operations: what each makes of how its inputs lie over the image.

A table from an operation's name to its rule. A rule takes a call and gives the trace of one of its
outputs, or None if it does not understand this call; operations that slide a window are in
`operations`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from featviz.probing.field import Field, Placeless, Trace, Ways, WholeMapWay, joined, statistic
from featviz.probing.layout import (
    Dimension,
    no_places,
    plain_layout,
)
from featviz.probing.operation_call import OperationCall, PlaceRule, fitted, one_field
from featviz.probing.operations import WINDOWS
from featviz.probing.rules_of_places import WAYS_OF_PLACES

ATTENTION = "attention"
"""The kind of way by which places see each other as much as they choose."""
SOFTMAXES = frozenset({"_softmax", "_safe_softmax"})


def trace_through(call: OperationCall) -> Trace:
    """The trace of one output of a call, from those of its inputs."""
    lost = [each for each in call.traces if isinstance(each, Placeless) and not each.is_statistic]
    attention = "softmax" in call.name or "attention" in call.name
    ways = frozenset[WholeMapWay]().union(*(trace.ways for trace in call.traces))
    if lost:
        attention |= any(trace.is_attention for trace in lost)
        if call.fields and call.pointwise and attention:
            met = fitted(call.joined(call.fields), call.output)
            if met is not None:
                return met.seeing_all(ways=ways | call.ways(ATTENTION))
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
        result = fitted(result, call.output)
    if result is not None:
        return result
    reason = f"operation '{call.name}' before it is not understood"
    return Placeless(reason, is_attention=attention, ways=ways)


def _pointwise(call: OperationCall) -> Trace | None:
    return call.joined()


def _copied(call: OperationCall) -> Trace | None:
    """What is copied over a tensor is all that it holds."""
    source = call.given["src"]
    return call.trace_of(source) or call.joined()


def _windowed(call: OperationCall) -> Trace | None:
    field, source = one_field(call), call.source
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


def _mixed(call: OperationCall) -> Trace | None:
    """Each value of a dimension made of all along it, as a softmax does."""
    if call.field is None or len(call.fields) > 1:
        return None
    kind = ATTENTION if "softmax" in call.name else "all places in a row"
    return call.field.spread([call.field.layout[dim] for dim in call.dims("dim")], call.ways(kind))


def _reduced(call: OperationCall) -> Trace | None:
    field, source = call.field, call.source
    if field is None or source is None or len(call.fields) > 1:
        return None
    dims = call.dims("dim")
    ways = call.ways("statistics over the map")
    result = field.without(dims, ways, keep=bool(call.given.get("keepdim")))
    if not result.has_places and (field.has_places or dims & {source.ndim - 1, source.ndim - 2}):
        return statistic(field.ways | ways)
    return result


def _halved(call: OperationCall) -> Trace | None:
    """A gated linear unit: one half of the channels times the other."""
    (dim,) = call.dims("dim")
    if call.field is None or call.field.layout[dim].digits:
        return None
    return call.field.replaced(dim, no_places(call.output.shape[dim]))


def _normalised(call: OperationCall) -> Trace | None:
    source = call.source
    if source is None or call.index > 0 or call.output.shape != source.shape:
        ways = frozenset[WholeMapWay]().union(*(trace.ways for trace in call.traces))
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


def _multiplied(call: OperationCall) -> Trace | None:
    """A product of matrices (..., rows, inner) and (..., inner, columns)."""
    names = ("mat1", "mat2") if "mat1" in call.given else ("batch1", "batch2")
    names = names if names[0] in call.given else ("self", "mat2")
    first, second = (call.given[name] for name in names)
    traces = [call.trace_of(first), call.trace_of(second)]
    ways, kind = frozenset[WholeMapWay]().union(*(trace.ways for trace in call.traces)), ATTENTION
    fields = [trace for trace in traces if isinstance(trace, Field)]
    if len(fields) < len(call.fields) or not fields:
        return None
    inner = call.ways(ATTENTION if len(fields) > 1 else "product over all places")
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


def _attended(call: OperationCall) -> Trace | None:
    """Attention as one operation: (..., places, channels) of those that ask and are asked."""
    if call.index > 0:
        return statistic(call.ways(ATTENTION))
    asking = call.given["src" if "src" in call.given else "query"]
    field, ways = call.trace_of(asking), call.ways(ATTENTION)
    if not isinstance(field, Field):
        return None
    sides = [field]
    for name in ("key", "value", "src"):
        asked = call.trace_of(call.given[name]) if name in call.given else None
        if isinstance(asked, Field):
            asked = asked.without([-2, -1], ways, keep=True)
            sides.append(asked.laid((*asked.layout[:-2], Dimension(), Dimension())))
    met = joined(sides, call.way(ATTENTION))
    if met is None:
        return None
    met = met.laid((*met.layout[:-1], no_places(call.output.shape[-1])))
    return met.seeing_all(when=len(call.traces) > len(call.fields), ways=ways)


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

WAYS_THROUGH: dict[str, PlaceRule] = {
    **WAYS_OF_PLACES,
    **dict.fromkeys(WINDOWS, _windowed),
    **dict.fromkeys(NORMS, _normalised),
    **dict.fromkeys(("_prelu_kernel", "prelu", "clone", "_to_copy", "native_dropout"), _pointwise),
    **dict.fromkeys(("hardswish", "hardswish_", "channel_shuffle", "zero_"), _pointwise),
    "copy_": _copied,
    "glu": _halved,
    **dict.fromkeys((*SOFTMAXES, "_log_softmax", "cumsum", "cumprod"), _mixed),
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
}
"""For each operation what it does to places; any other that is element-wise leaves them."""

_ON_MAPS = {*WINDOWS, *_RUNNING_NORMS, "native_group_norm"}
