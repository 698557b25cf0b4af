"""Each norm against its paper's formula, written out in double precision."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter
from torch import nn

from featviz.base.errors import FeatvizError
from featviz.editing import edit
from featviz.editing.engine import LocalEditor
from featviz.generators.checkpoint_files import export_pix2pixhd, load_generator, save_network
from featviz.generators.fast import FastGenerator
from featviz.generators.generation import generate
from featviz.generators.networks.generators import (
    FrontEnd,
    GeneratorArchitecture,
    GlobalGenerator,
    build_generator,
)
from featviz.generators.networks.instance_norm import InstanceNorm
from featviz.generators.networks.local_norms import PixelNorm, WindowNorm
from featviz.generators.networks.modulation import seen_by_norms
from featviz.generators.networks.normalization import BatchNorm, initialize, normalization
from featviz.generators.networks.variants import norms_of
from featviz.probing.certificate import certify

EVERY = (
    *("instance", "batch", "group", "group-2", "layer", "pixel", "filter-response", "window-5"),
    *("instance-affine", "batch-affine", "group-affine", "layer-affine", "pixel-affine"),
    *("window-5-affine", "region", "region-affine", "instance-spade", "pixel-spade"),
    *("adaptive", "demodulation", "weight-standardization", "none", "none-scaled"),
)
SMALL = {"width": 4, "downsamplings": 2, "residual_blocks": 1}


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


@pytest.mark.parametrize(
    ("norm", "bounded"),
    [
        ("pixel", True),
        ("batch", True),
        ("none", True),
        ("demodulation", True),
        ("weight-standardization", True),
        ("window-3", True),
        ("pixel-spade", True),
        ("instance-spade", False),
        # The rest of the face is everywhere around its parts.
        ("region", False),
        ("adaptive", False),
        ("instance", False),
        ("group", False),
        ("layer", False),
        ("filter-response", False),
        ("front=window-3,residual=pixel,back=batch", True),
        ("front=pixel,residual=pixel,back=layer", False),
    ],
)
def test_a_certificate_says_the_same_of_a_generator(norm, bounded):
    torch.manual_seed(0)
    generator = GlobalGenerator(GeneratorArchitecture(norm=norm, **SMALL)).eval()
    found = certify(generator, (96, 96), random_images=1)
    assert found.output.verdict == ("bounded" if bounded else "unbounded")
    assert found.output.confirmed


def test_norms_by_section_are_where_they_were_asked_for():
    norm = "front=pixel, L1=none, residual=window-3, back=group-2"
    generator = GlobalGenerator(GeneratorArchitecture(norm=norm, **SMALL))
    kinds = [type(block.norm) for block in generator.front_end]
    assert kinds == [PixelNorm, nn.Identity, PixelNorm]
    residual = [
        type(part.norm) for part in (generator.residual.R0.first, generator.residual.R0.second)
    ]
    assert residual == 2 * [WindowNorm]
    assert {block.norm.num_groups for block in generator.back_end} == {2}
    enhanced = build_generator(GeneratorArchitecture(norm="enhancers=pixel", enhancers=1, **SMALL))
    assert type(enhanced.enhancers[0].front_end.E0.norm) is PixelNorm
    assert type(enhanced.global_generator.front_end.L0.norm) is InstanceNorm


@pytest.mark.parametrize(
    ("norm", "variant", "message"),
    [
        ("blur", "baseline", "unknown normalisation 'blur'; there are instance, batch, group,"),
        ("front=blur", "baseline", "unknown normalisation 'blur'"),
        ("front=", "baseline", "unknown normalisation ''"),
        ("trunk=pixel", "baseline", "unknown section 'trunk' .* there are front, residual, back,"),
        ("L3=pixel", "baseline", "unknown section 'L3' .* L0 to L2"),
        ("front=pixel,front=none", "baseline", "'front' is named twice"),
        ("front=pixel", "modified", "variant 'modified' says which layers have no norm, and so"),
        ("window-4", "baseline", "an odd number of cells, at least 3, a side; got 4"),
        ("group-0", "baseline", "0 groups do not divide"),
        ("none-affine", "baseline", "unknown normalisation"),
        ("demodulation-spade", "baseline", "-affine or -spade behind all but the last five"),
    ],
)
def test_a_norm_that_there_is_not_is_refused_in_one_line(norm, variant, message):
    with pytest.raises(FeatvizError, match=message) as error:
        norms_of(norm, variant, 3)
    assert "\n" not in str(error.value)


def test_groups_that_do_not_divide_the_channels_and_windows_beyond_the_map_are_refused():
    with pytest.raises(FeatvizError, match="5 groups do not divide 4 channels"):
        FrontEnd(GeneratorArchitecture(norm="group-5", **SMALL))
    window = norms_of("residual=window-9", "baseline", 3)
    window.require_fitting(36, 0)
    with pytest.raises(
        FeatvizError, match=r"residual=window-9 is larger .* 8x8 for sketches of 32"
    ):
        window.require_fitting(32, 0)
    with pytest.raises(FeatvizError, match="window of 9 cells is larger than the map of 20x8"):
        normalization("window-9", 2)(torch.zeros(1, 2, 8, 20))


def test_a_variant_takes_the_norm_from_its_layers_whatever_the_others_have():
    found = norms_of("pixel", "modified", 5)
    assert found.front == ("none", "none", "pixel", "pixel", "pixel")
    assert found.residual == found.back == "pixel"
    assert norms_of("residual=pixel", "no-norm", 2).front == ("none", "none")


@pytest.mark.parametrize(
    "norm",
    [
        *("batch", "pixel", "demodulation", "filter-response", "none-scaled"),
        *("weight-standardization", "region-affine", "adaptive", "pixel-spade"),
    ],
)
def test_a_checkpoint_brings_its_norms_back(tmp_path, norm):
    torch.manual_seed(0)
    generator = GlobalGenerator(GeneratorArchitecture(norm=norm, **SMALL))
    generator(torch.rand(2, 3, 16, 16))
    generator.eval()
    path = tmp_path / "generator.safetensors"
    save_network(generator, path, "generator", {}, torch.float32)
    again = load_generator(path).generator
    x = torch.rand(1, 3, 16, 16)
    assert torch.equal(again(x), generator(x))
    assert again.architecture.norm == norm
    with pytest.raises(FeatvizError, match=f"pix2pixHD has no norm '{norm}'"):
        export_pix2pixhd(generator, tmp_path / "latest_net_G.pth")


@pytest.mark.parametrize("norm", EVERY)
def test_the_fast_generator_makes_the_same_face(norm, rng):
    torch.manual_seed(0)
    # So many channels that Winograd's convolutions are taken.
    generator = GlobalGenerator(GeneratorArchitecture(norm=norm, **(SMALL | {"width": 8})))
    generator(torch.randn(2, 3, 32, 32))
    generator.eval()
    sketch = np.where(rng.random((32, 48)) < 0.05, 0, 255).astype(np.uint8)
    plain = generate(generator, sketch).astype(int)
    assert np.abs(FastGenerator(generator, torch.float32)(sketch) - plain).max() <= 1
    rounded = FastGenerator(generator)(sketch)
    assert np.abs(rounded - plain).mean() < 4


def test_local_edits_of_any_norm_stay_and_the_engine_says_which_it_knows(rng):
    torch.manual_seed(0)
    base = np.full((64, 64), 255, np.uint8)
    edited = base.copy()
    edited[30:34, 30:34] = 0
    for norm in ("pixel", "window-5", "layer", "region", "instance-spade", "demodulation"):
        generator = GlobalGenerator(GeneratorArchitecture(norm=norm, **SMALL)).eval()
        found = edit(generator, base, edited, margin=16)
        moved = (found.image != found.base_image)[0].any(dim=0).numpy()
        assert moved.any() and not moved[~found.reach].any() and not found.reach.all()
    with pytest.raises(FeatvizError, match="knows instance norm and none; this generator's norm"):
        LocalEditor(GlobalGenerator(GeneratorArchitecture(norm="pixel", **SMALL)))
    engine = LocalEditor(generator)
    prepared = engine.prepare(base)
    kept = engine.edit(prepared, edited, margin=16).image
    torch.testing.assert_close(kept, found.image, atol=1e-5, rtol=0)


def test_weights_begin_as_pix2pixhd_has_them_unless_they_are_scaled():
    torch.manual_seed(0)
    plain = nn.Conv2d(64, 64, 3)
    initialize(plain)
    assert float(plain.weight.detach().std()) == pytest.approx(0.02, rel=0.05)
    architecture = GeneratorArchitecture(
        norm="none-scaled", width=32, downsamplings=1, residual_blocks=0
    )
    generator = GlobalGenerator(architecture)
    deviations = {
        "front_end.L1": math.sqrt(2 / (32 * 9)),
        # Of nine weights of a kernel of stride 2 a cell is given 9 / 4.
        "back_end.U0": math.sqrt(2 / (64 * 9 / 4)),
    }
    for name, expected in deviations.items():
        weight = generator.get_submodule(name).conv.weight.detach()
        assert float(weight.std()) == pytest.approx(expected, rel=0.05)
