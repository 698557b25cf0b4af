import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from featviz.base.errors import FeatvizError
from featviz.generators.networks.generators import FrontEnd, GeneratorArchitecture, GlobalGenerator
from featviz.probing.receptive_field import Box, trace_geometry
from tests.probing.geometry import geometry

LAYERS = ("L0", "L1", "L2", "L3", "L4")


def generator(variant="baseline"):
    return GlobalGenerator(GeneratorArchitecture(variant, width=2, residual_blocks=1))


@pytest.mark.parametrize("variant", ["baseline", "modified", "no-norm"])
def test_the_studys_positions_and_receptive_fields_come_out_of_the_layers(variant):
    found = trace_geometry(generator(variant), LAYERS, (512, 512))
    positions = [found[layer].position((170, 250)) for layer in LAYERS]
    assert positions == [(170, 250), (85, 125), (43, 63), (22, 32), (11, 16)]
    assert [found[layer].extent for layer in LAYERS] == [(n, n) for n in (7, 9, 13, 21, 37)]
    assert [found[layer].map_size[0] for layer in LAYERS] == [512, 256, 128, 64, 32]


def test_in_the_front_end_every_pixel_goes_to_ceil_of_c_over_2_to_the_k():
    found = trace_geometry(generator(), LAYERS, (64, 64))
    for k, layer in enumerate(LAYERS):
        for c in range(64):
            expected = min(math.ceil(c / 2**k), 64 // 2**k - 1)
            assert found[layer].position((c, 63 - c))[0] == expected


def test_the_box_of_a_cell_is_centred_where_its_windows_are():
    found = trace_geometry(generator(), LAYERS, (512, 512))
    for k, layer in enumerate(LAYERS):
        column, row = found[layer].position((170, 250))
        box = found[layer].box((column, row))
        assert box.centre == (column * 2**k, row * 2**k)
        assert (box.right - box.left + 1, box.bottom - box.top + 1) == found[layer].extent
        assert box.left <= 170 <= box.right
        assert box.top <= 250 <= box.bottom
    assert found["L4"].box((11, 16)) == Box(158, 238, 194, 274)
    assert found["L4"].box((0, 31)) == Box(0, 496 - 18, 18, 511)


def test_only_layers_behind_a_normalisation_over_the_map_see_all_of_it():
    found = trace_geometry(generator("modified"), LAYERS, (64, 64))
    assert [found[layer].sees_whole_map for layer in LAYERS] == [False, False, True, True, True]
    found = trace_geometry(generator("modified"), LAYERS, (64, 64), stage="conv")
    assert [found[layer].sees_whole_map for layer in LAYERS] == [False, False, False, True, True]
    batch = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.GroupNorm(1, 2))
    assert not geometry(batch, "1").sees_whole_map
    assert geometry(batch, "2").sees_whole_map


def reach(model, layer, size):
    """Which pixels reach which cells, by sending one bright pixel at a time through the layers.

    With weights that are positive and no biases, a cell is positive exactly if the bright pixel
    reaches it. -> (pixels y, pixels x, cells y, cells x) bool
    """
    width, height = size
    for name, parameter in model.named_parameters():
        torch.nn.init.constant_(parameter, 0.0 if name.endswith("bias") else 1.0)
    pixels = torch.eye(width * height, dtype=torch.float64).reshape(-1, 1, height, width)
    outputs = []
    handle = model.get_submodule(layer).register_forward_hook(lambda *a: outputs.append(a[2]))
    with torch.no_grad():
        model.double().eval()(pixels)
    handle.remove()
    seen = outputs[0].sum(dim=1) > 0
    return seen.reshape(height, width, *seen.shape[1:]).numpy()


def assert_boxes_agree_with_reach(model, layer, size):
    seen = reach(model, layer, size)
    found = geometry(model, layer, size)
    assert found.known, found.reason
    assert found.map_size == seen.shape[:1:-1]
    for row, column in np.ndindex(*seen.shape[2:]):
        y, x = np.nonzero(seen[:, :, row, column])
        if len(x) == 0:
            with pytest.raises(FeatvizError, match="nothing but padding"):
                found.box((column, row))
        else:
            assert found.box((column, row)) == Box(x.min(), y.min(), x.max(), y.max())
    return found


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def windows(draw):
    kind = draw(
        st.sampled_from(
            ["conv", "same", "up", "average", "max", "zero", "reflect", "repeat", "nearest", "relu"]
        )
    )
    kernel, stride, dilation = draw(pairs), draw(pairs), draw(pairs)
    padding = draw(st.tuples(*(st.integers(0, k // 2) for k in kernel)))
    sides = tuple(draw(st.integers(0, 2)) for _ in range(4))
    match kind:
        case "conv":
            return nn.Conv2d(1, 1, kernel, stride, padding, dilation)
        case "same":
            return nn.Conv2d(1, 1, kernel, padding="same", dilation=dilation)
        case "up":
            extra = tuple(draw(st.integers(0, s - 1)) for s in stride)
            return nn.ConvTranspose2d(1, 1, kernel, stride, padding, extra)
        case "average":
            return nn.AvgPool2d(kernel, stride, padding)
        case "max":
            return nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=draw(st.booleans()))
        case "zero":
            return nn.ZeroPad2d(sides)
        case "reflect":
            return nn.ReflectionPad2d(sides)
        case "repeat":
            return nn.ReplicationPad2d(sides)
        case "nearest":
            return nn.Upsample(scale_factor=draw(st.integers(1, 3)))
    return nn.ReLU(inplace=True)


@settings(max_examples=40)
@given(st.lists(windows(), min_size=1, max_size=5), st.tuples(st.integers(7, 12), st.just(10)))
def test_boxes_agree_with_where_single_pixels_arrive_for_any_chain_of_windows(chain, size):
    model = nn.Sequential(*chain)
    try:
        model(torch.zeros(1, 1, *size[::-1]))
    except RuntimeError:
        return  # the map became smaller than a window
    assert_boxes_agree_with_reach(model, str(len(chain) - 1), size)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("factor", [2, 3])
def test_boxes_agree_with_where_single_pixels_arrive_behind_a_map_made_smaller(mode, factor):
    shrink = nn.Upsample(size=12 // factor, mode=mode)
    model = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), shrink, nn.Conv2d(1, 1, 3, padding=1))
    assert_boxes_agree_with_reach(model, "1", (12, 12))
    found = assert_boxes_agree_with_reach(model, "2", (12, 12))
    # The nearest of every so many cells is their first.
    assert found.x.start == (0 if mode == "nearest" else (factor - 1) / 2)


convolutions = st.builds(
    lambda kernel, stride, pad: nn.Conv2d(1, 1, kernel, min(stride, kernel), min(pad, kernel // 2)),
    *(st.integers(1, 5), st.integers(1, 3), st.integers(0, 2)),
)


@settings(max_examples=30)
@given(st.lists(convolutions, min_size=1, max_size=4))
def test_a_stride_leads_a_point_to_the_cell_with_the_nearest_middle_and_nothing_else_rounds(chain):
    pixels = 40
    model = nn.Sequential(*chain)
    try:
        sizes = []
        x = torch.zeros(1, 1, pixels, pixels)
        for module in chain:
            x = module(x)
            sizes.append(x.shape[-1])
    except RuntimeError:
        return
    found = geometry(model, str(len(chain) - 1), (pixels, pixels))
    for pixel in range(pixels):
        place = Fraction(pixel)
        for module, cells in zip(chain, sizes, strict=True):
            (kernel, _), (stride, _), (pad, _) = module.kernel_size, module.stride, module.padding
            middles = [j * stride - pad + Fraction(kernel - 1, 2) for j in range(cells)]
            if stride == 1:
                place -= middles[0]
            else:
                # max() prefers the later of equals.
                place = max(range(cells), key=lambda j: (-abs(middles[j] - place), j))
        nearest = max(range(cells), key=lambda j: (-abs(j - place), j))
        kept = cells == pixels and all(module.stride == (1, 1) for module in chain)
        assert found.position((pixel, pixel)) == 2 * ((pixel if kept else nearest),)


def test_the_extent_of_a_convolution_chain_follows_the_textbook_recursion_even_on_a_tiny_image():
    model = nn.Sequential(
        nn.Conv2d(1, 1, (3, 5), stride=2, padding=(1, 2)),
        nn.Conv2d(1, 1, 3, dilation=2, padding=2),
        nn.MaxPool2d(2),
        nn.Conv2d(1, 1, 3, padding=1),
    )
    # extent grows by dilation * (kernel - 1) * product of the strides before
    height = 1 + 2 * 1 + 4 * 2 + 1 * 2 + 2 * 4
    width = 1 + 4 * 1 + 4 * 2 + 1 * 2 + 2 * 4
    assert geometry(model, "3", (8, 8)).extent == (width, height)
    assert geometry(model, "3", (256, 256)).extent == (width, height)


class Residual(nn.Module):
    """A strided residual block that does everything by functions."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 2, 3, stride=2, padding=1)
        self.second = nn.Conv2d(2, 2, 3, padding=1)
        self.shortcut = nn.Conv2d(1, 2, 1, stride=2)
        self.end = nn.Identity()

    def forward(self, x):
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        main = self.second(F.relu(self.first(x), inplace=True))
        both = torch.cat([main + self.shortcut(x), main.clone().mul_(2)], dim=1)
        return self.end(F.silu(both) * torch.sigmoid(both.mean(1, keepdim=True)))


def test_branches_that_meet_give_the_union_of_what_they_see():
    found = assert_boxes_agree_with_reach(Residual(), "end", (11, 9))
    assert found.extent == (7, 7)
    assert not found.sees_whole_map
    shortcut = geometry(Residual(), "shortcut", (11, 9))
    assert shortcut.extent == (1, 1)


class TwoPools(nn.Module):
    """One cell over the left and one over the right half, added."""

    def __init__(self):
        super().__init__()
        self.end = nn.Identity()

    def forward(self, x):
        return self.end(F.avg_pool2d(F.pad(x, (0, -4)), 4) + F.avg_pool2d(F.pad(x, (-4, 0)), 4))


def test_single_cells_that_meet_see_what_either_sees():
    found = assert_boxes_agree_with_reach(TwoPools(), "end", (8, 4))
    assert found.map_size == (1, 1)
    assert not found.sees_whole_map


@pytest.mark.parametrize(
    "activation",
    [
        *(nn.ReLU(), nn.ReLU(True), nn.LeakyReLU(0.2), nn.LeakyReLU(0.2, True), nn.ReLU6()),
        *(nn.ELU(), nn.SELU(), nn.CELU(), nn.GELU(), nn.SiLU(), nn.Mish(), nn.Hardswish()),
        *(nn.PReLU(), nn.PReLU(2), nn.Tanh(), nn.Sigmoid(), nn.Softplus(), nn.Softsign()),
        *(nn.Hardtanh(), nn.Dropout(), nn.Dropout2d(), nn.BatchNorm2d(2), nn.Identity()),
        *(nn.Softmax2d(), nn.ChannelShuffle(2)),
    ],
    ids=str,
)
def test_element_wise_modules_have_no_extent_and_see_no_map(activation):
    model = nn.Sequential(nn.Conv2d(1, 2, 3, stride=2, padding=1), activation)
    found = geometry(model, "1")
    assert found.known, found.reason
    assert found.extent == (3, 3)
    assert not found.sees_whole_map


class LooksAtValues(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, stride=2)

    def forward(self, x):
        return self.conv(x if x.sum().item() >= 0 else -x)


def test_a_model_that_looks_at_values_is_traced_on_a_real_image_and_may_see_all_of_it():
    found = geometry(LooksAtValues(), "conv")
    assert found.extent == (3, 3)
    assert found.sees_whole_map


class FailsBehind(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, stride=2)

    def forward(self, x):
        self.conv(x)
        raise RuntimeError("behind")


def test_a_failure_behind_the_last_layer_does_not_matter_and_one_before_is_told():
    assert geometry(FailsBehind(), "conv").extent == (3, 3)
    with pytest.raises(FeatvizError, match="cannot run on a 16x16 image of 3 channels"):
        geometry(FailsBehind(), "conv", channels=3)
    with pytest.raises(FeatvizError, match="multiples of 16"):
        trace_geometry(generator(), ["L0"], (100, 96))


def test_tracing_leaves_the_model_as_it_was():
    model = generator().train()
    model.residual.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trace_geometry(model, LAYERS, (32, 32))
    assert model.training
    assert model.front_end.L0.training
    assert not model.residual.R0.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_weights_that_stand_in_two_places_are_traced_and_come_back():
    shared, tied = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)
    tied.weight = shared.weight
    model = nn.Sequential(nn.Conv2d(3, 4, 3), shared, nn.ReLU(), shared, tied)
    before = shared.weight.detach().clone()
    assert trace_geometry(model, ["4"], (16, 16))["4"].extent == (9, 9)
    assert model[3].weight is model[4].weight
    assert torch.equal(shared.weight, before)
    with pytest.raises(FeatvizError, match="runs more than once"):
        trace_geometry(model, ["1", "4"], (16, 16))
    assert torch.equal(shared.weight, before)


@pytest.mark.parametrize("point", [(512, 0), (0, 512), (-1, 5), (600, 600)])
def test_a_point_outside_the_image_is_refused_with_the_numbers(point):
    found = trace_geometry(FrontEnd(GeneratorArchitecture(width=1)), ["L0"], (512, 512))["L0"]
    with pytest.raises(FeatvizError, match="outside the image of 512x512") as caught:
        found.position(point)
    assert f"({point[0]}, {point[1]})" in str(caught.value)


def test_a_cell_off_the_map_is_refused():
    found = trace_geometry(FrontEnd(GeneratorArchitecture(width=1)), ["L2"], (64, 64))["L2"]
    with pytest.raises(FeatvizError, match=r"cell \(16, 0\) is not on the map of 16x16"):
        found.box((16, 0))
