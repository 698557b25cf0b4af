"""Where the cells of a feature map lie over the input image.

Nothing here knows a network. One forward on `meta` tensors, which have shapes but no values and
cost no computation, shows every operation down to the layer; each tells which cells of its input
a cell of its output draws on. Convolutions, pooling, padding, upsampling, transposed convolutions,
element-wise operations and branches that meet again are understood, as modules and as plain
functions alike; anything else makes the geometry of a layer unknown, never wrong.

Normalisation over the whole map, squeeze-and-excitation and the like let every pixel reach every
cell. What is computed is the *convolutional* receptive field: what reaches a cell otherwise than
by such statistics.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from featviz.activations import Stage, evaluating, record_activations
from featviz.errors import FeatvizError

Point = tuple[int, int]
Position = tuple[int, int]
Indices = NDArray[np.int64]

_NOTHING = np.iinfo(np.int64).max // 4
_LARGEST_PROBE = 16384


class Box(NamedTuple):
    """Pixels of the input image, x right and y down, both ends included."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def centre(self) -> tuple[float, float]:
        """The middle (x, y); between two pixels if the box is an even number of pixels wide."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


@dataclass(frozen=True, eq=False)
class Axis:
    """One direction of a feature map over the same direction of the image.

    low, high: for each cell the first and last pixel that reach it (high < low if none does).
    cells: for each pixel of the image the cell that stands for it.
    """

    low: Indices
    high: Indices
    cells: Indices

    @classmethod
    def of_image(cls, pixels: int) -> "Axis":
        """The image itself: each pixel reaches itself."""
        identity = np.arange(pixels)
        return cls(identity, identity, identity)

    def through(self, step: "Step") -> "Axis":
        """The axis of the map that an operation computes from this one."""
        there = step.sources >= 0
        low = np.where(there, self.low[step.sources], _NOTHING).min(axis=1)
        high = np.where(there, self.high[step.sources], -_NOTHING).max(axis=1)
        # side="right" sends a tie to the larger cell; the ends of the map catch what lies outside.
        middles = (step.centres[1:] + step.centres[:-1]) / 2
        return Axis(low, high, np.searchsorted(middles, self.cells, side="right"))

    def joined(self, other: "Axis") -> "Axis":
        """The axis of a map in which two branches with equally many cells meet.

        Where the branches place a pixel differently, the one that sees more decides.
        """
        main = self if self.extent >= other.extent else other
        return Axis(np.minimum(self.low, other.low), np.maximum(self.high, other.high), main.cells)

    @property
    def extent(self) -> int:
        """Pixels from the first to the last that reach a cell, of the cell that sees most."""
        return int((self.high - self.low).max()) + 1

    @property
    def has_room(self) -> bool:
        """Whether a cell that sees most sees it all inside the image, not cut off by its edge."""
        widest = self.high - self.low == self.extent - 1
        return bool((widest & (self.low > 0) & (self.high < len(self.cells) - 1)).any())


class Step(NamedTuple):
    """What one operation does along one axis.

    sources: (cells, n) for each output cell the input cells it draws on, -1 for none.
    centres: (cells,) the middle of its window among the input cells, padding included.
    """

    sources: Indices
    centres: NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Geometry:
    """How the feature map of a layer lies over the input image.

    map_size, image_size: (width, height) in cells and pixels. x, y: the axes; None if the layer
    holds no map whose cells have places in the image, or an operation before it is not understood;
    `reason` says which. extent: (width, height) of the convolutional receptive field in pixels, of
    a cell far from the edges; None if unknown. sees_whole_map: a normalisation over the whole map
    or another global statistic lies before or at the layer, so that the true receptive field is
    the image.
    """

    image_size: tuple[int, int]
    map_size: tuple[int, int] | None
    x: Axis | None
    y: Axis | None
    extent: tuple[int, int] | None
    sees_whole_map: bool
    reason: str = ""

    @property
    def known(self) -> bool:
        """Whether points can be placed."""
        return self.x is not None and self.y is not None

    def position(self, point: Point) -> Position:
        """The map cell (column, row) that stands for an input pixel (x, y).

        From the image to the layer, at each operation in turn, the cell whose window's middle is
        nearest to the cell before; of two equally near ones the right or lower; at most the last.
        For pix2pixHD's front end this is the study's ceil(c / 2^k). Raises FeatvizError if the
        point lies outside the image or the geometry is unknown.
        """
        check_point(point, self.image_size)
        if self.x is None or self.y is None:
            raise FeatvizError(f"the place of a point cannot be computed: {self.reason}")
        return int(self.x.cells[point[0]]), int(self.y.cells[point[1]])

    def box(self, position: Position) -> Box:
        """The convolutional receptive field of one cell (column, row), cut at the image's edges."""
        if self.x is None or self.y is None or self.map_size is None:
            raise FeatvizError(f"the receptive field cannot be computed: {self.reason}")
        (column, row), (width, height) = position, self.map_size
        if not (0 <= column < width and 0 <= row < height):
            raise FeatvizError(f"cell ({column}, {row}) is not on the map of {width}x{height}")
        box = Box(
            int(self.x.low[column]),
            int(self.y.low[row]),
            int(self.x.high[column]),
            int(self.y.high[row]),
        )
        if box.left > box.right or box.top > box.bottom:
            raise FeatvizError(f"cell ({column}, {row}) sees nothing but padding")
        return box


def check_point(point: Point, image_size: tuple[int, int]) -> None:
    """Raise FeatvizError if a point (x, y) is not a pixel of an image of (width, height)."""
    (x, y), (width, height) = point, image_size
    if not (0 <= x < width and 0 <= y < height):
        raise FeatvizError(
            f"point ({x}, {y}) lies outside the image of {width}x{height}; "
            f"expected x from 0 to {width - 1} and y from 0 to {height - 1}"
        )


def trace_geometry(
    model: nn.Module,
    layers: Sequence[str],
    image_size: tuple[int, int],
    channels: int = 3,
    stage: Stage = "activation",
) -> dict[str, Geometry]:
    """The geometry of layers for images of `image_size` = (width, height).

    Runs the model once, in evaluation mode, on tensors without values (or, if it does not work on
    these, on an image of zeros), to its end or until it fails behind the last of the layers.
    Layers and stage as in `record_activations`, with its errors: in particular a layer that runs
    twice in one forward is refused. Raises FeatvizError if the model fails on such an image before
    all the layers have run.
    """
    with evaluating(model):
        found = _probe(model, layers, image_size, channels, stage)
        extents = {
            layer: _extent(model, layer, field, image_size, channels, stage)
            for layer, field in found.items()
        }
    return {layer: _geometry(field, image_size, extents[layer]) for layer, field in found.items()}


@dataclass(frozen=True, eq=False)
class _Field:
    """What is known of one tensor: its last two dimensions lie over the image like this."""

    x: Axis
    y: Axis
    sees_whole_map: bool = False

    @property
    def size(self) -> tuple[int, int]:
        return len(self.x.low), len(self.y.low)


@dataclass(frozen=True)
class _Placeless:
    """A tensor that depends on the image but has no places in it: a statistic, or `reason`."""

    reason: str
    is_statistic: bool = False
    map_size: tuple[int, int] | None = None


_Trace = _Field | _Placeless
_STATISTIC = _Placeless("it holds statistics of the whole image, not a map", is_statistic=True)


def _geometry(
    field: _Trace, image_size: tuple[int, int], extent: tuple[int, int] | None
) -> Geometry:
    if isinstance(field, _Placeless):
        return Geometry(
            image_size, field.map_size, None, None, None, field.is_statistic, field.reason
        )
    return Geometry(image_size, field.size, field.x, field.y, extent, field.sees_whole_map)


def _extent(
    model: nn.Module,
    layer: str,
    field: _Trace,
    image_size: tuple[int, int],
    channels: int,
    stage: Stage,
) -> tuple[int, int] | None:
    """The extent where no edge cuts it off; as far as the model takes images that large."""
    width, height = image_size
    while isinstance(field, _Field) and not (field.x.has_room and field.y.has_room):
        width, height = 2 * width, 2 * height
        if max(width, height) > _LARGEST_PROBE:
            break
        try:
            field = _run(model, [layer], (width, height), channels, stage, on_meta=True)[layer]
        except Exception:
            break
    return (field.x.extent, field.y.extent) if isinstance(field, _Field) else None


def _probe(
    model: nn.Module,
    layers: Sequence[str],
    image_size: tuple[int, int],
    channels: int,
    stage: Stage,
) -> dict[str, _Trace]:
    try:
        return _run(model, layers, image_size, channels, stage, on_meta=True)
    except FeatvizError:
        raise
    except Exception:
        # Some models make tensors of their own on a fixed device or look at values.
        try:
            return _run(model, layers, image_size, channels, stage, on_meta=False)
        except FeatvizError:
            raise
        except Exception as error:
            width, height = image_size
            raise FeatvizError(
                f"the model cannot run on a {width}x{height} image of {channels} channels: "
                f"{' '.join(str(error).split())}"
            ) from error


def _run(
    model: nn.Module,
    layers: Sequence[str],
    image_size: tuple[int, int],
    channels: int,
    stage: Stage,
    on_meta: bool,
) -> dict[str, _Trace]:
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    sample = next((tensor for tensor in tensors.values() if tensor.is_floating_point()), None)
    dtype = torch.float32 if sample is None else sample.dtype
    device = torch.device("cpu") if sample is None else sample.device
    if on_meta:
        tensors = {name: tensor.to("meta") for name, tensor in tensors.items()}
        device = torch.device("meta")
    width, height = image_size
    image = torch.zeros(1, channels, height, width, dtype=dtype, device=device)
    tracer = _Tracer()
    tracer.put(image, _Field(Axis.of_image(width), Axis.of_image(height)))
    with record_activations(model, layers, stage) as activations:
        try:
            with torch.no_grad(), tracer:
                if on_meta:
                    torch.func.functional_call(model, tensors, (image,))
                else:
                    model(image)
        except FeatvizError:
            raise
        except Exception:
            # What fails behind the last layer is none of our business.
            if len(activations) < len(set(layers)):
                raise
    return {layer: _as_map(tracer.get(tensor), tensor) for layer, tensor in activations.items()}


def _as_map(trace: _Trace | None, tensor: Tensor) -> _Trace:
    size = (tensor.shape[-1], tensor.shape[-2]) if tensor.ndim == 4 else None
    if trace is None:
        return _Placeless("it does not depend on the image", map_size=size)
    if isinstance(trace, _Field) and tensor.ndim != 4:
        return _Placeless(f"its output has shape {tuple(tensor.shape)}, not (N, C, H, W)")
    return replace(trace, map_size=size) if isinstance(trace, _Placeless) else trace


class _Tracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation of a forward and carries the traces of tensors along."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        # The tensors are kept too: a freed tensor's id would be given to another one.
        self._traces: dict[int, tuple[Tensor, _Trace]] = {}
        self._spoilt: dict[int, _Trace] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Asked by PyTorch; yes would load its compiler (over a second) for nothing."""
        return False

    def put(self, tensor: Tensor, trace: _Trace) -> None:
        self._traces[id(tensor)] = (tensor, trace)

    def get(self, tensor: Tensor) -> _Trace | None:
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
        output = func(*args, **kwargs)
        if not traces or func.overloadpacket in _CONSTANTS:
            return output
        outputs = list(_tensors(output if isinstance(output, tuple | list) else (output,)))
        for index, tensor in enumerate(outputs):
            trace = _follow(func, args, kwargs, self.get, traces, tensor, index)
            if func._schema.is_mutable:
                self._write(tensor, trace)
            else:
                self.put(tensor, trace)
        return output

    def _write(self, tensor: Tensor, trace: _Trace) -> None:
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
            self._spoilt[storage] = _Placeless("a part of a map is overwritten in place")


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
    get: Callable[[Tensor], _Trace | None],
    traces: list[_Trace],
    output: Tensor,
    index: int,
) -> _Trace:
    """The trace of one output of one operation, from the traces of its inputs."""
    for trace in traces:
        if isinstance(trace, _Placeless) and not trace.is_statistic:
            return trace
    name = func.overloadpacket.__name__
    fields = [trace for trace in traces if isinstance(trace, _Field)]
    if not fields:
        return _STATISTIC
    unknown = _Placeless(f"operation '{name}' before it is not understood")
    source = next(iter(_tensors(args)), None)
    size = (output.shape[-1], output.shape[-2]) if output.ndim >= 2 else (0, 0)
    if name in _WINDOWS:
        steps = None
        if source is not None and isinstance(get(source), _Field):
            given = _named_arguments(func, args, kwargs)
            steps = _WINDOWS[name](given, fields[0].size, size)
        if steps is None or len(fields) > 1:
            return unknown
        field = fields[0]
        return replace(field, x=field.x.through(steps[0]), y=field.y.through(steps[1]))
    if name in _NORMS:
        if index > 0 or size != fields[0].size:
            return _STATISTIC
        own_statistics = name not in _RUNNING_NORMS or bool(
            _named_arguments(func, args, kwargs).get("training", name not in _FIXED_NORMS)
        )
        return replace(
            _joined(traces) or fields[0],
            sees_whole_map=fields[0].sees_whole_map or own_statistics,
        )
    if torch.Tag.pointwise in func.tags or name in _POINTWISE:
        joined = _joined(traces)
        return joined if joined is not None and joined.size == size else unknown
    if source is None or source.ndim < 2:
        return unknown
    if name in _VIEWS:
        if size == fields[0].size and tuple(output.shape[-2:]) == tuple(source.shape[-2:]):
            return fields[0]
        return _STATISTIC if fields[0].size == (1, 1) else unknown
    given = _named_arguments(func, args, kwargs)
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


def _joined(traces: list[_Trace]) -> _Field | None:
    """Branches meeting cell by cell; one value for the whole map is a statistic."""
    fields = [trace for trace in traces if isinstance(trace, _Field)]
    maps = [field for field in fields if field.size != (1, 1)] or fields[:1]
    result = maps[0]
    for field in maps[1:]:
        if field.size != result.size:
            return None
        result = replace(result, x=result.x.joined(field.x), y=result.y.joined(field.y))
    whole = any(field.sees_whole_map for field in fields) or len(traces) > len(maps)
    return replace(result, sees_whole_map=whole)


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


# Operations that slide a window: each gives, from arguments and sizes (width, height) of its
# input and output, the steps along x and y.

_Steps = tuple[Step, Step] | None
_Size = tuple[int, int]


def _pair(value: Any) -> tuple[int, int]:
    """PyTorch's (rows, columns) or one number for both, as (along x, along y)."""
    values = [value] if isinstance(value, int) else list(value)
    return (values[-1], values[0])


def _both(step: Callable[..., Step], size: _Size, result: _Size, *settings: Any) -> _Steps:
    pairs = [_pair(value) for value in settings]
    x, y = (step(size[i], result[i], *(pair[i] for pair in pairs)) for i in (0, 1))
    return x, y


def _inside(sources: Indices, cells: int) -> Indices:
    return np.where((sources >= 0) & (sources < cells), sources, -1)


def _slide(cells: int, result: int, kernel: int, stride: int, padding: int, dilation: int) -> Step:
    starts = np.arange(result) * stride - padding
    sources = starts[:, None] + dilation * np.arange(kernel)
    return Step(_inside(sources, cells), starts + dilation * (kernel - 1) / 2)


def _spread(cells: int, result: int, kernel: int, stride: int, padding: int, dilation: int) -> Step:
    # Input cell j adds to the output cells j * stride - padding + dilation * tap.
    scaled = np.arange(result)[:, None] + padding - dilation * np.arange(kernel)
    sources = np.where(scaled % stride == 0, scaled // stride, -1)
    centres = (np.arange(result) + padding - dilation * (kernel - 1) / 2) / stride
    return Step(_inside(sources, cells), centres)


def _convolution(given: dict[str, Any], size: _Size, result: _Size) -> _Steps:
    weight = given["weight"]
    if weight.ndim != 4:
        return None
    slide = _spread if given["transposed"] else _slide
    return _both(
        slide, size, result, weight.shape[-2:], given["stride"], given["padding"], given["dilation"]
    )


def _pooling(given: dict[str, Any], size: _Size, result: _Size) -> _Steps:
    kernel = given["kernel_size"]
    stride = given.get("stride") or kernel
    dilation = given.get("dilation", 1)
    return _both(_slide, size, result, kernel, stride, given.get("padding", 0), dilation)


def _adaptive_pooling(_: dict[str, Any], size: _Size, result: _Size) -> _Steps:
    def step(cells: int, result: int) -> Step:
        out = np.arange(result)
        first, last = out * cells // result, -(-(out + 1) * cells // result) - 1
        sources = first[:, None] + np.arange((last - first).max() + 1)
        return Step(np.where(sources <= last[:, None], sources, -1), (first + last) / 2)

    return _both(step, size, result)


def _padding(mode: str) -> Callable[[dict[str, Any], _Size, _Size], _Steps]:
    def steps(given: dict[str, Any], size: _Size, result: _Size) -> _Steps:
        pad = given.get("padding", given.get("pad"))
        if pad is None or len(pad) not in (2, 4):
            return None
        left, top = pad[0], pad[2] if len(pad) == 4 else 0

        def step(cells: int, result: int, before: int) -> Step:
            places = np.arange(result) - before
            sources = places
            if mode == "reflection":
                sources = cells - 1 - np.abs(cells - 1 - np.abs(places))
            elif mode == "replication":
                sources = places.clip(0, cells - 1)
            return Step(_inside(sources, cells)[:, None], places.astype(float))

        return _both(step, size, result, (top, left))

    return steps


def _upsampling(nearest: bool) -> Callable[[dict[str, Any], _Size, _Size], _Steps]:
    def steps(given: dict[str, Any], size: _Size, result: _Size) -> _Steps:
        align = bool(given.get("align_corners"))

        def step(cells: int, result: int) -> Step:
            places: NDArray[np.floating[Any]] = (np.arange(result) + 0.5) * (cells / result) - 0.5
            if align:
                places = np.linspace(0, cells - 1, result)
            if nearest:
                sources = (np.arange(result) * cells // result)[:, None]
            else:
                around = np.stack([np.floor(places), np.ceil(places)], axis=1)
                sources = around.astype(np.int64).clip(0, cells - 1)
            return Step(sources, places)

        # Other factors are rounded in one of several ways, depending on how they were given.
        if result[0] % size[0] or result[1] % size[1]:
            return None
        return _both(step, size, result)

    return steps


_WINDOWS: dict[str, Callable[[dict[str, Any], _Size, _Size], _Steps]] = {
    "convolution": _convolution,
    "max_pool2d_with_indices": _pooling,
    "max_pool2d": _pooling,
    "avg_pool2d": _pooling,
    "_adaptive_avg_pool2d": _adaptive_pooling,
    "adaptive_avg_pool2d": _adaptive_pooling,
    "adaptive_max_pool2d": _adaptive_pooling,
    "constant_pad_nd": _padding("constant"),
    "reflection_pad2d": _padding("reflection"),
    "replication_pad2d": _padding("replication"),
    "upsample_nearest2d": _upsampling(nearest=True),
    "upsample_bilinear2d": _upsampling(nearest=False),
}
_RUNNING_NORMS = {
    "native_batch_norm",
    "_native_batch_norm_legit",
    "_native_batch_norm_legit_no_training",
    "cudnn_batch_norm",
    "miopen_batch_norm",
}
_FIXED_NORMS = {"_native_batch_norm_legit_no_training"}
_NORMS = {*_RUNNING_NORMS, "native_group_norm", "native_layer_norm"}
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
