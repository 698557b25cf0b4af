import pytest
import torch
from torch import nn

from featviz.generators.networks.group_norm import GroupNorm
from featviz.generators.networks.normalization import BatchNorm


@pytest.mark.parametrize("groups", [1, 2, 8, 16, "batch"])
@pytest.mark.parametrize("affine", [False, True])
def test_sums_are_exact_where_nearly_all_cells_are_equal_however_they_lie(groups, affine):
    torch.manual_seed(0)
    is_batch = groups == "batch"
    norm = BatchNorm(16, affine) if is_batch else GroupNorm(groups, 16, 1e-5, affine)
    if affine:
        nn.init.normal_(norm.weight)
    maps = (0.7 + torch.randn(1, 16, 1, 1)).repeat(2, 1, 128, 128)
    maps[:, :, 50:55, 40:60] += torch.randn(2, 16, 5, 20)
    slope = torch.randn(maps.shape) + 1
    found, weights = [], [each for each in norm.parameters() if affine]
    for given in (maps.double(), maps, maps.contiguous(memory_format=torch.channels_last)):
        given = given.detach().requires_grad_()
        result = norm.to(given.dtype)(given)
        assert result.stride() == given.stride()
        result.backward(slope.to(given.dtype))
        found.append((result.double(), given.grad.double(), *(w.grad.double() for w in weights)))
        norm.zero_grad()
    for result, gradient, *of_weights in found[1:]:
        assert (result - found[0][0]).norm() < 1e-5 * found[0][0].norm()
        # The variance of what is nearly equal is small, and divides the gradient.
        assert (gradient - found[0][1]).norm() < 1e-4 * found[0][1].norm()
        for one, wanted in zip(of_weights, found[0][2:], strict=True):
            assert (one - wanted).norm() < 1e-3 * wanted.norm()


def test_one_group_is_the_same_in_training_and_in_evaluation_for_large_and_small_maps():
    torch.manual_seed(0)
    norm = GroupNorm(1, 16, 1e-5, True)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    for side in (8, 128):
        maps = torch.randn(2, 16, side, side).contiguous(memory_format=torch.channels_last)
        wanted = nn.functional.group_norm(
            maps.double().contiguous(), 1, norm.weight.double(), norm.bias.double(), 1e-5
        )
        for is_training in (True, False):
            torch.testing.assert_close(
                norm.train(is_training)(maps).double(), wanted, rtol=1e-5, atol=1e-5
            )
