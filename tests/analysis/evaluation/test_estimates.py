import math

import numpy as np
import pytest
from scipy.stats import sem

from featviz.analysis.evaluation.estimates import Estimate, mean_estimate, mean_of, ratio_estimate


def test_a_mean_has_scipys_standard_error_and_leaves_out_nan(rng):
    values = rng.normal(5, 2, 30)
    got = mean_estimate([*values, math.nan])
    assert (got.value, got.standard_error) == pytest.approx((values.mean(), sem(values)))
    assert got.count == 30


def test_what_is_not_known_is_nan():
    assert math.isnan(mean_estimate([math.nan]).value)
    assert mean_estimate([math.nan]).count == 0
    one = mean_estimate([4.0])
    assert one.value == 4
    assert math.isnan(one.standard_error)
    assert math.isnan(ratio_estimate([1.0], [0.0]).value)
    assert math.isnan(ratio_estimate([], []).value)
    assert math.isnan(ratio_estimate([1.0], [2.0]).standard_error)


def test_the_error_of_a_ratio_is_about_that_of_the_jackknife(rng):
    below = rng.uniform(5, 15, 200)
    above = 0.3 * below + rng.normal(0, 1, 200)
    got = ratio_estimate(above, below)
    without = [np.delete(above, i).mean() / np.delete(below, i).mean() for i in range(len(below))]
    jackknife = math.sqrt(199 / 200 * sum((r - np.mean(without)) ** 2 for r in without))
    assert got.value == pytest.approx(above.sum() / below.sum())
    assert got.standard_error == pytest.approx(jackknife, rel=0.02)


def test_a_constant_ratio_is_known_exactly(rng):
    below = rng.uniform(1, 2, 20)
    assert ratio_estimate(0.4 * below, below).standard_error == pytest.approx(0, abs=1e-12)


def test_a_mean_of_estimates_has_the_error_of_independent_parts():
    got = mean_of([Estimate(1, 0.3, 5), Estimate(3, 0.4, 9), Estimate(math.nan, math.nan, 0)])
    assert got == Estimate(2.0, 0.25, 2)
    assert math.isnan(mean_of([]).value)
