import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featviz.extraction.sparse.windows import (
    BACKGROUND,
    PADDING,
    NumberMap,
    distinct_windows,
    merge,
    windows_at,
)
from featviz.probing.windows import Window

MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def number_map(numbers):
    return NumberMap(numbers, np.bincount(numbers.ravel(), minlength=int(numbers.max()) + 1))


def plain_windows(numbers, window):
    """Every window of every cell, by slicing."""
    left, right, top, bottom = window.padding
    options = {"constant_values": PADDING} if window.mode == "constant" else {}
    padded = np.pad(numbers, ((top, bottom), (left, right)), MODES[window.mode], **options)
    rows, columns = window.size(*numbers.shape)
    (down, across), (below, right_of) = window.stride, window.dilation
    return np.array(
        [
            [
                padded[
                    y * down : y * down + below * window.kernel[0] : below,
                    x * across : x * across + right_of * window.kernel[1] : right_of,
                ].ravel()
                for x in range(columns)
            ]
            for y in range(rows)
        ]
    )


@st.composite
def cases(draw):
    shape = draw(st.tuples(st.integers(6, 14), st.integers(6, 14)))
    kinds = draw(st.integers(1, 5))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    numbers = random.integers(BACKGROUND, BACKGROUND + kinds, shape).astype(np.int32)
    numbers[random.random(shape) < draw(st.sampled_from([0.0, 0.5, 0.9, 1.0]))] = BACKGROUND
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    window = Window(
        draw(pair),
        draw(pair),
        draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
        draw(st.tuples(*[st.integers(0, 3)] * 4)),
        draw(st.sampled_from(list(MODES))),
    )
    return numbers, window


@settings(max_examples=150)
@given(cases())
def test_the_new_map_leads_every_cell_to_its_own_window_and_counts_them(case):
    numbers, window = case
    windows, result = distinct_windows(number_map(numbers), window)
    expected = plain_windows(numbers, window)
    assert np.array_equal(windows[result.numbers - 1], expected)
    assert (windows[0] == BACKGROUND).all()
    used = np.unique(result.numbers)
    assert len(np.unique(windows[1:], axis=0)) == len(windows) - 1
    assert set(used) | {BACKGROUND} == set(range(BACKGROUND, result.rows))
    assert np.array_equal(result.counts, np.bincount(result.numbers.ravel(), minlength=result.rows))
    rows, columns = np.divmod(np.arange(expected.shape[0] * expected.shape[1]), expected.shape[1])
    at = windows_at(number_map(numbers), window, rows, columns)
    assert np.array_equal(at, expected.reshape(at.shape))


@pytest.mark.parametrize("bound", [2, 1000, 2**31, 2**40])
def test_tuples_are_merged_exactly_however_large_their_numbers(bound):
    random = np.random.default_rng(0)
    columns = [random.integers(0, bound, 50) for _ in range(9)]
    columns = [np.concatenate([column, column[:20]]) for column in columns]
    codes, count = merge(columns, bound)
    tuples = list(zip(*(column.tolist() for column in columns), strict=True))
    assert count == len(set(tuples))
    assert len(set(zip(codes.tolist(), tuples, strict=True))) == count
