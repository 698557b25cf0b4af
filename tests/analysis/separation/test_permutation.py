import itertools
import math

import numpy as np
import pytest
from scipy import stats

from featviz.analysis.separation import permutation_test, sign_flip_test
from featviz.base.errors import FeatvizError


def difference(values):
    """A statistic of labels: the mean of those labelled b above the mean of the others."""
    values = np.asarray(values, dtype=float)
    return lambda labels: values[labels == "b"].mean() - values[labels == "a"].mean()


def test_few_labels_are_tested_by_all_their_orders() -> None:
    # Fisher's permutation test of 3 against 3, all 20 choices written out.
    values, labels = [1.0, 4.0, 2.0, 9.0, 7.0, 3.0], list("aaabbb")
    given = difference(values)(np.array(labels))
    all_of_them = [
        np.mean([values[i] for i in chosen])
        - np.mean([values[i] for i in range(6) if i not in chosen])
        for chosen in itertools.combinations(range(6), 3)
    ]
    test = permutation_test(difference(values), labels)
    assert (test.is_exact, test.arrangements, test.permutations) == (True, 20, 20)
    assert test.statistic == given
    assert test.p_value == np.mean([x >= given - 1e-12 for x in all_of_them])
    less = permutation_test(difference(values), labels, alternative="less")
    assert less.p_value == np.mean([x <= given + 1e-12 for x in all_of_them])
    both = permutation_test(difference(values), labels, alternative="two-sided")
    assert both.p_value == min(1, 2 * min(test.p_value, less.p_value))


def test_many_labels_agree_with_scipy_within_the_error_of_drawing(rng) -> None:
    values = np.concatenate([rng.normal(0, 1, 15), rng.normal(0.6, 1, 12)])
    labels = np.array(["a"] * 15 + ["b"] * 12)
    ours = permutation_test(difference(values), labels, permutations=4999)
    theirs = stats.permutation_test(
        (values[15:], values[:15]),
        lambda x, y: x.mean() - y.mean(),
        n_resamples=4999,
        alternative="greater",
        rng=1,
    )
    assert not ours.is_exact
    assert abs(ours.p_value - theirs.pvalue) < 4 * math.sqrt(theirs.pvalue / 4999) * 2
    again = permutation_test(difference(values), labels, permutations=4999)
    assert again == ours != permutation_test(difference(values), labels, permutations=4999, seed=1)


def test_labels_change_places_only_within_their_stratum() -> None:
    labels = np.array(list("aabbcaab"))
    strata = np.array(list("xxxyyyzz"))
    seen = set()
    test = permutation_test(lambda order: seen.add("".join(order)) or 0.0, labels, strata)
    expected = {
        "".join(x + y + z)
        for x in set(itertools.permutations("aab"))
        for y in set(itertools.permutations("bca"))
        for z in set(itertools.permutations("ab"))
    }
    assert seen == expected
    assert test.arrangements == len(expected) == 3 * 6 * 2
    drawn = set()
    permutation_test(lambda x: drawn.add("".join(x)) or 0.0, labels, strata, permutations=20)
    assert drawn <= expected and len(drawn) > 5


def test_what_differs_between_strata_alone_is_no_finding(rng) -> None:
    # Stratum y lies 100 higher and holds most of the b's: a free permutation sees a difference
    # that is the strata's, a restricted one does not.
    strata = np.array(["x"] * 20 + ["y"] * 20)
    labels = np.array(["a"] * 15 + ["b"] * 5 + ["a"] * 5 + ["b"] * 15)
    values = rng.normal(size=40) + 100 * (strata == "y")
    assert permutation_test(difference(values), labels).p_value <= 0.01
    assert permutation_test(difference(values), labels, strata).p_value > 0.05


def test_pairs_as_strata_make_the_exact_paired_test(rng) -> None:
    first, second = rng.normal(size=9), rng.normal(0.5, 1, size=9)
    values = np.concatenate([first, second])
    labels, pairs = np.repeat(["a", "b"], 9), np.tile(np.arange(9), 2)
    test = permutation_test(difference(values), labels, pairs)
    theirs = stats.permutation_test(
        (second, first),
        lambda x, y: (x - y).mean(),
        permutation_type="samples",
        alternative="greater",
        n_resamples=np.inf,
    )
    assert test.is_exact
    assert test.p_value == pytest.approx(theirs.pvalue)
    assert sign_flip_test(second - first).p_value == pytest.approx(theirs.pvalue)


def test_p_is_uniform_where_nothing_differs() -> None:
    labels = np.array(list("aaaaaaabbbbbb"))
    strata = np.array(list("xxxyyyzzzxxyz"))
    p_values = [
        permutation_test(
            difference(np.random.default_rng(seed).normal(size=13)),
            labels,
            strata,
            permutations=99,
            seed=seed,
        ).p_value
        for seed in range(300)
    ]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    assert np.mean(np.array(p_values) <= 0.05) < 0.09


def test_infinite_statistics_and_equal_sums_in_another_order_are_ties() -> None:
    assert permutation_test(lambda labels: np.inf, list("aabb")).p_value == 1
    # 0.1 + 0.2 + 0.3 differs from 0.3 + 0.2 + 0.1 in the last digit.
    weights = np.array([0.1, 0.2, 0.3])

    def total(labels):
        return sum(weights[np.argsort(labels)])

    assert permutation_test(total, list("cba")).p_value == 1


def test_a_long_row_with_one_odd_label_is_tested_exactly() -> None:
    labels = np.array(["a"] * 1499 + ["b"])
    values = np.arange(1500.0)
    test = permutation_test(difference(values), labels, permutations=1500)
    assert test.is_exact and test.p_value == pytest.approx(1 / 1500)


@pytest.mark.parametrize(
    ("labels", "strata", "options", "message"),
    [
        (list("aaa"), None, {}, "no two labels can change places: the 3 rows lie in 1 strata"),
        (list("abb"), list("xyy"), {}, "no two labels can change places"),
        (list("ab"), list("x"), {}, r"got labels \(2,\) and strata \(1,\)"),
        (list("ab"), None, {"permutations": 0}, "at least 1 permutation; got 0"),
    ],
)
def test_what_cannot_be_tested_is_refused(labels, strata, options, message) -> None:
    with pytest.raises(FeatvizError, match=message):
        permutation_test(lambda order: 0.0, labels, strata, **options)


def test_a_statistic_that_is_nan_is_refused() -> None:
    with pytest.raises(FeatvizError, match="statistic of a permutation test is NaN"):
        permutation_test(lambda order: math.nan, list("ab"))


def test_signs_of_a_block_flip_together() -> None:
    differences, blocks = [1.0, 2.0, -0.5, 3.0, 1.5], ["p", "p", "q", "q", "r"]
    sums = [3.0, 2.5, 1.5]
    means = [np.dot(signs, sums) / 5 for signs in itertools.product((1, -1), repeat=3)]
    test = sign_flip_test(differences, blocks)
    assert test.statistic == pytest.approx(1.4)
    assert test.p_value == np.mean([m >= 1.4 - 1e-12 for m in means]) == 1 / 8
    assert sign_flip_test(differences).arrangements == 32
    assert sign_flip_test(np.ones(20), permutations=99).p_value == 1 / 100


def test_differences_of_zero_are_no_evidence_and_broken_ones_are_refused() -> None:
    assert sign_flip_test([0.0, 0.0, 0.0]).p_value == 1
    with pytest.raises(FeatvizError, match="1 of 2 differences are not finite"):
        sign_flip_test([1.0, math.nan])
    with pytest.raises(FeatvizError, match="one or more differences"):
        sign_flip_test([])
