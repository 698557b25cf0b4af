"""The few statistics and tests that the claims share."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featviz.analysis.separation import PermutationTest, permutation_test, sign_flip_test

OVER_BASES = "p, bases flipped as one"
"""Among a finding's details: p where the edits of one base change sign together, uncorrected."""


@dataclass(frozen=True)
class Randomness:
    """How many permutations a test makes, and their seed."""

    permutations: int = 9999
    seed: int = 0


def relative_difference(larger: float, smaller: float) -> float:
    """(a - b) / max(a, b) of two numbers that are not negative: -1 to 1, and 0 for 0 and 0."""
    return 0.0 if larger == smaller == 0 else (larger - smaller) / max(larger, smaller)


def steps(values: Sequence[float] | NDArray[np.float64]) -> list[float]:
    """Relative difference of each value against the one before it."""
    return [relative_difference(float(b), float(a)) for a, b in itertools.pairwise(values)]


def standardized_difference(larger: ArrayLike, smaller: ArrayLike) -> float:
    """Cohen's d_av of paired values (n,): mean difference / root of the mean of both variances.

    0 where the two are equal throughout; infinite where both are constant and differ.
    Source: Lakens 2013, Front. Psychol. 4, 863 (there with standard deviations averaged).
    """
    a, b = np.asarray(larger, dtype=np.float64), np.asarray(smaller, dtype=np.float64)
    mean = float((a - b).mean())
    spread = float(np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)) if len(a) > 1 else 0.0
    if spread > 0:
        return mean / spread
    return 0.0 if mean == 0 else float(np.copysign(np.inf, mean))


def paired_test(
    differences: ArrayLike, randomness: Randomness, blocks: Sequence[str] | None = None
) -> PermutationTest:
    """Are paired differences (n,) above 0? See `sign_flip_test`; blocks change sign together."""
    return sign_flip_test(
        differences, blocks, permutations=randomness.permutations, seed=randomness.seed
    )


def swap_test(
    statistic: Callable[[NDArray[np.bool_]], float],
    blocks: Sequence[Any] | NDArray[Any],
    randomness: Randomness,
    alternative: Literal["greater", "less"] = "greater",
) -> PermutationTest:
    """Is a statistic of two networks (or conditions) larger than if they changed places at random?

    statistic: of who has changed places, (n,) bool. blocks: (n,) names; those of one block change
    places together.
    """
    _, block = np.unique(np.asarray(blocks), return_inverse=True)
    block = block.reshape(-1)
    count = int(block.max()) + 1

    def of_labels(labels: NDArray[np.int64]) -> float:
        # Of the two labels of a block, 0 and 1, the first is 1 where its members change places.
        return statistic((labels.reshape(count, 2)[:, 0] == 1)[block])

    return permutation_test(
        of_labels,
        np.tile([0, 1], count),
        np.repeat(np.arange(count), 2),
        permutations=randomness.permutations,
        seed=randomness.seed,
        alternative=alternative,
    )


def trend_test(
    values: NDArray[np.float64],
    statistic: Callable[[NDArray[np.float64]], float],
    randomness: Randomness,
) -> PermutationTest:
    """Is a statistic of values (units, layers) larger than if the layers came in any order?

    Layers change places within a unit, all others with them: a unit is the smallest thing that is
    exchanged.
    """
    units, count = values.shape
    rows = np.arange(units)[:, None]

    def arranged(labels: NDArray[np.int64]) -> float:
        # labels say which layer each value is taken to be of.
        order = np.argsort(labels.reshape(units, count), axis=1)
        return statistic(values[rows, order])

    return permutation_test(
        arranged,
        np.tile(np.arange(count), units),
        np.repeat(np.arange(units), count),
        permutations=randomness.permutations,
        seed=randomness.seed,
    )
