import itertools
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from featviz.extraction.sparse import SparseReader, make_plan
from featviz.extraction.sparse import engine as engine_module
from featviz.extraction.sparse import shared as shared_module
from featviz.generators.checkpoint_files import load_generator, shipped_checkpoints
from featviz.generators.networks.generators import FrontEnd, GeneratorArchitecture
from featviz.probing.receptive_field import trace_geometry
from featviz.sketches.tensors import encode_image
from tests.extraction.sparse.dense import (
    dense_maps,
    dense_vectors,
    relative_error,
    sketch,
    sparse_vectors,
    vectors_at,
)

LAYERS = ("L0", "L1", "L2", "L3", "L4")
TOLERANCE = 1e-4


def front_end(variant="baseline", width=4, norm="instance", channels=3, seed=0):
    torch.manual_seed(seed)
    architecture = GeneratorArchitecture(variant, width, norm=norm, input_channels=channels)
    model = FrontEnd(architecture)
    with torch.no_grad():
        # Fresh weights make maps so small that the 1e-5 beside their variance rules them.
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    return model


def cells_of(model, layers, image, points, stage="activation"):
    size = (image.shape[2], image.shape[1])
    geometry = trace_geometry(model, layers, size, image.shape[0], stage)
    return {layer: [geometry[layer].position(point) for point in points] for layer in layers}


def check(model, image, points, layers=LAYERS, stage="activation", floor=0.0):
    cells = cells_of(model, layers, image, points, stage)
    found = sparse_vectors(model, layers, image, cells, stage)
    maps = dense_maps(model, layers, image, stage)
    expected = vectors_at(maps, cells)
    assert list(found) == list(layers)
    for layer in layers:
        assert found[layer].shape == expected[layer].shape
        # Where a value is nearly 0 by chance, what is added up for it is as large as elsewhere.
        least = max(floor, 0.01 * float(maps[layer].abs().max()))
        error = relative_error(found[layer], expected[layer], least)
        assert error <= TOLERANCE, (layer, error)


@st.composite
def sizes(draw):
    return tuple(16 * draw(st.integers(2, 5)) for _ in range(2))


@example((80, 32), 1, "baseline", "instance-affine", "norm", 0.3, True, 471, [])
@settings(max_examples=60)
@given(
    size=sizes(),
    width=st.integers(1, 9),
    variant=st.sampled_from(["baseline", "modified", "no-norm", "no-norm-first-1"]),
    norm=st.sampled_from(["instance", "instance-affine"]),
    stage=st.sampled_from(["activation", "norm", "conv"]),
    ink=st.sampled_from([0.005, 0.03, 0.3]),
    grey=st.booleans(),
    seed=st.integers(0, 10**6),
    places=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=2),
)
def test_it_agrees_with_whole_maps(size, width, variant, norm, stage, ink, grey, seed, places):
    height, columns = size
    image = sketch(seed, height, columns, ink, grey)
    corners = list(itertools.product((0, columns - 1), (0, height - 1)))
    points = [*corners, *((x % columns, y % height) for x, y in places)]
    check(front_end(variant, width, norm, seed=seed), image, points, stage=stage, floor=1e-3)


@pytest.mark.parametrize("variant", ["baseline", "modified", "no-norm"])
@pytest.mark.parametrize("value", [0, 255])
def test_an_image_of_one_value_and_one_of_noise_are_as_good_as_any(variant, value):
    # Of a constant map, instance norm makes exactly 0; rounding, which it would blow up by 300 a
    # layer, has no part in it. Float64 comes close enough to tell.
    model = front_end(variant, norm="instance-affine").double()
    points = [(0, 0), (31, 31), (63, 20)]
    blank = encode_image(np.full((64, 64), value, np.uint8))
    check(model, blank, points, floor=1.0)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    check(front_end(variant), encode_image(noise), points)


@pytest.mark.parametrize("name", sorted(shipped_checkpoints()))
def test_it_agrees_on_shipped_checkpoints(name):
    model = load_generator(name).generator
    image = sketch(0, 256, 256, 0.02)
    points = [(85, 125), (0, 0), (255, 255), (255, 0), (128, 7)]
    cells = cells_of(model, LAYERS, image, points)
    with torch.no_grad():
        found = sparse_vectors(model, LAYERS, image, cells)
        expected = dense_vectors(model, LAYERS, image, cells)
    for layer in LAYERS:
        assert relative_error(found[layer], expected[layer], floor=1e-2) <= TOLERANCE


def strangers():
    yield nn.Sequential(
        nn.Conv2d(3, 5, (3, 4), stride=(2, 1), padding=(2, 1), dilation=(2, 1)),
        nn.BatchNorm2d(5),
        nn.LeakyReLU(0.2, inplace=True),
        nn.ReplicationPad2d((1, 0, 2, 3)),
        nn.Conv2d(5, 6, 3, bias=False),
        nn.InstanceNorm2d(6),
        nn.PReLU(6),
        nn.Dropout(),
        nn.Conv2d(6, 4, 5, padding="same", padding_mode="circular"),
        nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
        nn.Conv2d(4, 7, 2, stride=3),
        nn.InstanceNorm2d(7, affine=True, eps=0.1),
        nn.Tanh(),
    )
    yield nn.Sequential(
        nn.ConstantPad2d((2, 1, 0, 1), 0.7),
        nn.Conv2d(3, 4, 3),
        nn.Sigmoid(),
        nn.ConstantPad2d(1, -2.0),
        nn.Conv2d(4, 6, 4, stride=2),
        nn.ELU(),
        nn.ZeroPad2d(2),
        nn.Conv2d(6, 5, 3),
        nn.InstanceNorm2d(5),
    )
    yield nn.Sequential(nn.InstanceNorm2d(3), nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4), nn.GELU())
    yield nn.Sequential(nn.PReLU(3), nn.Conv2d(3, 4, 1), nn.SiLU(), nn.InstanceNorm2d(4))
    yield nn.Sequential(
        nn.ConstantPad2d(1, 0.7),
        nn.Conv2d(3, 4, 3),
        nn.InstanceNorm2d(4),
        nn.ConstantPad2d((0, 2, 1, 0), -2.0),
        nn.Conv2d(4, 5, 3, stride=2),
        nn.InstanceNorm2d(5),
    )


@pytest.mark.parametrize("number", range(5))
def test_chains_of_any_make_agree_at_every_module(number):
    torch.manual_seed(number)
    model = list(strangers())[number]
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.InstanceNorm2d) and module.track_running_stats:
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    layers = [
        str(index) for index, module in enumerate(model) if "Pad" not in type(module).__name__
    ]
    grey, coloured = sketch(1, 30, 41, 0.05), sketch(2, 30, 41, 0.05, grey=True).clone()
    coloured[0] *= 0.5
    for image in (grey, coloured):
        for count in range(1, len(layers) + 1):
            with torch.inference_mode():
                cells = {layer: [(0, 0), (5, 3), (4, 2)] for layer in layers[:count]}
                found = sparse_vectors(model, layers[:count], image, cells)
            expected = dense_vectors(model, layers[:count], image, cells)
            for layer in layers[:count]:
                assert relative_error(found[layer], expected[layer], 0.1) <= TOLERANCE, layer


def test_equal_surroundings_give_equal_bits_whatever_came_before():
    """C1: in `modified`, v0 and v1 hang on 9x9 pixels, v2 of the convolution on 13x13."""
    model = front_end("modified", 16)
    first, second = sketch(1, 96, 96, 0.03), sketch(2, 96, 96, 0.1).clone()
    second[:, 38:60, 38:60] = first[:, 38:60, 38:60]
    for stage, shared in [("activation", ("L0", "L1")), ("conv", ("L0", "L1", "L2"))]:
        layers = (*shared, "L3")
        cells = cells_of(model, layers, first, [(48, 48)], stage)
        plan = make_plan(model, layers, (96, 96), 3, stage)
        readers = [SparseReader(plan, cells) for _ in range(2)]
        with torch.inference_mode():
            orders = [[readers[0](first), readers[0](second)]]
            orders.append([readers[1](second), readers[1](sketch(3, 96, 96)), readers[1](first)])
        vectors = [*orders[0], orders[1][0], orders[1][2]]
        for layer in shared:
            assert len({vector[layer].numpy().tobytes() for vector in vectors}) == 1
        assert not torch.equal(vectors[0]["L3"], vectors[1]["L3"])


@pytest.mark.parametrize("variant", ["baseline", "modified", "no-norm-first-3"])
@pytest.mark.parametrize("width", [3, 16])
def test_the_images_before_change_no_bit(variant, width, monkeypatch):
    monkeypatch.setattr(shared_module, "_MOST_BYTES", 100_000)
    model, images = front_end(variant, width), [sketch(seed, 96, 80) for seed in range(6)]
    cells = cells_of(model, LAYERS, images[0], [(40, 50), (0, 0)])
    plan = make_plan(model, LAYERS, (80, 96))
    with torch.inference_mode():
        alone = [SparseReader(plan, cells)(image) for image in images]
        reader = SparseReader(plan, cells)
        for order in (range(6), [5, 3, 3, 0, 1, 4, 2]):
            for number in order:
                found = reader(images[number])
                for layer in LAYERS:
                    assert torch.equal(found[layer], alone[number][layer])


def test_what_is_remembered_stays_within_bounds_however_many_images_come(monkeypatch):
    """Noise in colours is the worst: no pixel, field or window of it comes again."""
    monkeypatch.setattr(shared_module, "_MOST_BYTES", 1 << 20)
    monkeypatch.setattr(engine_module, "_REMEMBERED_BYTES", 1 << 14)
    random = np.random.default_rng(0)
    plan = make_plan(front_end("modified", 2), ["L0", "L2"], (64, 64))
    reader = SparseReader(plan, {"L0": [(x, 5) for x in range(8)], "L2": [(3, 4)]})

    peaks = []
    tracemalloc.start()
    try:
        with torch.inference_mode():
            for _ in range(3):
                tracemalloc.reset_peak()
                for _ in range(10):
                    reader(encode_image(random.integers(0, 256, (64, 64, 3), np.uint8)))
                peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert peaks[2] < 1.2 * peaks[0]


def test_in_float64_it_keeps_the_digits_of_that_precision():
    model = front_end("baseline", 3).double()
    image = sketch(4, 64, 64)
    cells = cells_of(model, LAYERS, image, [(20, 30), (0, 63)])
    expected = dense_vectors(model, LAYERS, image, cells)
    found = sparse_vectors(model, LAYERS, image, cells)
    for layer in LAYERS:
        assert relative_error(found[layer], expected[layer]) < 1e-10


def test_in_bfloat16_it_is_as_near_as_that_precision_allows():
    model = front_end("modified", 8)
    image = sketch(4, 64, 64)
    cells = cells_of(model, LAYERS, image, [(20, 30), (0, 63)])
    expected = dense_vectors(model, LAYERS, image, cells)
    found = sparse_vectors(model.bfloat16(), LAYERS, image, cells)
    for layer in LAYERS:
        assert found[layer].dtype == torch.bfloat16
        assert relative_error(found[layer], expected[layer]) < 0.05


def test_the_estimate_follows_the_ink_and_where_pixels_suffice_the_number_of_cells():
    model = front_end("baseline", 48)
    cells = {"L2": [(5, 5)]}
    reader = SparseReader(make_plan(model, ["L2"], (128, 128)), cells)
    little, much = (reader.work(sketch(0, 128, 128, ink)) for ink in (0.01, 0.3))
    assert little.windows == much.windows == 128**2 + 64**2 + 32**2
    assert little.distinct < much.distinct
    assert little.sparse < much.sparse < much.dense
    assert little.estimate < much.estimate
    plan = make_plan(model, ["L0.conv"], (128, 128))
    few, many = (
        SparseReader(plan, {"L0.conv": [(x, 5) for x in range(count)]}).work(sketch(0, 128, 128))
        for count in (1, 50)
    )
    assert (few.distinct, few.local, many.local) == (0, 1, 50)
    assert few.sparse == 7 * 7 * 3 * 48
    assert 0 < few.estimate < 1
    assert many.estimate > 30 * few.estimate
