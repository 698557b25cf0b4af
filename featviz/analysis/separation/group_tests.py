"""Do groups differ, in place or in spread? Tests on distances, by permutation.

All take Euclidean distances (N, N): those of the vectors, or for directions the chords of
`as_euclidean`. Statistics are those of scikit-bio and dcor (the tests compare them), which do
not fit here themselves: neither permutes within strata, and on data with ties, which is what a
front end without normalisation gives, they report findings where there are none (groups of zero
spread, constant features). Here two equal statistics count as equal, and what cannot be tested
raises FeatvizError.

Anderson 2001, Austral Ecology 26, 32-46 (PERMANOVA); Anderson 2006, Biometrics 62, 245-253
(PERMDISP); Székely & Rizzo 2004, InterStat 5 (energy test).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.separation.distances import Metric
from featviz.analysis.separation.permutation import permutation_test
from featviz.base.errors import FeatvizError

_Distances = NDArray[np.float64]
_Groups = Sequence[str] | NDArray[Any]


_MEDIAN_STEPS = 100


@dataclass(frozen=True)
class GroupTest:
    """A statistic with its p-value and the permutations it comes from; see `PermutationTest`.

    effect: the share of the whole that the groups explain, 0 to 1: of the squared distances (R2 of
    PERMANOVA), of the variance of the spread (eta squared, PERMDISP), of the distances (DISCO,
    energy test).
    """

    statistic: float
    p_value: float
    effect: float
    permutations: int


def as_euclidean(distances: _Distances, metric: Metric) -> _Distances:
    """Distances (N, N) as the tests take them: for cosine the chords of the unit vectors."""
    return distances if metric == "euclidean" else np.sqrt(2 * distances)


def permanova(
    distances: _Distances,
    groups: _Groups,
    strata: _Groups | None = None,
    *,
    permutations: int = 999,
    seed: int = 0,
) -> GroupTest:
    """Do groups differ in place (or spread)? Pseudo-F of scatter between to within groups.

    F is infinite if every group is a single point and the groups are not one. Raises FeatvizError
    if there are fewer than 2 groups, no group of 2, or all vectors are identical; for strata and
    p see `permutation_test`.
    """
    names, codes = _coded(distances, groups)
    squares = distances**2
    count = len(distances)
    total = float(squares.sum()) / (2 * count)

    def scatter(labels: NDArray[Any]) -> float:
        sums, sizes = _sums_of_groups(squares, labels, len(names))
        return float((np.diag(sums) / (2 * sizes)).sum())

    # The total stays the same, so less within groups is a larger F.
    test = permutation_test(
        scatter, codes, strata, permutations=permutations, seed=seed, alternative="less"
    )
    within = max(test.statistic, 0.0)
    between = max(total - within, 0.0)
    degrees = (count - len(names)) / (len(names) - 1)
    # What is left of a group of equal values is rounding.
    statistic = math.inf if within <= 1e-20 * total else degrees * between / within
    return GroupTest(statistic, test.p_value, between / total, test.permutations)


def permdisp(
    distances: _Distances,
    groups: _Groups,
    strata: _Groups | None = None,
    *,
    permutations: int = 999,
    seed: int = 0,
) -> GroupTest:
    """Do groups differ in spread? One-way F of each sketch's distance to its group's mean.

    Groups of one have no spread and are left out. What changes places is the sketches' differences
    from the medians of their groups, so the places of the groups do not matter, and the distances
    are taken anew to the means of the new groups (Anderson 2006, section 2.4). Differences from the
    means, as there, do not do where most features are one value, as behind a ReLU: that value comes
    to lie at as many places as there are groups, and spread is found in groups that are drawn
    alike. Exchanging the distances themselves, as is often done, forgets that the means were
    fitted: they lie nearer to the members of small groups, and the two of a pair are always equally
    far. It finds spread in groups that do not differ, in all of them if they are pairs. Where more
    than four of five vectors are equal, no way of exchanging holds the level: of groups of 12 that
    are drawn alike, 11 % are told apart at 0.05 with 83 % equal, 17 % with 89 %. Raises
    FeatvizError if fewer than 2 groups of 2 are left, or if all sketches are equally far from the
    means of their groups.
    """
    groups = np.asarray(groups)
    names, counts = np.unique(groups, return_counts=True)
    kept = np.isin(groups, names[counts > 1])
    if (counts > 1).sum() < 2:
        raise FeatvizError(
            f"spread is compared between 2 or more groups of 2 or more sketches; given groups of "
            f"{', '.join(map(str, counts))}"
        )
    names, codes = np.unique(groups[kept], return_inverse=True)
    codes = codes.reshape(-1)
    distances = distances[np.ix_(kept, kept)]
    spread = distances_to_means(distances, codes)
    count = len(spread)
    if not (share := _share_within(spread, codes)) < math.inf:
        raise FeatvizError(
            f"all {count} sketches are equally far ({spread[0]:.3g}) from the means of their groups"
        )
    products = _residual_products(distances, codes, spread > 0)

    def share_within(labels: NDArray[np.int64]) -> float:
        # The data are one of their own arrangements, as they are.
        if np.array_equal(labels, codes):
            return share
        return min(_share_within(_spread_of(products, labels), labels), 1.0)

    test = permutation_test(
        share_within,
        codes,
        None if strata is None else np.asarray(strata)[kept],
        permutations=permutations,
        seed=seed,
        alternative="less",
    )
    degrees = (count - len(names)) / (len(names) - 1)
    statistic = degrees * (1 - share) / share if share > 0 else math.inf
    return GroupTest(statistic, test.p_value, 1 - share, test.permutations)


def _share_within(spread: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The share of the variance of spread (N,) that lies within groups; infinite if there is none.

    What is left of equal values after rounding counts as none.
    """
    least = 1e-20 * float((spread**2).sum())
    means = np.bincount(labels, weights=spread) / np.bincount(labels)
    total = float(((spread - spread.mean()) ** 2).sum())
    within = float(((spread - means[labels]) ** 2).sum())
    if total <= least:
        return math.inf
    return within / total if within > least else 0.0


def _residual_products(
    distances: _Distances, codes: NDArray[np.int64], has_spread: NDArray[np.bool_]
) -> _Distances:
    """Inner products (N, N) of what parts each sketch from its group's median, from distances.

    A centre of n takes 1 / n of the variance with it; groups of all sizes are put on one scale.
    """
    sizes = np.bincount(codes)
    centre = np.eye(len(codes))
    for code in range(len(sizes)):
        rows = np.flatnonzero(codes == code)
        centre[np.ix_(rows, rows)] -= _median_weights(distances[np.ix_(rows, rows)])
    products = centre @ (-(distances**2) / 2) @ centre.T
    # Where all of a group are identical, nothing is left, not even rounding.
    products[~has_spread] = products[:, ~has_spread] = 0.0
    scale = np.sqrt(sizes / (sizes - 1))[codes]
    return np.asarray(products * np.outer(scale, scale))


def _median_weights(distances: _Distances) -> NDArray[np.float64]:
    """The share (n,) that each of a group has in its median, the point nearest to all of them.

    From their distances (n, n), by Weiszfeld's iteration from the mean.
    """
    weights = np.full(len(distances), 1 / len(distances))
    squares = distances**2
    least = 1e-9 * distances.max(initial=0.0)
    for _ in range(_MEDIAN_STEPS if least else 0):
        to_median = squares @ weights
        to_median = np.sqrt(np.maximum(to_median - weights @ to_median / 2, 0.0))
        weights = 1 / np.maximum(to_median, least)
        weights /= weights.sum()
    return weights


def _spread_of(products: _Distances, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Distance (N,) to the mean of one's group, from inner products (N, N)."""
    rows, sizes = np.arange(len(labels)), np.bincount(labels)
    member = np.zeros((len(labels), len(sizes)))
    member[rows, labels] = 1.0 / sizes[labels]
    to_means = products @ member
    of_means = (member * to_means).sum(axis=0)
    own = np.diag(products)
    squares = own - 2 * to_means[rows, labels] + of_means[labels]
    # Rounding of what cancels is no spread.
    return np.sqrt(np.where(squares > 1e-12 * own.max(), squares, 0.0))


def energy_test(
    distances: _Distances,
    groups: _Groups,
    strata: _Groups | None = None,
    *,
    permutations: int = 999,
    seed: int = 0,
) -> GroupTest:
    """Do groups differ in any way? Sum of the energy distances of all pairs of groups.

    Each pair counts n m / (n + m) times its energy distance, ``2 E|X-Y| - E|X-X'| - E|Y-Y'|``, the
    means taken over all pairs, those of a sketch with itself too (V-statistics, so 0 only for equal
    distributions). Raises FeatvizError as `permanova` does, but groups of one are fine.
    """
    names, codes = _coded(distances, groups, needs_pairs=False)

    def energy(labels: NDArray[Any]) -> float:
        sums, sizes = _sums_of_groups(distances, labels, len(names))
        means = sums / np.outer(sizes, sizes)
        own = np.diag(means)
        weights = np.outer(sizes, sizes) / np.add.outer(sizes, sizes)
        pairs = weights * (2 * means - own[:, None] - own[None, :])
        return float(np.triu(pairs, 1).sum())

    test = permutation_test(energy, codes, strata, permutations=permutations, seed=seed)
    # With weights n m / N the pairs are the between-part of the distances' total (DISCO, Rizzo &
    # Székely 2010, Ann. Appl. Stat. 4, 1034-1055): total = between + within.
    sums, sizes = _sums_of_groups(distances, codes, len(names))
    total = float(distances.sum()) / (2 * len(distances))
    within = float((np.diag(sums) / (2 * sizes)).sum())
    return GroupTest(test.statistic, test.p_value, 1 - within / total, test.permutations)


def distances_to_means(distances: _Distances, groups: _Groups) -> NDArray[np.float64]:
    """Distance (N,) of each sketch to the mean of its group, from Euclidean distances (N, N).

    Exactly 0 where all of a group are identical, which a mean of the vectors would not give.
    """
    groups = np.asarray(groups)
    result = np.zeros(len(distances))
    for name in np.unique(groups):
        rows = np.flatnonzero(groups == name)
        squares = distances[np.ix_(rows, rows)] ** 2
        to_mean = squares.mean(axis=1) - squares.mean() / 2
        result[rows] = np.sqrt(np.maximum(to_mean, 0.0))
    return result


def _coded(
    distances: _Distances, groups: _Groups, needs_pairs: bool = True
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    names, codes = np.unique(np.asarray(groups), return_inverse=True)
    if distances.shape != (len(codes), len(codes)):
        raise FeatvizError(
            f"expected distances of {len(codes)} sketches, a row and a column each; "
            f"got {distances.shape}"
        )
    if not np.isfinite(distances).all():
        raise FeatvizError("distances hold NaN or infinite values")
    if len(names) < 2:
        raise FeatvizError(f"groups are compared with one another; given {len(names)}")
    if needs_pairs and len(names) == len(codes):
        raise FeatvizError(f"each of the {len(names)} groups has one sketch only")
    if not distances.any():
        raise FeatvizError(f"all {len(codes)} vectors are identical")
    return names, codes.reshape(-1)


def _sums_of_groups(
    values: _Distances, labels: NDArray[Any], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums (g, g) of values (N, N) over pairs of groups, and the sizes (g,) of the groups."""
    member = np.zeros((len(labels), count))
    member[np.arange(len(labels)), labels] = 1.0
    return member.T @ values @ member, member.sum(axis=0)
