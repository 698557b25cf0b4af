import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_distances, euclidean_distances

from featviz.analysis.separation import (
    activation_scale,
    distance_matrix,
    distance_ratio,
    distances_of_groups,
    group_distances,
    mean_distances,
)
from featviz.base.errors import FeatvizError


def brute_force(vectors, groups, first, second):
    distances = [
        float(np.sqrt(sum((a - b) ** 2 for a, b in zip(vectors[i], vectors[j], strict=True))))
        for i in range(len(vectors))
        for j in range(len(vectors))
        if i != j and groups[i] == first and groups[j] == second
    ]
    return sum(distances) / len(distances)


def test_distances_are_those_of_scikit_learn(rng) -> None:
    vectors = rng.normal(size=(12, 7)).astype(np.float32)
    np.testing.assert_allclose(
        distance_matrix(vectors), euclidean_distances(vectors.astype(float)), atol=1e-6
    )
    np.testing.assert_allclose(
        distance_matrix(vectors, "cosine"), cosine_distances(vectors.astype(float)), atol=1e-12
    )


def test_identical_vectors_are_at_exactly_no_distance(rng) -> None:
    vectors = np.repeat(rng.normal(size=(5, 48)), 3, axis=0)
    for metric in ("euclidean", "cosine"):
        distances = distance_matrix(vectors, metric)
        same = np.repeat(np.arange(5), 3)
        assert (distances[same[:, None] == same[None, :]] == 0).all()
        assert (distances[same[:, None] != same[None, :]] > 0).all()


def test_a_vector_of_zeros_has_no_direction() -> None:
    vectors = np.array([[0.0, 0], [0, 0], [3, 0], [0, 2], [-1, 0]])
    assert distance_matrix(vectors, "cosine").tolist() == [
        [0, 0, 1, 1, 1],
        [0, 0, 1, 1, 1],
        [1, 1, 0, 1, 2],
        [1, 1, 1, 0, 1],
        [1, 1, 2, 1, 0],
    ]


def test_cosine_distances_do_not_depend_on_the_size_of_a_vector(rng) -> None:
    vectors = rng.normal(size=(6, 5))
    sizes = rng.uniform(0.1, 100, size=(6, 1))
    np.testing.assert_allclose(
        distance_matrix(vectors, "cosine"), distance_matrix(vectors * sizes, "cosine"), atol=1e-12
    )


def test_means_are_those_of_all_pairs_by_brute_force(rng) -> None:
    vectors, groups = rng.normal(size=(9, 4)), list("abacbabca")
    names, means = mean_distances(distance_matrix(vectors), groups)
    assert names == ["a", "b", "c"]
    for i, first in enumerate(names):
        for j, second in enumerate(names):
            assert means[i, j] == pytest.approx(brute_force(vectors, groups, first, second))
    of_groups = distances_of_groups(distance_matrix(vectors), groups)
    assert of_groups["b"].members == 3
    assert of_groups["b"].within == pytest.approx(means[1, 1])
    assert of_groups["b"].between == pytest.approx((means[1, 0] + means[1, 2]) / 2)
    assert of_groups["b"].ratio == pytest.approx(of_groups["b"].within / of_groups["b"].between)
    within, between, _ = group_distances(vectors, groups)
    assert within == pytest.approx(np.diag(means).mean())
    assert between == pytest.approx((means[0, 1] + means[0, 2] + means[1, 2]) / 3)


def test_ratios_do_not_change_with_rotation_shift_or_scale(rng) -> None:
    vectors, groups = rng.normal(size=(20, 6)), np.repeat(list("abcd"), 5)
    turn, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    for other in (vectors @ turn, vectors + 7, vectors * 1000):
        for name, one in distances_of_groups(distance_matrix(vectors), groups).items():
            moved = distances_of_groups(distance_matrix(other), groups)[name]
            assert moved.ratio == pytest.approx(one.ratio)
        assert group_distances(other, groups)[0] / activation_scale(other) == pytest.approx(
            group_distances(vectors, groups)[0] / activation_scale(vectors)
        )


def test_groups_of_one_and_single_groups_have_no_pairs() -> None:
    vectors = np.array([[0.0], [1], [5]])
    of_groups = distances_of_groups(distance_matrix(vectors), ["a", "a", "b"])
    assert (of_groups["b"].within, of_groups["b"].between, of_groups["b"].ratio) == (
        None,
        4.5,
        None,
    )
    alone = distances_of_groups(distance_matrix(vectors), ["a", "a", "a"])["a"]
    assert (alone.within, alone.between, alone.ratio) == (pytest.approx(10 / 3), None, None)


def test_a_group_of_identical_vectors_has_ratio_zero_and_constant_features_have_none() -> None:
    assert distance_ratio(0.0, 3.0) == 0
    assert distance_ratio(2.0, 0.0) == float("inf")
    assert distance_ratio(0.0, 0.0) is None
    assert distance_ratio(None, 3.0) is distance_ratio(1.0, None) is None
    # The mean of seven times 0.1 is not 0.1; the scale is 0 all the same.
    assert activation_scale(np.full((7, 3), 0.1)) == 0


def test_scale_is_the_root_mean_square_distance_to_the_mean(rng) -> None:
    vectors = rng.normal(size=(30, 8))
    assert activation_scale(vectors) == pytest.approx(
        np.sqrt(np.trace(np.cov(vectors.T, bias=True)))
    )


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_refused(broken) -> None:
    vectors = np.zeros((4, 3))
    vectors[1, 2] = broken
    with pytest.raises(FeatvizError, match="1 of 4 vectors hold NaN or infinite values"):
        distance_matrix(vectors)
    with pytest.raises(FeatvizError, match=r"not none; got \(0, 3\)"):
        distance_matrix(np.zeros((0, 3)))
