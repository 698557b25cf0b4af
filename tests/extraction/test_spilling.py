"""Tables of many images: their vectors lie on disk while the table is made."""

import tracemalloc
from itertools import count

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import featviz
from featviz.base import feature_table
from featviz.extraction import vectors
from featviz.extraction.spilling import Pieces


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(3, 32, 3, 2, 1), nn.Conv2d(32, 64, 3, 2, 1)])
        self.norm = nn.GroupNorm(4, 64)
        self.up = nn.ModuleList([nn.Conv2d(64, 32, 3, padding=1), nn.Conv2d(64, 3, 3, padding=1)])

    def forward(self, x):
        first = F.relu(self.down[0](x))
        x = self.norm(self.down[1](first))
        x = F.relu(self.up[0](F.interpolate(x, scale_factor=2)))
        return self.up[1](torch.cat([x, first], 1))


def images(count):
    random = np.random.default_rng(0)
    return (random.integers(0, 256, (16, 16, 3), np.uint8) for _ in range(count))


POINTS = [(x, y) for x in range(16) for y in range(16)]


def read_all(count):
    torch.manual_seed(0)
    return featviz.extract(UNet(), images(count), points=POINTS, layers="all")


def peak(count, path):
    """Bytes at most of what NumPy and pyarrow hold while a table is made and written."""
    before, pool = pa.default_memory_pool(), pa.proxy_memory_pool(pa.system_memory_pool())
    pa.set_memory_pool(pool)
    tracemalloc.start()
    try:
        featviz.write_features(read_all(count), path)
        return tracemalloc.get_traced_memory()[1], pool.max_memory()
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(before)


def test_memory_is_that_of_few_images_however_many_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(vectors, "MOST_HELD", 2**19)
    monkeypatch.setattr(feature_table, "MOST_AT_ONCE", 2**19)
    peak(2, tmp_path / "first.parquet")
    few, many = (peak(count, tmp_path / f"{count}.parquet") for count in (8, 40))
    # 195 channels of float32 at each of 256 points: what 32 images more would take.
    more = 32 * 256 * 195 * 4
    assert many[0] - few[0] < 0.2 * more  # names and points are held
    assert many[1] - few[1] < 0.05 * more


def test_what_lay_on_disk_is_what_would_have_been_held(tmp_path, monkeypatch):
    held = read_all(3)
    monkeypatch.setattr(vectors, "MOST_HELD", 2**16)
    monkeypatch.setattr(feature_table, "MOST_AT_ONCE", 2**16)
    spilled = read_all(3)
    assert isinstance(spilled.vectors["norm"], np.memmap)
    assert not isinstance(held.vectors["norm"], np.memmap)
    # What its owner writes to it is written, too, though its memory is let go in between.
    for table in (held, spilled):
        table.vectors["norm"][0] = 7
        featviz.write_features(table, tmp_path / "spilled.parquet")
        assert (table.vectors["norm"][0] == 7).all()
    again = featviz.read_features(tmp_path / "spilled.parquet")
    for layer, expected in held.vectors.items():
        assert np.array_equal(spilled.vectors[layer], expected)
        assert np.array_equal(again.vectors[layer], expected)
    assert again.rows.equals(held.rows)


@pytest.mark.parametrize("most", [0, 100, 10**6])
def test_pieces_are_joined_in_order_and_can_be_written_to(most, rng):
    given = [rng.normal(size=(count, 3)).astype(np.float32) for count in rng.integers(0, 9, 150)]
    pieces = Pieces(most)
    for each in given:
        pieces.add(each)
    joined = pieces.joined()
    assert np.array_equal(joined, np.concatenate(given))
    joined[0] = 7
    assert (joined[0] == 7).all()


def test_gaps_that_whole_maps_leave_are_given_back_whenever_that_costs_little(monkeypatch):
    given_back, clock = [], count(step=1)
    monkeypatch.setattr(vectors, "trim_heap", lambda: given_back.append(1))
    monkeypatch.setattr(vectors, "monotonic", lambda: next(clock))
    for seconds, times in ((0.5, 12), (2.5, 4), (20, 0)):
        given_back.clear()
        monkeypatch.setattr(vectors, "_TRIM_AFTER", seconds)
        featviz.extract(UNet(), images(12), points=[(3, 4)], layers="all")
        assert len(given_back) == times
