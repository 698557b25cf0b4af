"""p-values of many tests, corrected for their number."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featviz.base.errors import FeatvizError


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values (n,) in the given order: the chance of any false finding is held.

    NaN, a test that could not be made, stays NaN and does not count as one. The smallest of m is
    multiplied by m, the next by m - 1, and so on; none is below the one before it, none above 1.
    Source: Holm 1979, Scand. J. Statist. 6, 65-70. Raises FeatvizError outside of [0, 1].
    """
    given, known = _checked(p_values)
    order = np.argsort(given[known], kind="stable")
    raised = given[known][order] * np.arange(len(order), 0, -1)
    adjusted = np.full_like(given, np.nan)
    adjusted[np.flatnonzero(known)[order]] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return adjusted


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values (n,) in the given order: the expected share of false findings is held.

    NaN stays NaN. Source: Benjamini & Hochberg 1995, J. R. Statist. Soc. B 57, 289-300.
    Raises FeatvizError outside of [0, 1].
    """
    from scipy.stats import false_discovery_control

    given, known = _checked(p_values)
    adjusted = np.full_like(given, np.nan)
    if known.any():
        adjusted[known] = false_discovery_control(given[known], method="bh")
    return adjusted


def _checked(p_values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    given = np.asarray(p_values, dtype=np.float64)
    known = ~np.isnan(given)
    if given.ndim != 1 or ((given[known] < 0) | (given[known] > 1)).any():
        raise FeatvizError(f"p-values are numbers from 0 to 1 in one row; got {given.tolist()}")
    return given, known
