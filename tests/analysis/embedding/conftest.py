import pytest

from featviz.base.feature_table import FeatureTable
from tests.analysis.embedding.tables import iris_table


@pytest.fixture(scope="module")
def iris() -> FeatureTable:
    return iris_table()
