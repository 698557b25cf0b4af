"""C16: how much of the gradient of an image's error arrives at the first layer of a generator."""

import torch
from torch import nn

from featviz.analysis.evaluation.images import Painter
from featviz.base.errors import FeatvizError
from featviz.probing.activations import find_layers
from featviz.sketches.tensors import Image, encode_image


def reaching_first_layer(
    paint: Painter, sketch: Image, photo: Image, first: str, last: str
) -> float:
    """The gradient's size at the weights of one layer divided by that at another's.

    Of the mean absolute difference of image and photo, both in [-1, 1]. Size: norm of the gradient
    times norm of the weights, how far a relative change of them moves it; scaling one layer up and
    the next down, which changes no image, does not change it. NaN if nothing arrives at either.
    photo: (size, size, 3) uint8. Raises FeatvizError for a layer without a convolution.
    """
    weights = [_weight(paint.generator, layer) for layer in (first, last)]
    required = [weight.requires_grad for weight in weights]
    try:
        for weight in weights:
            weight.requires_grad_(True)
        with torch.enable_grad():
            image = paint.generator(paint.checkpoint.input(sketch)[None].to(paint.device)).float()
            error = (image - encode_image(photo)[None].to(paint.device)).abs().mean()
            gradients = torch.autograd.grad(error, weights)
    finally:
        for weight, before in zip(weights, required, strict=True):
            weight.requires_grad_(before)
    at_first, at_last = (
        float(gradient.norm() * weight.detach().norm())
        for gradient, weight in zip(gradients, weights, strict=True)
    )
    return at_first / at_last if at_last > 0 else float("nan")


def _weight(generator: nn.Module, layer: str) -> nn.Parameter:
    module = find_layers(generator, [layer], "conv")[layer]
    weight = getattr(module, "weight", None)
    if not isinstance(weight, nn.Parameter):
        raise FeatvizError(f"layer {layer} has no convolution whose weights a gradient could reach")
    return weight
