"""Losses against values computed by hand."""

import math

import pytest
import torch

from featviz.base.errors import FeatvizError
from featviz.training.losses import (
    absolute_difference,
    adversarial_loss,
    feature_matching_loss,
    perceptual_loss,
)


def maps(*scales):
    return [[torch.tensor([[values]]) for values in scale] for scale in scales]


def test_least_squares_by_hand():
    discriminated = maps([[[9.0]], [[0.5, -1.0]]], [[[9.0]], [[2.0]]])
    # real: mean(0.25, 4) + 1; fake: mean(0.25, 1) + 4. Only the last map of a scale counts.
    assert adversarial_loss(discriminated, True, "least-squares").item() == pytest.approx(3.125)
    assert adversarial_loss(discriminated, False, "least-squares").item() == pytest.approx(4.625)


def test_log_form_by_hand():
    discriminated = maps([[[9.0]], [[0.0, math.log(3)]]])
    # sigmoid: 1/2, 3/4
    real = -(math.log(1 / 2) + math.log(3 / 4)) / 2
    fake = -(math.log(1 / 2) + math.log(1 / 4)) / 2
    assert adversarial_loss(discriminated, True, "log").item() == pytest.approx(real)
    assert adversarial_loss(discriminated, False, "log").item() == pytest.approx(fake)


def test_feature_matching_by_hand():
    fake = maps([[[1.0, 2.0]], [[0.0]], [[100.0]]], [[[1.0]], [[1.0]], [[100.0]]])
    real = maps([[[2.0, 4.0]], [[3.0]], [[-100.0]]], [[[1.0]], [[5.0]], [[-100.0]]])
    # Scale 1: 1.5 + 3; scale 2: 0 + 4; scores are left out; mean over scales.
    assert feature_matching_loss(fake, real).item() == pytest.approx((4.5 + 4.0) / 2)


def test_the_absolute_difference_is_torchs_and_its_gradient_lies_as_the_maps_do():
    torch.manual_seed(0)
    first, second = (
        torch.randn(2, 5, 7, 6).contiguous(memory_format=torch.channels_last) for _ in range(2)
    )
    gradients = []
    for difference in (absolute_difference, torch.nn.functional.l1_loss):
        given = first.clone().requires_grad_()
        # What comes before the loss is told of the gradient as it comes.
        moved = given * 1
        moved.register_hook(gradients.append)
        value = difference(moved, second)
        value.backward()
        assert value.item() == pytest.approx((first - second).abs().mean().item(), rel=1e-6)
    assert torch.equal(*gradients)
    assert gradients[0].is_contiguous(memory_format=torch.channels_last)


def test_feature_matching_moves_the_fake_features_only():
    fake = [[torch.ones(1, 1, 2, 2, requires_grad=True)] * 2]
    real = [[torch.zeros(1, 1, 2, 2, requires_grad=True)] * 2]
    feature_matching_loss(fake, real).backward()
    assert fake[0][0].grad is not None
    assert real[0][0].grad is None


def test_perceptual_loss_by_hand():
    fake = [torch.full((1, 1, 2, 2), value) for value in (32.0, 16.0, 8.0, 4.0, 1.0)]
    real = [torch.zeros(1, 1, 2, 2)] * 5
    assert perceptual_loss(fake, real).item() == pytest.approx(5.0)


def test_an_unknown_form_is_refused_with_the_known_ones():
    with pytest.raises(FeatvizError, match="'hinge'; there are least-squares, log"):
        adversarial_loss([], True, "hinge")
