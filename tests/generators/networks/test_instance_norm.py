import copy
import functools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from featviz.generators.checkpoint_files import load_generator
from featviz.generators.fast import FastGenerator
from featviz.generators.generation import generate
from featviz.generators.networks.discriminators import (
    DiscriminatorArchitecture,
    MultiScaleDiscriminator,
)
from featviz.generators.networks.encoder import EncoderArchitecture, FeatureEncoder
from featviz.generators.networks.generators import (
    GeneratorArchitecture,
    GlobalGenerator,
    build_generator,
)
from featviz.generators.networks.instance_norm import InstanceNorm
from featviz.generators.networks.normalization import normalization
from featviz.sketches.tensors import encode_image

LAYOUTS = [torch.contiguous_format, torch.channels_last]
EXACT = {torch.float32: 1e-5, torch.bfloat16: 3e-3}
SHAPES = [(1, 3, 8, 8), (1, 48, 37, 21), (3, 10, 16, 16), (2, 1, 5, 5), (1, 64, 1, 7)]


@pytest.mark.parametrize("name", ["instance", "instance-affine"])
@pytest.mark.parametrize("shape", SHAPES)
def test_maps_in_either_order_are_normalised_as_torch_does_it(name, shape):
    torch.manual_seed(0)
    ours = normalization(name, shape[1])
    torchs = nn.InstanceNorm2d(shape[1], affine=name == "instance-affine")
    for parameter in ours.parameters():
        nn.init.uniform_(parameter, -1, 1)
    torchs.load_state_dict(ours.state_dict())
    plain = torch.randn(shape) * 3 + 5
    slope = torch.randn(shape)
    for layout in LAYOUTS:
        x = plain.to(memory_format=layout, copy=True).requires_grad_()
        reference = plain.clone().requires_grad_()
        y, wanted = ours(x), torchs(reference)
        torch.testing.assert_close(y, wanted, rtol=0, atol=1e-5)
        assert y.is_contiguous(memory_format=layout)
        got = torch.autograd.grad(y, [x, *ours.parameters()], slope)
        want = torch.autograd.grad(wanted, [reference, *torchs.parameters()], slope)
        for got_gradient, want_gradient in zip(got, want, strict=True):
            torch.testing.assert_close(got_gradient, want_gradient, rtol=1e-5, atol=1e-4)


def test_half_precision_rounds_the_result_but_not_the_statistics():
    torch.manual_seed(0)
    # A mean of 3 rounded to bfloat16 is off by up to 0.008, which every value would inherit.
    x = (torch.randn(1, 32, 64, 64) * 0.5 + 3.3).bfloat16().to(memory_format=torch.channels_last)
    exact = nn.InstanceNorm2d(32)(x.double())
    y = normalization("instance", 32)(x)
    assert y.dtype == torch.bfloat16
    # Half a unit in the last of bfloat16's 8 bits.
    assert ((y - exact).abs() <= exact.abs() * 2**-8 + 1e-4).all()


def test_networks_give_in_channels_last_what_they_give_with_torchs_norm():
    torch.manual_seed(0)
    generator = GlobalGenerator(GeneratorArchitecture(width=4, residual_blocks=2))
    discriminator = MultiScaleDiscriminator(DiscriminatorArchitecture(input_channels=3, width=4))
    x = torch.rand(2, 3, 64, 64) * 2 - 1

    def outputs(x):
        return [generator(x), *(maps[-1] for maps in discriminator(x))]

    with torch.no_grad():
        got = outputs(x.to(memory_format=torch.channels_last))
        for network in (generator, discriminator):
            for module in network.modules():
                if isinstance(module, nn.InstanceNorm2d):
                    module.__class__ = nn.InstanceNorm2d
        want = outputs(x)
    for got_map, want_map in zip(got, want, strict=True):
        torch.testing.assert_close(got_map, want_map, rtol=1e-5, atol=1e-5)


def normalised_in_float64(x):
    mean = x.mean((2, 3), keepdim=True)
    variance = (x - mean).square().mean((2, 3), keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


def sketch_maps(kind, images, side=512):
    """Maps (images, 3, side, side) of which nearly all cells of a channel are equal."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    ink = {
        "2 % ink": (torch.rand(side, side) < 0.02),
        "one stroke": (abs(y - 0.6 * side) < 1) & (abs(x - 0.4 * side) < 7),
        "border": (y == 0) | (x == 0),
        "one corner": (y == 0) & (x == 0),
        "two halves": y < x,
        # Also where a few cells are looked at to learn what most hold.
        "stripes": y % (side // 6) < 3,
    }[kind]
    background = torch.randn(images, 3, 1, 1)
    return torch.where(ink, background + torch.randn(images, 3, side, side), background)


def relative(got, wanted):
    return ((got.double() - wanted).norm() / wanted.norm()).item()


@functools.lru_cache(maxsize=1)
def exactly(kind, dtype):
    """Maps and slopes of two images, and what float64 makes of each: normalised, the gradient."""
    torch.manual_seed(0)
    maps = sketch_maps(kind, 2).to(dtype)
    slope = (torch.randn(maps.shape) + 1).to(dtype)
    exact = maps.double().requires_grad_()
    wanted = normalised_in_float64(exact)
    return maps, slope, wanted.detach(), *torch.autograd.grad(wanted, exact, slope.double())


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "kind", ["2 % ink", "one stroke", "border", "one corner", "two halves", "stripes"]
)
def test_maps_of_nearly_equal_cells_are_normalised_as_in_float64(kind, dtype, layout, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for images in (1, 2):
            maps, slope, wanted, want = (found[:images] for found in exactly(kind, dtype))
            x = maps.to(memory_format=layout, copy=True).requires_grad_()
            y = normalization("instance", 3)(x)
            assert y.dtype == dtype
            assert relative(y, wanted) < EXACT[dtype]
            (got,) = torch.autograd.grad(y, x, slope.to(memory_format=layout))
            assert relative(got, want) < EXACT[dtype]
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("side", [16, 33, 256, 512])
def test_maps_of_equal_cells_become_exactly_zero(side, layout, dtype):
    torch.manual_seed(0)
    x = (torch.randn(2, 7, 1, 1) * 3).expand(2, 7, side, side)
    y = normalization("instance", 7)(x.to(dtype, memory_format=layout))
    assert not y.any()
    affine = normalization("instance-affine", 7).to(dtype)
    nn.init.uniform_(affine.bias, -1, 1)
    shifted = affine(x.to(dtype, memory_format=layout))
    assert torch.equal(shifted, affine.bias[:, None, None].expand_as(shifted))


@pytest.mark.parametrize("make", [
    lambda network: lambda sheet: generate(network, sheet),
    lambda network: FastGenerator(network, torch.float32),
    lambda network: FastGenerator(network, torch.bfloat16),
])  # fmt: skip
def test_the_face_of_a_blank_sheet_is_of_one_colour(make):
    torch.manual_seed(0)
    network = GlobalGenerator(GeneratorArchitecture(width=5, residual_blocks=2))
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.bias)
    image = make(network.eval())(np.full((256, 256), 255, np.uint8))
    assert (image == image[0, 0]).all()


@pytest.mark.parametrize("ink", [0, 14, 1300])
def test_fast_faces_of_hardly_any_ink_are_those_of_double_precision(ink, rng):
    sketch = np.full((256, 256), 255, np.uint8)
    sketch.reshape(-1)[rng.choice(256 * 256, ink, replace=False)] = 0
    network = load_generator("baseline").generator.eval()
    exact = copy.deepcopy(network).double()(encode_image(sketch)[None].double())[0]
    levels = ((exact.detach() + 1) * 127.5).round().permute(1, 2, 0).numpy()
    apart = np.abs(FastGenerator(network, torch.float32)(sketch) - levels)
    assert apart.max() <= 1 and apart.mean() < 1e-3


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("of_slope", LAYOUTS)
@pytest.mark.parametrize("shape", [(1, 4, 12, 20), (1, 6, 48, 48), (2, 3, 40, 40)])
def test_the_gradient_is_right_whatever_the_layouts_of_map_and_slope(shape, layout, of_slope):
    torch.manual_seed(0)
    x = torch.randn(shape).to(memory_format=layout).requires_grad_()
    slope = torch.randn(shape).to(memory_format=of_slope)
    exact = x.detach().double().requires_grad_()
    (got,) = torch.autograd.grad(normalization("instance", shape[1])(x), x, slope)
    (want,) = torch.autograd.grad(normalised_in_float64(exact), exact, slope.double())
    assert relative(got, want) < 1e-5


def architectures():
    small = {"width": 3, "residual_blocks": 2}
    yield build_generator(GeneratorArchitecture(**small))
    yield build_generator(GeneratorArchitecture(**small, enhancers=1, norm="instance-affine"))
    yield MultiScaleDiscriminator(DiscriminatorArchitecture(input_channels=3, width=4))
    yield FeatureEncoder(EncoderArchitecture(width=4)).maps


@pytest.mark.parametrize("of_weights", LAYOUTS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("of_slope", LAYOUTS)
@pytest.mark.parametrize("images", [1, 2])
def test_every_network_has_the_gradient_of_float64_in_any_layout(
    of_weights, layout, of_slope, images, monkeypatch
):
    torch.manual_seed(0)
    for network in architectures():
        network.to(memory_format=of_weights)
        x = torch.rand(images, 3, 64, 64) * 2 - 1
        exact = copy.deepcopy(network).double().to(memory_format=torch.contiguous_format)

        def gradients(network, x):
            outputs = network(x)
            outputs = [maps[-1] for maps in outputs] if isinstance(outputs, list) else [outputs]
            slopes = [
                torch.linspace(-1, 1, y.numel()).sin().view(y.shape).to(y, memory_format=of_slope)
                for y in outputs
            ]
            # Biases in front of a norm have no effect, and a gradient of nothing but rounding.
            weights = [w for name, w in network.named_parameters() if not name.endswith("bias")]
            return torch.autograd.grad(outputs, weights, slopes)

        got = gradients(network, x.to(memory_format=layout))
        with monkeypatch.context() as patch:
            patch.setattr(InstanceNorm, "forward", lambda self, x: in_float64(self, x))
            want = gradients(exact, x.double())
        for got_gradient, want_gradient in zip(got, want, strict=True):
            # A cell near the kink of a ReLU may lie on its other side in float64; torch's wrong
            # gradient is off by 1.4.
            assert relative(got_gradient, want_gradient) < 0.1


def in_float64(norm, x):
    y = normalised_in_float64(x)
    return norm.weight[:, None, None] * y + norm.bias[:, None, None] if norm.affine else y


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_captured_norm_is_as_exact_as_the_norm_itself(layout):
    maps = torch.full((2, 6, 96, 96), 3.0)
    maps[:, :, 40:42, 10:80] = torch.randn(2, 6, 2, 70, generator=torch.Generator().manual_seed(0))
    maps = maps.contiguous(memory_format=layout)
    norm = normalization("instance", 6)
    exact = F.instance_norm(maps.double(), eps=1e-5)
    traced = torch.jit.trace(norm, maps)
    compiled = torch.compile(norm, backend="aot_eager")
    for run in (norm, traced, compiled):
        assert (run(maps) - exact).norm() <= 1e-5 * exact.norm()
