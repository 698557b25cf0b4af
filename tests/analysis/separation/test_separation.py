import numpy as np
import pytest
from sklearn.metrics import silhouette_samples
from sklearn.neighbors import NearestNeighbors

from featviz.analysis.separation import (
    distance_matrix,
    distinct_count,
    neighbour_purity,
    silhouettes,
)
from featviz.analysis.separation.silhouettes import purity_by_chance


def test_silhouettes_are_those_of_scikit_learn_on_the_vectors(rng) -> None:
    vectors, groups = rng.normal(size=(20, 3)), np.array(list("abcd") * 5)
    assert silhouettes(distance_matrix(vectors), groups) == pytest.approx(
        silhouette_samples(vectors, groups)
    )


def test_silhouettes_by_hand_with_a_group_of_one_and_groups_of_identical_vectors() -> None:
    vectors = np.array([[0.0], [0], [4], [6], [9]])
    values = silhouettes(distance_matrix(vectors), list("aabbc"))
    # 0 and 0: a = 0; 4: a = 2, b = min(4, 5); 6: a = 2, b = 3; 9 is alone.
    assert values == pytest.approx([1, 1, 0.5, 1 / 3, 0])
    constant = silhouettes(np.zeros((4, 4)), list("aabb"))
    assert constant.tolist() == [0, 0, 0, 0]
    assert np.isnan(silhouettes(np.zeros((3, 3)), list("aaa"))).all()
    assert np.isnan(silhouettes(np.ones((3, 3)) - np.eye(3), list("abc"))).all()


def test_purity_without_ties_is_that_of_the_one_nearest_neighbour(rng) -> None:
    vectors, groups = rng.normal(size=(40, 5)), np.array(list("abcde") * 8)
    nearest = NearestNeighbors(n_neighbors=2).fit(vectors).kneighbors(vectors)[1][:, 1]
    expected = (groups[nearest] == groups).astype(float)
    assert neighbour_purity(distance_matrix(vectors), groups).tolist() == expected.tolist()


def test_all_of_several_equally_near_neighbours_count_whatever_their_order(rng) -> None:
    # Five identical vectors, three of a and two of b, and one c apart, nearest to a single d.
    vectors = np.array([[0.0, 0]] * 5 + [[9, 9], [9, 8]])
    groups = np.array(list("aaabbcd"))
    expected = {"a": 2 / 4, "b": 1 / 4, "c": np.nan, "d": np.nan}
    for _ in range(5):
        order = rng.permutation(7)
        purity = neighbour_purity(distance_matrix(vectors[order]), groups[order])
        assert purity == pytest.approx([expected[name] for name in groups[order]], nan_ok=True)


def test_purity_of_random_groups_is_that_of_chance(rng) -> None:
    groups = np.repeat(list("abc"), [60, 30, 10])
    vectors = rng.normal(size=(100, 2))
    distances = distance_matrix(vectors)
    drawn = [neighbour_purity(distances, rng.permutation(groups)).mean() for _ in range(400)]
    assert np.mean(drawn) == pytest.approx(purity_by_chance(groups).mean(), abs=0.01)
    assert purity_by_chance(list("aab"))[:2].tolist() == [0.5, 0.5]
    assert np.isnan(purity_by_chance(list("aab"))[2])


def test_distinct_vectors_are_counted_by_exact_equality() -> None:
    tiny = np.nextafter(np.float32(1), np.float32(2))
    vectors = np.array([[1, 0.0], [1, -0.0], [tiny, 0], [1, 0]], dtype=np.float32)
    assert distinct_count(vectors) == 2
