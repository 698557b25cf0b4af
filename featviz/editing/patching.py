"""Activation patching, region by region: one image's activations in the forward of another.

The general form of what `keeping` does in every layer: at chosen layers, in the cells that stand
for a region or in all others, the activations are those of another image.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from featviz.base.errors import FeatvizError
from featviz.probing.activations import evaluating, find_layers, find_runs, record_activations
from featviz.probing.reach import cells_of
from featviz.probing.receptive_field import Geometry, trace_geometry
from featviz.probing.survey import image_in, listening
from featviz.sketches.edits import Mask
from featviz.sketches.tensors import Image, encode_image, input_channels

Side = Literal["inside", "outside"]
"""Of a region: its cells, or all others and the tokens that stand for no cell."""


def patch_region(
    model: nn.Module,
    image: Image,
    source: Image,
    layers: Sequence[str],
    region: Mask,
    side: Side = "inside",
) -> Tensor:
    """What a network makes of an image with another's activations in a region of some layers.

    image, source: of one size, (H, W) or (H, W, 3) uint8, or float tensors (C, H, W) as the model
    takes them; give base and edit, or edit and base for the reverse. layers: as in
    `record_activations`; their maps (N, C, H, W), (N, H, W, C) or tokens (N, L, C). region: (H, W)
    bool, of the images' pixels; in a layer the cells that stand for any of them, by the rule of
    `Geometry.position`. side: where the source's activations are. Layers run in the order of the
    forward: what an earlier one was given, a later one sees.

    The model runs in evaluation mode, thrice: followed by a tracer, with the source and with the
    image. Returns the output, of several tensors the first that is like an image. Raises
    FeatvizError for images or a region of different size, a side that there is not, a layer that
    is not there, and one whose cells have no known place.
    """
    channels = input_channels(model)
    sample = next(model.parameters(), torch.empty(0))
    given, other = (
        encode_image(each, channels)[None].to(sample.device, sample.dtype)
        for each in (image, source)
    )
    height, width = given.shape[2:]
    if other.shape != given.shape or region.shape != (height, width) or region.dtype != bool:
        sizes = [f"{each.shape[-1]}x{each.shape[-2]}" for each in (given, other, region)]
        raise FeatvizError(
            f"the image is {sizes[0]}, the source {sizes[1]} and the region {region.dtype} of "
            f"{sizes[2]}; expected one size and bool"
        )
    if side not in ("inside", "outside"):
        raise FeatvizError(f"there is no side '{side}' of a region; expected inside or outside")
    geometries = trace_geometry(model, layers, (width, height), channels, tokens=True)
    cells = {layer: _cells(layer, geometries[layer], region, side) for layer in layers}
    with evaluating(model), torch.no_grad():
        with record_activations(model, layers) as activations:
            model(other)
        with patch_activations(model, activations, cells):
            output = image_in(model(given))
    if output is None:
        raise FeatvizError("the model gives no tensor")
    return output


@contextmanager
def patch_activations(
    model: nn.Module,
    activations: Mapping[str, Tensor],
    cells: Mapping[str, Tensor] | None = None,
) -> Iterator[None]:
    """Inside the `with`, layers give these activations, in some cells or in all.

    activations: by layer, as `record_activations` records them; what comes before a layer whose
    activations are all given has no effect. cells: by layer, bool that broadcasts to the layer's
    output: where they are given; everywhere for a layer that is not in it. When the block ends,
    however it ends, the model is as it was. Raises FeatvizError for a layer that is not there and,
    in the forward, for activations that do not have the shape of what a layer gives.
    """
    runs = {run: layer for layer, run in _runs(model, list(activations)).items()}
    modules = {name: module for name, module in model.named_modules() if name}
    wanted = {run.partition("#")[0] for run in runs}

    def patch(run: str, _: nn.Module, output: Any) -> Tensor | None:
        if run not in runs:
            return None
        layer = runs[run]
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        if shape != (given := tuple(activations[layer].shape)):
            raise FeatvizError(f"layer '{layer}' gives {shape}; cannot put {given} in its place")
        there = activations[layer].to(output.device, output.dtype)
        if cells is None or layer not in cells:
            # A copy, because who is given it may work in place.
            return there.clone()
        return torch.where(cells[layer].to(output.device), there, output)

    with listening(model, patch, {name: modules[name] for name in modules.keys() & wanted}):
        yield


def _runs(model: nn.Module, layers: Sequence[str]) -> dict[str, str]:
    """For each layer the run of a module that it is: `name`, or `name#2` for its second."""
    names = {module: name for name, module in model.named_modules()}
    numbers = find_runs(model, layers)
    return {
        layer: names[module] + (f"#{numbers[layer]}" if numbers.get(layer, 1) > 1 else "")
        for layer, module in find_layers(model, layers).items()
    }


def _cells(layer: str, geometry: Geometry, region: Mask, side: Side) -> Tensor:
    """Where in a layer's output the source's activations are to be, see `patch_activations`."""
    if not geometry.known or geometry.arrangement is None:
        raise FeatvizError(f"layer '{layer}' cannot be patched: {geometry.reason}")
    inside = geometry.arrangement.mask(torch.from_numpy(cells_of(geometry, region)))
    return inside if side == "inside" else ~inside
