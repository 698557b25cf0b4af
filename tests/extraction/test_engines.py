"""The two engines agree, and `auto` chooses between them."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from featviz.base.errors import FeatvizError
from featviz.extraction import FRONT_END_LAYERS, extract
from featviz.generators.networks.generators import (
    GeneratorArchitecture,
    build_generator,
)
from featviz.sketches.tensors import encode_image
from tests.extraction.making import generator, sketch, small


def test_a_local_enhancers_front_end_is_read_at_half_the_position():
    torch.manual_seed(0)
    model = build_generator(GeneratorArchitecture("modified", 2, residual_blocks=1, enhancers=1))
    image = np.full((64, 64), 255, np.uint8)
    image[20:22, 10:50] = 0
    table = extract(model, [image], [(22, 21)], ["L0", "L1"])
    assert table.metadata["positions"] == {"L0": [[11, 11]], "L1": [[6, 6]]}
    # L0 sees 7x7 cells of the half image, each the mean of 3x3 pixels, 2 pixels apart.
    assert table.metadata["receptive_fields"] == {"L0": 15, "L1": 19}
    halved = F.avg_pool2d(encode_image(image)[None], 3, 2, 1, count_include_pad=False)
    expected = model.global_generator.front_end.L0(halved)[0, :, 11, 11]
    assert torch.equal(torch.from_numpy(table.vectors["L0"][0]), expected.detach())


def test_the_engines_agree_and_auto_takes_the_sparse_one_for_sketches():
    images, points = [sketch(seed, 256, 6) for seed in range(3)], [(80, 120), (0, 0), (255, 255)]
    for variant in ("baseline", "modified", "no-norm"):
        model = generator(variant, width=24)
        tables = {
            engine: extract(model, images, points, engine=engine)
            for engine in ("auto", "dense", "sparse")
        }
        for engine, table in tables.items():
            assert table.metadata["engine"] == ("dense" if engine == "dense" else "sparse")
            assert table.metadata["engine_reason"] is None
        assert tables["auto"].rows.equals(tables["dense"].rows)
        for layer in FRONT_END_LAYERS:
            found, expected = (tables[engine].vectors[layer] for engine in ("sparse", "dense"))
            assert found.dtype == np.float32
            largest = np.abs(expected).max(axis=1, keepdims=True).clip(1e-6)
            assert (np.abs(found - expected) / largest).max() <= 1e-4
            assert np.array_equal(found, tables["auto"].vectors[layer])


def test_auto_falls_back_and_records_why_and_sparse_refuses_with_the_same_reason():
    pooled = nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2))
    table = extract(pooled, small(2), [(5, 5)], ["1"])
    assert table.metadata["engine"] == "dense"
    assert "1 (MaxPool2d): expected convolutions" in table.metadata["engine_reason"]
    with pytest.raises(FeatvizError, match=r"sparse engine cannot .* 1 \(MaxPool2d\): expected"):
        extract(pooled, small(2), [(5, 5)], ["1"], engine="sparse")

    noise = np.random.default_rng(0).integers(0, 256, (2, 128, 128), np.uint8)
    table = extract(generator(width=8), noise, [(5, 5)])
    assert table.metadata["engine"] == "dense"
    assert "windows of the first image are distinct" in table.metadata["engine_reason"]
    forced = extract(generator(width=8), noise, [(5, 5)], engine="sparse")
    assert forced.metadata["engine"] == "sparse"
    np.testing.assert_allclose(forced.vectors["L4"], table.vectors["L4"], atol=1e-4)
    everywhere = [(x, y) for x in range(0, 128, 4) for y in range(0, 128, 8)]
    table = extract(generator("no-norm", width=4), [sketch(0, 128)], everywhere)
    assert "more are computed around single cells" in table.metadata["engine_reason"]
    with pytest.raises(FeatvizError, match="unknown engine 'fast'; there are auto, dense, sparse"):
        extract(pooled, small(2), [(5, 5)], ["1"], engine="fast")


@pytest.mark.parametrize("engine", ["dense", "sparse"])
def test_bad_input_is_told_of_in_the_same_words_by_both_engines(engine):
    model = generator("no-norm")
    with pytest.raises(FeatvizError, match=r"sketch 2 is 32x32 .* expected 64x64"):
        extract(model, [*small(2), sketch(0, 32)], [(5, 5)], engine=engine)
    with pytest.raises(FeatvizError, match="multiples of 16"):
        extract(model, small(2, 72), [(5, 5)], engine=engine)
    model.front_end.L0.conv.bias.data.fill_(10)
    model.front_end.L1.conv.weight.data.fill_(1e38)
    with pytest.raises(FeatvizError, match=r"layer 'L1' gives NaN or infinity for sketch 0 at"):
        extract(model, small(), [(5, 6)], ["L3", "L1", "L0"], engine=engine)


def test_after_an_error_that_is_kept_torch_has_its_threads_again():
    model = generator("no-norm")
    model.front_end.L0.conv.bias.data.fill_(float("1e38"))
    model.front_end.L1.conv.weight.data.fill_(1e38)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with pytest.raises(FeatvizError, match="gives NaN or infinity") as kept:
            extract(model, small(8), [(5, 6)], ["L1"], engine="sparse")
        assert torch.get_num_threads() == 3
        assert kept.value.__traceback__ is not None
    finally:
        torch.set_num_threads(before)


def test_both_engines_give_memory_back_as_they_go(monkeypatch):
    from featviz.extraction import vectors as reading

    whole = extract(generator("baseline"), small(8), [(5, 6)], engine="sparse")
    trimmed = []
    monkeypatch.setattr(reading, "trim_heap", lambda: trimmed.append(True))
    monkeypatch.setattr(reading, "_TRIM_EVERY", 3)
    monkeypatch.setattr(reading, "_TRIM_AFTER", -1)
    found = extract(generator("baseline"), small(8), [(5, 6)], engine="sparse")
    assert len(trimmed) == 2
    for layer in whole.layers:
        assert np.array_equal(found.vectors[layer], whole.vectors[layer])
    extract(generator("baseline"), small(8), [(5, 6)], engine="dense")
    assert len(trimmed) == 2 + 8
