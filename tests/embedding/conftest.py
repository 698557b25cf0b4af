import pytest

from featviz.tables import FeatureTable
from tests.embedding.tables import iris_table


@pytest.fixture(scope="module")
def iris() -> FeatureTable:
    return iris_table()
