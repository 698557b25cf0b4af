import copy

import pytest
import torch
from torch import nn

from featviz.base.errors import FeatvizError
from featviz.generators.folded import ScaledActivation, fold
from featviz.generators.networks.generators import GeneratorArchitecture, GlobalGenerator
from featviz.generators.networks.normalization import Norm, normalization


def blocks(norm: Norm, channels: int = 3) -> tuple[nn.Module, nn.Module]:
    """A last doubling block and an output block with large weights."""
    torch.manual_seed(0)
    generator = GlobalGenerator(
        GeneratorArchitecture(
            width=channels, downsamplings=1, residual_blocks=0, norm=norm, output_channels=3
        )
    ).requires_grad_(False)
    for parameter in generator.parameters():
        parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return generator.back_end.get_submodule("U0"), generator.output


@pytest.mark.parametrize("norm", ["instance", "instance-affine", "none"])
@pytest.mark.parametrize("size", [(4, 4), (2, 3), (16, 9), (33, 20)])
def test_both_blocks_give_the_levels_of_the_plain_ones(norm: Norm, size: tuple[int, int]) -> None:
    doubling, output = blocks(norm)
    maps = torch.randn(1, 6, *size)
    plain = nn.Sequential(*copy.deepcopy([doubling, output])).double()
    expected = (plain(maps.double()) + 1) * 127.5
    assert expected.std() > 5
    fold(doubling, output)
    levels = output(doubling(maps))
    assert levels.dtype == torch.uint8 and levels.shape == expected.shape
    # Rounded to the nearest level, but for sums that are as near to two of them.
    assert (levels - expected).abs().max() < 0.501


def test_a_map_of_equal_cells_is_nothing_after_its_norm() -> None:
    doubling, output = blocks("instance")
    fold(doubling, output)
    assert not doubling(torch.zeros(1, 6, 16, 16)).any()


def test_nan_is_refused() -> None:
    doubling, output = blocks("none")
    fold(doubling, output)
    with pytest.raises(FeatvizError, match="NaN or infinity"):
        output(doubling(torch.full((1, 6, 8, 8), torch.nan)))


@pytest.mark.parametrize("norm", ["instance", "instance-affine", "none"])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("level", [0.0, 30.0])
def test_norm_and_activation_are_those_of_the_plain_modules(
    norm: Norm, order: torch.memory_format, level: float
) -> None:
    torch.manual_seed(0)
    module = normalization(norm, 5).requires_grad_(False)
    for parameter in module.parameters():
        parameter.normal_()
    maps = (torch.randn(1, 5, 24, 18) + level).contiguous(memory_format=order)
    expected = maps.double()
    if norm != "none":
        centred = expected - expected.mean(dim=(2, 3), keepdim=True)
        expected = centred / (centred.square().mean(dim=(2, 3), keepdim=True) + 1e-5).sqrt()
    if norm == "instance-affine":
        weight, bias = module.parameters()
        expected = expected * weight[:, None, None] + bias[:, None, None]
    found = ScaledActivation(module)(maps.clone(memory_format=torch.preserve_format))
    assert (found - expected.relu()).abs().max() < 3e-5
