"""Parts of tensors: cut out of one, or written over in place."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from featviz.probing.axes import Axis
from featviz.probing.field import Field, Placeless, Trace, statistic
from featviz.probing.layout import COLUMNS, ROWS, Dimension, all_cells, no_places
from featviz.probing.operations import slice_step
from featviz.probing.windows import Window

CellRegion = Sequence[tuple[int, int]]
"""For each dimension of a tensor the first value and how many."""

_OVERWRITTEN = Placeless("a part of a map is overwritten in place")


def region_of(part: Tensor, whole: Tensor) -> CellRegion | None:
    """Which region of a tensor another one looks at, its own dimensions in order; None if none."""
    offset = int(part.storage_offset()) - int(whole.storage_offset())
    strides, firsts = whole.stride(), [0] * whole.ndim
    for dim in sorted(range(whole.ndim), key=lambda dim: -strides[dim]):
        if whole.shape[dim] > 1:
            firsts[dim], offset = divmod(offset, strides[dim])
    left = [each for each in zip(part.shape, part.stride(), strict=True) if each[0] != 1]
    region = []
    for size, stride, first in zip(whole.shape, strides, firsts, strict=True):
        there = bool(left) and left[0][1] == stride and size > 1
        length = left.pop(0)[0] if there else 1
        if not 0 <= first <= size - length:
            return None
        region.append((first, length))
    return None if left or offset else region


def _are_apart(one: CellRegion, other: CellRegion) -> bool:
    return any(
        first + length <= start or start + count <= first
        for (first, length), (start, count) in zip(one, other, strict=True)
    )


def seen_through(view: Tensor, whole: Tensor, trace: Trace) -> Trace:
    """The trace of a view, from that of the tensor at which it looks."""
    if isinstance(trace, Placeless):
        return trace
    region = region_of(view, whole)
    field: Trace | None = trace
    if region is None:
        alike = view.is_contiguous() and whole.is_contiguous() and view.numel() == whole.numel()
        field = trace if alike else None
    for dim, (first, length) in enumerate(region or ()):
        field = cut(field, dim, first, 1, length) if isinstance(field, Field) else field
    field = field.viewed(view.shape) if isinstance(field, Field) else field
    return field or _OVERWRITTEN


def seen_after(
    view: Tensor, whole: Tensor, trace: Trace, written_to: Tensor, before: Trace
) -> Trace:
    """The same where another view has been written to; `before` if it looks at something else."""
    mine, other = region_of(view, whole), region_of(written_to, whole)
    if mine is not None and other is not None and _are_apart(mine, other):
        return before
    return seen_through(view, whole, trace)


def rewritten(whole: Tensor, before: Trace | None, view: Tensor, trace: Trace) -> Trace:
    """The trace of a tensor after a view of it was given another one."""
    region = region_of(view, whole)
    if view.numel() == whole.numel():
        alike = region is not None or (view.is_contiguous() and whole.is_contiguous())
        if alike and isinstance(trace, Field):
            trace = trace.viewed(whole.shape) or _OVERWRITTEN
        return trace if alike or isinstance(trace, Placeless) else _OVERWRITTEN
    if region is None or isinstance(before, Placeless):
        return _OVERWRITTEN
    if isinstance(trace, Placeless):
        return before.seeing_all(ways=trace.ways) if before and trace.is_statistic else _OVERWRITTEN
    piece = trace.viewed([length for _, length in region])
    result = None if piece is None else written(before, tuple(whole.shape), piece, region)
    return result or _OVERWRITTEN


def cut(field: Field, dim: int, first: int, step: int, result: int) -> Trace | None:
    """Every so manieth value of a dimension."""
    if (first, step, result) == (0, 1, field.layout[dim].size):
        return field
    field = field.compacted()
    dimension = field.layout[dim]
    axis = dimension.whole(field.cells)
    if axis is not None:
        if field.shift[axis]:
            return None
        field = field.along(axis, slice_step(first, step, result))
        return field.replaced(dim, all_cells(axis, result))
    if dimension.extra:
        before = dimension.before - first
        behind = first + result - dimension.before - dimension.cells
        if before + result <= 0 or behind >= result or result <= before:
            return statistic(field.ways)
        if step != 1 or before < 0 or behind < 0:
            return None
        return field.replaced(dim, Dimension(dimension.parts, before, behind))
    return None if dimension.digits else field.replaced(dim, no_places(result))


def written(
    before: Field | None, shape: Sequence[int], piece: Field, region: CellRegion
) -> Field | None:
    """The field of a tensor of some shape of which a region takes what a piece holds.

    before: its field, None if it did not depend on the image. piece: of as many dimensions. None
    if the piece's cells do not lie as the tensor's do.
    """
    axes = _axes_met(before, piece)
    if axes is None:
        return None
    if before is None:
        # Nothing is seen yet by what lies around.
        layout = list(map(no_places, shape))
        for dim, axis in axes.items():
            first, length = region[dim]
            behind = shape[dim] - first - length
            window = Window(padding=(first, behind, first, behind))
            piece = piece.along(axis, window.step(axis, length, shape[dim]))
            layout[dim] = all_cells(axis, shape[dim])
        return piece.laid(tuple(layout))
    full = [length == size for (_, length), size in zip(region, shape, strict=True)]
    # -1 is no dimension: an axis that none of them holds.
    taken = {axis: (dim, *region[dim]) for dim, axis in axes.items()}
    result: list[Axis] = []
    for axis, (mine, theirs) in enumerate(((before.y, piece.y), (before.x, piece.x))):
        dim, first, length = taken.get(axis, (-1, 0, len(mine.low)))
        if len(theirs.low) > length == 1:
            theirs = theirs.through(slice_step(0, 1, 1))
        if len(theirs.low) != length:
            return None
        alone = all(each for other, each in enumerate(full) if other != dim)
        result.append(mine.overwritten(theirs, first, alone))
    changes = before.changes
    if changes is not None and piece.changes is not None:
        down, right = (
            slice(first, first + length)
            for _, first, length in (
                taken.get(axis, (-1, 0, before.cells[axis])) for axis in (ROWS, COLUMNS)
            )
        )
        changes = changes.copy()
        there = changes[down, right]
        new = np.broadcast_to(piece.changes[: there.shape[0], : there.shape[1]], there.shape)
        alone = all(each for dim, each in enumerate(full) if dim not in axes)
        changes[down, right] = new if alone else new | there
    return replace(
        before,
        y=result[ROWS],
        x=result[COLUMNS],
        changes=changes,
        sees_whole_map=before.sees_whole_map or piece.sees_whole_map,
        ways=before.ways | piece.ways,
    )


def _axes_met(before: Field | None, piece: Field) -> dict[int, int] | None:
    """For each dimension that holds the cells of an axis, in a tensor and a piece of it, which."""
    if piece.shift != (0, 0) or (before is not None and before.shift != (0, 0)):
        return None
    axes = {}
    for dim, mine in enumerate(piece.layout):
        axis = mine.whole(piece.cells)
        there = None if before is None else before.layout[dim]
        if axis is None and there is not None and not mine.parts:
            # A single row, or what is the same in all rows.
            axis = None if before is None else there.whole(before.cells)
        elif axis is not None and before is not None and there is not None:
            axis = axis if there.whole(before.cells) == axis else None
        if axis is not None:
            axes[dim] = axis
        elif mine.digits or mine.extra or (there is not None and (there.digits or there.extra)):
            return None
    return axes
