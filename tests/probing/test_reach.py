import numpy as np
import pytest
import torch
from torch import nn

from featviz.analysis.leakage import reach
from featviz.base.errors import FeatvizError
from featviz.generators.networks.generators import FrontEnd, GeneratorArchitecture, ResidualBlock
from featviz.probing.reach import cells_of
from featviz.probing.receptive_field import trace_geometry

IMAGE = (21, 16)


def positive(model):
    """Weights above 0, so that what reaches a cell neither cancels nor dies in a ReLU."""
    torch.manual_seed(1)
    for parameter in model.parameters():
        nn.init.uniform_(parameter, 0.1, 1.0)
    return model.double().requires_grad_(False)


def conv(inputs, outputs, kernel, **settings):
    return nn.Conv2d(inputs, outputs, kernel, **settings)


NETWORKS = {
    "strides and reflection": nn.Sequential(
        nn.ReflectionPad2d(3), conv(1, 2, 7), nn.ReLU(), conv(2, 3, 3, stride=2, padding=1)
    ),
    "there and back": nn.Sequential(
        conv(1, 2, 3, stride=2, padding=1),
        ResidualBlock(2, "none"),
        nn.ConvTranspose2d(2, 1, 3, stride=2, padding=1, output_padding=1),
    ),
    "pooling and upsampling": nn.Sequential(
        conv(1, 2, (1, 5)), nn.MaxPool2d(2), nn.Upsample(scale_factor=3), conv(2, 1, 2)
    ),
    "no padding": nn.Sequential(conv(1, 1, 4, stride=3)),
}


def by_trial(model, layer):
    """(pixels, cells): whether a cell changes when a pixel does, found out one pixel at a time."""
    width, height = IMAGE
    base = torch.ones(1, 1, height, width, dtype=torch.float64)
    before = model(base)
    changes = []
    for y in range(height):
        for x in range(width):
            edited = base.clone()
            edited[..., y, x] += 1
            changes.append(((model(edited) - before)[0] != 0).any(dim=0))
    return torch.stack(changes).numpy()


@pytest.mark.parametrize("name", NETWORKS)
def test_reach_is_where_changing_pixels_changes_cells(name, rng):
    model = positive(NETWORKS[name])
    layer = str(len(model) - 1)
    (geometry,) = trace_geometry(model, [layer], IMAGE, 1).values()
    changes = by_trial(model, layer)
    width, height = IMAGE
    alone = np.eye(width * height, dtype=bool).reshape(-1, height, width)
    for pixel, expected in zip(alone, changes, strict=True):
        assert np.array_equal(reach(geometry, pixel), expected)
    for share in (0.002, 0.01, 0.1):
        many = rng.random((height, width)) < share
        assert np.array_equal(reach(geometry, many), changes[many.ravel()].any(axis=0))


def test_reach_of_nothing_is_nothing_and_of_all_is_all():
    model = FrontEnd(GeneratorArchitecture("no-norm", width=1))
    for geometry in trace_geometry(model, ["L0", "L3", "L4"], (64, 96)).values():
        nothing = np.zeros((96, 64), dtype=bool)
        assert not reach(geometry, nothing).any()
        assert reach(geometry, ~nothing).all()


def test_with_dilation_reach_leaves_out_no_cell():
    model = positive(nn.Sequential(conv(1, 1, 3, dilation=3, padding=3)))
    (geometry,) = trace_geometry(model, ["0"], IMAGE, 1).values()
    pixel = np.zeros(IMAGE[::-1], dtype=bool)
    pixel[8, 9] = True
    exact = by_trial(model, "0")[8 * IMAGE[0] + 9]
    found = reach(geometry, pixel)
    assert (found | ~exact).all()
    assert exact.sum() == 9
    assert found.sum() == 49


def test_the_cells_of_pixels_are_those_of_the_points():
    model = FrontEnd(GeneratorArchitecture(width=1))
    geometries = trace_geometry(model, ["L0", "L2", "L4"], (512, 512))
    pixels = np.zeros((512, 512), dtype=bool)
    pixels[250, 170] = True
    for layer, cell in (("L0", (170, 250)), ("L2", (43, 63)), ("L4", (11, 16))):
        rows, columns = np.nonzero(cells_of(geometries[layer], pixels))
        assert [(columns[0], rows[0])] == [cell]
        assert len(rows) == 1


def test_a_map_of_the_images_size_has_a_cell_for_every_pixel(rng):
    model = NETWORKS["there and back"]
    (geometry,) = trace_geometry(model, ["2"], (28, 20), 1).values()
    pixels = rng.random((20, 28)) < 0.3
    assert np.array_equal(cells_of(geometry, pixels), pixels)


def test_a_mask_of_another_size_and_an_unknown_geometry_are_told():
    model = NETWORKS["no padding"]
    (geometry,) = trace_geometry(model, ["0"], IMAGE, 1).values()
    with pytest.raises(FeatvizError, match="mask of 16x21 does not fit the image of 21x16"):
        reach(geometry, np.zeros((21, 16), dtype=bool))
    flat = nn.Sequential(nn.Flatten(), nn.Linear(4, 4))
    (geometry,) = trace_geometry(flat, ["1"], (2, 2), 1).values()
    with pytest.raises(FeatvizError, match="reach of an edit cannot be computed: it holds"):
        reach(geometry, np.zeros((2, 2), dtype=bool))
