import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from featviz.extraction.sparse import Layouts, SparseReader, make_plan
from featviz.extraction.sparse import layout as layout_module
from featviz.generators.networks.generators import FrontEnd, GeneratorArchitecture
from tests.extraction.sparse.dense import sketch

LAYERS = ("L0", "L2", "L4")
CELLS = {"L0": [(20, 30), (0, 0)], "L2": [(5, 7), (0, 0)], "L4": [(1, 2), (0, 0)]}


def front_end(variant="baseline", seed=0, width=3):
    torch.manual_seed(seed)
    return FrontEnd(GeneratorArchitecture(variant, width))


def read(model, images, layouts=None, layers=LAYERS, cells=CELLS, stage="activation"):
    plan = make_plan(model, layers, (64, 64), images[0].shape[0], stage)
    cells = {layer: cells[layer] for layer in layers}
    reader = SparseReader(plan, cells) if layouts is None else SparseReader(plan, cells, layouts)
    with torch.inference_mode():
        return [reader(image) for image in images]


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert list(one) == list(other)
        for layer, vectors in one.items():
            assert torch.equal(vectors, other[layer])


def coloured(seed):
    image = sketch(seed, 64, 64).clone()
    image[1] = sketch(seed + 1, 64, 64)[0]
    return image


@settings(max_examples=25)
@given(
    variants=st.lists(st.sampled_from(["baseline", "modified", "no-norm-first-1"]), max_size=4),
    stages=st.lists(st.sampled_from(["activation", "conv"]), min_size=4, max_size=4),
)
def test_whatever_is_remembered_of_images_no_vector_changes_by_a_bit(variants, stages):
    """Also not if other images have the same first channel, or other layers the same place."""
    images = [sketch(1, 64, 64), coloured(1), torch.ones(3, 64, 64), sketch(2, 64, 64)]
    layouts = Layouts()
    for seed, (variant, stage) in enumerate(zip(variants, stages, strict=False)):
        model = front_end(variant, seed)
        layers = LAYERS[seed % 2 :]
        found = read(model, images, layouts, layers, stage=stage)
        assert_equal(found, read(model, images, None, layers, stage=stage))
        assert_equal(read(model, images, layouts, layers, stage=stage), found)


def test_networks_of_one_shape_have_windows_told_apart_once(monkeypatch):
    calls = []
    once = layout_module.distinct_windows
    monkeypatch.setattr(
        layout_module, "distinct_windows", lambda *given: calls.append(1) or once(*given)
    )
    images, layouts = [sketch(seed, 64, 64) for seed in range(3)], Layouts()
    first = read(front_end(seed=0), images, layouts)
    made = len(calls)
    assert made == 3 * 5
    second = read(front_end(seed=1), images, layouts)
    assert len(calls) == made
    assert not torch.equal(first[0]["L2"], second[0]["L2"])
    read(front_end(seed=0), images, layouts, cells={**CELLS, "L4": [(3, 3)]})
    assert len(calls) == 2 * made


def test_another_kernel_stride_or_padding_is_another_shape():
    images, layouts = [sketch(3, 64, 64)], Layouts()
    kinds = [{}, {"stride": 2}, {"padding": 1}, {"padding": 1, "padding_mode": "reflect"}]
    for seed, options in enumerate(kinds):
        torch.manual_seed(seed)
        model = nn.Sequential(
            nn.Conv2d(3, 4, 3, **options), nn.InstanceNorm2d(4), nn.Conv2d(4, 4, 3)
        )
        given = {"layers": ["1", "2"], "cells": {"1": [(9, 9)], "2": [(9, 9)]}}
        assert_equal(read(model, images, layouts, **given), read(model, images, **given))


@pytest.mark.parametrize("kept", [0, 2])
def test_memory_is_bounded_and_what_came_first_is_kept(kept):
    images = [sketch(seed, 64, 64) for seed in range(5)]
    measured = Layouts()
    read(front_end(), images[:kept], measured) if kept else None
    layouts = Layouts(memory=measured.nbytes)
    expected = read(front_end(), images)
    for _ in range(2):
        assert_equal(read(front_end(), images, layouts), expected)
        assert layouts.nbytes == measured.nbytes
