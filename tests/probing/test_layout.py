"""Operations that lay cells out in other dimensions, against single pixels that change."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from featviz.base.errors import FeatvizError
from featviz.probing.receptive_field import trace_geometry

WIDTH, HEIGHT, CHANNELS = 16, 12, 4


class Between(nn.Module):
    """A convolution, an operation, and another convolution of what it gives."""

    def __init__(self, operation, channels=CHANNELS):
        super().__init__()
        self.before, self.end = nn.Conv2d(1, CHANNELS, 3, padding=1), nn.Identity()
        self.after, self.operation = nn.Conv2d(channels, 2, 3), operation
        self.mix = nn.Linear(CHANNELS, CHANNELS)

    def forward(self, x):
        return self.after(self.end(self.operation(self, self.before(x))))


def changed_by_pixels(model, layers, size=(WIDTH, HEIGHT)):
    """Which cells of layers differ when one pixel does: (pixels y, x, cells y, x) bool each."""
    width, height = size
    outputs = {}
    for layer in layers:
        model.get_submodule(layer).register_forward_hook(
            lambda *given, layer=layer: outputs.__setitem__(layer, given[2].clone())
        )
    torch.manual_seed(1)
    image = torch.rand(1, 1, height, width, dtype=torch.float64)
    found = {layer: [] for layer in layers}
    with torch.no_grad():
        model(image)
        base = dict(outputs)
        for row, column in np.ndindex(height, width):
            edited = image.clone()
            edited[..., row, column] += 0.5
            model(edited)
            for layer in layers:
                found[layer].append((outputs[layer] != base[layer]).any(1)[0])
    return {
        layer: torch.stack(each).reshape(height, width, *each[0].shape).numpy()
        for layer, each in found.items()
    }


def assert_boxes_are_where_pixels_arrive(model, layers=("end", "after"), exact=True, whole=False):
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    model.double().eval()
    geometries = trace_geometry(model, layers, (WIDTH, HEIGHT), 1)
    for layer, seen in changed_by_pixels(model, layers).items():
        geometry = geometries[layer]
        assert geometry.known, geometry.reason
        assert geometry.map_size == seen.shape[:1:-1]
        assert geometry.sees_whole_map == whole
        if whole:
            assert seen.all()
            continue
        for row, column in np.ndindex(*seen.shape[2:]):
            y, x = np.nonzero(seen[:, :, row, column])
            if not len(x):
                with pytest.raises(FeatvizError, match="nothing but padding"):
                    geometry.box((column, row))
                continue
            there = (x.min(), y.min(), x.max(), y.max())
            box = geometry.box((column, row))
            if exact:
                assert box == there, (layer, row, column)
            else:
                assert box[0] <= there[0] and box[1] <= there[1], (layer, row, column)
                assert box[2] >= there[2] and box[3] >= there[3], (layer, row, column)
    return geometries


def tokens(model, x):
    row = x.flatten(2).transpose(1, 2)
    row = F.layer_norm(model.mix(row), (CHANNELS,)) + torch.ones(
        row.shape[1], CHANNELS, dtype=x.dtype, device=x.device
    )
    return row.transpose(1, 2).reshape(x.shape)


def tokens_and_one_that_is_none(model, x):
    row = x.flatten(2).transpose(1, 2)
    other = torch.ones(1, 2, CHANNELS, dtype=x.dtype, device=x.device)
    row = model.mix(torch.cat([other, row, other], dim=1)).relu()
    return row[:, 2:-2].transpose(1, 2).view(x.shape)


def channels_last(model, x):
    x = F.layer_norm(x.permute(0, 2, 3, 1), (CHANNELS,))
    return F.gelu(model.mix(x)).permute(0, 3, 1, 2) + 1


def shuffled_by_views(_, x):
    n, c, h, w = x.shape
    x = x.view(n, c // 4, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3)
    return x.reshape(n, c // 4, 2 * h, 2 * w)


def unshuffled_by_views(_, x):
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4)
    return x.reshape(n, 4 * c, h // 2, w // 2)


def merged_patches(_, x):
    x = x.permute(0, 2, 3, 1)
    parts = [x[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return torch.cat(parts, -1).permute(0, 3, 1, 2)


def one_of_four(_, x):
    n, c, h, w = x.shape
    return x.view(n, c, h // 2, 2, w // 2, 2)[:, :, :, 1, :, 0]


def pooled_by_a_view(_, x):
    n, c, h, w = x.shape
    return x.view(n, c, h // 3, 3, w // 4, 4).mean((3, 5))


def shifted_in_place(_, x):
    shifted = torch.zeros_like(x)
    shifted[..., 1:] = x[..., :-1]
    return shifted + x


def a_row_overwritten(_, x):
    x = x.clone()
    x[:, :, 0] = x[:, :, 5]
    return x


def a_view_made_before_it_is_written_to(_, x):
    empty = torch.zeros_like(x)
    early = empty[:, :, 2:]
    empty[:, :, :-1] = x[:, :, 1:]
    return early


def half_of_the_channels_in_place(_, x):
    x = x.clone()
    one, other = x.chunk(2, 1)
    one.tanh_()
    return x + other.repeat(1, 2, 1, 1)


def through_a_view_in_place(_, x):
    x = x.clone()
    x.view(1, -1).mul_(2)
    return x


def patches(_, x):
    return x.unfold(2, 3, 3).unfold(3, 4, 2).mean((4, 5))


def windows_in_columns(_, x):
    columns = F.unfold(x, 3, padding=1, stride=2)
    return columns.view(1, CHANNELS, 9, HEIGHT // 2, WIDTH // 2).sum(2)


def folded(_, x):
    columns = F.unfold(x, (2, 4), stride=(2, 2))
    return F.fold(columns * 2, (HEIGHT, WIDTH), (2, 4), stride=(2, 2))


def padded_by_hand(_, x):
    x = torch.cat([x[..., -1:], x, x[..., :1]], 3)
    return torch.cat([torch.zeros_like(x[:, :, :2]), x], 2)


def in_windows(x, height, width, act):
    n, c, h, w = x.shape
    x = x.view(n, c, h // height, height, w // width, width).permute(0, 2, 4, 3, 5, 1)
    x = act(x.reshape(-1, height * width, c))
    x = x.view(n, h // height, w // width, height, width, c).permute(0, 5, 1, 3, 2, 4)
    return x.reshape(n, c, h, w)


def attending(row):
    return (row @ row.transpose(1, 2)).softmax(-1) @ row


def attending_at_once(row):
    return F.scaled_dot_product_attention(row[:, None], row[:, None], row[:, None])[:, 0]


def window_attention(_, x):
    return x + in_windows(x, 3, 4, attending)


def window_attention_at_once(_, x):
    return x + in_windows(x, 3, 4, attending_at_once)


def rolled_and_back(_, x):
    x = torch.roll(x, (-1, -2), (2, 3)).tanh()
    return torch.roll(x, (1, 2), (2, 3))


def merged_patches_attend_in_windows(model, x):
    n, c, h, w = x.shape
    x = x.permute(0, 2, 3, 1).reshape(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 4, 2, 5)
    x = model.mix(x.flatten(3).unflatten(3, (4, c)).sum(3))
    inside = in_windows(x.permute(0, 3, 1, 2) / 8, 3, 4, attending)
    return torch.roll(x.permute(0, 3, 1, 2) + inside, (1, 0), (2, 3)).roll((-1, 0), (2, 3))


LAID_OUT = {
    "tokens": tokens,
    "tokens with others": tokens_and_one_that_is_none,
    "channels last": channels_last,
    "pixel shuffle": (lambda _, x: F.pixel_shuffle(x, 2), 1),
    "pixel shuffle by views": (shuffled_by_views, 1),
    "pixel unshuffle": (lambda _, x: F.pixel_unshuffle(x, 2), 16),
    "pixel unshuffle by views": (unshuffled_by_views, 16),
    "merged patches": (merged_patches, 16),
    "one of four": one_of_four,
    "pooled by a view": pooled_by_a_view,
    "circular padding": lambda _, x: F.pad(x, (3, 2, 1, 4), mode="circular"),
    "zeros around channels last": lambda _, x: F.pad(
        x.permute(0, 2, 3, 1), (0, 0, 2, 0, 1, 3)
    ).permute(0, 3, 1, 2),
    "written in place": shifted_in_place,
    "a row overwritten": a_row_overwritten,
    "an early view": a_view_made_before_it_is_written_to,
    "half in place": half_of_the_channels_in_place,
    "through a view": through_a_view_in_place,
    "patches": patches,
    "windows in columns": windows_in_columns,
    "folded": folded,
    "padded by hand": padded_by_hand,
    "cut": lambda _, x: x[:, :, 1:-2, 3:],
    "every third": lambda _, x: x[..., 1::3, ::2],
    "softmax along rows": lambda _, x: x.softmax(3),
    "means of columns": lambda _, x: x + x.mean(2, keepdim=True),
    "pools of rows": lambda _, x: x * F.adaptive_avg_pool2d(x, (None, 1)),
    "window attention": window_attention,
    "window attention at once": window_attention_at_once,
    "rolled and back": rolled_and_back,
    "merged patches in windows": merged_patches_attend_in_windows,
}


# What is too much: a row that was overwritten, the pixels between two edges that meet, and the
# whole of a window of which one cell is taken again.
WIDER = ("a row overwritten", "circular padding", "padded by hand", "folded")


@pytest.mark.parametrize("name", LAID_OUT)
def test_boxes_are_where_single_pixels_arrive_however_cells_are_laid_out(name):
    operation = LAID_OUT[name]
    model = Between(*(operation if isinstance(operation, tuple) else (operation,)))
    assert_boxes_are_where_pixels_arrive(model, exact=name not in WIDER)


def shifted_windows(_, x):
    moved = torch.roll(x, (-1, -2), (2, 3))
    return x + torch.roll(in_windows(moved, 3, 4, attending), (1, 2), (2, 3))


def test_windows_rolled_around_the_edges_see_both_sides_and_the_others_their_own():
    geometries = assert_boxes_are_where_pixels_arrive(Between(shifted_windows), exact=False)
    # A window of 4 columns from column 2 on, and a pixel around it.
    assert geometries["end"].box((3, 5)) == (1, 3, 6, 7)
    assert geometries["end"].box((0, 5))[::2] == (0, WIDTH - 1)


def all_tokens(attend):
    def operation(model, x):
        row = x.flatten(2).transpose(1, 2)
        first = torch.ones(1, 1, CHANNELS, dtype=x.dtype, device=x.device)
        row = attend(model.mix(torch.cat([first, row], 1)))
        return row[:, 1:].transpose(1, 2).reshape(x.shape)

    return operation


def heads(row):
    n, length, c = row.shape
    q, k, v = row.repeat(1, 1, 3).reshape(n, length, 3, 2, c // 2).permute(2, 0, 3, 1, 4).unbind(0)
    return ((q @ k.transpose(-2, -1)).softmax(-1) @ v).transpose(1, 2).reshape(n, length, c)


def linear_attention(row):
    return row @ (row.transpose(1, 2) @ row)


WHOLE = {
    "attention": all_tokens(attending),
    "attention at once": all_tokens(attending_at_once),
    "heads": all_tokens(heads),
    "linear attention": all_tokens(linear_attention),
    "the first token": lambda model, x: (
        x + all_tokens(attending)(model, x) * x.flatten(2).sum(2)[..., None, None]
    ),
    "layer norm over maps": lambda _, x: F.layer_norm(x, x.shape[1:]),
    "layer norm over rows of tokens": lambda _, x: F.layer_norm(
        x.flatten(2), (HEIGHT * WIDTH,)
    ).view(x.shape),
    "group norm of tokens": lambda _, x: F.group_norm(x.flatten(2), 2).view(x.shape),
    "a mean of means": lambda _, x: x + x.mean(3, keepdim=True).mean(2, keepdim=True),
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_sees_everything_leaves_places_known(name):
    geometries = assert_boxes_are_where_pixels_arrive(Between(WHOLE[name]), whole=True)
    assert geometries["end"].extent == (3, 3)
    assert geometries["end"].position((5, 7)) == (5, 7)


MODES = ("nearest", "nearest-exact", "bilinear", "bicubic")
TO = {
    "of a size": {"size": (17, 9)},
    "smaller": {"size": (5, 7)},
    "one and a half": {"scale_factor": 1.5},
    "by factors": {"scale_factor": (0.7, 2.3)},
    "by a factor that fits none": {"scale_factor": (2.05, 1.99)},
    "by the factor of the sizes": {"scale_factor": 1.7, "recompute_scale_factor": True},
    "three times": {"scale_factor": 3},
}


@pytest.mark.parametrize("to", TO)
@pytest.mark.parametrize("mode", MODES)
def test_interpolation_to_any_size_takes_the_cells_around(mode, to):
    model = Between(lambda _, x: F.interpolate(x, **TO[to], mode=mode))
    # Where a place falls on a cell, it depends on rounding whether the next one has a weight.
    assert_boxes_are_where_pixels_arrive(model, exact="recompute_scale_factor" not in TO[to])


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    "options",
    [{"align_corners": True}, {"antialias": True}, {"antialias": True, "align_corners": True}],
    ids=str,
)
@pytest.mark.parametrize("size", [(17, 9), (5, 7), (24, 8)])
def test_interpolation_with_aligned_corners_and_smooth_takes_the_cells_around(mode, options, size):
    model = Between(lambda _, x: F.interpolate(x, size, mode=mode, **options))
    # Of the cells at the ends of a smooth window some have no weight.
    assert_boxes_are_where_pixels_arrive(model, exact=False)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("factor", [1.5, 0.6, 2])
def test_an_interpolated_map_is_read_within_a_cell_of_a_pixels_influence(mode, factor):
    model = Between(lambda _, x: F.interpolate(x, scale_factor=factor, mode=mode)).double()
    model.requires_grad_(False)
    for convolution in (model.before, model.after):
        nn.init.constant_(convolution.weight, 1.0)
        nn.init.zeros_(convolution.bias)
    geometry = trace_geometry(model, ["end"], (WIDTH, HEIGHT), 1)["end"]
    seen = []
    model.end.register_forward_hook(lambda *given: seen.append(given[2][0, 0]))
    base = torch.zeros(1, 1, HEIGHT, WIDTH, dtype=torch.float64)
    for pixel in ((7, 5), (8, 6), (6, 6)):
        edited = base.clone()
        edited[..., pixel[1], pixel[0]] = 1
        model(base)
        model(edited)
        change = (seen[-1] - seen[-2]).abs()
        change /= change.sum()
        for axis, place in zip((0, 1), geometry.position(pixel), strict=True):
            along = change.sum(axis)
            middle = float(along @ torch.arange(len(along), dtype=torch.float64))
            assert abs(place - middle) <= 1
