import copy

import pytest
import torch
from torch import Tensor, nn

from featviz.generators.inked import InkedFrontEnd
from featviz.generators.networks.generators import Enhancer, FrontEnd, GeneratorArchitecture
from featviz.generators.networks.normalization import Norm


def lines(height: int, width: int, places: int) -> Tensor:
    """Paper with a few lines and grey dots, (1, 1, H, W)."""
    generator = torch.Generator().manual_seed(places)
    sketch = torch.ones(1, 1, height, width)
    for _ in range(places):
        down, across = (
            int(torch.randint(side, (), generator=generator)) for side in (height, width)
        )
        sketch[0, 0, down, across : across + 9] = -1
        sketch[0, 0, down // 2, across] = 0.25
    return sketch


def front_end(variant: str, norm: Norm, downsamplings: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    architecture = GeneratorArchitecture(
        variant, width=3, downsamplings=downsamplings, norm=norm, input_channels=1
    )
    front = FrontEnd(architecture).requires_grad_(False)
    for parameter in front.parameters():
        parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return front


def agree(front: nn.Sequential, sketch: Tensor) -> None:
    expected = copy.deepcopy(front).double()(sketch.double())
    found = InkedFrontEnd(front)(sketch)
    assert found.shape == expected.shape and found.dtype == torch.float32
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("variant", ["baseline", "modified", "no-norm"])
@pytest.mark.parametrize("norm", ["instance", "instance-affine"])
@pytest.mark.parametrize("places", [1, 5, 400])
def test_it_gives_the_map_of_the_front_end(variant: str, norm: Norm, places: int) -> None:
    agree(front_end(variant, norm), lines(64, 96, places))


def test_statistics_of_doubles_leave_the_map_as_it_is() -> None:
    front, sketch = front_end("baseline", "instance").double(), lines(32, 32, 3).double()
    torch.testing.assert_close(InkedFrontEnd(front)(sketch), front(sketch))


@pytest.mark.parametrize("place", [(0, 0), (0, 40), (63, 95), (63, 0), (31, 95)])
def test_ink_at_the_border_is_mirrored(place: tuple[int, int]) -> None:
    sketch = torch.ones(1, 1, 64, 96)
    sketch[0, 0, place[0], place[1]] = -1
    agree(front_end("modified", "instance"), sketch)


def test_a_blank_sheet_gives_the_same_as_the_front_end() -> None:
    agree(front_end("modified", "instance"), torch.ones(1, 1, 64, 64))
    maps = InkedFrontEnd(front_end("baseline", "instance"))(torch.ones(1, 1, 64, 64))
    # As of the plain one, equal cells less their mean are nothing.
    inside = maps[:, :, 1:, 1:]
    assert torch.equal(inside, inside[:, :, :1, :1].expand_as(inside))


@pytest.mark.parametrize("size", [(8, 6), (10, 12)])
def test_sides_that_are_no_multiple_of_a_square_are_computed_whole(size: tuple[int, int]) -> None:
    agree(front_end("baseline", "instance", downsamplings=1), lines(*size, 2))


def test_an_enhancers_front_end_is_one() -> None:
    torch.manual_seed(0)
    enhancer = Enhancer(GeneratorArchitecture(input_channels=1), 4).requires_grad_(False)
    agree(enhancer.front_end, lines(32, 64, 3))
