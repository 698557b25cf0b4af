import pytest

from featviz.faces.pairs import PairSet


@pytest.fixture
def small_pairs(pairs):
    """The sample pairs, with one of them held out."""
    splits = ("train",) * (len(pairs) - 1) + ("test",)
    return PairSet(pairs.folder, pairs.names, pairs.landmarks, splits, pairs.size)
