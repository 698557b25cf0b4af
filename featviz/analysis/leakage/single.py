"""One edit of one image: what it changes in each layer, and how far convolutions carry it."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from featviz.analysis.leakage.change import Change, relative_change
from featviz.analysis.leakage.corners import Corners
from featviz.analysis.leakage.modes import held_norms
from featviz.analysis.leakage.table import FREE, IMAGE, STATISTICS
from featviz.base.errors import FeatvizError
from featviz.probing.activations import evaluating, require_names, truncated_forward
from featviz.probing.field import WholeMapWay
from featviz.probing.reach import reach
from featviz.probing.receptive_field import Geometry, trace_geometry
from featviz.probing.statistics import (
    Statistics,
    instance_norms,
    record_statistics,
    recording_statistics,
)
from featviz.sketches.edits import Mask

HeldRun = Callable[
    [Tensor, Mapping[str, Statistics]], tuple[Mapping[str, Tensor], Mapping[str, Statistics]]
]
"""(image, held by name) -> the maps of layers, and the statistics of the norms not held."""


class Changes(dict[str, Change]):
    """The change of each layer at every position: layer -> (h, w) float64.

    not_held: by name, what let positions see each other although statistics were held, each with
    what it is: "decoder.norm (group norm)"; what came through it counts as convolutions. Empty
    in "free".
    """

    def __init__(self, changes: Mapping[str, Change], not_held: Sequence[str] = ()) -> None:
        super().__init__(changes)
        self.not_held = tuple(not_held)


def edit_changes(
    model: nn.Module, base: Tensor, edited: Tensor, layers: Sequence[str], mode: str = FREE
) -> Changes:
    """The change of each layer at every position by one edit: layer -> (h, w) float64.

    base, edited: images as the model takes them, (1, C, H, W). layers: as in
    `record_activations`; "image" is the model's output. mode: whose statistics are held at those
    of the base, see `held_norms`; in "statistics" the base is given those of the edit. `not_held`
    of what is returned names what stays free all the same. What a change is: see `change_of`. The
    model runs in evaluation mode. Raises FeatvizError for a layer that gives no maps
    (1, C, H, W), or of which that is not known.
    """
    changed_pixels(base, edited)
    geometries = trace(model, layers, base)
    # Of the whole forward, of which `run` goes as far as the layers.
    statistics = record_statistics(model, base)
    with running(model, layers, geometries) as run:
        before, _ = run(base, {})
        if mode == STATISTICS:
            held_norms(model, mode)
            after, _ = run(base, run(edited, {})[1])
        else:
            after, _ = run(edited, held_statistics(model, statistics, mode))
    changes = {layer: relative_change(layer, after[layer], before[layer]) for layer in layers}
    return Changes(changes, () if mode == FREE else not_held(model, geometries, statistics))


def edit_corners(
    model: nn.Module, base: Tensor, edited: Tensor, layers: Sequence[str]
) -> dict[str, Corners]:
    """What each layer makes of content and statistics from base or edit: layer -> `Corners`.

    Arguments as of `edit_changes`. Of a model without instance norms the statistics change nothing.
    """
    changed_pixels(base, edited)
    with running(model, layers, trace(model, layers, base)) as run:
        before, of_base = run(base, {})
        after, of_edit = run(edited, {})
        content, _ = run(edited, of_base)
        statistics, _ = run(base, of_edit)
    return {
        layer: Corners(before[layer], content[layer], statistics[layer], after[layer])
        for layer in layers
    }


def edit_reach(
    model: nn.Module, base: Tensor, edited: Tensor, layers: Sequence[str]
) -> dict[str, Mask]:
    """The cells of each layer that convolutions reach from the changed pixels: (h, w) bool.

    Arguments as of `edit_changes`; see `reach`. Raises FeatvizError for a layer whose geometry is
    not known.
    """
    changed = changed_pixels(base, edited)
    geometries = placed(trace(model, layers, base))
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
    """The geometry of layers, "image" among them, for images like this one (1, C, H, W).

    Raises FeatvizError for a layer that gives no maps (1, C, H, W), or of which that is not known.
    """
    _, channels, height, width = image.shape
    names = _names(model, layers)
    found = trace_geometry(
        _whole(model), list(names.values()), (width, height), channels, tokens=True
    )
    for layer, name in names.items():
        if found[name].map_size is None:
            raise FeatvizError(
                f"layer '{layer}' gives no maps: {found[name].reason}; "
                "choose one with output (N, C, H, W), or tokens"
            )
    return {layer: found[name] for layer, name in names.items()}


def placed(geometries: Mapping[str, Geometry]) -> Mapping[str, Geometry]:
    """The same geometries, all known; raises FeatvizError for a layer whose is not."""
    for layer, geometry in geometries.items():
        if not geometry.known:
            raise FeatvizError(
                f"where convolutions carry an edit to in layer '{layer}' is not known: "
                f"{geometry.reason}; leave the layer out"
            )
    return geometries


def not_held(
    model: nn.Module, geometries: Mapping[str, Geometry], statistics: Mapping[str, Statistics]
) -> tuple[str, ...]:
    """What lets positions see each other and cannot be held, each with what it is.

    geometries: what `trace` gave of the layers. statistics: what `record_statistics` gave. Instance
    norms that take no part in the forward, whose statistics are none, are named too.
    """
    ways = [way for way in ways_to(geometries) if way.module not in statistics]
    idle = [name for name in instance_norms(model) if name not in statistics]
    return (*told_ways(ways), *(f"{name} (takes no part)" for name in idle))


def ways_to(geometries: Mapping[str, Geometry]) -> list[WholeMapWay]:
    """All through which positions see each other up to layers that were traced, by module."""
    seen = {way for each in geometries.values() for way in each.ways}
    return sorted(
        WholeMapWay(way.module.removeprefix(IMAGE).removeprefix("."), way.kind) for way in seen
    )


def told_ways(ways: Sequence[WholeMapWay]) -> tuple[str, ...]:
    """What each module does: "decoder.norm (group norm)"."""
    kinds: dict[str, list[str]] = {}
    for module, kind in ways:
        kinds.setdefault(module or "the model's own forward", []).append(kind)
    return tuple(f"{name} ({', '.join(each)})" for name, each in kinds.items())


@contextmanager
def reading(
    model: nn.Module, layers: Sequence[str], geometries: Mapping[str, Geometry] | None = None
) -> Iterator[Callable[[Tensor], dict[str, Tensor]]]:
    """Yield a function from an image (1, C, H, W) to the maps of layers, "image" among them.

    geometries: what `trace` gave, for layers whose maps lie in other dimensions than (N, C, H, W).
    """
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
            return {
                layer: geometries[layer].maps(found[name]) if geometries else found[name]
                for layer, name in names.items()
            }

        yield activations


@contextmanager
def running(
    model: nn.Module, layers: Sequence[str], geometries: Mapping[str, Geometry] | None = None
) -> Iterator[HeldRun]:
    """Yield a function from an image (1, C, H, W) and what is held to maps and statistics.

    The maps are those of the layers, "image" among them; the statistics those of the norms that are
    not held. An image whose own statistics are held gives the same maps to the last bit.
    """
    with reading(model, layers, geometries) as activations:

        def run(
            image: Tensor, held: Mapping[str, Statistics]
        ) -> tuple[dict[str, Tensor], dict[str, Statistics]]:
            with recording_statistics(model, held) as statistics:
                return activations(image), statistics

        yield run


def held_statistics(
    model: nn.Module, statistics: Mapping[str, Statistics], mode: str
) -> dict[str, Statistics]:
    """Of some statistics those of the norms that the mode holds; none in "free".

    Norms without statistics, which take no part in the forward, are left out; raises FeatvizError
    if no other is left.
    """
    held = {name: statistics[name] for name in held_norms(model, mode) if name in statistics}
    if mode != FREE and not held:
        raise FeatvizError(
            f"mode '{mode}' holds nothing: its norms take no part in the forward of this model"
        )
    return held


def _whole(model: nn.Module) -> nn.Module:
    """The model as the one part, "image", of another, so that its output is a layer's."""
    return nn.Sequential(OrderedDict([(IMAGE, model)]))


def _names(model: nn.Module, layers: Sequence[str]) -> dict[str, str]:
    own = {name for name, _ in model.named_modules(remove_duplicate=False)}
    require_names(layers)
    return {
        layer: f"{IMAGE}.{layer}" if layer in own and layer != IMAGE else layer for layer in layers
    }
