"""Following one forward operation by operation: what each tensor has to do with the image.

The tracer stands between PyTorch's dispatcher and its kernels, so modules and plain functions are
seen alike. What is not understood becomes `Placeless` with the reason, never a guess.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from featviz.probing.axes import Axis
from featviz.probing.operations import WINDOWS, slice_step
from featviz.probing.windows import Step

_Cells = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Field:
    """What is known of one tensor: its last two dimensions lie over the image like this.

    changes: (height, width) bool, the cells that differ, or may differ, from those of another
    image; None if nobody asked.
    """

    x: Axis
    y: Axis
    sees_whole_map: bool = False
    changes: _Cells | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in cells."""
        return len(self.x.low), len(self.y.low)

    def through(self, rows: Step | None, columns: Step | None) -> "Field":
        """The field of the map that an operation computes from this one; None changes nothing."""
        x, y, changes = self.x, self.y, self.changes
        if rows is not None:
            y, changes = y.through(rows), _arriving(changes, rows)
        if columns is not None:
            x, changes = x.through(columns), _arriving(changes, columns, axis=1)
        return replace(self, x=x, y=y, changes=changes)

    def seeing_all(self, when: bool = True) -> "Field":
        """The same; if so, every cell sees the whole map, and all may change."""
        if not when:
            return self
        changes = None if self.changes is None else np.ones_like(self.changes)
        return replace(self, sees_whole_map=True, changes=changes)


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
    that it adds to a map what may come from anywhere.
    """

    reason: str
    is_statistic: bool = False
    map_size: tuple[int, int] | None = None
    is_map: bool = False
    is_attention: bool = False


Trace = Field | Placeless
_STATISTIC = Placeless("it holds statistics of the whole image, not a map", is_statistic=True)


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
        return trace
    trace = trace or Placeless("it does not depend on the image")
    if trace.is_map or _is_like(size, image_size) > _is_like((shape[2], shape[1]), image_size):
        return replace(trace, map_size=size)
    return Placeless(f"whether its output {shape} is (N, C, H, W) is not known, and {trace.reason}")


def _is_like(size: tuple[int, int], image_size: tuple[int, int]) -> bool:
    """Whether a map of this size has the shape of the image, up to less than a cell."""
    (columns, rows), (width, height) = size, image_size
    return abs(columns * height - rows * width) < max(width, height)


def run_without_values(model: nn.Module, image: Tensor) -> Any:
    """The forward on a meta `image`, with meta tensors in place of the weights while it runs."""
    # One name for each place: PyTorch, given two for a module that stands in two places, would
    # put the values back under the first and the meta tensors under the second.
    empty = {
        f"{name}.{key}" if name else key: tensor.to("meta")
        for name, module in model.named_modules()
        for tensors in (module.named_parameters, module.named_buffers)
        for key, tensor in tensors(recurse=False, remove_duplicate=False)
    }
    return torch.func.functional_call(model, empty, (image,), tie_weights=False)


class Tracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation of a forward and carries the traces of tensors along."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        # The tensors are kept too: a freed tensor's id would be given to another one.
        self._traces: dict[int, tuple[Tensor, Trace]] = {}
        self._spoilt: dict[int, Trace] = {}
        self._values_read = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Asked by PyTorch; yes would load its compiler (over a second) for nothing."""
        return False

    def put(self, tensor: Tensor, trace: Trace) -> None:
        """Say what a tensor has to do with the image."""
        self._traces[id(tensor)] = (tensor, trace)

    def get(self, tensor: Tensor) -> Trace | None:
        """What a tensor has to do with the image; None if nothing."""
        spoilt = self._spoilt.get(_storage(tensor))
        return spoilt or self._traces.get(id(tensor), (tensor, None))[1]

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        inputs = [*_tensors(args), *_tensors(kwargs.values())]
        traces = [trace for trace in map(self.get, inputs) if trace is not None]
        output = _run(func, args, kwargs)
        if not traces or func.overloadpacket in _CONSTANTS:
            return output
        # A number handed to Python: from here on it may be in anything.
        self._values_read |= func is torch.ops.aten._local_scalar_dense.default
        outputs = list(_tensors(output if isinstance(output, tuple | list) else (output,)))
        for index, tensor in enumerate(outputs):
            trace = _follow(func, args, kwargs, self.get, traces, tensor, index)
            if isinstance(trace, Field):
                trace = trace.seeing_all(when=self._values_read)
            if func._schema.is_mutable:
                self._write(tensor, trace)
            else:
                self.put(tensor, trace)
        return output

    def _write(self, tensor: Tensor, trace: Trace) -> None:
        """An operation in place: whatever looks at the same memory has changed with it."""
        storage = _storage(tensor)
        others = [
            other
            for other, _ in self._traces.values()
            if _storage(other) == storage and other is not tensor
        ]
        whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
        if whole and all(other.shape[-2:] == tensor.shape[-2:] for other in others):
            for other in [tensor, *others]:
                self.put(other, trace)
        else:
            self._spoilt[storage] = Placeless("a part of a map is overwritten in place")


def follow(model: nn.Module, tracer: Tracer, field: Field, channels: int, on_meta: bool) -> Any:
    """One forward that the tracer sees, on an image that lies as `field` says; its output.

    on_meta: without values, as `run_without_values` does; else on an image of zeros.
    """
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    sample = next((tensor for tensor in tensors.values() if tensor.is_floating_point()), None)
    dtype = torch.float32 if sample is None else sample.dtype
    device = torch.device("cpu") if sample is None else sample.device
    width, height = field.size
    shape = (1, channels, height, width)
    image = torch.zeros(shape, dtype=dtype, device="meta" if on_meta else device)
    tracer.put(image, field)
    with torch.no_grad(), tracer:
        return run_without_values(model, image) if on_meta else model(image)


def _run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if func.overloadpacket is torch.ops.aten.native_batch_norm and args[0].is_meta:
        # Its shapes are known; PyTorch would load its compiler (over a second) to find them.
        images = args[0]
        statistics = images.new_empty(images.shape[1], dtype=torch.float32)
        return torch.empty_like(images), statistics, torch.empty_like(statistics)
    if func.overloadpacket in _CELL_BY_CELL and not kwargs:
        # The same of branches that meet and of an image's last activation.
        terms = [term for term in args if isinstance(term, Tensor)]
        if len(terms) == len(args) and all(term.is_meta for term in terms):
            *_, last = values = terms[-2:]
            shape = np.broadcast_shapes(*(tuple(term.shape) for term in terms))
            return last.new_empty(shape, dtype=torch.result_type(values[0], last))
    return func(*args, **kwargs)


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _tensors(values: Iterable[Any]) -> Iterable[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from _tensors(value)


def _follow(
    func: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    get: Callable[[Tensor], Trace | None],
    traces: list[Trace],
    output: Tensor,
    index: int,
) -> Trace:
    """The trace of one output of one operation, from the traces of its inputs."""
    name = func.overloadpacket.__name__
    pointwise = torch.Tag.pointwise in func.tags
    fields = [trace for trace in traces if isinstance(trace, Field)]
    size = (output.shape[-1], output.shape[-2]) if output.ndim >= 2 else (0, 0)
    lost = [trace for trace in traces if isinstance(trace, Placeless) and not trace.is_statistic]
    attention = "softmax" in name or "attention" in name
    if lost:
        attention |= any(trace.is_attention for trace in lost)
        joined = _joined(list(fields)) if fields and pointwise and attention else None
        if joined is not None and joined.size == size:
            return joined.seeing_all()
        trace = lost[0]
        stays = (trace.is_map and pointwise) or (name in _ON_MAPS and output.ndim == 4)
        return replace(trace, is_map=stays, is_attention=attention)
    if not fields:
        return _STATISTIC
    unknown = Placeless(f"operation '{name}' before it is not understood", is_attention=attention)
    source = next(iter(_tensors(args)), None)
    if name in WINDOWS:
        steps = None
        if source is not None and isinstance(get(source), Field):
            given = _named_arguments(func, args, kwargs)
            width, height = fields[0].size
            steps = WINDOWS[name](given, (height, width), (size[1], size[0]))
        if steps is None or len(fields) > 1:
            return unknown
        # Weights or a bias made from statistics, as dynamic convolutions have.
        return fields[0].through(*steps).seeing_all(when=len(traces) > 1)
    if name in _NORMS:
        if index > 0 or size != fields[0].size:
            return _STATISTIC
        own_statistics = name not in _RUNNING_NORMS or bool(
            _named_arguments(func, args, kwargs).get("training", name not in _FIXED_NORMS)
        )
        joined = _joined(traces)
        if joined is None:
            return unknown
        return joined.seeing_all(when=own_statistics)
    if pointwise or name in _POINTWISE:
        joined = _joined(traces)
        return joined if joined is not None and joined.size == size else unknown
    if source is None or source.ndim < 2:
        return unknown
    if name in _VIEWS:
        if size == fields[0].size and tuple(output.shape[-2:]) == tuple(source.shape[-2:]):
            return fields[0]
        return _STATISTIC if fields[0].size == (1, 1) else unknown
    given = _named_arguments(func, args, kwargs)
    if name == "slice" and given["dim"] % source.ndim >= source.ndim - 2:
        field, (width, height) = fields[0], fields[0].size
        if given["dim"] % source.ndim == source.ndim - 1:
            return field.through(None, slice_step(given, width, size[0]))
        return field.through(slice_step(given, height, size[1]), None)
    if name in _ALONG:
        dims, joined = _dims(given, source.ndim, _ALONG[name]), _joined(traces)
        apart = dims.isdisjoint({source.ndim - 2, source.ndim - 1})
        return joined if apart and joined is not None and joined.size == size else unknown
    if name == "permute":
        order = [dim % source.ndim for dim in given["dims"]]
        return fields[0] if order[-2:] == [source.ndim - 2, source.ndim - 1] else unknown
    if name in _REDUCTIONS:
        dims = _dims(given, source.ndim, ("dim",))
        spatial = {source.ndim - 2, source.ndim - 1}
        if spatial <= dims:
            return _STATISTIC
        keeps = bool(given.get("keepdim")) and dims.isdisjoint(spatial)
        return fields[0] if keeps else unknown
    return unknown


def _joined(traces: list[Trace]) -> Field | None:
    """Branches meeting cell by cell; one value for the whole map is a statistic."""
    fields = [trace for trace in traces if isinstance(trace, Field)]
    maps = [field for field in fields if field.size != (1, 1)] or fields
    result = maps[0]
    for field in maps[1:]:
        if field.size != result.size:
            return None
        x, y = result.x.joined(field.x), result.y.joined(field.y)
        result = replace(result, x=x, y=y, changes=_either(result.changes, field.changes))
    if any(field.sees_whole_map for field in fields):
        result = replace(result, sees_whole_map=True)
    return result.seeing_all(when=len(traces) > len(maps))


def _either(one: _Cells | None, other: _Cells | None) -> _Cells | None:
    if one is None or other is None:
        return other if one is None else one
    return one | other


def _named_arguments(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    names = [argument.name for argument in func._schema.arguments]
    defaults = {
        argument.name: argument.default_value
        for argument in func._schema.arguments
        if argument.has_default_value()
    }
    return {**defaults, **dict(zip(names, args, strict=False)), **kwargs}


def _dims(given: dict[str, Any], ndim: int, names: Sequence[str]) -> set[int]:
    dims: set[int] = set()
    for name in names:
        value = given.get(name)
        if value is None or value == []:
            return set(range(ndim))
        dims |= {dim % ndim for dim in (value if isinstance(value, list | tuple) else [value])}
    return dims


_CELL_BY_CELL = {torch.ops.aten.add, torch.ops.aten.where, torch.ops.aten.tanh}
_RUNNING_NORMS = {
    "native_batch_norm",
    "_native_batch_norm_legit",
    "_native_batch_norm_legit_no_training",
    "cudnn_batch_norm",
    "miopen_batch_norm",
}
_FIXED_NORMS = {"_native_batch_norm_legit_no_training"}
_NORMS = {*_RUNNING_NORMS, "native_group_norm", "native_layer_norm"}
# Padding by a constant takes tensors of any dimensions.
_ON_MAPS = {*WINDOWS, *_RUNNING_NORMS, "native_group_norm"} - {"constant_pad_nd"}
_POINTWISE = {
    "_prelu_kernel",
    "prelu",
    "copy_",
    "clone",
    "_to_copy",
    "native_dropout",
    "glu",
    "hardswish",
    "hardswish_",
    "channel_shuffle",
}
_VIEWS = {
    *("view", "_unsafe_view", "reshape", "alias", "detach", "expand", "squeeze", "unsqueeze"),
    *("contiguous", "lift_fresh", "_reshape_alias"),
}
_ALONG = {
    **dict.fromkeys(
        ("cat", "slice", "select", "split", "split_with_sizes", "unbind", "index_select"),
        ("dim",),
    ),
    **dict.fromkeys(("_softmax", "_log_softmax", "cumsum"), ("dim",)),
    "transpose": ("dim0", "dim1"),
}
_REDUCTIONS = {
    "mean",
    "sum",
    "amax",
    "amin",
    "max",
    "min",
    "var",
    "std",
    "var_mean",
    "linalg_vector_norm",
}
_CONSTANTS = {
    getattr(torch.ops.aten, name)
    for name in ("zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like")
} | {getattr(torch.ops.aten, name) for name in ("new_zeros", "new_ones", "new_full", "new_empty")}
