import numpy as np
import pytest

from featviz.faces.instances import INSTANCES
from featviz.training.features import cluster_features


def test_clusters_are_the_groups_there_are_the_most_common_first(rng):
    spots = np.array([[-0.8, 0.0], [0.7, 0.7], [0.5, -0.9]])
    which = np.repeat([0, 1, 2], [20, 50, 30])
    vectors = np.zeros((100, len(INSTANCES), 2), np.float32)
    areas = np.zeros((100, len(INSTANCES)), np.int64)
    mouth = INSTANCES.index("mouth")
    vectors[:, mouth] = spots[which] + rng.normal(scale=0.01, size=(100, 2))
    areas[:, mouth] = 10
    found = cluster_features(vectors, areas, clusters=3)
    assert found.shares["mouth"] == pytest.approx([0.5, 0.3, 0.2])
    assert np.abs(found.centres["mouth"] - spots[[1, 2, 0]]).max() < 0.02
    assert found.centres["nose"].shape == (0, 2)
    assert np.array_equal(found.most_common()[INSTANCES.index("nose")], [0, 0])


def test_an_observation_weighs_as_much_as_it_is_large():
    vectors = np.zeros((4, len(INSTANCES), 1), np.float32)
    vectors[:, 0, 0] = [0.0, 0.1, 0.9, 5.0]
    areas = np.zeros((4, len(INSTANCES)), np.int64)
    areas[:, 0] = [30, 10, 60, 0]
    found = cluster_features(vectors, areas, clusters=2)
    assert found.shares["background"] == pytest.approx([0.6, 0.4])
    assert found.centres["background"][:, 0] == pytest.approx([0.9, (30 * 0 + 10 * 0.1) / 40])


def test_there_are_no_more_clusters_than_different_vectors():
    vectors = np.zeros((5, len(INSTANCES), 2), np.float32)
    vectors[3:] = 1
    found = cluster_features(vectors, np.ones((5, len(INSTANCES)), np.int64))
    assert [len(found.centres[name]) for name in INSTANCES] == [2] * len(INSTANCES)
    assert found.shares["face"] == pytest.approx([0.6, 0.4])
