"""Whether a plan computes what its model computes, by trying both on a small image."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from featviz.extraction.sparse.engine import SparseReader
from featviz.extraction.sparse.plan import Plan, UnsuitedError
from featviz.probing.activations import Stage, evaluating, truncated_forward

_SIDE = 64
_TOLERANCE = {torch.bfloat16: 0.1}
_USUAL_TOLERANCE = 1e-4


def try_plan(model: nn.Module, plan: Plan, stage: Stage) -> None:
    """Raise UnsuitedError if a plan gives other vectors than the model that it was made of.

    A plan is read off the modules' classes and weights. What a module really does may be more: a
    `forward` replaced on the object, an override deep in a subclass, autocast, a change behind
    PyTorch's back. None of these can be listed; all of them change the vectors of noise.
    """
    width, height = plan.image_size
    small = (min(width, _SIDE), min(height, _SIDE))
    for size in dict.fromkeys([small, plan.image_size]):
        try:
            image, maps = _dense(model, plan, stage, size)
        except Exception:
            # Too small for this model; its own size is next, and if that fails it will be told.
            continue
        _compare(plan, size, image, maps)
        return


def _dense(
    model: nn.Module, plan: Plan, stage: Stage, size: tuple[int, int]
) -> tuple[Tensor, dict[str, Tensor]]:
    """An image of noise (C, H, W) and the model's maps (1, C, H, W) of it."""
    width, height = size
    random = torch.Generator().manual_seed(0)
    image = 2 * torch.rand(plan.channels, height, width, generator=random).to(plan.dtype) - 1
    layers = list(plan.targets)
    with (
        torch.inference_mode(),
        evaluating(model),
        truncated_forward(model, layers, stage) as forward,
    ):
        return image, forward(image[None])


def _compare(plan: Plan, size: tuple[int, int], image: Tensor, maps: Mapping[str, Tensor]) -> None:
    cells = {layer: _some_cells(found) for layer, found in maps.items()}
    with torch.inference_mode():
        vectors = SparseReader(replace(plan, image_size=size), cells)(image)
    for layer, found in maps.items():
        rows, columns = [y for _, y in cells[layer]], [x for x, _ in cells[layer]]
        expected = found[0][:, rows, columns].T.double()
        difference = (vectors[layer].double() - expected).abs().max()
        tolerance = _TOLERANCE.get(plan.dtype, _USUAL_TOLERANCE) * found.double().abs().max()
        # Maps that are not finite are told of when sketches give them too.
        if torch.isfinite(tolerance) and not difference <= tolerance:
            raise UnsuitedError(
                f"on a trial image layer '{layer}' is not what its modules, by their kinds and "
                "weights, should give; something changes what they do"
            )


def _some_cells(found: Tensor) -> list[tuple[int, int]]:
    height, width = found.shape[-2:]
    return [(0, 0), (width // 2, height // 3), (width - 1, height - 1)]
