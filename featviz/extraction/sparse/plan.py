"""A module -> the chain of operations down to the wanted layers, or why there is none.

One forward on tensors without values shows which modules run, one after the other, and that each
takes exactly what the one before has given. So the structure of a model is observed, not guessed:
anything in between (a function, a second branch, a change in place) breaks the chain and is
refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featviz.base.errors import FeatvizError
from featviz.extraction.sparse.operations import (
    Convolution,
    InstanceNormOperation,
    Operation,
    Pointwise,
)
from featviz.generators.networks.instance_norm import InstanceNorm as OwnInstanceNorm
from featviz.probing.activations import Stage, evaluating, find_layers, find_runs, makes_weights
from featviz.probing.tracing import Tracer, run_without_values
from featviz.probing.windows import PaddingMode, Window


class UnsuitedError(FeatvizError):
    """The sparse engine cannot compute these layers of this model; the message says why."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A chain of operations from the image on.

    targets: for each layer how many operations lie before its output. image_size: (width, height).
    dtype: of the weights and of all values.
    """

    operations: tuple[Operation, ...]
    targets: Mapping[str, int]
    image_size: tuple[int, int]
    channels: int
    dtype: torch.dtype

    @property
    def local_end(self) -> int:
        """How many operations come before the first statistic over the whole map."""
        for index, operation in enumerate(self.operations):
            if isinstance(operation, InstanceNormOperation):
                return index
        return len(self.operations)


def make_plan(
    model: nn.Module,
    layers: Sequence[str],
    image_size: tuple[int, int],
    channels: int = 3,
    stage: Stage = "activation",
) -> Plan:
    """How to compute `layers` of a model for images of `image_size` = (width, height).

    Layers and stage as in `record_activations`. Raises UnsuitedError for a model that is no
    chain of convolutions, instance or fixed normalisations and pointwise activations down to
    there, and FeatvizError for layers it lacks.
    """
    targets = find_layers(model, layers, stage)
    if runs := find_runs(model, layers):
        raise UnsuitedError(f"layer '{next(iter(runs))}' is one run of a module of several")
    weights = [tensor for tensor in model.parameters() if tensor.is_floating_point()]
    kinds = {(tensor.dtype, tensor.device.type) for tensor in weights}
    dtype, device = next(iter(kinds), (torch.float32, "cpu"))
    if len(kinds) > 1 or device != "cpu" or dtype not in _PRECISIONS:
        there = ", ".join(sorted(f"{kind[0]} on {kind[1]}" for kind in kinds))
        raise UnsuitedError(
            f"its weights are {there}; expected one precision, float32, float64 or "
            "bfloat16, on the CPU"
        )
    with evaluating(model):
        chain, ends = _observe(model, targets, image_size, channels, dtype)
        names = {module: name for name, module in model.named_modules()}
        operations, reached = _translate(chain, names)
    positions: dict[str, int] = {}
    for layer, end in ends.items():
        position = reached[end]
        if position is None:
            raise UnsuitedError(f"layer '{layer}' is padding, here a part of its convolution")
        positions[layer] = position
    last = max(positions.values())
    return Plan(tuple(operations[:last]), positions, image_size, channels, dtype)


_PRECISIONS = (torch.float32, torch.float64, torch.bfloat16)


class _Complete(BaseException):
    """Ends the observed forward; not an Exception, so a model's error handling lets it pass."""


def _observe(
    model: nn.Module,
    targets: Mapping[str, nn.Module],
    image_size: tuple[int, int],
    channels: int,
    dtype: torch.dtype,
) -> tuple[list[nn.Module], dict[str, int]]:
    """The modules that run one after the other, and for each layer how many have run by then."""
    chain: list[nn.Module] = []
    ends: dict[str, int] = {}
    state: list[tuple[Tensor, int]] = []
    broken: list[str] = []

    def continues(value: Any) -> bool:
        # The version tells of changes in place between two modules.
        return (
            isinstance(value, Tensor) and value is state[-1][0] and (value._version == state[-1][1])
        )

    def before(module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        if not broken and (len(inputs) != 1 or named or not continues(inputs[0])):
            what = "the image" if not chain else f"the output of {_kind(chain[-1])}"
            broken.append(f"{_kind(module)} takes something else than {what}")

    def after(module: nn.Module, _: Any, output: Any) -> None:
        if not broken and not isinstance(output, Tensor):
            broken.append(f"{_kind(module)} gives a {type(output).__name__}, not a tensor")
        if not broken:
            chain.append(module)
            state.append((output, output._version))

    def reach(layer: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, _: Any, output: Any) -> None:
            if broken:
                raise _Complete
            if not continues(output):
                broken.append(f"layer '{layer}' ({_kind(module)}) does more than its modules do")
                raise _Complete
            ends[layer] = len(chain)
            if len(ends) == len(targets):
                raise _Complete

        return hook

    if hooked := [module for module in model.modules() if _has_hooks(module)]:
        raise UnsuitedError(f"{_kind(hooked[0])} has hooks, which may change what it computes")
    steps = [module for name, module in model.named_modules() if _is_step(name, module)]
    width, height = image_size
    handles = []
    try:
        for module in steps:
            handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
            handles.append(module.register_forward_hook(after))
        handles += [module.register_forward_hook(reach(name)) for name, module in targets.items()]
        # The tracer finds shapes without PyTorch's compiler, which takes a second to load.
        with torch.inference_mode(False), torch.no_grad(), Tracer():
            image = torch.zeros(1, channels, height, width, dtype=dtype, device="meta")
            state.append((image, image._version))
            run_without_values(model, image)
    except _Complete:
        pass
    except FeatvizError:
        raise
    except Exception as error:
        raise UnsuitedError(
            f"it does not run on tensors without values: {' '.join(str(error).split())}"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    if broken:
        raise UnsuitedError(broken[0])
    if missing := [layer for layer in targets if layer not in ends]:
        raise UnsuitedError(f"layer '{missing[0]}' does not run")
    return chain, ends


def _translate(
    chain: Sequence[nn.Module], names: Mapping[nn.Module, str]
) -> tuple[list[Operation], list[int | None]]:
    """Operations of modules; reached: for 0, 1, ... modules how many operations that makes.

    None stands for padding whose convolution has not come yet.
    """
    operations: list[Operation] = []
    reached: list[int | None] = [0]
    pad: _Padding | None = None
    for module in chain:
        try:
            padding = _as_padding(module)
            if pad is not None and _forward(module) is not nn.Conv2d.forward:
                raise UnsuitedError("padding that no convolution follows")
            if padding is not None:
                pad = padding
            elif (operation := _as_operation(module, pad)) is not None:
                operations.append(operation)
                pad = None
        except UnsuitedError as reason:
            name = names.get(module) or "the model"
            raise UnsuitedError(f"{name} ({_kind(module)}): {reason}") from None
        reached.append(None if pad is not None else len(operations))
    return operations, reached


@dataclass(frozen=True)
class _Padding:
    """Cells around a map: sides (left, right, top, bottom)."""

    sides: tuple[int, int, int, int]
    mode: PaddingMode
    value: float = 0.0


_PADDINGS: dict[Any, PaddingMode] = {
    nn.ReflectionPad2d: "reflect",
    nn.ReplicationPad2d: "replicate",
    nn.CircularPad2d: "circular",
    nn.ZeroPad2d: "constant",
    nn.ConstantPad2d: "constant",
}
_CONVOLUTION_MODES: dict[str, PaddingMode] = {
    "zeros": "constant",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}
_POINTWISE = (
    *(nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.ReLU6, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU),
    *(nn.Mish, nn.Tanh, nn.Sigmoid, nn.LogSigmoid, nn.Softplus, nn.Softsign, nn.Hardtanh),
    *(nn.Hardswish, nn.Hardsigmoid, nn.Hardshrink, nn.Softshrink, nn.Tanhshrink, nn.Threshold),
)
_NOTHING = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout)


def _as_padding(module: Any) -> _Padding | None:
    mode = _PADDINGS.get(type(module))
    if mode is None:
        return None
    sides = tuple(module.padding)
    if min(sides) < 0:
        raise UnsuitedError(f"padding {sides} cuts the map")
    return _Padding(sides, mode, float(getattr(module, "value", 0.0)))


def _as_operation(module: Any, pad: _Padding | None) -> Operation | None:
    """None for a module that does nothing."""
    forward = _forward(module)
    if forward is nn.Conv2d.forward:
        return _as_convolution(module, pad)
    if forward in (nn.InstanceNorm2d.forward, OwnInstanceNorm.forward):
        if not module.track_running_stats:
            return InstanceNormOperation(module.eps, _values(module.weight), _values(module.bias))
        return _as_affine(module)
    if forward is nn.BatchNorm2d.forward:
        if module.running_mean is None:
            raise UnsuitedError("it has no running statistics, so that images depend on each other")
        return _as_affine(module)
    if type(module) in _NOTHING:
        return None
    if type(module) in _POINTWISE:
        return Pointwise(module)
    raise UnsuitedError(
        "expected convolutions, instance or batch normalisation, padding and pointwise activations"
    )


def _as_convolution(module: Any, pad: _Padding | None) -> Convolution:
    if module.groups != 1:
        raise UnsuitedError(f"a convolution of {module.groups} groups; expected 1")
    own = _own_padding(module)
    if pad is not None and any(own.sides):
        raise UnsuitedError("padding in front of a convolution that pads by itself")
    padding = own if pad is None else pad
    weight = module.weight.detach()
    return Convolution(
        Window(
            tuple(module.kernel_size),
            tuple(module.stride),
            tuple(module.dilation),
            padding.sides,
            padding.mode,
        ),
        weight.permute(2, 3, 1, 0).reshape(-1, module.out_channels).contiguous(),
        _values(module.bias),
        padding.value,
    )


def _own_padding(module: nn.Conv2d) -> _Padding:
    if isinstance(module.padding, str):
        extra = [
            dilation * (kernel - 1) if module.padding == "same" else 0
            for kernel, dilation in zip(module.kernel_size, module.dilation, strict=True)
        ]
        # An odd cell goes to the right and to the bottom.
        (top, bottom), (left, right) = ((cells // 2, cells - cells // 2) for cells in extra)
    else:
        top, left = module.padding
        bottom, right = top, left
    return _Padding((left, right, top, bottom), _CONVOLUTION_MODES[module.padding_mode])


def _as_affine(module: Any) -> Pointwise:
    mean, variance = module.running_mean.detach(), module.running_var.detach()
    scale, shift = _values(module.weight), _values(module.bias)
    return Pointwise(
        partial(
            F.batch_norm,
            running_mean=mean,
            running_var=variance,
            weight=scale,
            bias=shift,
            eps=module.eps,
        )
    )


def _values(parameter: Tensor | None) -> Tensor | None:
    return None if parameter is None else parameter.detach()


def _forward(module: nn.Module) -> Any:
    return type(module).forward


def _is_step(name: str, module: nn.Module) -> bool:
    """Whether a module does something by itself, rather than by its parts."""
    if makes_weights(name):
        return False
    return _forward(module) is nn.Conv2d.forward or next(module.children(), None) is None


def _has_hooks(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _kind(module: nn.Module) -> str:
    return type(module).__name__
