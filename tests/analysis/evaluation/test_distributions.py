import math

import numpy as np
import pytest

from featviz.analysis.evaluation.distributions import kernel_distance
from featviz.base.errors import FeatvizError


def one_by_one(x, y):
    """The estimator term by term, as equation 4 of Gretton et al. writes it."""

    def k(a, b):
        return (float(a @ b) / len(a) + 1) ** 3

    count = len(x)
    terms = [
        k(x[i], x[j]) + k(y[i], y[j]) - k(x[i], y[j]) - k(x[j], y[i])
        for i in range(count)
        for j in range(count)
        if i != j
    ]
    return sum(terms) / (count * (count - 1))


def test_the_distance_is_the_sum_that_the_paper_writes(rng):
    x, y = rng.normal(size=(9, 5)), rng.normal(0.3, 1, size=(9, 5))
    assert kernel_distance(x, y).value == pytest.approx(one_by_one(x, y), rel=1e-12)


def test_the_standard_error_is_that_of_leaving_out_a_pair_at_a_time(rng):
    x, y = rng.normal(size=(8, 4)), rng.normal(0.5, 1, size=(8, 4))
    without = [one_by_one(np.delete(x, i, 0), np.delete(y, i, 0)) for i in range(8)]
    want = math.sqrt(7 / 8 * sum((value - np.mean(without)) ** 2 for value in without))
    assert kernel_distance(x, y).standard_error == pytest.approx(want, rel=1e-9)


def test_pairs_of_one_distribution_have_distance_zero_on_average_although_they_are_alike(rng):
    values = []
    for _ in range(400):
        shared = rng.normal(size=(6, 3))
        x, y = (shared + 0.5 * rng.normal(size=(6, 3)) for _ in range(2))
        values.append(kernel_distance(x, y).value)
    error = np.std(values) / math.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error
    assert min(values) < 0 < max(values)


def test_the_standard_error_is_about_the_spread_of_repeated_measurements(rng):
    estimates = [
        kernel_distance(rng.normal(size=(60, 3)), rng.normal(1, 1, size=(60, 3)))
        for _ in range(200)
    ]
    spread = np.std([estimate.value for estimate in estimates])
    claimed = np.mean([estimate.standard_error for estimate in estimates])
    assert claimed == pytest.approx(spread, rel=0.25)


def test_the_distance_grows_as_distributions_part(rng):
    x, y = rng.normal(size=(50, 8)), rng.normal(size=(50, 8))
    values = [kernel_distance(x, y + shift).value for shift in (0, 0.5, 1, 2)]
    assert values == sorted(values)


def test_too_few_or_unequal_descriptors_are_refused(rng):
    with pytest.raises(FeatvizError, match=r"got \(3, 2\), \(4, 2\)"):
        kernel_distance(np.zeros((3, 2)), np.zeros((4, 2)))
    with pytest.raises(FeatvizError, match="n >= 2"):
        kernel_distance(np.zeros((1, 2)), np.zeros((1, 2)))
    assert math.isnan(kernel_distance(np.zeros((2, 2)), np.ones((2, 2))).standard_error)
