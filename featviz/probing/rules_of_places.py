"""Operations that move cells: cut, join, pad, reorder and fold maps, and lay them out anew."""

from dataclasses import replace
from fractions import Fraction
from itertools import accumulate

from featviz.probing.field import Field, Trace, WholeMapWay, statistic
from featviz.probing.layout import (
    Dimension,
    Part,
    all_cells,
    cells_alike,
    merged,
    no_places,
    plain_layout,
)
from featviz.probing.operation_call import OperationCall, PlaceRule, one_field
from featviz.probing.operations import call_window
from featviz.probing.regions import cut, written
from featviz.probing.windows import Step, Window


def _padded(call: OperationCall) -> Trace | None:
    """Padding by a constant, of any dimensions."""
    field, pad = one_field(call), call.given["pad"]
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


def _sliced(call: OperationCall) -> Trace | None:
    if call.field is None:
        return None
    (dim,), size = call.dims("dim"), call.output.shape
    length, start = call.field.layout[dim].size, call.given["start"] or 0
    first = min(max(start + length if start < 0 else start, 0), length)
    return cut(call.field, dim, first, call.given["step"], size[dim])


def _selected(call: OperationCall) -> Trace | None:
    if call.field is None:
        return None
    (dim,), value = call.dims("dim"), call.given["index"]
    return _picked(call.field, dim, value % call.field.layout[dim].size)


def _split(call: OperationCall) -> Trace | None:
    if call.field is None:
        return None
    (dim,) = call.dims("dim")
    sizes = call.given.get("split_size", call.given.get("split_sizes"))
    assert sizes is not None
    first = sizes * call.index if isinstance(sizes, int) else sum(sizes[: call.index])
    return cut(call.field, dim, first, 1, call.output.shape[dim])


def _unbound(call: OperationCall) -> Trace | None:
    (dim,) = call.dims("dim")
    return None if call.field is None else _picked(call.field, dim, call.index)


def _concatenated(call: OperationCall) -> Trace | None:
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
        others = frozenset[WholeMapWay]().union(*(trace.ways for trace in call.traces))
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


def _stacked(call: OperationCall) -> Trace | None:
    met, dim = call.joined(), call.given["dim"] % call.output.ndim
    if met is None or len(met.layout) != call.output.ndim - 1:
        return None
    there = no_places(call.output.shape[dim])
    return met.laid((*met.layout[:dim], there, *met.layout[dim:]))


def _index_selected(call: OperationCall) -> Trace | None:
    field, (dim,) = one_field(call), call.dims("dim")
    if field is None or field.layout[dim].digits or field.layout[dim].extra:
        return None
    return field.replaced(dim, no_places(call.output.shape[dim]))


def _viewed(call: OperationCall) -> Trace | None:
    field, shape = call.field, call.output.shape
    if field is None or call.source is None:
        return None
    if field.size == (1, 1) and shape[-2:] != call.source.shape[-2:]:
        return statistic(field.ways)
    return field.viewed(shape)


def _reordered(call: OperationCall) -> Trace | None:
    if call.field is None:
        return None
    order = list(range(len(call.field.layout)))
    if call.name == "permute":
        order = [dim % len(order) for dim in call.given["dims"]]
    elif len(order) > 1:
        one, other = (call.given.get(name, -dim) for name, dim in (("dim0", 2), ("dim1", 1)))
        order[one], order[other] = order[other], order[one]
    return call.field.laid(tuple(call.field.layout[dim] for dim in order))


def _expanded(call: OperationCall) -> Trace | None:
    # Where it has one value it gets more by itself, when it is fitted to the output.
    return call.field


def _repeated(call: OperationCall) -> Trace | None:
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


def _rolled(call: OperationCall) -> Trace | None:
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


def _flipped(call: OperationCall) -> Trace | None:
    field = call.field
    if field is None or any(field.layout[dim].digits for dim in call.dims("dims")):
        return None
    return field


def _unfolded(call: OperationCall) -> Trace | None:
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


def _columns(call: OperationCall) -> Trace | None:
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


def _folded(call: OperationCall) -> Trace | None:
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


def _shuffled(call: OperationCall) -> Trace | None:
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


WAYS_OF_PLACES: dict[str, PlaceRule] = {
    "constant_pad_nd": _padded,
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
    "unfold": _unfolded,
    "im2col": _columns,
    "col2im": _folded,
    **dict.fromkeys(("pixel_shuffle", "pixel_unshuffle"), _shuffled),
}
"""For each of these operations what it does to places, as `rules` has for all."""
