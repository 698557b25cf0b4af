import itertools

import numpy as np
import pytest

from featviz.analysis.claims.paired_tests import (
    Randomness,
    paired_test,
    relative_difference,
    standardized_difference,
    steps,
    swap_test,
    trend_test,
)


def test_relative_difference_is_a_share_of_the_larger():
    assert relative_difference(4, 1) == 0.75
    assert relative_difference(1, 4) == -0.75
    assert relative_difference(0, 0) == 0
    assert relative_difference(3, 0) == 1


def test_steps_compare_each_layer_with_the_one_before():
    assert steps([1, 2, 1]) == [0.5, -0.5]


def test_standardized_difference_of_shifted_values_is_the_shift_in_standard_deviations(rng):
    values = rng.normal(size=50)
    shifted = values + 0.3 * values.std(ddof=1)
    assert standardized_difference(shifted, values) == pytest.approx(0.3)
    assert standardized_difference(values, values) == 0
    assert standardized_difference([2, 2], [1, 1]) == np.inf


def rise(values):
    return float((values[:, -1] - values[:, 0]).mean())


def test_a_trend_is_compared_with_all_orders_of_layers_within_each_unit(rng):
    values = rng.normal(size=(3, 3))
    orders = list(itertools.permutations(range(3)))
    others = [
        rise(np.array([row[list(order)] for row, order in zip(values, chosen, strict=True)]))
        for chosen in itertools.product(orders, repeat=3)
    ]
    expected = np.mean(np.array(others) >= rise(values) - 1e-12)
    test = trend_test(values, rise, Randomness(permutations=999))
    assert test.is_exact and test.arrangements == 6**3
    assert test.statistic == pytest.approx(rise(values))
    assert test.p_value == pytest.approx(expected)


def test_p_of_a_trend_is_uniform_where_layers_are_exchangeable(rng):
    p = [
        trend_test(rng.normal(size=(6, 3)) + rng.normal(size=(6, 1)), rise, Randomness(99)).p_value
        for _ in range(250)
    ]
    for level in (0.05, 0.2, 0.5):
        share = np.mean(np.array(p) <= level)
        assert abs(share - level) < 4 * np.sqrt(level * (1 - level) / len(p))


def test_networks_change_places_block_by_block_in_all_ways(rng):
    """The mean of what is swapped is that of signs flipped."""
    first, second = rng.normal(size=(2, 8))
    blocks = np.array(list("aabbbcda"))

    def difference(changed):
        return float(np.where(changed, second - first, first - second).mean())

    for alternative, differences in (("greater", first - second), ("less", second - first)):
        test = swap_test(difference, blocks, Randomness(99), alternative)
        assert test.is_exact and test.arrangements == 2**4
        assert test.p_value == paired_test(differences, Randomness(99), blocks.tolist()).p_value


def test_p_of_paired_differences_is_uniform_where_networks_are_exchangeable(rng):
    p = [paired_test(rng.normal(size=20), Randomness(99)).p_value for _ in range(250)]
    for level in (0.05, 0.2, 0.5):
        share = np.mean(np.array(p) <= level)
        assert abs(share - level) < 4 * np.sqrt(level * (1 - level) / len(p))
