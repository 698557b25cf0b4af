"""What `extract` reads: which values, at which cells, and what it refuses."""

import weakref

import numpy as np
import pytest
import torch
from torch import nn

from featviz.base.errors import FeatvizError
from featviz.base.points import PROBE_POINT
from featviz.extraction import FRONT_END_LAYERS, extract
from featviz.generators.networks.generators import (
    GeneratorArchitecture,
    GlobalGenerator,
)
from featviz.probing.activations import record_activations
from featviz.sketches.tensors import encode_image, input_channels
from tests.extraction.making import (
    generator,
    sketch,
    small,
)


@pytest.mark.parametrize("variant", ["baseline", "modified"])
@pytest.mark.parametrize("stage", ["activation", "norm", "conv"])
def test_vectors_equal_those_picked_from_a_full_hooked_forward_bit_for_bit(variant, stage):
    model, points = generator(variant), [(42, 30), (63, 0), (0, 63)]
    table = extract(model, small(), points, stage=stage, engine="dense")
    model.eval()
    for index, image in enumerate(small()):
        with torch.inference_mode(), record_activations(model, FRONT_END_LAYERS, stage) as maps:
            model(encode_image(image)[None])
        for k, layer in enumerate(FRONT_END_LAYERS):
            for p, (x, y) in enumerate(points):
                column, row = (min(-(-c // 2**k), 64 // 2**k - 1) for c in (x, y))
                expected = maps[layer][0, :, row, column].numpy()
                assert table.vectors[layer][3 * index + p].tobytes() == expected.tobytes()
    assert table.rows["point_x"].tolist() == [42, 63, 0] * 4
    assert table.rows["sketch"].tolist() == [str(n) for n in range(4) for _ in range(3)]


def test_the_batch_size_and_the_neighbours_change_no_bit():
    model, images = generator(), small(5)
    reference = extract(model, images, [(20, 30)], batch_size=1)
    for batch_size in (2, 3, 8):
        table = extract(model, images, [(20, 30)], batch_size=batch_size)
        for layer in table.layers:
            assert table.vectors[layer].tobytes() == reference.vectors[layer].tobytes()
    alone = extract(model, images[3:4], [(20, 30)])
    for layer in alone.layers:
        assert alone.vectors[layer].tobytes() == reference.vectors[layer][3:4].tobytes()


def test_without_norm_in_l0_l1_equal_surroundings_give_equal_v0_v1_and_with_norm_they_do_not():
    x, y = PROBE_POINT
    first, second = sketch(1), sketch(2)
    first[y, x - 9 : x] = 0
    second[y - 24 : y + 24, x - 24 : x + 24] = first[y - 24 : y + 24, x - 24 : x + 24]
    assert (first != second).sum() > 1000
    assert len(np.unique(first[y - 4 : y + 5, x - 4 : x + 5])) == 2
    modified = extract(generator("modified"), [first, second])
    baseline = extract(generator("baseline"), [first, second])
    for layer in FRONT_END_LAYERS:
        same = modified.vectors[layer][0].tobytes() == modified.vectors[layer][1].tobytes()
        assert same == (layer in ("L0", "L1"))
        assert not np.array_equal(baseline.vectors[layer][0], baseline.vectors[layer][1])
    # L4 sees one pixel more than the window: up to (194, 274).
    no_norm = extract(generator("no-norm"), [first, second], layers=["L0", "L1", "L2", "L3"])
    for layer in no_norm.layers:
        assert no_norm.vectors[layer][0].tobytes() == no_norm.vectors[layer][1].tobytes()


def test_one_pixel_inside_the_receptive_field_is_seen_and_one_outside_is_not():
    blank = np.full((64, 64), 255, np.uint8)
    model = generator("no-norm", width=8)
    boxes = extract(model, [blank], [(20, 30)]).metadata["receptive_field_boxes"]
    images, expected = [blank], []
    for layer in FRONT_END_LAYERS:
        left, top, right, bottom = boxes[layer][0]
        corners = [(left, top, True), (right, bottom, True)]
        beside = [(left - 1, top, False), (right, bottom + 1, False)]
        for x, y, seen in [*corners, *beside]:
            if 0 <= x < 64 and 0 <= y < 64:
                images.append(blank.copy())
                images[-1][y, x] = 0
                expected.append((len(images) - 1, layer, seen))
    table = extract(model, images, [(20, 30)], stage="conv")
    for row, layer, seen in expected:
        vectors = table.vectors[layer]
        assert (not np.array_equal(vectors[row], vectors[0])) == seen


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.behind = nn.Conv2d(4, 4, 3)
        self.computed = 0

    def forward(self, x):
        x = self.behind(self.conv(x))
        self.computed += x.device.type != "meta"
        return x


def test_nothing_behind_the_last_layer_is_computed():
    model = Counter()
    extract(model, small(3), [(5, 5)], ["conv"])
    assert model.computed == 0


def test_images_and_maps_are_let_go_one_by_one():
    model = Counter()
    alive, most = set(), [0, 0]

    def watch(kind, thing):
        alive.add((kind, id(thing)))
        weakref.finalize(thing, alive.discard, (kind, id(thing)))
        most[kind] = max(most[kind], sum(k == kind for k, _ in alive))

    def images():
        for seed in range(12):
            image = sketch(seed, 64, lines=4)
            watch(0, image)
            yield image
            del image

    handle = model.conv.register_forward_hook(lambda module, inputs, output: watch(1, output))
    table = extract(model, images(), [(5, 5)], ["conv"])
    handle.remove()
    assert len(table) == 12
    assert max(most) <= 3


def test_a_strangers_model_of_one_channel_runs_and_is_left_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 5, 4, stride=4), nn.BatchNorm2d(5), nn.ReLU())
    model[1].eval()
    running = model[1].running_mean.clone()
    images = np.stack(small(3))
    table = extract(model, images, [(3, 4)], ["0", "2"], names="abc", groups=["x", "y", "y"])
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(images[:, None]) / 127.5 - 1, model[0].weight, model[0].bias, stride=4
    )[:, :, 1, 0]
    np.testing.assert_allclose(table.vectors["0"], expected.detach(), atol=1e-5)
    assert table.rows["sketch"].tolist() == ["a", "b", "c"]
    assert table.groups == ("x", "y")
    assert table.metadata["checkpoint"] == "Sequential"
    assert table.metadata["receptive_fields"] == {"0": 4, "2": 4}
    assert model.training
    assert not model[1].training
    assert torch.equal(running, model[1].running_mean)
    assert not any(module._forward_hooks for module in model.modules())


def test_training_flags_and_hooks_are_restored_after_an_error():
    model = generator().train()
    with pytest.raises(FeatvizError):
        extract(model, [*small(2), sketch(0, 32)], [(5, 5)])
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())


def test_prepared_tensors_and_a_custom_encoding_reach_the_network_unchanged():
    model = nn.Sequential(nn.Conv2d(2, 2, 1, bias=False), nn.Identity())
    nn.init.dirac_(model[0].weight)
    tensors = [torch.randn(2, 8, 9) for _ in range(2)]
    table = extract(model, tensors, [(8, 7)], ["1"])
    assert np.array_equal(table.vectors["1"], torch.stack(tensors)[:, :, 7, 8].numpy())
    assert table.metadata["size"] == [9, 8]
    lists = [tensor.tolist() for tensor in tensors]
    again = extract(model, lists, [(8, 7)], ["1"], encode=torch.tensor)
    assert np.array_equal(again.vectors["1"], table.vectors["1"])


def test_paper_is_plus_one_and_ink_minus_one_on_every_channel():
    image = np.array([[255, 0], [128, 1]], np.uint8)
    for channels in (1, 3, 4):
        encoded = encode_image(image, channels)
        assert encoded.shape == (channels, 2, 2)
        assert encoded[:, 0, 0].tolist() == [1.0] * channels
        assert encoded[:, 0, 1].tolist() == [-1.0] * channels
    assert torch.equal(encode_image(np.stack([image] * 3, axis=2)), encode_image(image))
    assert input_channels(generator(channels=4)) == 4
    assert input_channels(nn.Flatten()) == 3


class Tokens(nn.Module):
    """Cuts the image into patches and mixes them in an order that is not followed."""

    def __init__(self):
        super().__init__()
        self.patches, self.mixed = nn.Conv2d(3, 6, 8, stride=8), nn.Identity()

    def forward(self, x):
        x = self.patches(x)
        tokens = x.flatten(2).flip(2)
        return self.mixed((tokens @ tokens.transpose(1, 2) @ tokens).reshape(x.shape))


def test_where_the_geometry_is_unknown_the_cells_must_be_given_or_taken_by_share():
    model = Tokens()
    with pytest.raises(FeatvizError, match="layer 'mixed' cannot be computed: operation"):
        extract(model, small(2), [(17, 63)], ["mixed"])
    share = extract(model, small(2), [(17, 63)], ["mixed"], positions="proportional")
    assert share.metadata["positions"] == {"mixed": [[2, 7]]}
    assert share.metadata["receptive_fields"] == {"mixed": None}
    given = extract(model, small(2), [(17, 63)], ["mixed"], positions={"mixed": [(2, 7)]})
    assert np.array_equal(given.vectors["mixed"], share.vectors["mixed"])
    assert (share.metadata["position_rule"], given.metadata["position_rule"]) == (
        "proportional",
        "given",
    )


class ChannelsLast(nn.Module):
    """Keeps the channels behind, (N, H, W, C), as ConvNeXt and Swin do inside."""

    def __init__(self, channels):
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, channels, 8, stride=8), nn.LayerNorm(channels)

    def forward(self, x):
        return self.last(self.conv(x).permute(0, 2, 3, 1))


@pytest.mark.parametrize("channels", [6, 8])
@pytest.mark.parametrize("positions", ["computed", "proportional", {"last": [(2, 7)]}])
def test_a_map_with_its_channels_last_is_read_however_cells_are_chosen(channels, positions):
    model, (image,) = ChannelsLast(channels), small(1)
    table = extract(model, [image], [(17, 63)], ["last"], positions=positions)
    with torch.no_grad():
        expected = model(encode_image(image)[None])[0, 7, 2].numpy()
    assert np.array_equal(table.vectors["last"][0], expected)


def test_three_points_of_a_decoder_are_read_at_three_cells():
    model = GlobalGenerator(GeneratorArchitecture(width=1, residual_blocks=1))
    table = extract(model, small(1), [(20, 20), (21, 21), (28, 28)], ["U0", "U3"])
    assert table.metadata["positions"] == {
        "U0": [[3, 3], [3, 3], [4, 4]],
        "U3": [[20, 20], [21, 21], [28, 28]],
    }


BAD_CALLS = [
    ({"layers": ["L7"]}, "unknown layer 'L7'; this generator has L0, L1, L2, L3, L4"),
    ({"stage": "relu"}, "unknown stage 'relu'"),
    ({"points": [(64, 0)]}, r"point \(64, 0\) lies outside the image of 64x64"),
    ({"points": [(1.9, 1.2)]}, r"point \(1.9, 1.2\) is no pair of whole numbers"),
    ({"points": []}, "one or more different points"),
    ({"points": [(1, 1), (1, 1)]}, "one or more different points"),
    ({"sketches": []}, "no sketches"),
    ({"sketches": [*small(2), sketch(0, 32)]}, "sketch 2 is 32x32 .* expected 64x64 .* like 0"),
    ({"sketches": small(2, 72)}, "multiples of 16"),
    ({"sketches": [np.zeros((64, 64))]}, "sketch 0: an image is float64 of shape"),
    ({"sketches": [np.zeros((64, 64, 4), np.uint8)]}, r"expected \(H, W\) or \(H, W, 3\)"),
    ({"sketches": [torch.full((3, 64, 64), torch.nan)]}, "sketch 0: the image holds NaN"),
    ({"names": ["a"]}, r"more images than names \(1\)"),
    ({"groups": ["a", "b"]}, r"more images than groups \(2\)"),
    ({"names": "abcde"}, r"more names than images \(4\)"),
    ({"groups": iter("abcde")}, r"more groups than images \(4\)"),
    ({"names": ["a", "a", "b", "c"]}, "two sketches are called 'a'"),
    ({"encode": lambda image: torch.zeros(64, 64)}, "`encode` gave"),
    ({"positions": {"L0": [(1, 1)]}}, "layer 'L1' has 0 given positions; expected 1"),
    ({"positions": {"L0": [(1.5, 1)]}}, r"position \(1.5, 1\) is no pair of whole numbers"),
    ({"positions": {"L0": [(64, 1)]}}, r"position \(64, 1\) is not on the map"),
    ({"positions": "nearest"}, "unknown positions 'nearest'"),
    ({"batch_size": 0}, "batch size must be at least 1; got 0"),
]


@pytest.mark.parametrize(("change", "message"), BAD_CALLS, ids=[m for _, m in BAD_CALLS])
def test_bad_input_gives_one_line_that_says_what_is_wrong(change, message):
    call = {"sketches": small(), "points": [(5, 6)], **change}
    with pytest.raises(FeatvizError, match=message) as caught:
        extract(generator(), **call)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_refused_by_name(value):
    model = generator()
    model.residual.R0.first.conv.weight.data[0, 0, 0, 0] = value
    message = "GlobalGenerator: weight 'residual.R0.first.conv.weight' holds NaN or infinity in 1"
    with pytest.raises(FeatvizError, match=message):
        extract(model, small(), [(5, 6)])


def test_activations_that_are_not_finite_are_refused_naming_the_first_layer():
    model = generator("no-norm")
    model.front_end.L0.conv.bias.data.fill_(10)
    model.front_end.L1.conv.weight.data.fill_(1e38)
    with pytest.raises(FeatvizError, match=r"layer 'L1' gives NaN or infinity for sketch 0 at"):
        extract(model, small(), [(5, 6)], ["L3", "L1", "L0"])
