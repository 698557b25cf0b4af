import threading
import time

import numpy as np
import pytest
import torch

from featviz.base.errors import FeatvizError
from featviz.base.feature_table import read_features
from featviz.extraction import Settings, extract, extract_checkpoints
from featviz.extraction import vectors as reading
from featviz.extraction.inputs import read_inputs
from featviz.extraction.loading import ahead, load_batches, place
from featviz.generators.networks.generators import FrontEnd, GeneratorArchitecture
from featviz.probing.device import exactly
from featviz.sketches.sketch_set import read_sketches
from tests.extraction.small import POINT, SIZE, write_checkpoint, write_sketches


def loaders():
    return [t for t in threading.enumerate() if t.name == "featviz-loading"]


def test_items_come_in_order_while_a_bounded_number_of_the_next_is_taken():
    taken = []

    def items():
        for number in range(20):
            taken.append(number)
            yield number

    seen = []
    for number in ahead(items(), count=3):
        deadline = time.monotonic() + 300
        # One is handed over, three wait, and one more may wait to be put with them.
        while len(taken) < min(number + 4, 20) and time.monotonic() < deadline:
            time.sleep(0.001)
        assert number + 4 <= len(taken) + (number > 16) * 4
        assert len(taken) <= number + 5
        seen.append(number)
    assert seen == list(range(20))
    assert not loaders()


def test_an_error_while_loading_comes_where_the_item_would_have_come():
    def items():
        yield 1
        raise FeatvizError("sketch 2 is bad")

    iterator = ahead(items())
    assert next(iterator) == 1
    with pytest.raises(FeatvizError, match="sketch 2 is bad"):
        next(iterator)
    assert not loaders()


def test_giving_up_early_ends_the_thread_and_closes_what_it_reads():
    closed = []

    def endless():
        try:
            while True:
                yield 0
        finally:
            closed.append(True)

    iterator = ahead(endless())
    next(iterator)
    iterator.close()
    assert not loaders()
    assert closed == [True]


def test_overlapped_batches_are_those_that_are_loaded_one_by_one(rng):
    images = [rng.integers(0, 255, (8, 8), np.uint8) for _ in range(7)]

    def batches():
        inputs = list(read_inputs(images, None, None, reading.encode_image))
        return iter([inputs[:3], inputs[3:6], inputs[6:]])

    cpu = torch.device("cpu")
    for dtype in (torch.float32, torch.bfloat16):
        plain = list(load_batches(batches(), cpu, dtype))
        overlapped = list(load_batches(batches(), cpu, dtype, overlapped=True))
        assert [len(batch) for batch, _ in plain] == [3, 3, 1]
        for (batch, stacked), (other, same) in zip(plain, overlapped, strict=True):
            assert [item.name for item in batch] == [item.name for item in other]
            assert stacked.dtype == same.dtype == dtype
            assert torch.equal(stacked, same)


def test_an_extraction_with_a_loading_thread_gives_the_same_bits(tmp_path, monkeypatch):
    torch.manual_seed(0)
    model = FrontEnd(GeneratorArchitecture("baseline", 2))
    sketches = read_sketches(write_sketches(tmp_path), SIZE)
    expected = extract(model, sketches, [POINT], engine="dense")
    used = []

    def overlapped(batches, device, dtype):
        used.append(device.type)
        return load_batches(batches, device, dtype, overlapped=True)

    monkeypatch.setattr(reading, "load_batches", overlapped)
    table = extract(model, sketches, [POINT], engine="dense")
    assert used == ["cpu"]
    assert table.rows.equals(expected.rows)
    for layer in table.layers:
        assert table.vectors[layer].tobytes() == expected.vectors[layer].tobytes()
    assert not loaders()


def test_bfloat16_is_close_recorded_and_not_taken_for_float32(tmp_path):
    checkpoint = write_checkpoint(tmp_path / "net.safetensors", width=4)
    sketches = read_sketches(write_sketches(tmp_path / "drawn"), SIZE)
    exact = Settings((POINT,), engine="dense")
    rough = Settings((POINT,), engine="dense", precision="bfloat16")
    (one,) = extract_checkpoints([checkpoint], sketches, tmp_path / "exact", exact)
    (other,) = extract_checkpoints([checkpoint], sketches, tmp_path / "rough", rough)
    table, rounded = read_features(one.path), read_features(other.path)
    assert (table.metadata["precision"], rounded.metadata["precision"]) == ("float32", "bfloat16")
    for layer in table.layers:
        difference = np.abs(table.vectors[layer] - rounded.vectors[layer])
        assert rounded.vectors[layer].dtype == np.float32
        assert 0 < difference.max() < 0.1 * np.abs(table.vectors[layer]).max()
    with pytest.raises(FeatvizError, match="has precision float32; asked for bfloat16"):
        list(extract_checkpoints([checkpoint], sketches, tmp_path / "exact", rough))


def test_a_device_that_is_not_there_is_refused_in_one_line():
    for device in ("cuda:77", "fpga"):
        with pytest.raises(FeatvizError, match=f"cannot compute on the device '{device}'"):
            place(torch.nn.Conv2d(1, 1, 1), device)
    assert exactly(torch.device("cpu")).__enter__() is None
