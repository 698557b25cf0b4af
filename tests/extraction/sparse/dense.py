"""The plain computation that the sparse engine has to agree with, and images to compare on."""

import numpy as np
import torch

from featviz.extraction.sparse import SparseReader, make_plan
from featviz.probing.activations import evaluating, record_activations
from featviz.sketches.tensors import encode_image


def dense_vectors(model, layers, image, cells, stage="activation"):
    """(cells, channels) of each layer from whole maps in float64."""
    return vectors_at(dense_maps(model, layers, image, stage), cells)


def vectors_at(maps, cells):
    """(cells, channels) of each layer's map (1, C, H, W)."""
    return {
        layer: torch.stack([maps[layer][0, :, row, column] for column, row in places])
        for layer, places in cells.items()
    }


def dense_maps(model, layers, image, stage="activation"):
    """The whole maps (1, C, H, W) of layers in float64."""
    dtype = next(model.parameters()).dtype
    with evaluating(model), torch.no_grad(), record_activations(model, layers, stage) as maps:
        model.double()(image[None].double())
        model.to(dtype)
    return maps


def sparse_vectors(model, layers, image, cells, stage="activation"):
    size = (image.shape[2], image.shape[1])
    plan = make_plan(model, layers, size, image.shape[0], stage)
    with torch.inference_mode():
        return SparseReader(plan, cells)(image.to(plan.dtype))


def relative_error(found, expected, floor=0.0):
    """The largest difference of a vector as a share of its largest value."""
    difference = (found.double() - expected.double()).abs().amax(dim=1)
    largest = expected.double().abs().amax(dim=1).clamp(min=floor)
    return float(torch.where(difference == 0, 0, difference / largest).max())


def sketch(seed, height=64, width=64, ink=0.03, grey=False):
    """Strokes on white paper that cover about `ink` of it; grey: of grey levels."""
    random = np.random.default_rng(seed)
    image = np.full((height, width), 255, np.uint8)
    while (image != 255).mean() < ink:
        x, y = random.integers(width), random.integers(height)
        length = random.integers(2, 12)
        level = random.integers(0, 255) if grey else 0
        if random.random() < 0.5:
            image[y : y + 2, x : x + length] = level
        else:
            image[y : y + length, x : x + 2] = level
    return encode_image(image)
