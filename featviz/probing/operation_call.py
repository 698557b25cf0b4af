"""One call of an operation, as the rules take it: what it is given and how that lies."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from featviz.probing.field import Field, Trace, Ways, WholeMapWay, joined
from featviz.probing.layout import Dimension, no_places, shape_of


@dataclass(frozen=True, eq=False)
class OperationCall:
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

    def way(self, kind: str) -> WholeMapWay:
        """What lets places see each other, if this call does."""
        return WholeMapWay(self.module, kind)

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


PlaceRule = Callable[[OperationCall], Trace | None]


def tensors_in(values: Iterable[Any]) -> Iterable[Tensor]:
    """The tensors among arguments, also in lists."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from tensors_in(value)


def named_arguments(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of an operation's call by their names, those that were not given too."""
    arguments = func._schema.arguments
    given = {**dict(zip((each.name for each in arguments), args, strict=False)), **kwargs}
    defaults = {each.name: each.default_value for each in arguments if each.has_default_value()}
    return given | {name: value for name, value in defaults.items() if name not in given}


def one_field(call: OperationCall) -> Field | None:
    """The first tensor's field, seeing what statistics among the other inputs bring in."""
    field = call.field
    if field is None or len(call.fields) > 1:
        return None
    ways = frozenset[WholeMapWay]().union(*(trace.ways for trace in call.traces))
    ways = ways or call.ways("numbers made of the whole map")
    return field.seeing_all(when=len(call.traces) > 1, ways=ways)


def fitted(field: Field | None, output: Tensor) -> Field | None:
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
