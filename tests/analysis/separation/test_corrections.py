import math

import numpy as np
import pytest

from featviz.analysis.separation import benjamini_hochberg, holm
from featviz.base.errors import FeatvizError


def test_holm_by_hand() -> None:
    # 0.01 x 4, 0.02 x 3 (above 0.04), 0.03 x 2 (0.06 again), 0.5 x 1.
    assert holm([0.02, 0.01, 0.5, 0.03]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize(("ours", "theirs"), [(holm, "holm"), (benjamini_hochberg, "fdr_bh")])
def test_corrections_agree_with_statsmodels(rng, ours, theirs) -> None:
    from statsmodels.stats.multitest import multipletests

    p_values = np.round(rng.uniform(size=40) ** 3, 3)
    assert ours(p_values) == pytest.approx(multipletests(p_values, method=theirs)[1])


@pytest.mark.parametrize("correct", [holm, benjamini_hochberg])
def test_a_test_that_was_not_made_does_not_count(correct) -> None:
    adjusted = correct([0.01, math.nan, 0.04])
    assert math.isnan(adjusted[1])
    assert adjusted[[0, 2]] == pytest.approx(correct([0.01, 0.04]))
    assert len(correct([])) == 0
    with pytest.raises(FeatvizError, match="from 0 to 1"):
        correct([0.5, 1.5])
