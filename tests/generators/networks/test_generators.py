from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from featviz.base.errors import FeatvizError
from featviz.generators.networks.generators import (
    FrontEnd,
    GeneratorArchitecture,
    GlobalGenerator,
    LocalEnhancer,
    OutputConvolution,
    build_generator,
)
from featviz.generators.networks.normalization import normalization


def test_the_front_end_has_the_studys_channels_and_sizes():
    front_end = FrontEnd(GeneratorArchitecture(width=48))
    x = torch.zeros(1, 3, 64, 64)
    shapes = [tuple((x := layer(x)).shape[1:]) for layer in front_end]
    assert shapes == [(48, 64, 64), (96, 32, 32), (192, 16, 16), (384, 8, 8), (768, 4, 4)]


@pytest.mark.parametrize("downsamplings", [1, 2, 4])
@pytest.mark.parametrize("width", [1, 6])
def test_any_width_and_depth_keeps_the_image_size(width, downsamplings):
    architecture = GeneratorArchitecture(
        width=width, downsamplings=downsamplings, residual_blocks=1
    )
    image = GlobalGenerator(architecture)(torch.rand(2, 3, 32, 48))
    assert image.shape == (2, 3, 32, 48)
    assert image.abs().max() <= 1


def test_the_study_generator_has_the_parameters_its_layers_add_up_to():
    generator = GlobalGenerator(GeneratorArchitecture(width=48))
    c = [48, 96, 192, 384, 768]
    front = c[0] * (3 * 49 + 1) + sum(b * (a * 9 + 1) for a, b in pairwise(c))
    residual = 18 * 768 * (768 * 9 + 1)
    back = sum(a * (b * 9 + 1) for a, b in pairwise(c)) + 3 * (48 * 49 + 1)
    assert sum(p.numel() for p in generator.parameters()) == front + residual + back


@pytest.mark.parametrize("levels", [1, 2])
def test_local_enhancers_stack_and_keep_the_image_size(levels):
    architecture = GeneratorArchitecture(
        width=2, downsamplings=2, residual_blocks=1, enhancers=levels, enhancer_blocks=1
    )
    generator = build_generator(architecture)
    assert isinstance(generator, LocalEnhancer)
    assert generator.global_generator.architecture.width == 2 * 2**levels
    assert generator(torch.rand(1, 3, 64, 64)).shape == (1, 3, 64, 64)


def test_instance_norm_is_the_formula_of_the_study():
    x = torch.randn(2, 3, 5, 7, dtype=torch.float64)
    norm = normalization("instance-affine", 3).double()
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, 3.0]))
        norm.bias.copy_(torch.tensor([0.5, 0.0, -0.5]))
    mean = x.mean(dim=(2, 3), keepdim=True)
    var = ((x - mean) ** 2).mean(dim=(2, 3), keepdim=True)
    gamma, beta = norm.weight[:, None, None], norm.bias[:, None, None]
    torch.testing.assert_close(norm(x), gamma * (x - mean) / torch.sqrt(var + 1e-5) + beta)
    plain = normalization("instance", 3)
    assert not list(plain.parameters())
    torch.testing.assert_close(plain(x), (x - mean) / torch.sqrt(var + 1e-5))


def test_every_block_has_an_activation_of_its_own():
    generator = GlobalGenerator(GeneratorArchitecture(width=2))
    activations = [m for m in generator.modules() if isinstance(m, nn.ReLU)]
    # 5 front end, 9 residual, 4 back end; `modules` lists a shared object only once.
    assert len(activations) == 18


def test_the_first_layer_mirrors_its_border():
    front_end = FrontEnd(GeneratorArchitecture("no-norm", width=2, downsamplings=0))
    x = torch.rand(1, 3, 9, 9)
    conv = front_end.L0.conv
    expected = F.conv2d(F.pad(x, (3, 3, 3, 3), mode="reflect"), conv.weight, conv.bias).relu()
    torch.testing.assert_close(front_end(x), expected)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(14, 22), (13, 20), (7, 7)])
def test_the_output_convolution_is_a_convolution(size, layout):
    torch.manual_seed(0)
    convolution = OutputConvolution(5, 3, 7)
    x = torch.randn(2, 5, *size).to(memory_format=layout).requires_grad_()
    inputs = [x, convolution.weight, convolution.bias]
    got, want = convolution(x), F.conv2d(*inputs)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-5)
    slope = torch.randn_like(want)
    got_gradients = torch.autograd.grad(got, inputs, slope)
    for got_gradient, want_gradient in zip(
        got_gradients, torch.autograd.grad(want, inputs, slope), strict=True
    ):
        torch.testing.assert_close(got_gradient, want_gradient, rtol=1e-5, atol=1e-4)


def test_an_unsuitable_size_is_refused_with_the_numbers():
    generator = GlobalGenerator(GeneratorArchitecture(width=2, residual_blocks=0))
    with pytest.raises(FeatvizError, match=r"500x512 .* multiples of 16"):
        generator(torch.zeros(1, 3, 512, 500))
    with pytest.raises(FeatvizError, match=r"16x32 .* at least 32 and multiples of 16"):
        generator(torch.zeros(1, 3, 32, 16))


def test_an_unknown_norm_is_refused_with_the_known_ones():
    with pytest.raises(FeatvizError, match="'blur'; there are instance, batch, group, group-N, "):
        normalization("blur", 3)


@pytest.mark.parametrize("levels", [1, 2])
def test_what_is_taken_from_a_generator_of_half_the_size_computes_the_same_features(levels):
    small = {"variant": "modified", "downsamplings": 2, "residual_blocks": 1}
    coarse = build_generator(GeneratorArchitecture(width=8, enhancers=levels - 1, **small))
    fine = build_generator(GeneratorArchitecture(width=4, enhancers=levels, **small))
    fresh = {key: value.clone() for key, value in fine.state_dict().items()}
    fine.take_coarse(coarse)

    # What the finest enhancer is given is what the coarse generator's output layer is given.
    seen = {}
    coarse.output.register_forward_pre_hook(lambda _, given: seen.update(coarse=given[0]))
    fine.enhancers[-1].register_forward_pre_hook(lambda _, given: seen.update(fine=given[1]))
    sketch = torch.rand(1, 3, 32, 32)
    fine(sketch)
    coarse(F.avg_pool2d(sketch, 3, 2, 1, count_include_pad=False))
    assert torch.equal(seen["fine"], seen["coarse"])
    newest = {id(parameter) for parameter in fine.newest_parameters()}
    for key, parameter in fine.named_parameters():
        assert torch.equal(parameter, fresh[key]) == (id(parameter) in newest) or "bias" in key


def test_a_generator_that_is_no_coarser_self_is_refused():
    fine = build_generator(GeneratorArchitecture(width=4, residual_blocks=1, enhancers=1))
    for other in ({"width": 4}, {"variant": "modified", "width": 8}, {"width": 8, "enhancers": 1}):
        coarse = build_generator(GeneratorArchitecture(**({"residual_blocks": 1} | other)))
        with pytest.raises(FeatvizError, match=r"of one enhancer less is .*width=8"):
            fine.take_coarse(coarse)
