"""Geometries that are not known: what is lost on the way, and what was no map to begin with."""

import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from featviz.base.errors import FeatvizError
from tests.probing.geometry import geometry


class Transposed(nn.Module):
    def __init__(self, operation):
        super().__init__()
        self.conv, self.end, self.operation = nn.Conv2d(1, 4, 3), nn.Identity(), operation

    def forward(self, x):
        return self.end(self.operation(self.conv(x)))


def overwrite_every_second_row(x):
    x[:, :, ::2] = x[:, :, 1::2]
    return x


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: x.transpose(2, 3),
        lambda x: x.permute(0, 2, 3, 1),
        lambda x: x.flip(3),
        lambda x: x.flip(2).relu(),
        lambda x: x.roll(1, 3),
        lambda x: x @ torch.ones(14, 14, device=x.device),
        lambda x: x.flatten(2).flip(2).view(x.shape),
        lambda x: torch.fft.fft2(x).real,
        lambda x: x.flatten(2)[:, :, 7:-7].unflatten(2, (13, 14)),
        lambda x: x[:, :, torch.arange(13, -1, -1)],
        lambda x: torch.stack([x, x], dim=-1).sum(-2),
        lambda x: x.view(1, 4, 7, 2, 14).transpose(2, 3).reshape(x.shape),
        lambda x: x.view(1, 2, 2, 14, 14).transpose(2, 3).reshape(1, 28, 2, 14),
        overwrite_every_second_row,
    ],
)
def test_what_moves_cells_in_ways_not_understood_makes_the_geometry_unknown(operation):
    found = geometry(Transposed(operation), "end")
    assert not found.known
    assert found.extent is None
    with pytest.raises(FeatvizError, match="cannot be computed: "):
        found.position((3, 3))


class Laid(nn.Module):
    """What an operation makes of a convolution's (1, channels, 16, 16), as a layer."""

    def __init__(self, channels, operation):
        super().__init__()
        self.conv, self.end, self.operation = nn.Conv2d(1, channels, 1), nn.Identity(), operation

    def forward(self, x):
        return self.end(self.operation(self.conv(x)))


def unfollowed(x):
    """Keeps what dimensions mean, and loses the way from the image."""
    return x.flatten(2).flip(2).view(x.shape)


LAYOUTS = {
    "channels last": (4, lambda x: x.permute(0, 2, 3, 1), "(1, 16, 16, 4)"),
    "channels last, as many as rows": (16, lambda x: x.permute(0, 2, 3, 1), "(1, 16, 16, 16)"),
    "channels last, copied": (4, lambda x: x.permute(0, 2, 3, 1).contiguous(), "(1, 16, 16, 4)"),
    "channels last, mixed": (
        4,
        lambda x: F.linear(x.permute(0, 2, 3, 1), x.new_ones(8, 4)).relu(),
        "(1, 16, 16, 8)",
    ),
    "channels last, padded": (
        4,
        lambda x: F.pad(x.permute(0, 2, 3, 1), (0, 0, 0, 2, 0, 2)),
        "(1, 18, 18, 4)",
    ),
    "channels last, of one channel": (1, lambda x: x.permute(0, 2, 3, 1), "(1, 16, 16, 1)"),
    "rows last": (4, lambda x: x.permute(0, 1, 3, 2)[:, :, :8], "(1, 4, 8, 16)"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_map_with_other_dimensions_has_neither_size_nor_places_as_a_map(name):
    channels, operation, shape = LAYOUTS[name]
    found = geometry(Laid(channels, operation), "end")
    assert not found.known
    assert found.map_size is None
    assert found.sees_whole_map is None
    assert found.reason == f"its output has shape {shape}, not (N, C, H, W)"


@pytest.mark.parametrize("name", LAYOUTS)
def test_behind_what_is_not_understood_the_shape_tells_nothing_of_such_a_map(name):
    channels, operation, shape = LAYOUTS[name]
    found = geometry(Laid(channels, lambda x: torch.fft.fft2(operation(x)).real), "end")
    assert not found.known
    assert found.map_size is None
    assert re.fullmatch(
        rf"whether its output {re.escape(shape)} is \(N, C, H, W\) is not known, and "
        r"operation '\w+' before it is not understood",
        found.reason,
    )


@pytest.mark.parametrize(
    ("operation", "size"),
    [
        (unfollowed, (16, 16)),
        (lambda x: F.max_pool2d(unfollowed(x), (3, 1)), (16, 5)),
        (lambda x: F.max_pool2d(unfollowed(x), 2).relu() * 2, (8, 8)),
    ],
)
def test_a_map_lost_on_the_way_keeps_its_size_where_its_dimensions_are_known(operation, size):
    found = geometry(Laid(8, operation), "end")
    assert not found.known
    assert found.map_size == size


@pytest.mark.parametrize(
    ("operation", "shape"),
    [
        (lambda x: x.flatten(2).transpose(1, 2), "(1, 256, 8)"),
        (lambda x: x[0], "(8, 16, 16)"),
        (lambda x: x.transpose(0, 1), "(8, 1, 16, 16)"),
        (lambda x: x.reshape(2, 4, 16, 16), "(2, 4, 16, 16)"),
    ],
)
def test_what_is_not_one_map_of_one_image_has_no_places(operation, shape):
    found = geometry(Laid(8, operation), "end")
    assert not found.known
    assert found.map_size is None
    assert found.reason == f"its output has shape {shape}, not (N, C, H, W)"
