import pytest
import torch
from torch import nn

from featviz.generators.winograd import WinogradConvolution, has_winograd


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
    expected = nn.functional.conv2d(
        maps.double(), convolution.weight.double(), convolution.bias.double()
    )
    result = WinogradConvolution(convolution)(maps)
    assert result.shape == (images, 33, height, width) and result.dtype == torch.float32
    assert (result - expected).abs().max() < 3e-5 * expected.abs().max()
    assert torch.equal(maps, before)


def test_without_a_bias_nothing_is_added() -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(32, 32, 3, bias=False).requires_grad_(False)
    maps = torch.zeros(1, 32, 10, 10)
    assert not WinogradConvolution(convolution)(maps).any()


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
