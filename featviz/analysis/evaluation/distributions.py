"""Distances between sets of images, from their descriptors."""

import math

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.evaluation.estimates import Estimate
from featviz.base.errors import FeatvizError


def kernel_distance(first: NDArray[np.floating], second: NDArray[np.floating]) -> Estimate:
    """Squared maximum mean discrepancy of paired descriptors (n, d) and (n, d), cubic kernel.

    k(x, y) = (x . y / d + 1)^3, the kernel of Binkowski et al. 2018 (arXiv 1801.01401). Row i of
    both belongs to one pair: the estimator is the U-statistic of equation 4 in Gretton et al.
    2012 (JMLR 13), which leaves out k(x_i, y_i) and is unbiased for pairs too. It is therefore 0
    on average for sets of one distribution, and may be negative. The standard error is the
    jackknife's, leaving out a pair at a time; NaN for fewer than 3 pairs. Raises FeatvizError for
    unequal shapes and fewer than 2 pairs.
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if x.ndim != 2 or x.shape != y.shape or len(x) < 2:
        raise FeatvizError(
            f"a kernel distance takes two arrays (n, d) of n >= 2 pairs; got {x.shape}, {y.shape}"
        )
    count = len(x)
    across = _kernel(x, y)
    terms = _kernel(x, x) + _kernel(y, y) - across - across.T
    np.fill_diagonal(terms, 0.0)
    rows, total = terms.sum(axis=1), float(terms.sum())
    value = total / (count * (count - 1))
    if count < 3:
        return Estimate(value, math.nan, count)
    without = (total - 2 * rows) / ((count - 1) * (count - 2))
    error = math.sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    return Estimate(value, error, count)


def _kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)
