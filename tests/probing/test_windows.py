"""Windows against PyTorch's own operations."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from featviz.probing.windows import Window

pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


@st.composite
def windows(draw):
    return Window(
        draw(pairs),
        draw(pairs),
        draw(pairs),
        draw(st.tuples(*[st.integers(0, 5)] * 4)),
        draw(st.sampled_from(["constant", "reflect", "replicate", "circular"])),
    )


def gathered(values, sources):
    """Values (rows, columns) at the sources of both axes, 0 where there are none."""
    down, across = (
        step[:, None, :, None] if axis == 0 else step[None, :, None, :]
        for axis, step in enumerate(sources)
    )
    return np.where((down < 0) | (across < 0), 0, values[down, across])


@settings(max_examples=100)
@given(windows(), st.tuples(st.integers(13, 18), st.integers(13, 18)))
def test_an_output_cell_draws_on_the_cells_that_torch_multiplies(window, size):
    values = torch.from_numpy(np.random.default_rng(0).random((1, 1, *size)))
    padded = F.pad(values, window.padding, mode=window.mode)
    kernel = torch.rand(1, 1, *window.kernel, dtype=torch.float64)
    expected = F.conv2d(padded, kernel, stride=window.stride, dilation=window.dilation)[0, 0]
    assert window.size(*size) == expected.shape
    outputs = [np.arange(length) for length in expected.shape]
    sources = [window.sources(axis, size[axis], outputs[axis]) for axis in (0, 1)]
    cells = gathered(values[0, 0].numpy(), sources)
    found = (cells * kernel[0, 0].numpy()).sum((2, 3))
    assert np.allclose(found, expected)
    held = [window.padded(axis, size[axis])[:, None] for axis in (0, 1)]
    assert np.array_equal(gathered(values[0, 0].numpy(), held)[..., 0, 0], padded[0, 0])


@settings(max_examples=100)
@given(pairs, pairs, pairs, st.integers(0, 3), st.integers(0, 3))
def test_a_transposed_convolution_draws_on_the_cells_that_reach_it(
    kernel, stride, dilation, padding, extra
):
    padding = min(padding, *(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True)))
    extra = min(extra, *(max(s, d) - 1 for s, d in zip(stride, dilation, strict=True)))
    alone = torch.eye(7, dtype=torch.float64).reshape(7, 1, 7, 1)
    weight = torch.ones(1, 1, kernel[0], 1, dtype=torch.float64)
    reached = F.conv_transpose2d(
        alone, weight, None, (stride[0], 1), (padding, 0), (extra, 0), 1, (dilation[0], 1)
    )[:, 0, :, 0]
    window = Window((kernel[0], 1), (stride[0], 1), (dilation[0], 1), (0, 0, padding, padding))
    step = window.transposed_step(0, 7, reached.shape[1])
    for cell, sources in enumerate(step.sources):
        assert set(sources[sources >= 0]) == set(np.flatnonzero(reached[:, cell]))


@pytest.mark.parametrize("length", [9, 10])
def test_a_step_tells_the_middle_of_the_windows_and_how_far_they_are_apart(length):
    window = Window((5, 1), (2, 1), (2, 1), (0, 0, 4, 4))
    step = window.step(0, length, window.size(length, 1)[0])
    # Uncut windows, in the middle of the map: their own middle is where the step says.
    whole = (step.sources >= 0).all(axis=1)
    assert whole.any()
    middles = float(step.start) + float(step.pitch) * np.arange(len(whole))
    assert np.array_equal(step.sources[whole].mean(axis=1), middles[whole])
    back = window.transposed_step(0, len(whole), length)
    assert (back.start, back.pitch) == (-step.start / step.pitch, 1 / step.pitch)
