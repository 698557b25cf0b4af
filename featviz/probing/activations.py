"""Reading what the layers of a network compute, by hooks that live inside a `with`."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from featviz.base.errors import FeatvizError
from featviz.probing.device import exactly

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
    ("L0"); "relu#2" is the second run of a module that runs several times in a forward. stage:
    "activation" is the layer's output, "norm" and "conv" are the output of the layer's child of
    that name. A layer without normalisation has an identity for its norm, so there "norm" equals
    "conv".

    Raises FeatvizError for an unknown or ambiguous layer or a stage it does not have; during the
    forward for a module that runs twice in it (an activation object shared by many places) if no
    run is told, one that gives something else than a tensor (or a tuple that holds one), and one
    that takes no part in it.
    """
    targets = _find(model, layers, stage)
    activations: dict[str, Tensor] = {}
    with _hooks(model, targets, activations, lambda _, output: output.clone()):
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
    targets = _find(model, layers, stage)
    activations: dict[str, Tensor] = {}

    def forward(images: Tensor) -> dict[str, Tensor]:
        with suppress(_Complete):
            model(images)
        recorded = dict(activations)
        activations.clear()
        return recorded

    with _hooks(model, targets, activations, keep, stop_when_complete=True):
        yield forward


def tensor_in(output: object) -> Tensor | None:
    """The tensor that a module gives, alone or as the only one of a tuple; None if it gives none.

    Attention gives its weights, or None, beside what goes on; blocks of transformers do, too.
    """
    if isinstance(output, Tensor):
        return output
    tensors = [each for each in output if each is not None] if isinstance(output, tuple) else []
    only = tensors[0] if len(tensors) == 1 else None
    return only if isinstance(only, Tensor) else None


def find_layers(
    model: nn.Module, layers: Sequence[str], stage: Stage = "activation"
) -> dict[str, nn.Module]:
    """The module to listen to for each layer's name; see `record_activations` for the rules."""
    return {layer: target.module for layer, target in _find(model, layers, stage).items()}


def find_runs(model: nn.Module, layers: Sequence[str]) -> dict[str, int]:
    """The layers that are one run of a module, as "relu#2" is, and the number of the run."""
    return {
        layer: target.run
        for layer, target in _find(model, layers, "activation").items()
        if target.run is not None
    }


class _Target(NamedTuple):
    """A module to listen to. run: which of its runs in a forward, from 1; None for the only one."""

    module: nn.Module
    run: int | None


def _find(model: nn.Module, layers: Sequence[str], stage: Stage) -> dict[str, _Target]:
    require_module(model)
    if stage not in _STAGES:
        raise FeatvizError(f"unknown stage {stage!r}; there are {', '.join(_STAGES)}")
    require_names(layers)
    if not layers:
        raise FeatvizError(f"no layer given; {available_layers(model)}")
    named = dict(model.named_modules(remove_duplicate=False))
    found = {}
    for layer in layers:
        module, run = _find_layer(model, named, layer)
        found[layer] = _Target(_at_stage(module, layer, stage), run)
    return found


def require_names(layers: Sequence[str]) -> None:
    """Raise FeatvizError for one name in place of a list, of which each letter would be one."""
    if isinstance(layers, str):
        raise FeatvizError(f"layers are the text '{layers}'; expected a list, ['{layers}']")


def require_module(model: object) -> None:
    """Raise FeatvizError, which says what to give instead, unless it is a module with layers."""
    kind = type(model).__name__
    if isinstance(model, torch.jit.ScriptModule):
        raise FeatvizError(
            f"a scripted module ({kind}) does not let its layers be read; give the nn.Module that "
            "it was made from, with the same weights"
        )
    if hasattr(model, "_orig_mod"):
        raise FeatvizError(
            f"a compiled module ({kind}) does not let its layers be read; give the nn.Module that "
            "it was made from, its ._orig_mod"
        )
    if getattr(model, "_compiled_call_impl", None) is not None:
        raise FeatvizError(
            f"a {kind} whose .compile() was called does not let its layers be read; give a copy "
            "that was not compiled, with the same weights"
        )
    if isinstance(model, torch.fx.GraphModule) and not _has_parts(model):
        raise FeatvizError(
            f"an exported module ({kind}) has no layers any more; give the nn.Module that it was "
            "exported from, with the same weights"
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


def _has_parts(model: nn.Module) -> bool:
    """Whether modules run inside; those of an exported one hold weights and what it assumed."""
    inside = (module for name, module in model.named_modules() if name not in ("", "_guards_fn"))
    return any(type(module) is not nn.Module for module in inside)


class _Complete(BaseException):
    """Ends a forward; not an Exception, so a model's own error handling lets it pass."""


@contextmanager
def _hooks(
    model: nn.Module,
    targets: Mapping[str, _Target],
    activations: dict[str, Tensor],
    keep: Callable[[str, Tensor], Tensor],
    stop_when_complete: bool = False,
) -> Iterator[None]:
    runs: Counter[str] = Counter()
    running: list[Any] = []

    def start(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        activations.clear()
        runs.clear()
        running[:] = inputs

    def listen(layer: str, run: int | None) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, _: Any, output: Any) -> None:
            runs[layer] += 1
            if run not in (None, runs[layer]):
                return
            if layer in activations:
                raise FeatvizError(
                    f"layer '{layer}' ({type(module).__name__}) runs more than once in a forward, "
                    f"so it has no single activation; choose a run, '{layer}#1', '{layer}#2', ..., "
                    "or a module that runs once"
                )
            if (tensor := tensor_in(output)) is None:
                raise FeatvizError(
                    f"layer '{layer}' ({type(module).__name__}) gives a {type(output).__name__}, "
                    "not a tensor; choose a module inside it"
                )
            activations[layer] = keep(layer, tensor)
            if stop_when_complete and len(activations) == len(targets):
                running.clear()
                raise _Complete

        return hook

    def finish(*_: Any) -> None:
        running.clear()
        silent = next((layer for layer in targets if layer not in activations), None)
        if silent is not None and runs[silent]:
            raise FeatvizError(f"layer '{silent}' is no run: it runs {runs[silent]} times")
        if silent is not None:
            raise FeatvizError(f"layer '{silent}' takes no part in the forward of this model")

    handles = [model.register_forward_pre_hook(start)]
    try:
        handles += [
            target.module.register_forward_hook(listen(layer, target.run))
            for layer, target in targets.items()
        ]
        handles.append(model.register_forward_hook(finish))
        yield
    except RuntimeError as error:
        if any(isinstance(given, Tensor) and given.dtype == torch.uint8 for given in running):
            raise FeatvizError(
                "the model cannot run on uint8; give float images, such as encode_image (of "
                "featviz.sketches.tensors) makes of one"
            ) from error
        raise
    finally:
        for handle in handles:
            handle.remove()


def _find_layer(
    model: nn.Module, named: Mapping[str, nn.Module], layer: str
) -> tuple[nn.Module, int | None]:
    name, run = layer, None
    if layer not in named and (told := _RUN.fullmatch(layer)):
        name, run = told[1], int(told[2])
    if name and name in named:
        return named[name], run
    matches = {path: module for path, module in named.items() if path.endswith(f".{name}")}
    if not name or not matches:
        raise FeatvizError(f"unknown layer '{layer}'; {available_layers(model)}")
    if len({id(module) for module in matches.values()}) > 1:
        raise FeatvizError(f"layer '{layer}' is ambiguous; it may be {_shortened(list(matches))}")
    return next(iter(matches.values())), run


def _at_stage(module: nn.Module, layer: str, stage: Stage) -> nn.Module:
    if stage == "activation":
        return module
    children: dict[str, nn.Module] = dict(module.named_children())
    if stage not in children:
        there = f"has {_shortened(list(children))}" if children else "has no parts"
        raise FeatvizError(f"layer '{layer}' has no part '{stage}'; it {there}")
    return children[stage]


def makes_weights(name: str) -> bool:
    """Whether a module is one of those that torch's parametrizations make weights by, not maps."""
    return "parametrizations" in name.split(".")


def available_layers(model: nn.Module) -> str:
    """What an error tells of the layers that there are."""
    names = [name for name, _ in model.named_modules() if name and not makes_weights(name)]
    blocks = [name.rpartition(".")[2] for name in names if _BLOCK.search(name)]
    if blocks and len(set(blocks)) == len(blocks):
        kind = "generator" if any(map(_OF_GENERATOR.match, names)) else "model"
        return f"this {kind} has {', '.join(blocks)}"
    weighty = [
        name
        for name, module in model.named_modules()
        if name and next(module.parameters(recurse=False), None) is not None
    ]
    return f"this model has {_shortened(weighty or names) or 'no named modules'}"


_BLOCK = re.compile(r"(^|\.)L\d+$|^refinement\.M\d+$")
_OF_GENERATOR = re.compile(r"(front_end|refinement)\.")
_RUN = re.compile(r"(.+)#([1-9]\d*)", re.ASCII)


def _shortened(names: Sequence[str]) -> str:
    shown = ", ".join(names[:LISTED_LAYERS])
    return (
        shown if len(names) <= LISTED_LAYERS else f"{shown} and {len(names) - LISTED_LAYERS} more"
    )


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode; every module's own training flag returns afterwards.

    On a GPU it computes as `exactly` says.
    """
    flags = {module: module.training for module in model.modules()}
    weights = next(model.parameters(), None)
    model.eval()
    try:
        with nullcontext() if weights is None else exactly(weights.device):
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
