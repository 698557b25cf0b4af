"""Norms that are told what is drawn, against a computation of their own in double precision."""

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d

import featviz
from featviz.base.errors import FeatvizError
from featviz.faces.contours import CONTOUR_LINES
from featviz.faces.pairs import read_pairs
from featviz.generators.checkpoint_files import PRETRAINED
from featviz.generators.networks.architectures import build
from featviz.generators.networks.crn import CrnArchitecture
from featviz.generators.networks.generators import GeneratorArchitecture, build_generator
from featviz.generators.networks.local_norms import face_regions
from featviz.generators.networks.modulation import Modulated, seen_by_norms
from featviz.generators.networks.normalization import normalization
from featviz.generators.networks.unet import UnetArchitecture

SMALL = {"width": 4, "downsamplings": 2, "residual_blocks": 1}
ALONE = {"instance-spade": (2, 3), "pixel-spade": (1,)}
"""Over which axes each takes its statistics."""


def convolved(maps, convolution):
    """Maps (C, H, W) under a 3x3 convolution with a border of zeros."""
    weight, bias = (each.detach().numpy() for each in (convolution.weight, convolution.bias))
    sums = [
        sum(correlate2d(one, kernel, "same") for one, kernel in zip(maps, kernels, strict=True))
        for kernels in weight
    ]
    return np.stack(sums) + bias[:, None, None]


@pytest.mark.parametrize("name", ALONE)
def test_what_is_drawn_at_a_cell_scales_and_shifts_it(name, rng):
    torch.manual_seed(0)
    norm = normalization(name, 6).double()
    x, sketch = rng.normal(2, 3, (1, 6, 5, 7)), rng.uniform(-1, 1, (1, 3, 20, 28))
    with seen_by_norms(torch.tensor(sketch)):
        found = norm(torch.tensor(x)).detach()
    pooled = sketch[:, 0].reshape(1, 5, 4, 7, 4).mean(axis=(2, 4))
    drawn = np.maximum(convolved(pooled, norm.drawn), 0)
    gamma, beta = convolved(drawn, norm.scale), convolved(drawn, norm.shift)
    mean, variance = (each(x, axis=ALONE[name], keepdims=True) for each in (np.mean, np.var))
    expected = (x - mean) / np.sqrt(variance + 1e-5) * (1 + gamma) + beta
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_a_stroke_is_told_to_the_cells_around_it_and_to_no_other_to_the_last_bit():
    torch.manual_seed(0)
    norm, x = normalization("pixel-spade", 6), torch.randn(1, 6, 16, 16)
    sketch = torch.ones(1, 3, 64, 64)
    other = sketch.clone()
    other[..., 33, 21] = -1
    with seen_by_norms(sketch):
        before = norm(x)
    with seen_by_norms(other):
        changed = (norm(x) != before)[0].any(dim=0)
    expected = torch.zeros_like(changed)
    # Two convolutions of 3x3 around the cell of four pixels that the stroke is in.
    expected[6:11, 3:8] = True
    assert torch.equal(changed, expected)


def test_a_norm_is_shown_the_sketch_of_its_own_level_and_only_while_its_generator_runs():
    torch.manual_seed(0)
    generator = build_generator(GeneratorArchitecture(norm="pixel-spade", enhancers=1, **SMALL))
    sketch = torch.randn(1, 3, 64, 64)
    seen = {}
    for name, module in generator.named_modules():
        if isinstance(module, Modulated):
            module.drawn.register_forward_pre_hook(
                lambda _, given, name=name: seen.update({name: given[0].detach()})
            )
    generator(sketch)
    assert len(seen) == 3 + 2 + 2 + 2 + 6 + 1  # G1's front, trunk and back, and the enhancer's
    finest = seen["enhancers.0.front_end.E0.norm"]
    torch.testing.assert_close(finest, sketch[:, :1])
    # pix2pixHD halves by a 3x3 average, so the coarse norm is not shown the mean of four pixels.
    coarse = seen["global_generator.front_end.L0.norm"]
    inner = sketch[0, 0, 1:, 1:].unfold(0, 3, 2).unfold(1, 3, 2).mean(dim=(2, 3))
    torch.testing.assert_close(coarse[0, 0, 1:, 1:], inner)
    with pytest.raises(FeatvizError, match="has to be told what is drawn; run it in its") as error:
        generator.enhancers[0].back_end(torch.zeros(1, 8, 32, 32))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("architecture", "sides"),
    [
        (UnetArchitecture(levels=4, width=4, norm="pixel-spade"), [16, 8, 8, 16, 32]),
        (CrnArchitecture(levels=3, width=2, norm="instance-spade"), [16, 16, 32, 32, 64, 64]),
    ],
)
def test_the_norms_of_all_generators_are_shown_the_sketch_at_their_size(architecture, sides):
    torch.manual_seed(0)
    generator, seen = build(architecture).eval(), []
    for module in generator.modules():
        if isinstance(module, Modulated):
            module.drawn.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    sketch = torch.randn(1, 3, 64, 64)
    edited = sketch.clone()
    edited[..., 5, 5] += 1
    with torch.no_grad():
        assert not torch.equal(generator(sketch), generator(edited))
    assert [drawn.shape[-1] for drawn in seen[: len(sides)]] == sides
    for drawn in seen[: len(sides)]:
        times = 64 // drawn.shape[-1]
        pooled = sketch[0, 0].reshape(64 // times, times, 64 // times, times).mean(dim=(1, 3))
        torch.testing.assert_close(drawn[0, 0], pooled)


def test_vectors_of_a_front_end_with_such_norms_come_from_the_dense_engine(rng):
    torch.manual_seed(0)
    generator = build_generator(GeneratorArchitecture(norm="pixel-spade", **SMALL)).eval()
    sketch = np.where(rng.random((64, 64)) < 0.05, 0, 255).astype(np.uint8)
    front = generator.front_end
    how = {"points": [(24, 40)], "layers": ["L0", "L2"]}
    table = featviz.extract(front, [sketch], **how)
    given = torch.from_numpy(sketch / 127.5 - 1).float().expand(1, 3, 64, 64)
    vector = front(given)[0, :, 10, 6].detach().numpy()
    np.testing.assert_allclose(table.vectors["L2"][0], vector, atol=1e-5)
    with pytest.raises(
        FeatvizError, match=r"the sparse engine cannot compute this: .*; the dense one can"
    ):
        featviz.extract(front, [sketch], engine="sparse", **how)


def test_the_regions_of_a_face_are_where_aligned_faces_have_their_parts():
    faces = read_pairs(PRETRAINED)
    regions = face_regions(32, 32).numpy()
    assert (regions.sum(axis=0) == 1).all()
    of_parts = {
        0: ("left-eye", "left-eyebrow"),
        1: ("right-eye", "right-eyebrow"),
        2: ("nose",),
        3: ("mouth",),
        4: ("face-shape",),
    }
    cells = (faces.landmarks * (32 / faces.size)).astype(int).clip(0, 31)
    for region, parts in of_parts.items():
        lines = [indices for part, indices, _ in CONTOUR_LINES if part in parts]
        at = cells[:, [index for indices in lines for index in indices]]
        share = regions[region][at[..., 1], at[..., 0]].mean()
        assert share > 0.85, f"{parts}: {share}"
