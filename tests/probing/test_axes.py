"""Where a pixel's influence on a map lies, found by changing it, against where it is read."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from featviz.base.errors import FeatvizError
from featviz.generators.networks.generators import (
    GeneratorArchitecture,
    GlobalGenerator,
    build_generator,
)
from featviz.probing.reach import cells_of
from featviz.probing.receptive_field import trace_geometry


def conv(kernel=3, stride=1, padding=0, dilation=1):
    return nn.Conv2d(1, 1, kernel, stride, padding, dilation)


def up(kernel=4, stride=2, padding=1, extra=0):
    return nn.ConvTranspose2d(1, 1, kernel, stride, padding, extra)


def down(kernel=3, stride=2, padding=1):
    return conv(kernel, stride, padding)


def nearest(factor=2):
    return nn.Upsample(scale_factor=factor)


def bilinear(factor=2, align=False):
    return nn.Upsample(scale_factor=factor, mode="bilinear", align_corners=align)


def widened():
    return nn.Sequential(up(2, 2, 0), conv())


class UNet(nn.Module):
    """Halves `depth` times and doubles as often, adding what it had at each size."""

    def __init__(self, depth, halve, double, cut=False):
        super().__init__()
        self.down = nn.ModuleList(halve() for _ in range(depth))
        self.up = nn.ModuleList(double() for _ in range(depth))
        self.meet = nn.ModuleList(nn.Identity() for _ in range(depth))
        self.cut = cut

    def forward(self, x):
        kept = []
        for halve in self.down:
            kept.append(x)
            x = halve(x)
        for double, meet in zip(self.up, self.meet, strict=True):
            skip, x = kept.pop(), double(x)
            if self.cut:
                edge = (skip.shape[-1] - x.shape[-1]) // 2
                skip = skip[..., edge : edge + x.shape[-2], edge : edge + x.shape[-1]]
            x = meet(torch.cat([x, skip], 1).sum(1, keepdim=True))
        return x


# A chain, and the side of its images. Kernels that overlap place a pixel as finely as they give.
SMOOTH = {
    "down and up": (lambda: [*(down() for _ in range(3)), *(up(3, 2, 1, 1) for _ in range(3))], 96),
    "even kernels": (lambda: [*(down(4) for _ in range(3)), *(up() for _ in range(3))], 96),
    "even kernels without stride": (lambda: [conv(2) for _ in range(9)], 64),
    "even and wide": (lambda: [conv(4), conv(4), down(4), conv(2), up(), conv(4), up()], 96),
    "dilated": (lambda: [down(), conv(3, 1, 2, 2), down(), conv(3, 1, 4, 4), up(3, 2, 1, 1)], 128),
    "no padding": (lambda: [conv(), down(3, 2, 0), conv(), down(3, 2, 0), up(2, 2, 0), conv()], 95),
    "odd size": (lambda: [down(), down(), down(), up(3, 2, 1), up(3, 2, 1)], 97),
    "U-Net": (lambda: [UNet(3, down, lambda: up(3, 2, 1, 1))], 96),
    "U-Net of even kernels": (lambda: [UNet(3, lambda: down(4), up)], 96),
}
# Blocks of equal pixels place it no finer than they are wide: the third number, in pixels.
BLOCKS = {
    "nearest": (lambda: [nn.MaxPool2d(2), nn.AvgPool2d(2), nearest(), conv(3, 1, 1)], 64, 4),
    "bilinear": (lambda: [nn.AvgPool2d(2), nn.AvgPool2d(2), bilinear(), bilinear()], 64, 4),
    "aligned corners": (lambda: [nn.AvgPool2d(2), nn.AvgPool2d(2), bilinear(3, True)], 64, 4),
    "thirds": (lambda: [down(5, 3, 1), down(), up(5, 3, 1), nearest(3)], 63, 6),
    "finer than the image": (lambda: [conv(3, 1, 1), up(), nearest(3)], 48, 1),
    "U-Net, pooled": (lambda: [UNet(3, lambda: nn.AvgPool2d(2), nearest)], 96, 8),
    "U-Net, cut": (lambda: [UNet(3, lambda: down(2, 2, 0), widened, cut=True)], 96, 8),
}


def smooth(model):
    """Weights that fall off from the middle of a kernel, so that nothing cancels or dies."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            tall, wide = (
                torch.tensor([math.comb(side - 1, tap) for tap in range(side)], dtype=torch.float64)
                for side in module.kernel_size
            )
            module.weight.data = (tall[:, None] * wide).expand(module.weight.shape).clone()
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return model.double().eval().requires_grad_(False)


def centres(model, layer, size, pixels, channels=1):
    """For each pixel the middle (x, y) of what changes on the layer's map when it does."""
    width, height = size
    outputs = []
    handle = model.get_submodule(layer).register_forward_hook(lambda *a: outputs.append(a[2]))
    base = torch.zeros(1, channels, height, width, dtype=torch.float64)
    images = base.repeat(len(pixels) + 1, 1, 1, 1)
    for number, (x, y) in enumerate(pixels):
        images[number, :, y, x] = 1
    model(images)
    handle.remove()
    changes = (outputs[0][:-1] - outputs[0][-1]).abs().sum(1)
    changes /= changes.sum((1, 2), keepdim=True)
    rows, columns = (torch.arange(cells, dtype=torch.float64) for cells in changes.shape[1:])
    return torch.stack([changes.sum(1) @ columns, changes.sum(2) @ rows], 1).numpy()


def layers_of(model):
    return [name for name, module in model.named_modules() if not list(module.children())]


def assert_read_where_the_influence_is(model, layers, side, limit, channels=1):
    """limit: cells between the two, by axis. Far from the edges, where influence is whole."""
    pixels = [(side // 2 - 4 + step, side // 2 + 4 - step) for step in range(9)]
    for layer, geometry in trace_geometry(model, layers, (side, side), channels).items():
        assert geometry.known, geometry.reason
        read = np.array([geometry.position(pixel) for pixel in pixels])
        away = np.abs(read - centres(model, layer, (side, side), pixels, channels)).max()
        assert away <= limit(geometry.x) + 1e-6, layer


def half_a_cell(axis):
    """Windows that lie inside each other may together be up to a cell away."""
    return 0.5 if axis.nested is None else 1.0


@pytest.mark.parametrize("name", SMOOTH)
def test_a_decoder_is_read_within_half_a_cell_of_the_middle_of_a_pixels_influence(name):
    chain, side = SMOOTH[name]
    model = smooth(nn.Sequential(*chain()))
    assert_read_where_the_influence_is(model, layers_of(model), side, half_a_cell)


@pytest.mark.parametrize("name", BLOCKS)
def test_behind_blocks_of_equal_pixels_it_is_half_a_block(name):
    chain, side, width = BLOCKS[name]
    model = smooth(nn.Sequential(*chain()))

    def half_a_block(axis):
        return max(half_a_cell(axis), width / 2 / float(axis.pitch))

    assert_read_where_the_influence_is(model, layers_of(model), side, half_a_block)


def small_generator(enhancers=0):
    architecture = GeneratorArchitecture(
        "no-norm", 1, 2, 1, norm="none", input_channels=1, enhancers=enhancers, enhancer_blocks=1
    )
    return smooth(build_generator(architecture))


@pytest.mark.parametrize("enhancers", [0, 1])
def test_pix2pixhds_decoders_are_read_within_half_a_cell(enhancers):
    model = small_generator(enhancers)
    layers = [name for name in layers_of(model) if name.endswith("conv")]
    assert_read_where_the_influence_is(model, layers, 96 << enhancers, half_a_cell)


def test_three_points_of_a_decoder_are_read_at_three_cells():
    model = GlobalGenerator(GeneratorArchitecture(width=1, residual_blocks=1))
    found = trace_geometry(model, ["U0", "U1", "U2", "U3"], (512, 512))
    for k, layer in zip((3, 2, 1, 0), found, strict=True):
        for c in (100, 101, 108, 170, 250):
            nearest = math.floor(c / 2**k + 0.5)
            assert found[layer].position((c, c)) == (nearest, nearest)
    points = [(100, 100), (101, 101), (108, 108)]
    assert [found["U3"].position(point) for point in points] == points


@pytest.mark.parametrize(
    "chain",
    [
        [down(), down(), up(3, 2, 1, 1), up(3, 2, 1, 1)],
        [down(4), down(4), up(), up()],
        [nn.MaxPool2d(2), nn.MaxPool2d(2), nearest(4)],
        [nn.AvgPool2d(4), bilinear(4)],
        [conv(4), conv(5), nn.ReflectionPad2d((3, 4, 4, 3))],
        [UNet(5, lambda: down(4), up)],
    ],
)
def test_a_map_of_the_images_pixels_is_read_at_the_pixel_itself(chain):
    model = nn.Sequential(*chain)
    layer = str(len(chain) - 1)
    found = trace_geometry(model, [layer], (32, 64), 1)[layer]
    assert found.map_size == (32, 64)
    for pixel in [(0, 0), (31, 63), *((x, 2 * x) for x in range(32))]:
        assert found.position(pixel) == pixel


class Shift(nn.Module):
    """A map as large as the image, whose pixels it holds elsewhere."""

    def forward(self, x):
        return F.pad(x, (4, -4))


def test_a_map_of_the_images_size_that_holds_its_pixels_elsewhere_is_read_there():
    model = smooth(nn.Sequential(conv(3, 1, 1), Shift()))
    assert trace_geometry(model, ["1"], (48, 48), 1)["1"].position((20, 21)) == (24, 21)
    assert_read_where_the_influence_is(model, ["1"], 48, half_a_cell)


class Halves(nn.Module):
    def forward(self, x):
        return x[..., 1:9:2]


def test_a_point_of_a_part_that_was_cut_off_has_no_cell():
    model = nn.Sequential(conv(3, 1, 1), Halves())
    found = trace_geometry(model, ["1"], (24, 8), 1)["1"]
    assert [found.position((x, 0))[0] for x in range(1, 9)] == [0, 1, 1, 2, 2, 3, 3, 3]
    with pytest.raises(FeatvizError, match=r"no cell for point \(15, 0\)"):
        found.position((15, 0))
    everything = np.ones((8, 24), dtype=bool)
    assert cells_of(found, everything).all()
    everything[:, :15] = False
    assert not cells_of(found, everything).any()


class Pooled(nn.Module):
    """Branches of which one is a few cells, made as fine as the other again."""

    def __init__(self):
        super().__init__()
        self.near, self.far, self.end = conv(3, 1, 1), nn.AvgPool2d(8), nn.Identity()

    def forward(self, x):
        return self.end(self.near(x) + F.interpolate(self.far(x), scale_factor=8))


def test_where_branches_meet_the_one_through_finer_maps_places_though_the_other_sees_more():
    found = trace_geometry(Pooled(), ["far", "end"], (32, 32), 1)
    assert found["end"].extent == (9, 9)
    for c in range(32):
        assert found["end"].position((c, c)) == (c, c)
    model = nn.Sequential(UNet(5, lambda: down(4), up))
    layers = [f"0.meet.{number}" for number in range(5)]
    found = trace_geometry(model, layers, (32, 32), 1)
    for k, geometry in zip((4, 3, 2, 1, 0), found.values(), strict=True):
        assert [geometry.position((c, 0))[0] for c in range(32)] == [c // 2**k for c in range(32)]


@pytest.mark.parametrize("name", [*SMOOTH, *BLOCKS])
def test_the_cells_of_a_pixel_are_its_position(name):
    chain, side, *_ = {**SMOOTH, **BLOCKS}[name]
    model = nn.Sequential(*chain())
    for geometry in trace_geometry(model, layers_of(model), (side, side), 1).values():
        for pixel in [(0, side - 1), (side // 2, side // 3)]:
            alone = np.zeros((side, side), dtype=bool)
            alone[pixel[::-1]] = True
            assert np.argwhere(cells_of(geometry, alone)).tolist() == [
                list(geometry.position(pixel)[::-1])
            ]


class SpaceToDepth(nn.Module):
    """Blocks of pixels as channels of one cell, cut out one after the other."""

    def __init__(self, side):
        super().__init__()
        self.side = side

    def forward(self, x):
        firsts = [(row, column) for column in range(self.side) for row in range(self.side)]
        return torch.cat(
            [x[..., row :: self.side, column :: self.side] for row, column in firsts], 1
        )


@pytest.mark.parametrize("side", [2, 3, 4])
def test_a_pixel_is_in_the_cell_whose_block_holds_it_where_blocks_become_channels(side):
    model = nn.Sequential(SpaceToDepth(side), SpaceToDepth(2))
    size = 8 * side, 4 * side
    once, twice = trace_geometry(model, ["0", "1"], size).values()
    for geometry, pixels in ((once, side), (twice, 2 * side)):
        points = [(x, y) for x in range(size[0]) for y in range(size[1])]
        expected = [(x // pixels, y // pixels) for x, y in points]
        assert [geometry.position(point) for point in points] == expected
