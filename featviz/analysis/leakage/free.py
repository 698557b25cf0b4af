"""What lets positions see each other and cannot be held: found by watching one forward."""

import math
from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from featviz.probing.activations import evaluating, record_activations
from featviz.probing.field import Placeless
from featviz.probing.tracing import Tracer, naming, run_without_values


def free_parts(
    model: nn.Module, layers: Sequence[str], image: Tensor, held: Collection[str] = ()
) -> dict[str, str]:
    """The modules up to `layers` in which positions see each other otherwise than by windows.

    Group norm, layer norm over maps, norms that take the input's own statistics by whatever code,
    means over positions and attention; without the modules in `held`. Returns what each does:
    {"decoder.norm": "group norm"}, "" for the model's own forward. The model runs once in
    evaluation mode, on tensors without values or, if it does not work on these, on an image of
    zeros. image: one like those that are compared, (1, C, H, W). layers: as in
    `record_activations`.
    """
    found: dict[str, dict[str, None]] = {}
    sample = next((tensor for tensor in model.parameters() if tensor.is_floating_point()), image)
    for device in ("meta", sample.device):
        found.clear()
        zeros = torch.zeros(image.shape, dtype=sample.dtype, device=device)
        with (
            evaluating(model),
            torch.no_grad(),
            record_activations(model, layers) as activations,
            naming(model, running := [""]),
            _Watcher(zeros) as watcher,
        ):

            def note(kind: str) -> None:
                # What lies behind the last layer does not reach any.
                if running[-1] not in held and len(activations) < len(set(layers)):
                    found.setdefault(running[-1], {})[kind] = None

            watcher.note = note
            try:
                run_without_values(model, zeros) if device == "meta" else model(zeros)
            except Exception:
                # Some models look at values; what fails behind the last layer matters to none.
                if len(activations) < len(set(layers)):
                    continue
        break
    return {name: ", ".join(kinds) for name, kinds in found.items()}


class _Watcher(Tracer):  # type: ignore[no-untyped-call]
    """Notes the operations on what depends on an image (1, C, H, W) that join its positions."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.note: Any = None
        self.put(image, Placeless("it is watched"))
        self._size = tuple(image.shape[-2:])

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = dict(zip((a.name for a in func._schema.arguments), args, strict=False))
        given |= kwargs or {}
        tensors = [value for value in given.values() if isinstance(value, Tensor)]
        name = func.overloadpacket.__name__
        if any(self.get(tensor) is not None for tensor in tensors):
            kind = _joins_positions(name, given, tensors, self._size)
            if kind and self.note is not None:
                self.note(kind)
        output = super().__torch_dispatch__(func, types, args, kwargs)
        first = output[0] if isinstance(output, tuple | list) and output else output
        windowed = any(part in name for part in _WINDOWED) and isinstance(first, Tensor)
        if windowed and first.ndim == 4 and math.prod(first.shape[-2:]) > 1:
            self._size = tuple(first.shape[-2:])
        return output


def _joins_positions(
    name: str, given: dict[str, Any], tensors: Sequence[Tensor], size: tuple[int, ...]
) -> str | None:
    """What an operation does that lets the positions of maps of `size` see each other."""
    first, positions = tensors[0].shape, math.prod(size)
    if positions == 1:
        return None
    if "batch_norm" in name:
        return "norm by the input's own statistics" if given.get("training") else None
    if "group_norm" in name:
        return "group norm"
    if "layer_norm" in name:
        return "layer norm over maps" if len(given["normalized_shape"]) > 1 else None
    if "softmax" in name:
        dim = given["dim"] % len(first)
        square = dim == len(first) - 1 > 1 and first[-1] == first[-2] > 1
        return "attention" if square or first[dim] == positions else None
    if "attention" in name or "transformer_encoder" in name:
        return "attention"
    if name.startswith("_fft"):
        return "Fourier transform"
    if name in _PRODUCTS and len(tensors) > 1:
        rows, inner = tensors[-2].shape[-2:]
        return "product over positions" if rows % positions and not inner % positions else None
    if "adaptive" in name and math.prod(given["output_size"]) == 1:
        return "statistics over positions"
    if name in _REDUCTIONS and "other" not in given:
        return "statistics over positions" if _reduces(first, given.get("dim"), size) else None
    return None


def _reduces(shape: Sequence[int], dim: Any, size: tuple[int, ...]) -> bool:
    """Whether a reduction of some dimensions (all if None) goes over positions."""
    given = range(len(shape)) if dim in (None, []) else [dim] if isinstance(dim, int) else dim
    dims = {each % len(shape) for each in given}
    last = {len(shape) - 2, len(shape) - 1}
    if len(shape) > 3 and (tuple(shape[-2:]) == size or last <= dims):
        return any(shape[each] > 1 for each in dims & last)
    if len(shape) == 4 and tuple(shape[1:3]) == size:
        return bool(dims & {1, 2})
    # Maps whose positions were put in a row, perhaps with channels.
    return math.prod(shape[each] for each in dims) % math.prod(size) == 0


_WINDOWED = ("conv", "pool", "pad", "upsample", "pixel_shuffle", "pixel_unshuffle")
_PRODUCTS = ("mm", "bmm", "addmm", "baddbmm")
_REDUCTIONS = {
    *("mean", "sum", "prod", "amax", "amin", "max", "min", "median", "logsumexp", "norm"),
    *("var", "std", "var_mean", "std_mean", "aminmax", "linalg_vector_norm"),
}
