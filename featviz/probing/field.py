"""What is known of a tensor: how it lies over the image, or why that is not known."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from featviz.probing.axes import Axis
from featviz.probing.layout import (
    COLUMNS,
    ROWS,
    Dimension,
    Part,
    TensorLayout,
    all_cells,
    are_apart,
    cells_alike,
    cells_named,
    digits_of,
    merged,
    no_places,
    viewed,
)
from featviz.probing.windows import Step

_Cells = NDArray[np.bool_]


class WholeMapWay(NamedTuple):
    """Something that lets every place see every other.

    module: in which it happens, by qualified name; "" for the model's own forward. kind: what it
    is, as "instance norm" or "attention".
    """

    module: str
    kind: str


Ways = frozenset[WholeMapWay]
_NO_WAYS: Ways = frozenset()


@dataclass(frozen=True, eq=False)
class Field:
    """What is known of one tensor: its cells lie over the image like this.

    x, y: the axes of its cells. sees_whole_map: whether every cell sees the whole map; ways:
    through what, and through what those would see it for whom this is a statistic. changes:
    (height, width) bool, the cells that differ, or may differ, from those of another image; None if
    nobody asked. layout: which dimensions of the tensor hold the cells; where a digit of an axis is
    in none of them, the tensor is the same for all its values. shift: (rows, columns) by which its
    cells were rolled around the edges.
    """

    x: Axis
    y: Axis
    sees_whole_map: bool = False
    changes: _Cells | None = None
    layout: TensorLayout = ()
    shift: tuple[int, int] = (0, 0)
    ways: Ways = _NO_WAYS

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in cells."""
        return len(self.x.low), len(self.y.low)

    @property
    def cells(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self.y.low), len(self.x.low)

    @property
    def has_places(self) -> bool:
        """Whether the tensor tells any two cells apart."""
        return any(dimension.digits for dimension in self.layout)

    def through(self, rows: Step | None, columns: Step | None) -> "Field":
        """The field of the map that an operation computes from this one; None changes nothing."""
        x, y, changes = self.x, self.y, self.changes
        if rows is not None:
            y, changes = y.through(rows), _arriving(changes, rows)
        if columns is not None:
            x, changes = x.through(columns), _arriving(changes, columns, axis=1)
        return replace(self, x=x, y=y, changes=changes)

    def along(self, axis: int, step: Step) -> "Field":
        """The same along one axis."""
        return self.through(step, None) if axis == ROWS else self.through(None, step)

    def seeing_all(self, when: bool = True, ways: Ways = _NO_WAYS) -> "Field":
        """The same; if so, every cell sees the whole map, and all may change."""
        if not when:
            return self
        changes = None if self.changes is None else np.ones_like(self.changes)
        return replace(self, sees_whole_map=True, changes=changes, ways=self.ways | ways)

    def laid(self, layout: TensorLayout) -> "Field":
        """The same cells in other dimensions."""
        return replace(self, layout=layout)

    def replaced(self, dim: int, *dimensions: Dimension) -> "Field":
        """The same cells with other dimensions, or none, in place of one."""
        dim %= len(self.layout)
        return self.laid((*self.layout[:dim], *dimensions, *self.layout[dim + 1 :]))

    def viewed(self, shape: Sequence[int]) -> "Field | None":
        """The same values in another shape; None if it is not known which cells they are."""
        layout = viewed(self.layout, shape)
        return None if layout is None else self.laid(layout)

    def spread(self, dimensions: Iterable[Dimension], ways: Ways) -> "Field":
        """Each cell sees all that differ from it only in the digits that these dimensions hold.

        ways: what it is if these are all that there are.
        """
        parts = digits_of(dimensions)
        if not parts:
            return self
        if len(parts) == len(digits_of(self.layout)):
            return self.seeing_all(ways=ways)
        field = self
        for axis in (ROWS, COLUMNS):
            mine = [part for part in parts if part.axis == axis]
            if mine:
                field = field._spread_along(axis, mine)
        return field

    def _spread_along(self, axis: int, parts: list[Part]) -> "Field":
        cells = self.cells[axis]
        if sum(part.stride * (part.size - 1) for part in parts) < cells - 1:
            sources = cells_alike(cells, parts, self.shift[axis])
            return self.along(axis, Step(sources, Fraction(0), Fraction(1)))
        changes = self.changes
        if changes is not None:
            changes = np.broadcast_to(changes.any(axis, keepdims=True), changes.shape)
        if axis == ROWS:
            return replace(self, y=self.y.everywhere(), changes=changes)
        return replace(self, x=self.x.everywhere(), changes=changes)

    def without(self, dims: Iterable[int], ways: Ways, keep: bool = False) -> "Field":
        """Some dimensions summed over; what they held is the same everywhere then."""
        gone = {dim % len(self.layout) for dim in dims}
        field = self.spread([self.layout[dim] for dim in gone], ways)
        kept = [
            Dimension() if dim in gone else dimension
            for dim, dimension in enumerate(self.layout)
            if keep or dim not in gone
        ]
        return field.laid(tuple(kept))

    def compacted(self) -> "Field":
        """The same without the digits that the tensor does not tell apart any more.

        As behind a pixel unshuffle whose channels were mixed: its cells are those of a coarser map.
        """
        field = self
        for axis in (ROWS, COLUMNS):
            parts = [part for part in digits_of(self.layout) if part.axis == axis]
            cells, result = self.cells[axis], math.prod(part.size for part in parts)
            if not parts or result == cells or self.shift[axis]:
                continue
            parts.sort(key=lambda part: -part.stride)
            pitch = Fraction(cells, result)
            sources = cells_named(parts, axis)[:, None]
            strides, stride = {}, 1
            for part in reversed(parts):
                strides[part], stride = part._replace(stride=stride), stride * part.size
            layout = tuple(
                each._replace(parts=merged(strides.get(part, part) for part in each.parts))
                for each in field.layout
            )
            field = field.along(axis, Step(sources, (pitch - 1) / 2, pitch)).laid(layout)
        return field

    def settled(self, rows: int = -2, columns: int = -1, ways: Ways = _NO_WAYS) -> "Field | None":
        """The same with exactly the cells that two dimensions of the tensor hold.

        Digits in other dimensions, as behind a pixel unshuffle, are seen together; parts that are
        no places, as before a pixel shuffle, make the map finer. None if the two do not hold rows
        and columns in their order.
        """
        count = len(self.layout)
        wanted = {rows % count: ROWS, columns % count: COLUMNS}
        if len(wanted) < 2 or self.shift != (0, 0):
            return None
        others = [each for dim, each in enumerate(self.layout) if dim not in wanted]
        if any(dimension.extra for dimension in self.layout):
            return None
        field = self.spread(others, ways) if any(each.digits for each in others) else self
        for dim, axis in wanted.items():
            dimension = self.layout[dim]
            if any(part.axis != axis for part in dimension.digits):
                return None
            cells, result = self.cells[axis], dimension.size
            if dimension.whole(self.cells) == axis or cells == result == 1:
                continue
            if result > 1 and not dimension.digits:
                return None
            sources = cells_named(dimension.parts, axis)
            if (np.diff(sources) < 0).any():
                return None
            pitch = Fraction(cells, result)
            field = field.along(axis, Step(sources[:, None], (pitch - 1) / 2, pitch))
        kept = [
            all_cells(wanted[dim], dimension.size) if dim in wanted else no_places(dimension.size)
            for dim, dimension in enumerate(self.layout)
        ]
        return field.laid(tuple(kept))


def _arriving(changes: _Cells | None, step: Step, axis: int = 0) -> _Cells | None:
    """Which cells of an operation's output draw on one that changes, along one axis."""
    if changes is None:
        return None
    # Behind the last cell one that never changes: -1 of the sources, which stands for none.
    after = np.zeros_like(changes.take([0], axis))
    padded = np.concatenate([changes, after], axis)
    return np.asarray(padded.take(step.sources, axis).any(axis + 1))


@dataclass(frozen=True)
class Placeless:
    """A tensor that depends on the image but has no places in it: a statistic, or `reason`.

    is_map: whether it is (N, C, H, W) for sure, because an operation gave it that takes and gives
    nothing else. is_attention: whether it is made of weights that are shares of all positions, so
    that it adds to a map what may come from anywhere. ways: as a field has.
    """

    reason: str
    is_statistic: bool = False
    map_size: tuple[int, int] | None = None
    is_map: bool = False
    is_attention: bool = False
    ways: Ways = _NO_WAYS


Trace = Field | Placeless


def statistic(ways: Ways) -> Placeless:
    """What was computed of all places together."""
    reason = "it holds statistics of the whole image, not a map"
    return Placeless(reason, is_statistic=True, ways=ways)


def as_map(trace: Trace | None, tensor: Tensor, image_size: tuple[int, int]) -> Trace:
    """The trace of a layer's output, which is a map only if it is (1, C, H, W).

    image_size: (width, height). Where the way from the image is lost, the shape has to say which
    dimensions are the map's: the last two, and they alone, must be those of an image like this.
    """
    shape = tuple(tensor.shape)
    size = (shape[3], shape[2]) if tensor.ndim == 4 else None
    if isinstance(trace, Placeless) and trace.is_statistic:
        return replace(trace, map_size=size)
    if size is None or shape[0] != 1:
        return Placeless(f"its output has shape {shape}, not (N, C, H, W)")
    if isinstance(trace, Field):
        return trace.settled() or Placeless(f"its output has shape {shape}, not (N, C, H, W)")
    trace = trace or Placeless("it does not depend on the image")
    if trace.is_map or _is_like(size, image_size) > _is_like((shape[2], shape[1]), image_size):
        return replace(trace, map_size=size)
    return Placeless(f"whether its output {shape} is (N, C, H, W) is not known, and {trace.reason}")


def _is_like(size: tuple[int, int], image_size: tuple[int, int]) -> bool:
    """Whether a map of this size has the shape of the image, up to less than a cell."""
    (columns, rows), (width, height) = size, image_size
    return abs(columns * height - rows * width) < max(width, height)


def joined(traces: Sequence[Trace], here: WholeMapWay) -> Field | None:
    """Branches meeting cell by cell; one value for the whole map is a statistic.

    here: what it is called where a single cell meets a map. None if cells meet that are not known
    to be the same ones.
    """
    fields = [trace for trace in traces if isinstance(trace, Field)]
    maps = [field for field in fields if field.size != (1, 1)] or fields
    rank = max(len(field.layout) for field in fields)
    result = _of_rank(maps[0], rank)
    for field in maps[1:]:
        met = _met(result, _of_rank(field, rank))
        if met is None:
            return None
        result = met
    statistics = [trace for trace in traces if not any(trace is field for field in maps)]
    ways = frozenset[WholeMapWay]().union(*(trace.ways for trace in traces))
    if any(not each.ways for each in statistics):
        ways |= {here}
    whole = any(field.sees_whole_map for field in fields)
    result = replace(result, sees_whole_map=whole, ways=ways)
    if statistics:
        for each in statistics:
            if isinstance(each, Field) and len(each.layout) <= rank:
                layout = _common(result.layout, _of_rank(each, rank).layout)
                result = result if layout is None else result.laid(layout)
    return result.seeing_all(when=bool(statistics))


def _of_rank(field: Field, rank: int) -> Field:
    missing = rank - len(field.layout)
    return field.laid((Dimension(),) * missing + field.layout) if missing else field


def _met(one: Field, other: Field) -> Field | None:
    layout = _common(one.layout, other.layout)
    if layout is None or one.size != other.size:
        if one.size != other.size and 1 in (*one.size, *other.size):
            wide = _widened(one, other), _widened(other, one)
            if wide[0] is not None and wide[1] is not None:
                return _met(wide[0], wide[1])
        compact = one.compacted(), other.compacted()
        if compact[0] is not one or compact[1] is not other:
            return _met(*compact)
        # The same cells, perhaps, but told in other digits.
        settled = [field.settled() for field in (one, other) if len(field.layout) >= 2]
        first, second = settled if len(settled) == 2 else (None, None)
        if (
            first is None
            or second is None
            or (first.layout, second.layout)
            == (
                one.layout,
                other.layout,
            )
        ):
            return None
        return _met(first, second)
    if one.shift != other.shift:
        return None
    x, y = one.x.joined(other.x), one.y.joined(other.y)
    changes = either(one.changes, other.changes)
    return replace(one, x=x, y=y, changes=changes, layout=layout)


def _widened(field: Field, other: Field) -> Field | None:
    """A field of one row or column along those of another; None if neither fits."""
    for axis in (ROWS, COLUMNS):
        cells, result = field.cells[axis], other.cells[axis]
        if cells == 1 and result > 1:
            sources = np.zeros((result, 1), dtype=np.int64)
            pitch = Fraction(1, result)
            field = field.along(axis, Step(sources, (pitch - 1) / 2, pitch))
        elif cells != result and result > 1:
            return None
    return field


def _common(one: TensorLayout, other: TensorLayout) -> TensorLayout | None:
    """The layout of what two tensors give that are broadcast against each other."""
    result = []
    for mine, yours in zip(one, other, strict=True):
        if mine == yours or not yours.parts or (mine.digits and not yours.digits):
            result.append(mine)
        elif not mine.parts or (yours.digits and not mine.digits):
            result.append(yours)
        elif not mine.digits and not yours.digits:
            result.append(mine)
        else:
            return None
    return tuple(result) if are_apart(digits_of(result)) else None


def either(one: _Cells | None, other: _Cells | None) -> _Cells | None:
    """Where one or the other changes; None stands for nobody's question."""
    if one is None or other is None:
        return other if one is None else one
    return one | other
