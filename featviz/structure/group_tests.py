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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featviz.errors import FeatvizError
from featviz.structure.distances import Metric
from featviz.structure.permutation import permutation_test

Distances = NDArray[np.float64]
Groups = Sequence[str] | NDArray[Any]


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


def as_euclidean(distances: Distances, metric: Metric) -> Distances:
    """Distances (N, N) as the tests take them: for cosine the chords of the unit vectors."""
    return distances if metric == "euclidean" else np.sqrt(2 * distances)


def permanova(
    distances: Distances,
    groups: Groups,
    strata: Groups | None = None,
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

    return _variance_test(scatter, total, codes, strata, (len(names), count), permutations, seed)


def permdisp(
    distances: Distances,
    groups: Groups,
    strata: Groups | None = None,
    *,
    permutations: int = 999,
    seed: int = 0,
) -> GroupTest:
    """Do groups differ in spread? One-way F of each sketch's distance to its group's mean.

    Groups of one have no spread and are left out. Labels change places among these distances, so
    the places of the groups do not matter. Raises FeatvizError if fewer than 2 groups of 2 are
    left, or if all sketches are equally far from the means of their groups.
    """
    groups = np.asarray(groups)
    names, counts = np.unique(groups, return_counts=True)
    kept = np.isin(groups, names[counts > 1])
    if (counts > 1).sum() < 2:
        raise FeatvizError(
            f"spread is compared between 2 or more groups of 2 or more sketches; given groups of "
            f"{', '.join(map(str, counts))}"
        )
    groups = groups[kept]
    names, codes = np.unique(groups, return_inverse=True)
    spread = distances_to_means(distances[np.ix_(kept, kept)], groups)
    count = len(spread)
    total = float(((spread - spread.mean()) ** 2).sum())
    if total <= 1e-20 * float((spread**2).sum()):
        raise FeatvizError(
            f"all {count} sketches are equally far ({spread[0]:.3g}) from the means of their groups"
        )

    def scatter(labels: NDArray[Any]) -> float:
        sizes = np.bincount(labels)
        means = np.bincount(labels, weights=spread) / sizes
        return float(((spread - means[labels]) ** 2).sum())

    return _variance_test(
        scatter,
        total,
        codes.reshape(-1),
        None if strata is None else np.asarray(strata)[kept],
        (len(names), count),
        permutations,
        seed,
    )


def energy_test(
    distances: Distances,
    groups: Groups,
    strata: Groups | None = None,
    *,
    permutations: int = 999,
    seed: int = 0,
) -> GroupTest:
    """Do groups differ in any way? Sum of the energy distances of all pairs of groups.

    Each pair counts n m / (n + m) times its energy distance, 2 E|X-Y| - E|X-X'| - E|Y-Y'|, the
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


def distances_to_means(distances: Distances, groups: Groups) -> NDArray[np.float64]:
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
    distances: Distances, groups: Groups, needs_pairs: bool = True
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
    values: Distances, labels: NDArray[Any], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums (g, g) of values (N, N) over pairs of groups, and the sizes (g,) of the groups."""
    member = np.zeros((len(labels), count))
    member[np.arange(len(labels)), labels] = 1.0
    return member.T @ values @ member, member.sum(axis=0)


def _variance_test(
    scatter: Callable[[NDArray[Any]], float],
    total: float,
    codes: NDArray[np.int64],
    strata: Groups | None,
    sizes: tuple[int, int],
    permutations: int,
    seed: int,
) -> GroupTest:
    """F from the scatter within groups; the total stays, so less of it is a larger F."""
    groups, count = sizes
    test = permutation_test(
        scatter, codes, strata, permutations=permutations, seed=seed, alternative="less"
    )
    within = max(test.statistic, 0.0)
    between = max(total - within, 0.0)
    degrees = (count - groups) / (groups - 1)
    # What is left of a group of equal values is rounding.
    statistic = float("inf") if within <= 1e-20 * total else degrees * between / within
    return GroupTest(statistic, test.p_value, between / total, test.permutations)
