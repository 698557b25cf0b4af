"""Reading what the layers of a network compute, by hooks that live inside a `with`."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from featviz.base.errors import FeatvizError

Stage = Literal["activation", "norm", "conv"]

_STAGES: tuple[Stage, ...] = get_args(Stage)
LISTED_LAYERS = 12


@contextmanager
def record_activations(
    model: nn.Module, layers: Sequence[str], stage: Stage = "activation"
) -> Iterator[Mapping[str, Tensor]]:
    """Record what `layers` compute whenever `model` is called inside the `with`.

    Yields a mapping from each layer's name, as given, to a copy of its output of the latest
    forward, for a convolution (N, C, H, W). The copy is made at once, so a later module that
    works in place does not change it; it stays attached to the autograd graph. When the block
    ends, however it ends, the hooks are gone and the mapping keeps what it holds.

    layers: qualified module names ("front_end.L0") or endings of them that name one module only
    ("L0"). stage: "activation" is the layer's output, "norm" and "conv" are the output of the
    layer's child of that name. A layer without normalisation has an identity for its norm, so
    there "norm" equals "conv".

    Raises FeatvizError for an unknown or ambiguous layer or a stage it does not have; during the
    forward for a module that runs twice in it (an activation object shared by many places), one
    that gives something else than a tensor, and one that takes no part in it.
    """
    modules = find_layers(model, layers, stage)
    activations: dict[str, Tensor] = {}
    with _hooks(model, modules, activations, lambda _, output: output.clone()):
        yield activations


@contextmanager
def truncated_forward(
    model: nn.Module,
    layers: Sequence[str],
    stage: Stage = "activation",
    keep: Callable[[str, Tensor], Tensor] = lambda _, output: output.clone(),
) -> Iterator[Callable[[Tensor], dict[str, Tensor]]]:
    """Yield a function from input to the activations of `layers` that computes nothing further.

    The forward is abandoned as soon as all the layers have fired, in whatever order they do.
    keep: what to retain of a layer's output, given the layer's name; it must copy, because the
    output may be overwritten later. The default copies the whole map. Layers and stage as in
    `record_activations`; the same errors are raised, except that a second run of a module goes
    unnoticed if it lies behind the end.
    """
    modules = find_layers(model, layers, stage)
    activations: dict[str, Tensor] = {}

    def forward(images: Tensor) -> dict[str, Tensor]:
        with suppress(_Complete):
            model(images)
        recorded = dict(activations)
        activations.clear()
        return recorded

    with _hooks(model, modules, activations, keep, stop_when_complete=True):
        yield forward


def find_layers(
    model: nn.Module, layers: Sequence[str], stage: Stage = "activation"
) -> dict[str, nn.Module]:
    """The module to listen to for each layer's name; see `record_activations` for the rules."""
    _require_module(model)
    if stage not in _STAGES:
        raise FeatvizError(f"unknown stage {stage!r}; there are {', '.join(_STAGES)}")
    if not layers:
        raise FeatvizError(f"no layer given; {_available(model)}")
    return {layer: _at_stage(_find_layer(model, layer), layer, stage) for layer in layers}


def _require_module(model: object) -> None:
    """Raise FeatvizError, which says what to give instead, unless it is a module with layers."""
    kind = type(model).__name__
    if isinstance(model, torch.jit.ScriptModule):
        raise FeatvizError(
            f"a scripted module ({kind}) does not let its layers be read; give the nn.Module that "
            "it was made from, with the same weights"
        )
    if isinstance(model, nn.Module):
        return
    if isinstance(model, torch.export.ExportedProgram):
        raise FeatvizError(
            f"an exported program ({kind}) has no layers any more; give the nn.Module that it was "
            "exported from, with the same weights"
        )
    if isinstance(getattr(model, "generator", None), nn.Module):
        raise FeatvizError(f"a {kind} is no module but holds one; give its .generator")
    raise FeatvizError(f"expected a torch.nn.Module; got a {kind}")


class _Complete(BaseException):
    """Ends a forward; not an Exception, so a model's own error handling lets it pass."""


@contextmanager
def _hooks(
    model: nn.Module,
    modules: Mapping[str, nn.Module],
    activations: dict[str, Tensor],
    keep: Callable[[str, Tensor], Tensor],
    stop_when_complete: bool = False,
) -> Iterator[None]:
    def start(*_: Any) -> None:
        activations.clear()

    def listen(layer: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, _: Any, output: Any) -> None:
            if layer in activations:
                raise FeatvizError(
                    f"layer '{layer}' ({type(module).__name__}) runs more than once in a forward, "
                    "so it has no single activation; choose a module that runs once"
                )
            if not isinstance(output, Tensor):
                raise FeatvizError(
                    f"layer '{layer}' ({type(module).__name__}) gives a {type(output).__name__}, "
                    "not a tensor; choose a module inside it"
                )
            activations[layer] = keep(layer, output)
            if stop_when_complete and len(activations) == len(modules):
                raise _Complete

        return hook

    def finish(*_: Any) -> None:
        silent = [layer for layer in modules if layer not in activations]
        if silent:
            raise FeatvizError(f"layer '{silent[0]}' takes no part in the forward of this model")

    handles = [model.register_forward_pre_hook(start)]
    try:
        handles += [
            module.register_forward_hook(listen(layer)) for layer, module in modules.items()
        ]
        handles.append(model.register_forward_hook(finish))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _find_layer(model: nn.Module, layer: str) -> nn.Module:
    named: dict[str, nn.Module] = dict(model.named_modules(remove_duplicate=False))
    del named[""]
    if layer in named:
        return named[layer]
    matches = {name: module for name, module in named.items() if name.endswith(f".{layer}")}
    if not layer or not matches:
        raise FeatvizError(f"unknown layer '{layer}'; {_available(model)}")
    if len({id(module) for module in matches.values()}) > 1:
        raise FeatvizError(f"layer '{layer}' is ambiguous; it may be {_shortened(list(matches))}")
    return next(iter(matches.values()))


def _at_stage(module: nn.Module, layer: str, stage: Stage) -> nn.Module:
    if stage == "activation":
        return module
    children: dict[str, nn.Module] = dict(module.named_children())
    if stage not in children:
        there = f"has {_shortened(list(children))}" if children else "has no parts"
        raise FeatvizError(f"layer '{layer}' has no part '{stage}'; it {there}")
    return children[stage]


def _available(model: nn.Module) -> str:
    names = [name for name, _ in model.named_modules() if name]
    blocks = [name.rpartition(".")[2] for name in names if _BLOCK.search(name)]
    if blocks and len(set(blocks)) == len(blocks):
        kind = "generator" if any(name.startswith("front_end.") for name in names) else "model"
        return f"this {kind} has {', '.join(blocks)}"
    weighty = [
        name
        for name, module in model.named_modules()
        if name and next(module.parameters(recurse=False), None) is not None
    ]
    return f"this model has {_shortened(weighty or names) or 'no named modules'}"


_BLOCK = re.compile(r"(^|\.)L\d+$")


def _shortened(names: Sequence[str]) -> str:
    shown = ", ".join(names[:LISTED_LAYERS])
    return (
        shown if len(names) <= LISTED_LAYERS else f"{shown} and {len(names) - LISTED_LAYERS} more"
    )


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode; every module's own training flag returns afterwards."""
    flags = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in flags.items():
            module.training = training


def require_finite_weights(model: nn.Module, name: str) -> None:
    """Raise FeatvizError naming the first parameter or buffer that holds NaN or infinity.

    name: what to call the model in the message.
    """
    for key, tensor in [*model.named_parameters(), *model.named_buffers()]:
        # NaN and infinity survive a sum, which takes a tenth of the time of a look at each value;
        # a sum that overflowed by itself is looked at closely.
        if not tensor.is_floating_point() or torch.isfinite(tensor.detach().sum()):
            continue
        if bad := int((~torch.isfinite(tensor)).sum()):
            raise FeatvizError(
                f"{name}: weight '{key}' holds NaN or infinity in {bad} of {tensor.numel()} "
                "values; expected finite numbers"
            )
