import pytest

from featviz.analysis.embedding import (
    EmbeddingTable,
    embed,
    join,
    seed_spread,
)
from featviz.base.feature_table import FeatureTable
from tests.analysis.embedding.drawn import wine_table
from tests.analysis.embedding.tables import iris_table


@pytest.fixture(scope="module")
def iris() -> FeatureTable:
    return iris_table()


@pytest.fixture(scope="module")
def pca() -> EmbeddingTable:
    return join([embed(wine_table("one"), "pca"), embed(wine_table("two", 100), "pca")])


@pytest.fixture(scope="module")
def tsne() -> EmbeddingTable:
    return embed(wine_table("one"), "tsne")


@pytest.fixture(scope="module")
def seeds() -> EmbeddingTable:
    return seed_spread(wine_table("one"), ["L0"], range(3))
