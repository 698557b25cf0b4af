import numpy as np
import pytest

from featviz.analysis.evaluation import summary
from featviz.analysis.separation.table import TESTS
from featviz.analysis.similarity import SIMILARITY_MEASURES
from tests.scores import SCORES, Score

BY_NAME = {score.name: score for score in SCORES}


@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.name)
def test_a_score_of_unrelated_data_is_what_theory_says(score: Score) -> None:
    found = [score.of_unrelated(np.random.default_rng(seed)) for seed in range(score.draws)]
    assert np.mean(found) == pytest.approx(score.unrelated, abs=score.within)


@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.name)
def test_a_score_of_identical_data_has_its_end(score: Score) -> None:
    found = score.of_identical(np.random.default_rng(0))
    assert found == pytest.approx(score.identical, abs=1e-9)


def test_every_score_of_a_table_is_among_them() -> None:
    told = {*SIMILARITY_MEASURES, *TESTS, *summary._QUALITY, "silhouette", "purity", "ratio"}
    told |= {"spread", "kl_divergence", "trustworthiness", "continuity"}
    assert told <= set(BY_NAME)
