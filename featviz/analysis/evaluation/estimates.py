"""Numbers with their standard errors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Estimate:
    """A number from `count` observations; both parts are NaN where there are too few."""

    value: float
    standard_error: float
    count: int


def mean_estimate(values: ArrayLike) -> Estimate:
    """The mean of independent values (n,) and its standard error; NaN among them are left out."""
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[~np.isnan(numbers)]
    count = len(numbers)
    if count == 0:
        return Estimate(math.nan, math.nan, 0)
    error = float(numbers.std(ddof=1)) / math.sqrt(count) if count > 1 else math.nan
    return Estimate(float(numbers.mean()), error, count)


def ratio_estimate(numerators: ArrayLike, denominators: ArrayLike) -> Estimate:
    """Ratio of the means of paired values (n,), with its linearised (delta-method) error.

    NaN if the mean of the denominators is 0. Source: Cochran, Sampling Techniques, 1977, ch. 6.
    """
    above = np.asarray(numerators, dtype=np.float64)
    below = np.asarray(denominators, dtype=np.float64)
    count = len(below)
    if count == 0 or below.mean() == 0:
        return Estimate(math.nan, math.nan, count)
    ratio = float(above.mean() / below.mean())
    if count == 1:
        return Estimate(ratio, math.nan, count)
    residuals = above - ratio * below
    error = float(residuals.std(ddof=1) / (below.mean() * math.sqrt(count)))
    return Estimate(ratio, error, count)


def mean_of(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of independent estimates, each of equal weight; its count is that of estimates.

    NaN estimates are left out.
    """
    known = [estimate for estimate in estimates if not math.isnan(estimate.value)]
    if not known:
        return Estimate(math.nan, math.nan, 0)
    value = sum(estimate.value for estimate in known) / len(known)
    error = math.sqrt(sum(estimate.standard_error**2 for estimate in known)) / len(known)
    return Estimate(value, error, len(known))
