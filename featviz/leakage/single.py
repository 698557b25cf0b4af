"""One edit of one image: what it changes in each layer, and how far convolutions carry it."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from featviz.activations import evaluating, truncated_forward
from featviz.errors import FeatvizError
from featviz.leakage.change import Change, relative_change
from featviz.leakage.modes import held_norms
from featviz.leakage.reach import Mask, reach
from featviz.leakage.statistics import Statistics, hold_statistics, record_statistics
from featviz.leakage.table import FREE, IMAGE
from featviz.receptive_field import Geometry, trace_geometry


def edit_changes(
    model: nn.Module, base: Tensor, edited: Tensor, layers: Sequence[str], mode: str = FREE
) -> dict[str, Change]:
    """The change of each layer at every position by one edit: layer -> (h, w) float64.

    base, edited: images as the model takes them, (1, C, H, W). layers: as in
    `record_activations`; "image" is the model's output. mode: whose statistics are held at those
    of the base, see `held_norms`. What a change is: see `change_of`. The model runs in evaluation
    mode.
    """
    changed_pixels(base, edited)
    statistics = {} if mode == FREE else record_statistics(model, base)
    with reading(model, layers) as activations, holding(model, statistics, mode):
        # The base too, so that a network whose statistics are held is compared with itself.
        before = activations(base)
        after = activations(edited)
    return {layer: relative_change(layer, after[layer], before[layer]) for layer in layers}


def edit_reach(
    model: nn.Module, base: Tensor, edited: Tensor, layers: Sequence[str]
) -> dict[str, Mask]:
    """The cells of each layer that convolutions reach from the changed pixels: (h, w) bool.

    Arguments as of `edit_changes`; see `reach`. Raises FeatvizError for a layer whose geometry is
    not known.
    """
    changed = changed_pixels(base, edited)
    geometries = trace(model, layers, base)
    return {layer: reach(geometries[layer], changed) for layer in layers}


def changed_pixels(base: Tensor, edited: Tensor) -> Mask:
    """Where two images (1, C, H, W) differ in any channel: (H, W) bool."""
    if base.shape != edited.shape or base.ndim != 4 or len(base) != 1:
        raise FeatvizError(
            f"an edit is two images (1, C, H, W) of one shape; got {tuple(base.shape)} and "
            f"{tuple(edited.shape)}"
        )
    return (base != edited)[0].any(dim=0).cpu().numpy()


def trace(model: nn.Module, layers: Sequence[str], image: Tensor) -> dict[str, Geometry]:
    """The geometry of layers, "image" among them, for images like this one (1, C, H, W)."""
    _, channels, height, width = image.shape
    names = _names(model, layers)
    found = trace_geometry(_whole(model), list(names.values()), (width, height), channels)
    return {layer: found[name] for layer, name in names.items()}


@contextmanager
def reading(
    model: nn.Module, layers: Sequence[str]
) -> Iterator[Callable[[Tensor], dict[str, Tensor]]]:
    """Yield a function from an image (1, C, H, W) to the maps of layers, "image" among them."""
    names, whole = _names(model, layers), _whole(model)
    sample = next((tensor for tensor in model.parameters() if tensor.is_floating_point()), None)
    with (
        torch.inference_mode(),
        evaluating(whole),
        truncated_forward(whole, list(names.values())) as forward,
    ):

        def activations(image: Tensor) -> dict[str, Tensor]:
            found = forward(image if sample is None else image.to(sample.device, sample.dtype))
            for layer, name in names.items():
                if not torch.isfinite(found[name]).all():
                    raise FeatvizError(f"layer '{layer}' gives NaN or infinity")
            return {layer: found[name] for layer, name in names.items()}

        yield activations


@contextmanager
def holding(model: nn.Module, statistics: dict[str, Statistics], mode: str) -> Iterator[None]:
    """Inside the `with`, the statistics that the mode names are held; none in "free"."""
    if mode == FREE:
        yield
    else:
        with hold_statistics(model, statistics, held_norms(model, mode)):
            yield


def _whole(model: nn.Module) -> nn.Module:
    """The model as the one part, "image", of another, so that its output is a layer's."""
    return nn.Sequential(OrderedDict([(IMAGE, model)]))


def _names(model: nn.Module, layers: Sequence[str]) -> dict[str, str]:
    own = {name for name, _ in model.named_modules(remove_duplicate=False)}
    return {
        layer: f"{IMAGE}.{layer}" if layer in own and layer != IMAGE else layer for layer in layers
    }
