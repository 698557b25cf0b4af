"""Permutation tests, also restricted: labels change places only within strata, signs by blocks.

Sketches that were drawn over one base belong together. A test that mixes them with sketches over
another base asks whether the bases differ, which nobody doubts; permuting within strata leaves
that difference in place and asks about the rest (Anderson & ter Braak 2003, "Permutation tests for
multi-factorial analysis of variance", J. Stat. Comput. Simul. 73, sections 2 and 3).

`scipy.stats.permutation_test`, the tests' oracle where there is one stratum, knows no strata.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featviz.base.errors import FeatvizError

_Alternative = Literal["greater", "less", "two-sided"]
_Labels = NDArray[Any]

_TIE = 1e-12
"""Two statistics this close, relative to the larger, are equal: sums in another order differ."""


@dataclass(frozen=True)
class PermutationTest:
    """The outcome of a permutation test.

    statistic: that of the data. p_value: of the alternative asked for. permutations: arrangements
    that were compared with the data. is_exact: these were all there are, the data's own among
    them, and p is their share; otherwise they were drawn at random and the data count as one
    more, p = (1 + at least as extreme) / (1 + permutations), so p is never 0
    (Phipson & Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9, 39, eq. 2). arrangements: how many
    different ones there are; no test can reach a p below 1 / arrangements.
    """

    statistic: float
    p_value: float
    permutations: int
    is_exact: bool
    arrangements: int


def permutation_test(
    statistic: Callable[[_Labels], float],
    labels: Sequence[Any] | _Labels,
    strata: Sequence[Any] | _Labels | None = None,
    *,
    permutations: int = 999,
    seed: int = 0,
    alternative: _Alternative = "greater",
) -> PermutationTest:
    """Does a statistic of the labels exceed what labels in random order give?

    statistic: takes labels (N,) in the order of the data, returns a number; infinite ones are
    compared as such. strata: (N,) names; labels change places only within a stratum, so whatever
    differs between strata stays as it is. None: all labels are one stratum. With two labels and
    strata of two, the members of a pair, this is the paired test.

    If there are no more than `permutations` + 1 different arrangements all are compared (exact).
    alternative: "greater" counts arrangements whose statistic is at least the data's, "less" at
    most, "two-sided" takes twice the smaller p, at most 1.

    Raises FeatvizError if the lengths differ, if no two labels can change places, if permutations
    is below 1, or if a statistic is NaN.
    """
    labels = np.asarray(labels)
    strata = np.zeros(len(labels), dtype=int) if strata is None else np.asarray(strata)
    if labels.ndim != 1 or strata.shape != labels.shape:
        raise FeatvizError(
            f"a permutation test takes one label and one stratum for each row; got labels "
            f"{labels.shape} and strata {strata.shape}"
        )
    _require_permutations(permutations)
    members = [np.flatnonzero(strata == name) for name in dict.fromkeys(strata.tolist())]
    arrangements = math.prod(_multinomial(labels[rows].tolist()) for rows in members)
    if arrangements == 1:
        raise FeatvizError(
            f"no two labels can change places: the {len(labels)} rows lie in {len(members)} "
            "strata, each with one label only; expected a stratum with two"
        )
    if is_exact := arrangements <= permutations + 1:
        shuffled = _all_arrangements(labels, members)
    else:
        shuffled = _random_arrangements(labels, members, permutations, seed)
    given = _number(statistic(labels))
    others = np.array([_number(statistic(order)) for order in shuffled])
    p_value = _p_value(given, others, is_exact, alternative)
    return PermutationTest(given, p_value, len(others), is_exact, arrangements)


def sign_flip_test(
    differences: ArrayLike,
    blocks: Sequence[Any] | _Labels | None = None,
    *,
    permutations: int = 9999,
    seed: int = 0,
) -> PermutationTest:
    """Is the mean of paired differences (N,) above 0, if each could as well have the other sign?

    blocks: (N,) names; differences of one block change sign together, as they must where they
    share a base sketch and so are no independent evidence. None: each by itself. Exact if there
    are no more than `permutations` + 1 sign patterns. See `PermutationTest` for p.

    Raises FeatvizError if there is no difference, one is not finite, or lengths differ.
    """
    values = np.asarray(differences, dtype=np.float64)
    names = np.arange(len(values)) if blocks is None else np.asarray(blocks)
    if values.ndim != 1 or len(values) == 0 or names.shape != values.shape:
        raise FeatvizError(
            f"a sign-flip test takes one or more differences and a block for each; got "
            f"{values.shape} and blocks {names.shape}"
        )
    if not np.isfinite(values).all():
        raise FeatvizError(
            f"{int((~np.isfinite(values)).sum())} of {len(values)} differences are not finite"
        )
    _require_permutations(permutations)
    _, index = np.unique(names, return_inverse=True)
    sums = np.bincount(index.reshape(-1), weights=values)
    arrangements = 2 ** len(sums)
    if is_exact := arrangements <= permutations + 1:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(sums))))
    else:
        signs = np.random.default_rng(seed).choice((1.0, -1.0), size=(permutations, len(sums)))
    given = float(sums.sum()) / len(values)
    others = (signs @ sums) / len(values)
    # A sum of terms that cancel is as exact as its terms, not as itself.
    slack = _TIE * float(np.abs(sums).sum()) / len(values)
    p_value = _p_value(given, others, is_exact, "greater", slack)
    return PermutationTest(given, p_value, len(others), is_exact, arrangements)


def _require_permutations(permutations: int) -> None:
    if permutations < 1:
        raise FeatvizError(f"expected at least 1 permutation; got {permutations}")


def _number(value: float) -> float:
    if math.isnan(value):
        raise FeatvizError("the statistic of a permutation test is NaN")
    return float(value)


def _p_value(
    given: float,
    others: NDArray[np.float64],
    is_exact: bool,
    alternative: _Alternative,
    slack: float = 0.0,
) -> float:
    # Infinite statistics equal only themselves; their difference would be NaN.
    finite = np.isfinite(others) & math.isfinite(given)
    scale = _TIE * np.maximum(np.abs(others), abs(given)) + slack
    tied = others == given
    tied[finite] = np.abs(others[finite] - given) <= scale[finite]
    extra = 0 if is_exact else 1
    greater = (extra + int(((others > given) | tied).sum())) / (extra + len(others))
    less = (extra + int(((others < given) | tied).sum())) / (extra + len(others))
    if alternative == "greater":
        return greater
    return less if alternative == "less" else min(1.0, 2 * min(greater, less))


def _multinomial(labels: list[Any]) -> int:
    """The number of different orders of these labels."""
    return math.factorial(len(labels)) // math.prod(map(math.factorial, Counter(labels).values()))


def _random_arrangements(
    labels: _Labels, members: list[NDArray[np.int64]], count: int, seed: int
) -> Iterator[_Labels]:
    random = np.random.default_rng(seed)
    for _ in range(count):
        order = labels.copy()
        for rows in members:
            order[rows] = random.permutation(labels[rows])
        yield order


def _all_arrangements(labels: _Labels, members: list[NDArray[np.int64]]) -> Iterator[_Labels]:
    names, index = np.unique(labels, return_inverse=True)
    codes = index.reshape(-1)
    for parts in itertools.product(*(_orders(codes[rows].tolist()) for rows in members)):
        order = labels.copy()
        for rows, part in zip(members, parts, strict=True):
            order[rows] = names[list(part)]
        yield order


def _orders(codes: list[int]) -> Iterator[tuple[int, ...]]:
    """All different orders of these numbers, each the next one in lexicographic order."""
    order, count = sorted(codes), len(codes)
    while True:
        yield tuple(order)
        rises = (i for i in range(count - 2, -1, -1) if order[i] < order[i + 1])
        if (i := next(rises, None)) is None:
            return
        j = next(j for j in range(count - 1, i, -1) if order[j] > order[i])
        order[i], order[j] = order[j], order[i]
        order[i + 1 :] = order[:i:-1]
