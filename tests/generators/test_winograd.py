import copy

import pytest
import torch
from torch import nn

from featviz.generators.networks.generators import ResidualBlock
from featviz.generators.networks.normalization import Norm
from featviz.generators.winograd import WinogradConvolution, WinogradTrunk, has_winograd


@pytest.mark.parametrize("size", [(4, 4), (32, 32), (5, 7), (8, 33), (1, 2)])
@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_it_gives_the_sums_of_the_convolution(
    size: tuple[int, int], images: int, order: torch.memory_format
) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(40, 33, 3).requires_grad_(False)
    height, width = size
    maps = torch.randn(images, 40, height + 2, width + 2).contiguous(memory_format=order)
    before = maps.clone()
    expected = copy.deepcopy(convolution).double()(maps.double())
    result = WinogradConvolution(convolution.weight, convolution.bias)(maps)
    assert result.shape == (images, 33, height, width) and result.dtype == torch.float32
    assert (result - expected).abs().max() < 3e-5 * expected.abs().max()
    assert torch.equal(maps, before)


def test_without_a_bias_nothing_is_added() -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(32, 32, 3, bias=False).requires_grad_(False)
    maps = torch.zeros(1, 32, 10, 10)
    assert not WinogradConvolution(convolution.weight, convolution.bias)(maps).any()


@pytest.mark.parametrize(
    "other",
    [
        nn.Conv2d(64, 64, 3, stride=2),
        nn.Conv2d(64, 64, 3, dilation=2),
        nn.Conv2d(64, 64, 3, padding=1),
        nn.Conv2d(64, 64, 3, groups=2),
        nn.Conv2d(64, 64, 5),
        nn.Conv2d(64, 3, 3),
        nn.Conv2d(64, 512, 3),
        nn.Conv2d(64, 64, 3).to(torch.bfloat16),
        nn.ConvTranspose2d(64, 64, 3),
    ],
)
def test_what_it_does_not_compute_or_not_faster_is_told_apart(other: nn.Module) -> None:
    assert has_winograd(nn.Conv2d(64, 64, 3)) and not has_winograd(other)


@pytest.mark.parametrize("norm", ["instance", "instance-affine", "none"])
@pytest.mark.parametrize("size", [(4, 8), (16, 12), (6, 8)])
@pytest.mark.parametrize("images", [1, 3])
def test_a_trunk_gives_the_maps_of_its_blocks(
    norm: Norm, size: tuple[int, int], images: int
) -> None:
    torch.manual_seed(0)
    residual = nn.Sequential(*(ResidualBlock(32, norm) for _ in range(2))).requires_grad_(False)
    for parameter in residual.parameters():
        parameter.add_(torch.randn_like(parameter), alpha=0.1)
    plain = copy.deepcopy(residual).double()
    maps = torch.randn(images, 32, *size)
    expected = plain(maps.double())
    found = WinogradTrunk(residual)(maps)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()


def test_a_trunk_of_few_channels_is_left_as_it_is() -> None:
    torch.manual_seed(0)
    residual = nn.Sequential(ResidualBlock(8, "instance")).requires_grad_(False)
    maps = torch.randn(1, 8, 16, 16)
    assert torch.equal(WinogradTrunk(residual)(maps), residual(maps))


def test_a_trunk_of_equal_cells_stays_one() -> None:
    residual = nn.Sequential(ResidualBlock(32, "instance")).requires_grad_(False)
    maps = torch.full((1, 32, 16, 16), 7.0)
    assert torch.equal(WinogradTrunk(residual)(maps), maps)
