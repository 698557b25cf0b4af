import math

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.spatial.distance import cdist

from featviz.analysis.separation import distance_matrix, energy_test, permanova, permdisp
from featviz.analysis.separation.group_tests import as_euclidean, distances_to_means
from featviz.base.errors import FeatvizError

TESTS = [permanova, permdisp, energy_test]


@pytest.fixture(scope="module")
def sample():
    """Three groups of unequal size, place and spread."""
    rng = np.random.default_rng(3)
    groups = np.repeat(["a", "b", "c"], [9, 14, 6])
    spread = {"a": 1.0, "b": 1.3, "c": 0.8}
    place = {"a": 0.0, "b": 0.25, "c": -0.2}
    vectors = np.array([place[g] + spread[g] * rng.normal(size=5) for g in groups])
    return vectors, groups


def test_permanova_is_that_of_scikit_bio(sample) -> None:
    from skbio.stats.distance import DistanceMatrix
    from skbio.stats.distance import permanova as skbio_permanova

    vectors, groups = sample
    distances = distance_matrix(vectors)
    ours = permanova(distances, groups, permutations=4999)
    theirs = skbio_permanova(DistanceMatrix(distances), groups, permutations=4999, seed=1)
    assert ours.statistic == pytest.approx(theirs["test statistic"])
    assert ours.p_value == pytest.approx(theirs["p-value"], abs=0.03)
    mean = vectors.mean(axis=0)
    explained = sum(
        (groups == g).sum() * ((vectors[groups == g].mean(axis=0) - mean) ** 2).sum() for g in "abc"
    )
    assert ours.effect == pytest.approx(explained / ((vectors - mean) ** 2).sum())


def test_permanova_of_one_channel_is_one_way_anova(sample) -> None:
    vectors, groups = sample
    values = vectors[:, :1]
    f_value, p_value = stats.f_oneway(*(values[groups == g, 0] for g in "abc"))
    test = permanova(distance_matrix(values), groups, permutations=4999)
    assert test.statistic == pytest.approx(f_value)
    assert test.p_value == pytest.approx(p_value, abs=0.03)


def test_permdisp_has_the_f_of_scikit_bio_with_all_axes(sample) -> None:
    from skbio.stats.distance import DistanceMatrix
    from skbio.stats.distance import permdisp as skbio_permdisp

    vectors, groups = sample
    distances = distance_matrix(vectors)
    ours = permdisp(distances, groups, permutations=4999)
    theirs = skbio_permdisp(
        DistanceMatrix(distances), groups, test="centroid", dimensions=5, permutations=9
    )
    assert ours.statistic == pytest.approx(theirs["test statistic"])
    to_means = [
        np.linalg.norm(vectors[groups == g] - vectors[groups == g].mean(axis=0), axis=1)
        for g in "abc"
    ]
    assert ours.statistic == pytest.approx(stats.f_oneway(*to_means).statistic)
    assert distances_to_means(distances, groups) == pytest.approx(np.concatenate(to_means))


def test_energy_test_is_that_of_dcor_with_resampling(sample) -> None:
    # Here, for the import alone compiles for some seconds.
    import dcor

    vectors, groups = sample
    ours = energy_test(distance_matrix(vectors), groups, permutations=1999)
    theirs = dcor.homogeneity.energy_test(
        *(vectors[groups == g] for g in "abc"), num_resamples=1999, random_state=1
    )
    assert ours.statistic == pytest.approx(float(theirs.statistic))
    assert ours.p_value == pytest.approx(theirs.pvalue, abs=0.04)
    # DISCO: two groups' share of the whole, by loops.
    first, second = vectors[groups == "a"], vectors[groups == "b"]
    pooled = np.concatenate([first, second])

    def g(x, y):
        return np.mean([math.dist(a, b) for a in x for b in y])

    n, m = len(first), len(second)
    between = n * m / (2 * (n + m)) * (2 * g(first, second) - g(first, first) - g(second, second))
    two = energy_test(distance_matrix(pooled), ["a"] * n + ["b"] * m, permutations=9)
    assert two.effect == pytest.approx(between / ((n + m) / 2 * g(pooled, pooled)))


def test_cosine_distances_are_tested_as_chords_of_unit_vectors(sample) -> None:
    vectors, _ = sample
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    chords = as_euclidean(distance_matrix(vectors, "cosine"), "cosine")
    np.testing.assert_allclose(chords, cdist(units, units), atol=1e-12)
    assert as_euclidean(chords, "euclidean") is chords


@pytest.mark.parametrize("test", TESTS)
def test_p_is_uniform_where_groups_mean_nothing(test) -> None:
    groups = np.repeat(list("abc"), [6, 8, 7])
    p_values = [
        test(
            distance_matrix(np.random.default_rng(seed).normal(size=(21, 4))),
            groups,
            permutations=99,
            seed=seed,
        ).p_value
        for seed in range(250)
    ]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_permdisp_exchanges_differences_from_medians_and_takes_the_means_anew(sample) -> None:
    vectors, groups = sample
    vectors, groups = vectors[:20], groups[:20]
    sizes = {g: (groups == g).sum() for g in "ab"}

    def f_of(points, labels):
        members = [points[labels == g] for g in "ab"]
        return stats.f_oneway(
            *(np.linalg.norm(m - m.mean(axis=0), axis=1) for m in members)
        ).statistic

    medians = {}
    for g in "ab":
        members = vectors[groups == g]
        medians[g] = optimize.minimize(
            lambda place, of: np.linalg.norm(of - place, axis=1).sum(),
            members.mean(axis=0),
            members,
        ).x
    residuals = np.array(
        [
            (v - medians[g]) * math.sqrt(sizes[g] / (sizes[g] - 1))
            for v, g in zip(vectors, groups, strict=True)
        ]
    )
    given, rng = f_of(vectors, groups), np.random.default_rng(0)
    others = [f_of(residuals, rng.permutation(groups)) for _ in range(800)]
    ours = permdisp(distance_matrix(vectors), groups, permutations=4999)
    assert ours.p_value == pytest.approx(np.mean(np.array(others) >= given), abs=0.05)


@pytest.mark.parametrize(("sizes", "channels"), [([2] * 8, 5), ([3] * 8, 5), ([9, 12, 26, 26], 50)])
def test_permdisp_of_small_and_unequal_groups_finds_no_more_than_chance(sizes, channels) -> None:
    # Exchanging the distances themselves rejects at 0.05 in 100, 25 and 14 % of these.
    groups = np.repeat(np.arange(len(sizes)), sizes)
    p_values = [
        permdisp(
            distance_matrix(np.random.default_rng(seed).normal(size=(len(groups), channels))),
            groups,
            permutations=99,
            seed=seed,
        ).p_value
        for seed in range(150)
    ]
    found = int((np.array(p_values) <= 0.05).sum())
    assert stats.binomtest(found, 150, 0.05, alternative="greater").pvalue > 0.01


@pytest.mark.parametrize("apart", [0.0, 5.0])
@pytest.mark.parametrize(
    ("channels", "threshold", "sizes"),
    [
        (2, 1.2, (12, 12, 12)),
        (4, 1.2, (12, 12, 12)),
        (8, 1.6, (12, 12, 12)),
        (4, 1.2, (6, 6, 6)),
        (4, 1.2, (20, 20, 20)),
        (4, 1.2, (6, 12, 20)),
    ],
)
def test_permdisp_of_features_behind_a_relu_finds_no_more_than_chance(
    channels, threshold, sizes, apart
) -> None:
    # Most features are 0, and so are three to four of five vectors, in groups drawn alike, at one
    # place or not. Exchanging differences from means rejects at 0.05 in 17 % of those of 2 channels
    # and in 12 % of those of 4. A test of level 0.05 stays within 13 of 120 in 99.6 % of tries.
    groups = np.repeat(np.arange(3), sizes)
    p_values = []
    for seed in range(120):
        normal = np.random.default_rng(seed).normal(size=(len(groups), channels))
        vectors = np.maximum(normal - threshold, 0)
        places = np.concatenate([vectors, apart * np.eye(3)[groups]], axis=1)
        test = permdisp(distance_matrix(places), groups, permutations=59, seed=seed)
        p_values.append(test.p_value)
    assert int((np.array(p_values) <= 0.05).sum()) <= 13


def test_permdisp_still_finds_a_group_of_twice_the_spread() -> None:
    groups = np.repeat(list("abc"), 12)
    found = 0
    for seed in range(40):
        vectors = np.random.default_rng(seed).normal(size=(36, 4))
        vectors[groups == "b"] *= 2
        p = permdisp(distance_matrix(vectors), groups, permutations=99, seed=seed).p_value
        found += p <= 0.05
    assert found >= 34


def test_permdisp_finds_no_spread_where_only_places_differ() -> None:
    groups = np.repeat(list("abc"), 12)
    p_values = []
    for seed in range(200):
        vectors = np.random.default_rng(seed).normal(size=(36, 3))
        vectors[groups == "b"] += 50
        distances = distance_matrix(vectors)
        p_values.append(permdisp(distances, groups, permutations=99, seed=seed).p_value)
        assert permanova(distances, groups, permutations=99).p_value == 0.01
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_groups_that_are_single_points_have_an_infinite_f_and_an_honest_p(rng) -> None:
    vectors = np.repeat(rng.normal(size=(3, 5)), 4, axis=0)
    distances, groups = distance_matrix(vectors), np.repeat(list("abc"), 4)
    test = permanova(distances, groups, permutations=999)
    assert test.statistic == math.inf
    assert test.effect == 1
    # Of 12! / (4!)^3 / 3! = 5775 partitions one has no scatter: 999 draws meet it rarely.
    assert 0.001 <= test.p_value <= 0.004
    assert energy_test(distances, groups).p_value <= 0.004
    # Two groups of two: 6 orders, of which 2 are this partition.
    few = permanova(distances[2:6][:, 2:6], groups[2:6])
    assert (few.statistic, few.p_value) == (math.inf, 1 / 3)
    with pytest.raises(FeatvizError, match=r"all 12 sketches are equally far \(0\)"):
        permdisp(distances, groups)


def test_groups_some_of_which_are_points_are_tested_like_others(rng) -> None:
    vectors = np.concatenate([np.ones((8, 3)), rng.normal(size=(8, 3))])
    distances, groups = distance_matrix(vectors), np.repeat(list("ab"), 8)
    assert permdisp(distances, groups).p_value <= 0.005
    assert permdisp(distances, groups).statistic > 10
    assert 0 < permanova(distances, groups).statistic < math.inf


def test_pairs_that_differ_in_spread_alone_have_an_infinite_permdisp_f() -> None:
    # The members of a pair are equally far from their mean, whatever they are.
    vectors = np.array([[0.0], [1], [10], [12]])
    test = permdisp(distance_matrix(vectors), list("aabb"))
    assert test.statistic == math.inf
    assert test.p_value == pytest.approx(1 / 3)


@pytest.mark.parametrize("test", [permanova, energy_test])
def test_constant_features_are_refused_and_no_finding(test) -> None:
    with pytest.raises(FeatvizError, match="all 6 vectors are identical"):
        test(np.zeros((6, 6)), list("aabbcc"))


def test_groups_of_one_have_a_place_but_no_spread(rng) -> None:
    from skbio.stats.distance import DistanceMatrix
    from skbio.stats.distance import permanova as skbio_permanova

    vectors = rng.normal(size=(7, 3))
    distances, groups = distance_matrix(vectors), list("aaabbbc")
    theirs = skbio_permanova(DistanceMatrix(distances), groups, permutations=9)
    assert permanova(distances, groups).statistic == pytest.approx(theirs["test statistic"])
    assert permdisp(distances, groups) == permdisp(distances[:6, :6], groups[:6])
    with pytest.raises(FeatvizError, match="given groups of 1, 6"):
        permdisp(distances, list("abbbbbb"))
    with pytest.raises(FeatvizError, match="each of the 7 groups has one sketch only"):
        permanova(distances, list("abcdefg"))


@pytest.mark.parametrize("test", TESTS)
def test_one_group_cannot_be_compared(test, rng) -> None:
    with pytest.raises(FeatvizError, match=r"given 1|given groups of 5"):
        test(distance_matrix(rng.normal(size=(5, 2))), list("aaaaa"))


def test_distances_that_are_no_distances_are_refused(rng) -> None:
    with pytest.raises(FeatvizError, match=r"of 3 sketches.*got \(2, 2\)"):
        permanova(np.zeros((2, 2)), list("abc"))
    with pytest.raises(FeatvizError, match="NaN"):
        energy_test(np.full((2, 2), np.nan), list("ab"))


@pytest.mark.parametrize("test", TESTS)
def test_strata_keep_the_difference_of_bases_out(test, rng) -> None:
    # Two bases far apart, each with sketches of two groups that do not differ, in other shares.
    bases = np.repeat(["x", "y"], 12)
    groups = np.array(list("aaaaaaaaabbb" + "abbbbbbbbbaa"))
    vectors = rng.normal(size=(24, 4)) + 40 * (bases == "y")[:, None]
    vectors[bases == "y"] *= 3
    distances = distance_matrix(vectors)
    assert test(distances, groups, bases).p_value > 0.05
    if test is not permdisp:
        assert test(distances, groups).p_value <= 0.05
