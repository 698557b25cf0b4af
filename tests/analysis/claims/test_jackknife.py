import numpy as np
import pytest
from scipy import stats

from featviz.analysis.claims.conventions import CONFIDENCE
from featviz.analysis.claims.jackknife import jackknife


def test_the_error_of_a_mean_is_its_standard_error_and_its_bounds_are_students(rng):
    values = rng.normal(size=12)
    found = jackknife(lambda kept: values[kept].mean(), np.zeros(12))
    assert found.errors[0] == pytest.approx(stats.sem(values))
    expected = stats.t.interval(1 - 2 * (1 - CONFIDENCE), 11, values.mean(), stats.sem(values))
    assert found.bounds() == pytest.approx(expected)
    p = stats.ttest_1samp(values, 0, alternative="greater").pvalue
    assert found.p_values()[0] == pytest.approx(p)


def test_things_of_a_stratum_are_left_out_of_it_and_do_not_share_its_offset(rng):
    """A mean of means, as of groups of sketches: their variances add, and differences between
    groups are no error."""
    groups = [rng.normal(size=size) + 100 * size for size in (4, 7, 9)]
    strata = np.repeat([0, 1, 2], [4, 7, 9])
    values = np.concatenate(groups)
    found = jackknife(
        lambda kept: np.mean([values[kept & (strata == k)].mean() for k in range(3)]), strata
    )
    expected = np.sqrt(sum(stats.sem(group) ** 2 for group in groups)) / 3
    assert found.errors[0] == pytest.approx(expected) and found.freedom == 17


def test_a_mean_distance_of_pairs_is_covered_as_often_as_the_bounds_say(rng):
    """A sketch is in all pairs with it: these are no independent differences."""
    truth, below, above = np.sqrt(4 / np.pi), 0, 0
    for _ in range(400):
        points = rng.normal(size=20)
        apart = np.abs(points[:, None] - points[None])

        def mean_distance(kept, apart=apart):
            some = apart[np.ix_(kept, kept)]
            return some.sum() / (len(some) * (len(some) - 1))

        low, high = jackknife(mean_distance, np.zeros(20)).bounds()
        below, above = below + (high < truth), above + (low > truth)
    # 1 - CONFIDENCE of 400 is 4 at each side; twice four standard errors allowed.
    assert below <= 20 and above <= 20


def test_several_statistics_have_each_their_own_error(rng):
    values = rng.normal(size=(2, 8))
    both = jackknife(lambda kept: values[:, kept].mean(axis=1), np.zeros(8))
    for number in range(2):
        one = jackknife(lambda kept, k=number: values[k, kept].mean(), np.zeros(8))
        assert both.bounds(number) == pytest.approx(one.bounds())


@pytest.mark.parametrize(
    ("statistic", "strata"),
    [
        (lambda kept: kept.sum() / 1.0, [0]),  # nothing can be left out
        (lambda kept: np.nan if kept.sum() < 3 else 1.0, [0, 0, 0]),
        (lambda kept: 1 / (kept.sum() - 2), [0, 0, 0]),
    ],
)
def test_what_nothing_tells_is_not_bounded(statistic, strata):
    with np.errstate(divide="ignore"):
        assert jackknife(statistic, strata).bounds() == (-np.inf, np.inf)


def test_what_is_the_same_without_any_of_them_has_no_error():
    found = jackknife(lambda kept: 2.0, np.zeros(5))
    assert found.bounds() == (2.0, 2.0) and found.p_values()[0] == 0
