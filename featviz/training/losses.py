"""Losses of pix2pixHD (Wang et al. 2018, arXiv 1711.11585, section 3.2 and 3.5), and others."""

from collections.abc import Sequence
from typing import get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from featviz.base.errors import FeatvizError
from featviz.training.settings import AdversarialForm

_ADVERSARIAL_FORMS: tuple[AdversarialForm, ...] = get_args(AdversarialForm)

PIX2PIXHDS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
"""How much each of VGG19's layers counts, by pix2pixHD's code."""
ALIKE = (1.0,) * len(PIX2PIXHDS)
"""The same for each, as suits weights whose activations are of one size."""

_ScaleMaps = Sequence[Sequence[Tensor]]
"""What a multi-scale discriminator returns: per scale the map after every layer."""


def adversarial_loss(maps: _ScaleMaps, is_real: bool, form: AdversarialForm) -> Tensor:
    """Sum over scales of the mean over patches of the loss of calling the pair real (or not).

    "least-squares": (score - t)^2 (Mao et al. 2017), NVIDIA's default; "log": -log sigmoid(score)
    or -log(1 - sigmoid(score)), the study's equation. The generator's term is the loss of its
    image being called real, in the log form too (the non-saturating one).
    """
    if form not in _ADVERSARIAL_FORMS:
        known = ", ".join(_ADVERSARIAL_FORMS)
        raise FeatvizError(f"unknown adversarial form '{form}'; there are {known}")
    losses = []
    for scale in maps:
        scores = scale[-1].float()
        target = torch.full_like(scores, float(is_real))
        if form == "least-squares":
            losses.append(F.mse_loss(scores, target))
        else:
            losses.append(F.binary_cross_entropy_with_logits(scores, target))
    return torch.stack(losses).sum()


def absolute_difference(first: Tensor, second: Tensor) -> Tensor:
    """The mean absolute difference of two maps of one shape.

    torch's own `l1_loss` has a gradient that does not lie as the maps do: that of a mean is written
    out in the usual order, and in channels_last all that it meets is then copied. That of a sum is
    not written out.
    """
    return (first - second).abs().sum() / first.numel()


def difference_where(first: Tensor, second: Tensor, where: Tensor) -> Tensor:
    """The mean absolute difference of two images in some pixels, mean over images.

    first, second: (N, C, H, W). where: (N, 1, H, W) bool; an image without any counts as 0. Of
    images in [-1, 1] it is what `evaluate` calls `outside`, which is 127.5 times as much there.
    """
    inside = ((first - second).abs() * where).sum(dim=(1, 2, 3))
    return (inside / (where.sum(dim=(1, 2, 3)) * first.shape[1]).clamp(min=1)).mean()


def feature_matching_loss(fake: _ScaleMaps, real: _ScaleMaps) -> Tensor:
    """Mean over scales of the sum over layers of the mean absolute difference (equation 4).

    The patch scores themselves are left out; no gradient reaches the real features.
    """
    scales = []
    for fake_maps, real_maps in zip(fake, real, strict=True):
        layers = [
            absolute_difference(fake_map.float(), real_map.detach().float())
            for fake_map, real_map in zip(fake_maps[:-1], real_maps[:-1], strict=True)
        ]
        scales.append(torch.stack(layers).sum())
    return torch.stack(scales).mean()


def perceptual_loss(
    fake: Sequence[Tensor], real: Sequence[Tensor], weights: Sequence[float] = PIX2PIXHDS
) -> Tensor:
    """Weighted sum over five VGG19 layers of the mean absolute difference (section 3.5)."""
    layers = [
        weight * absolute_difference(fake_map.float(), real_map.detach().float())
        for weight, fake_map, real_map in zip(weights, fake, real, strict=True)
    ]
    return torch.stack(layers).sum()
