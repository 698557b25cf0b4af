"""Generators with each norm: by section, certified, saved, fast, edited."""

import math

import numpy as np
import pytest
import torch
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
from featviz.generators.networks.normalization import initialize, normalization
from featviz.generators.networks.variants import norms_of
from featviz.probing.certificate import certify
from tests.generators.networks.norms import EVERY, SMALL


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
