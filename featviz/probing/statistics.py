"""Holding the statistics of instance norms at those of another image.

A norm whose mean and variance are constants is a fixed scale and shift: nothing can pass through
it from one position to another.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featviz.base.errors import FeatvizError
from featviz.probing.activations import LISTED_LAYERS, evaluating, find_layers


@dataclass(frozen=True, eq=False)
class Statistics:
    """What an instance norm computed of one image: mean and (biased) variance, each (C,).

    float32, float64 where the maps are.
    """

    mean: Tensor
    variance: Tensor


def instance_norms(
    model: nn.Module, layers: Sequence[str] | None = None
) -> dict[str, nn.InstanceNorm2d]:
    """The instance norms of a model, or of some of its layers, by their qualified names.

    Norms that use running statistics in evaluation are none: theirs are the same for every image.
    layers: as in `record_activations`; a layer may hold many norms or be one itself. Raises
    FeatvizError for a layer without an instance norm, and for a model without any if layers are
    given.
    """
    names = {module: name for name, module in model.named_modules()}
    if layers is None:
        return {names[norm]: norm for norm in _norms_in(model)}
    found: dict[str, nn.InstanceNorm2d] = {}
    for layer, module in find_layers(model, layers).items():
        norms = _norms_in(module)
        if not norms:
            there = list(instance_norms(model))
            shown = ", ".join(there[:LISTED_LAYERS]) or "none"
            more = f" and {len(there) - LISTED_LAYERS} more" if len(there) > LISTED_LAYERS else ""
            raise FeatvizError(
                f"layer '{layer}' has no instance norm whose statistics could be held; "
                f"the norms of this model are {shown}{more}"
            )
        found |= {names[norm]: norm for norm in norms}
    return found


def _norms_in(module: nn.Module) -> list[nn.InstanceNorm2d]:
    return [
        norm
        for norm in module.modules()
        if isinstance(norm, nn.InstanceNorm2d) and not norm.track_running_stats
    ]


def record_statistics(model: nn.Module, image: Tensor) -> dict[str, Statistics]:
    """The statistics of every instance norm that takes part in the forward of one image.

    image: (1, C, H, W). The model runs in evaluation mode. Raises FeatvizError for more than one
    image, for a norm that is given something else than maps of one, and for a norm that runs more
    than once, which has no single statistics.
    """
    if image.ndim != 4 or len(image) != 1:
        raise FeatvizError(
            f"statistics are those of one image (1, C, H, W); got {tuple(image.shape)}"
        )
    sample = next((tensor for tensor in model.parameters() if tensor.is_floating_point()), image)
    with recording_statistics(model) as found, evaluating(model), torch.no_grad():
        model(image.to(sample.device, sample.dtype))
    return found


@contextmanager
def recording_statistics(
    model: nn.Module, held: Mapping[str, Statistics] | None = None
) -> Iterator[dict[str, Statistics]]:
    """Inside the `with`, instance norms normalise with their own statistics, which are recorded.

    held: by name, what some norms normalise with instead. Yields a mapping to which a forward of
    one image adds what each of the others used. All do it in the arithmetic of held statistics: if
    what was recorded is held, the same image gives the same maps, to the last bit. Raises
    FeatvizError as `record_statistics`.
    """
    held, found = held or {}, dict[str, Statistics]()

    def listen(name: str) -> Callable[[nn.InstanceNorm2d, tuple[Tensor, ...], Tensor], Tensor]:
        def hook(norm: nn.InstanceNorm2d, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if name in held:
                return _fixed(held[name])(norm, inputs, output)
            found[name] = statistics_of(name, inputs[0], found)
            return _fixed(found[name])(norm, inputs, output)

        return hook

    with ExitStack() as hooks:
        for name, norm in instance_norms(model).items():
            # First in line, so that whoever records the norm sees what it gives now.
            hooks.callback(norm.register_forward_hook(listen(name), prepend=True).remove)
        yield found


def statistics_of(name: str, maps: Tensor, found: Mapping[str, Statistics]) -> Statistics:
    """What norm `name` is to compute of maps (1, C, H, W), if it has not in this forward.

    found: what was recorded before. Raises FeatvizError as `record_statistics`.
    """
    if name in found:
        raise FeatvizError(
            f"norm '{name}' runs more than once in a forward, so it has no single "
            "statistics to hold"
        )
    if maps.ndim != 4 or len(maps) != 1:
        raise FeatvizError(
            f"norm '{name}' is given {tuple(maps.shape)}; statistics are held of maps (1, C, H, W)"
        )
    # Sums over many positions want more digits than the maps have.
    variance, mean = torch.var_mean(maps.double(), dim=(0, -2, -1), correction=0)
    dtype = torch.promote_types(maps.dtype, torch.float32)
    return Statistics(mean.to(dtype), variance.to(dtype))


@contextmanager
def hold_statistics(
    model: nn.Module, statistics: Mapping[str, Statistics], layers: Sequence[str] | None = None
) -> Iterator[tuple[str, ...]]:
    """Inside the `with`, instance norms normalise with the given statistics, not with their own.

    statistics: what `record_statistics` gave of a base image. layers: which layers' norms (see
    `instance_norms`); all that are in `statistics` if not given. Yields the names of the norms
    held. Their scale and shift (gamma, beta) still apply, norms that are not held work as ever, and
    when the block ends, however it ends, the model is as it was. Blocks can be nested.

    The arithmetic is that of a fixed scale and shift, so the base image itself comes out equal up
    to rounding only: compare images that were both made inside. Raises FeatvizError for a layer or
    model without an instance norm and for a norm whose statistics are not given.
    """
    norms = instance_norms(model, layers)
    if not norms:
        raise FeatvizError("this model has no instance norm whose statistics could be held")
    if layers is None:
        # One that takes no part in the forward has no statistics, and none to hold.
        norms = {name: norm for name, norm in norms.items() if name in statistics}
    if missing := [name for name in norms if name not in statistics]:
        raise FeatvizError(
            f"no statistics are given of norm '{missing[0]}'; there are "
            f"{', '.join(list(statistics)[:LISTED_LAYERS]) or 'none'}"
        )
    with ExitStack() as hooks:
        for name, norm in norms.items():
            # First in line, so that whoever records the norm sees what it gives now.
            handle = norm.register_forward_hook(_fixed(statistics[name]), prepend=True)
            hooks.callback(handle.remove)
        yield tuple(norms)


def _fixed(held: Statistics) -> Callable[[nn.InstanceNorm2d, tuple[Tensor, ...], Tensor], Tensor]:
    def hook(norm: nn.InstanceNorm2d, inputs: tuple[Tensor, ...], _: Tensor) -> Tensor:
        (maps,) = inputs
        # Half precision is too coarse for a scale and a shift; the maps come back in their own.
        parts = (maps, held.mean, held.variance, norm.weight, norm.bias)
        dtype = torch.promote_types(maps.dtype, torch.float32)
        given, mean, variance, weight, bias = (
            None if part is None else part.to(maps.device, dtype) for part in parts
        )
        assert given is not None
        return F.batch_norm(given, mean, variance, weight, bias, eps=norm.eps).to(maps.dtype)

    return hook
