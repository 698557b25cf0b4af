"""Each norm against its paper's formula, written out in double precision."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter
from torch import nn

from featviz.generators.networks.generators import (
    GeneratorArchitecture,
    GlobalGenerator,
)
from featviz.generators.networks.modulation import seen_by_norms
from featviz.generators.networks.normalization import BatchNorm, normalization
from tests.generators.networks.norms import EVERY, SMALL


def over(x, axes):
    """x (N, C, H, W) less its mean over axes, by the root of its variance and 1e-5."""
    mean = x.mean(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(axis=axes, keepdims=True) + 1e-5)


def in_groups(x, groups):
    images, channels, *size = x.shape
    return over(x.reshape(images, groups, channels // groups, *size), (2, 3, 4)).reshape(x.shape)


def in_windows(x, window):
    """Sums of a square's cells and how many of them are on the map."""

    def total(values):
        size = (0, 0, window, window)
        return uniform_filter(values, size=[max(1, s) for s in size], mode="constant")

    there = total(np.ones_like(x))
    mean = total(x) / there
    return (x - mean) / np.sqrt(total(x**2) / there - mean**2 + 1e-5)


PARTS = ((5, 8, 4, 8), (5, 8, 8, 12), (8, 11, 6, 10), (11, 14, 5, 11))
"""Top, bottom, left and right of the eyes with their brows, nose and mouth, 16ths of a map."""


def in_regions(x):
    """Each part of the face, and what is in none, apart; a cell is where its centre is."""
    down, across = ((np.arange(side) + 0.5) * 16 / side for side in x.shape[2:])
    label = np.zeros(x.shape[2:], int)
    for number, (top, bottom, left, right) in enumerate(PARTS, 1):
        inside = [(a <= at) & (at < b) for at, a, b in ((down, top, bottom), (across, left, right))]
        label[np.outer(*inside)] = number
    y = np.empty_like(x)
    for number in np.unique(label):
        y[..., label == number] = over(x[..., label == number][..., None], (2, 3))[..., 0]
    return y


def mixed(x):
    """Moments of a quarter of the map around a cell, as much as it is near a part, and of all."""
    height, width = x.shape[2:]
    rows, columns = np.mgrid[:height, :width]
    part = np.zeros((height, width), bool)
    for top, bottom, left, right in PARTS:
        down, across = (rows + 0.5) * 16 / height, (columns + 0.5) * 16 / width
        part |= (top <= down) & (down < bottom) & (left <= across) & (across < right)

    def around(values, row, column, share):
        tall, wide = height // share, width // share
        top, left = max(row - tall, 0), max(column - wide, 0)
        return values[..., top : row + tall + 1, left : column + wide + 1]

    cells = list(np.ndindex(height, width))
    grown = np.array([around(part, *cell, 16).any() for cell in cells]).reshape(part.shape)
    y = np.empty_like(x)
    for row, column in cells:
        near = around(grown, row, column, 16).mean()
        window = around(x, row, column, 8)
        mean, power = (
            near * f(window).mean(axis=(2, 3)) + (1 - near) * f(x).mean(axis=(2, 3))
            for f in (np.array, np.square)
        )
        y[..., row, column] = (x[..., row, column] - mean) / np.sqrt(power - mean**2 + 1e-5)
    return y


BY_HAND = {
    "instance": lambda x: over(x, (2, 3)),
    "batch": lambda x: over(x, (0, 2, 3)),
    # 32 groups if 32 divides the channels; of 12 channels 4.
    "group": lambda x: in_groups(x, 4),
    "group-2": lambda x: in_groups(x, 2),
    "layer": lambda x: over(x, (1, 2, 3)),
    "pixel": lambda x: over(x, (1,)),
    "window-5": lambda x: in_windows(x, 5),
    "region": in_regions,
    "adaptive": mixed,
    "none": lambda x: x,
    "none-scaled": lambda x: x,
}


@pytest.mark.parametrize(
    ("name", "affine"),
    [(name, False) for name in BY_HAND]
    + [(name, True) for name in BY_HAND if not name.startswith("none")],
)
def test_a_norm_is_that_of_its_paper(name, affine, rng):
    x = rng.normal(2, 3, (2, 12, 18, 33))
    norm = normalization(name + "-affine" * affine, 12).double()
    expected = BY_HAND[name](x)
    if affine:
        gamma, beta = rng.normal(size=(2, 12))
        norm.load_state_dict(
            norm.state_dict() | {"weight": torch.tensor(gamma), "bias": torch.tensor(beta)}
        )
        expected = expected * gamma[:, None, None] + beta[:, None, None]
    np.testing.assert_allclose(norm(torch.tensor(x)).detach(), expected, rtol=1e-6, atol=1e-9)


def test_filter_response_norm_scales_and_has_its_own_threshold(rng):
    x = rng.normal(1, 2, (2, 5, 7, 8))
    gamma, beta, tau = rng.normal(size=(3, 5, 1, 1))
    norm = normalization("filter-response", 5).double()
    norm.load_state_dict(
        {
            name: torch.tensor(value.ravel())
            for name, value in (("weight", gamma), ("bias", beta), ("threshold", tau))
        }
    )
    power = (x**2).mean(axis=(2, 3), keepdims=True)
    expected = np.maximum(gamma * x / np.sqrt(power + 1e-6) + beta, tau)
    np.testing.assert_allclose(norm(torch.tensor(x)).detach(), expected, rtol=1e-9)


def test_batch_norm_in_evaluation_is_a_fixed_scale_by_what_training_met(rng):
    norm = BatchNorm(3).double()
    mean, variance = np.zeros(3), np.ones(3)
    for _ in range(4):
        x = rng.normal(5, 2, (2, 3, 6, 6))
        norm(torch.tensor(x))
        # torch's running variance is the unbiased one.
        mean = 0.9 * mean + 0.1 * x.mean(axis=(0, 2, 3))
        variance = 0.9 * variance + 0.1 * x.var(axis=(0, 2, 3), ddof=1)
    norm.eval()
    other = rng.normal(size=(1, 3, 4, 4))
    expected = (other - mean[:, None, None]) / np.sqrt(variance[:, None, None] + 1e-5)
    np.testing.assert_allclose(norm(torch.tensor(other)), expected)
    assert set(norm.state_dict()) == {"running_mean", "running_var"}


@pytest.mark.parametrize("section", ["front", "back"])
def test_demodulated_weights_have_length_one_for_each_channel(section):
    norm = f"{section}=demodulation"
    generator = GlobalGenerator(GeneratorArchitecture(norm=norm, **SMALL))
    blocks = generator.front_end if section == "front" else generator.back_end
    for block in blocks:
        dims = (0, 2, 3) if isinstance(block.conv, nn.ConvTranspose2d) else (1, 2, 3)
        lengths = block.conv.weight.square().sum(dims).sqrt()
        torch.testing.assert_close(lengths, torch.ones_like(lengths), atol=1e-3, rtol=0)
    loss = generator(torch.rand(1, 3, 16, 16)).sum()
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in blocks[0].conv.parameters())


def test_standardized_weights_have_mean_0_and_the_length_that_keeps_variance_behind_a_relu():
    torch.manual_seed(0)
    architecture = GeneratorArchitecture(norm="weight-standardization", width=16, downsamplings=3)
    generator = GlobalGenerator(architecture)
    # The variance of max(x, 0), x from N(0, 1).
    gain = 1 / (0.5 - 0.5 / math.pi)
    for block, axes, share in (
        (generator.front_end.L1, (1, 2, 3), 1),
        (generator.residual.R0.second, (1, 2, 3), 1),
        # Of nine weights of a kernel of stride 2 a cell is given 9 / 4.
        (generator.back_end.U0, (0, 2, 3), 4),
    ):
        weight = block.conv.weight.detach().double().numpy()
        np.testing.assert_allclose(weight.mean(axis=axes), 0, atol=1e-8)
        np.testing.assert_allclose((weight**2).sum(axis=axes), share * gain, rtol=1e-3)
    # ReLU of noise in, its variance out.
    seen = torch.randn(1, 32, 64, 64).relu()
    assert float(generator.front_end.L2.conv(seen).detach().var()) == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("norm", ["none", "none-scaled"])
def test_only_with_scaled_weights_maps_keep_their_scale_without_norms(norm):
    torch.manual_seed(0)
    architecture = GeneratorArchitecture(norm=norm, width=16, downsamplings=3, residual_blocks=0)
    network = GlobalGenerator(architecture)
    x = torch.randn(1, 3, 64, 64)
    for block in (*network.front_end, *network.back_end):
        after = block(x)
        # He: the mean square of what a ReLU gives is that of what it was given.
        ratio = float(after.detach().square().mean() / x.detach().square().mean())
        assert (0.5 < ratio < 2) == (norm == "none-scaled")
        x = after


@pytest.mark.parametrize("name", EVERY)
def test_what_a_cell_knows_of_others_is_what_the_norm_says_to_the_last_bit(name):
    torch.manual_seed(0)
    norm = normalization(name, 12).eval()
    x = torch.randn(1, 12, 17, 19)
    other = x.clone()
    other[0, :, 8, 9] += 1
    with seen_by_norms(torch.randn(1, 3, 17, 19)):
        changed = (norm(x) != norm(other))[0].any(dim=0)
    expected = torch.zeros_like(changed)
    if name.startswith("region"):
        # The cell is one of the nose: rows of 8.5 to 11.7 and columns of 7.1 to 11.9 of 17 and 19.
        expected[8:12, 7:12] = True
        assert torch.equal(changed, expected)
    elif name.startswith(("pixel", "batch", "none", "demodulation", "weight")):
        expected[8, 9] = True
        assert torch.equal(changed, expected)
    elif name.startswith("window"):
        expected[6:11, 7:12] = True
        assert torch.equal(changed, expected)
    else:
        assert changed.float().mean() > 0.9
