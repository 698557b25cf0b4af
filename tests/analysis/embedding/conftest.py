from collections.abc import Iterator

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
from tests.analysis.embedding.tables import short_descents as short_descents_of_tsne


@pytest.fixture(scope="module")
def short_descents() -> Iterator[None]:
    with short_descents_of_tsne():
        yield


@pytest.fixture(scope="session")
def iris() -> FeatureTable:
    return iris_table()


@pytest.fixture(scope="session")
def pca() -> EmbeddingTable:
    return join([embed(wine_table("one"), "pca"), embed(wine_table("two", 100), "pca")])


@pytest.fixture(scope="session")
def tsne() -> EmbeddingTable:
    with short_descents_of_tsne():
        return embed(wine_table("one"), "tsne")


@pytest.fixture(scope="session")
def seeds() -> EmbeddingTable:
    with short_descents_of_tsne():
        return seed_spread(wine_table("one"), ["L0"], range(3))
