"""How far a statistic may be off: it is taken again without each of the things it was taken of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featviz.analysis.claims.conventions import CONFIDENCE


@dataclass(frozen=True, eq=False)
class Jackknife:
    """Statistics (k,) and their standard errors (k,); infinite where nothing tells them.

    freedom: degrees of freedom of Student's t, the things left out less the number of strata.
    """

    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    freedom: int

    def bounds(self, number: int = 0) -> tuple[float, float]:
        """Below and above which one statistic does not lie, with CONFIDENCE for each."""
        from scipy.stats import t

        away = float(t.ppf(CONFIDENCE, self.freedom)) if self.freedom > 0 else np.inf
        value, error = float(self.values[number]), float(self.errors[number])
        reach = 0.0 if error == 0 and self.freedom > 0 else away * error
        return value - reach, value + reach

    def p_values(self) -> NDArray[np.float64]:
        """(k,) of each statistic, one-sided: could it be 0 and be found this far above?"""
        from scipy.stats import t

        p = np.ones(len(self.values))
        for number, (value, error) in enumerate(zip(self.values, self.errors, strict=True)):
            if self.freedom > 0 and (error > 0 or value != 0):
                p[number] = t.sf(value / error, self.freedom) if error > 0 else float(value < 0)
        return p


def jackknife(
    statistic: Callable[[NDArray[np.bool_]], ArrayLike | float],
    strata: Sequence[Any] | NDArray[Any],
) -> Jackknife:
    """A statistic's standard error by leaving out one thing at a time, within its stratum.

    statistic: of the things that are kept, (N,) bool -> a number or (k,). strata: (N,) names;
    things of one stratum were sampled together, and a stratum of one is taken as given. The error
    is infinite if a statistic is not finite without one of them, or nothing can be left out.
    Source: Tukey 1958, Ann. Math. Statist. 29, 614; for U-statistics Arvesen 1969, ibid. 40, 2076.
    """
    strata = np.asarray(strata)
    kept = np.ones(len(strata), dtype=bool)
    values = np.atleast_1d(np.asarray(statistic(kept), dtype=np.float64))
    variances, freedom = np.zeros(len(values)), 0
    for name in dict.fromkeys(strata.tolist()):
        members = np.flatnonzero(strata == name)
        if len(members) < 2:
            continue
        without = []
        for member in members:
            kept[member] = False
            without.append(np.atleast_1d(np.asarray(statistic(kept), dtype=np.float64)))
            kept[member] = True
        apart = np.array(without)
        with np.errstate(invalid="ignore"):
            spread = ((apart - apart.mean(axis=0)) ** 2).sum(axis=0)
        variances += (len(members) - 1) / len(members) * spread
        freedom += len(members) - 1
    known = np.isfinite(values) & np.isfinite(variances) & (freedom > 0)
    return Jackknife(values, np.where(known, np.sqrt(variances), np.inf), freedom)
