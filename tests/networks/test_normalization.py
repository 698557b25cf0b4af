import pytest
import torch
from torch import nn

from featviz.networks.discriminators import DiscriminatorArchitecture, MultiScaleDiscriminator
from featviz.networks.generators import GeneratorArchitecture, GlobalGenerator
from featviz.networks.normalization import normalization

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
    for layout in (torch.contiguous_format, torch.channels_last):
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
