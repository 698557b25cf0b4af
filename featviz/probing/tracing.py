"""Following one forward operation by operation: what each tensor has to do with the image.

The tracer stands between PyTorch's dispatcher and its kernels, so modules and plain functions are
seen alike. What is not understood becomes `Placeless` with the reason, never a guess.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from featviz.base.errors import FeatvizError, one_line
from featviz.probing.field import Field, Placeless, Trace, WholeMapWay
from featviz.probing.layout import plain_layout
from featviz.probing.operation_call import OperationCall, named_arguments, tensors_in
from featviz.probing.regions import rewritten, seen_after, seen_through
from featviz.probing.rules import trace_through

_Found = TypeVar("_Found")


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
    """Sees every operation of a forward and carries the traces of tensors along.

    running: the names of the modules that run at the moment, the innermost last; see `naming`.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        # The tensors are kept too: a freed tensor's id would be given to another one.
        self._traces: dict[int, tuple[Tensor, Trace]] = {}
        self._sharing: dict[int, dict[int, Tensor]] = {}
        self._written: set[int] = set()
        self._spoilt: dict[int, Trace] = {}
        self._values_read: frozenset[WholeMapWay] = frozenset()
        self.running = [""]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Asked by PyTorch; yes would load its compiler (over a second) for nothing."""
        return False

    def put(self, tensor: Tensor, trace: Trace) -> None:
        """Say what a tensor has to do with the image."""
        if id(tensor) not in self._traces:
            self._sharing.setdefault(_storage(tensor), {})[id(tensor)] = tensor
        self._traces[id(tensor)] = (tensor, trace)

    def get(self, tensor: Tensor) -> Trace | None:
        """What a tensor has to do with the image; None if nothing."""
        known = self._traces.get(id(tensor))
        storage = _storage(tensor) if self._written else None
        if storage in self._spoilt:
            return self._spoilt[storage]
        if known is None and storage in self._written and tensor._base is not None:
            # Made before anything of the image was written to where it looks.
            base = self._traces.get(id(tensor._base))
            return None if base is None else seen_through(tensor, *base)
        return None if known is None else known[1]

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        inputs = tensors_in((*args, *kwargs.values()))
        traces = [trace for trace in map(self.get, inputs) if trace is not None]
        output = _run(func, args, kwargs)
        if not traces or func.overloadpacket in _CONSTANTS:
            return output
        if func is torch.ops.aten._local_scalar_dense.default:
            # A number handed to Python: from here on it may be in anything.
            self._values_read |= {WholeMapWay(self.running[-1], "a value that is read")}
        given = named_arguments(func, args, kwargs)
        pointwise = torch.Tag.pointwise in func.tags
        name, module = func.overloadpacket.__name__, self.running[-1]
        for index, tensor in enumerate(tensors_in((output,))):
            call = OperationCall(name, pointwise, given, traces, self.get, tensor, index, module)
            trace = trace_through(call)
            self.saw(call)
            if isinstance(trace, Field) and self._values_read:
                trace = trace.seeing_all(ways=self._values_read)
            if func._schema.is_mutable:
                self._write(tensor, trace)
            else:
                self.put(tensor, trace)
        return output

    def saw(self, call: OperationCall) -> None:
        """Told of every output of every operation on what depends on the image."""

    def _write(self, tensor: Tensor, trace: Trace) -> None:
        """An operation in place: whatever looks at the same memory has changed with it."""
        storage = _storage(tensor)
        self._written.add(storage)
        base = tensor if tensor._base is None else tensor._base
        before = self._traces.get(id(base))
        after = rewritten(base, before[1] if before else None, tensor, trace)
        for other in list(self._sharing.get(storage, {}).values()):
            there = self._traces[id(other)][1]
            self.put(other, seen_after(other, base, after, tensor, there))
        self.put(base, after)
        self.put(tensor, trace)
        if base.untyped_storage().nbytes() != base.numel() * base.element_size():
            self._spoilt[storage] = Placeless("a part of a map is overwritten in place")


@contextmanager
def naming(model: nn.Module, running: list[str]) -> Iterator[None]:
    """Inside the `with`, a list holds the names of the modules that run, the innermost last."""

    def start(name: str) -> Callable[..., None]:
        return lambda *_: running.append(name)

    def end(*_: Any) -> None:
        running.pop()

    with ExitStack() as hooks:
        for name, module in model.named_modules():
            hooks.callback(module.register_forward_pre_hook(start(name)).remove)
            hooks.callback(module.register_forward_hook(end).remove)
        yield


def either_way(run: Callable[[bool], _Found], image_size: tuple[int, int], channels: int) -> _Found:
    """What `run(True)` gives, on tensors without values, or `run(False)` on an image of zeros.

    Some models make tensors of their own on a fixed device or look at values. Raises FeatvizError
    if neither works.
    """
    try:
        return run(True)
    except FeatvizError:
        raise
    except Exception:
        try:
            return run(False)
        except FeatvizError:
            raise
        except Exception as error:
            raise cannot_run("the model", image_size, channels, error) from error


def cannot_run(
    model: str, image_size: tuple[int, int], channels: int, error: Exception
) -> FeatvizError:
    """What to raise for an error of a model's forward; the way out, where it lacks an argument.

    model: what it is called. image_size: width and height of what it was given.
    """
    width, height = image_size
    said = one_line(error)
    lacks = isinstance(error, TypeError) and "required positional argument" in said
    way_out = "; give it with --input NAME=VALUE, in Python with call=" if lacks else ""
    return FeatvizError(
        f"{model} cannot run on a {width}x{height} image of {channels} channels: {said}{way_out}"
    )


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
    tracer.put(image, field.laid(plain_layout(shape)))
    with torch.no_grad(), naming(model, tracer.running), tracer:
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


_CELL_BY_CELL = {torch.ops.aten.add, torch.ops.aten.where, torch.ops.aten.tanh}
_CONSTANTS = {
    getattr(torch.ops.aten, name)
    for name in ("zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like")
} | {getattr(torch.ops.aten, name) for name in ("new_zeros", "new_ones", "new_full", "new_empty")}
