"""Distances of vectors within and between groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError

Metric = Literal["euclidean", "cosine"]
METRICS: tuple[Metric, ...] = ("euclidean", "cosine")


@dataclass(frozen=True)
class GroupDistances:
    """Mean distances of a group's sketches; None where there is no pair to measure.

    within: of two sketches of the group. between: the mean over the other groups of the mean
    distance of a sketch of this one to a sketch of that one. ratio: within / between; None too
    where both are 0, all vectors being one and the same.
    """

    members: int
    within: float | None
    between: float | None

    @property
    def ratio(self) -> float | None:
        """Within / between: 0 if the group is one point among others, 1 if it is no group."""
        return distance_ratio(self.within, self.between)


def distance_ratio(within: float | None, between: float | None) -> float | None:
    """Within / between; infinite if only `between` is 0, None if there is none or both are 0."""
    if within is None or between is None or within == between == 0:
        return None
    return within / between if between else float("inf")


def distance_matrix(
    vectors: NDArray[np.floating], metric: Metric = "euclidean"
) -> NDArray[np.float64]:
    """Distances (N, N) of all vectors (N, C), in float64; exactly 0 between identical vectors.

    cosine: 1 - cos, from 0 to 2. A vector of zeros has no direction: its distance is 0 to another
    one of zeros and 1 to any other. Raises FeatvizError on NaN, infinite values, or no vectors.
    """
    from scipy.spatial.distance import cdist

    vectors = finite_vectors(vectors)
    if metric == "euclidean":
        return np.asarray(cdist(vectors, vectors))
    units, has_none = _unit_vectors(vectors)
    # Half the squared chord is 1 - cos, without the rounding that leaves 1e-16 where 0 should be.
    distances = np.asarray(cdist(units, units, "sqeuclidean")) / 2
    distances[has_none[:, None] != has_none[None, :]] = 1.0
    return distances


def _unit_vectors(
    vectors: NDArray[np.floating],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Vectors (N, C) scaled to length 1, and (N,) which of them are zero and stay so."""
    vectors = np.asarray(vectors, dtype=np.float64)
    lengths = np.sqrt((vectors**2).sum(axis=1))
    return vectors / np.where(lengths > 0, lengths, 1.0)[:, None], lengths == 0


def finite_vectors(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Vectors (N, C) in float64; raises FeatvizError if one is not finite or there is none."""
    checked: NDArray[np.float64] = np.asarray(vectors, dtype=np.float64)
    if checked.ndim != 2 or checked.size == 0:
        raise FeatvizError(f"expected vectors (sketches, channels), not none; got {checked.shape}")
    if broken := int((~np.isfinite(checked).all(axis=1)).sum()):
        raise FeatvizError(f"{broken} of {len(checked)} vectors hold NaN or infinite values")
    return checked


def activation_scale(vectors: NDArray[np.floating]) -> float:
    """The root mean square distance of the vectors (N, C) to their mean.

    Distances divided by it can be compared across layers and checkpoints, whose channels and
    activations differ in number and size.
    """
    vectors = np.asarray(vectors, dtype=np.float64)
    if (vectors == vectors[:1]).all():
        # A mean of equal numbers need not be that number.
        return 0.0
    return float(np.sqrt(((vectors - vectors.mean(axis=0)) ** 2).sum(axis=1).mean()))


def distances_of_groups(
    distances: NDArray[np.float64], groups: Sequence[str] | NDArray[Any]
) -> dict[str, GroupDistances]:
    """Of each group, in order of first appearance, from all distances (N, N)."""
    names, means = mean_distances(distances, groups)
    counts = [int((np.asarray(groups) == name).sum()) for name in names]
    result = {}
    for i, name in enumerate(names):
        others = np.delete(means[i], i)
        result[name] = GroupDistances(
            members=counts[i],
            within=float(means[i, i]) if counts[i] > 1 else None,
            between=float(others.mean()) if len(others) else None,
        )
    return result


def mean_distances(
    distances: NDArray[np.float64], groups: Sequence[str] | NDArray[Any]
) -> tuple[list[str], NDArray[np.float64]]:
    """Names of the groups (g) and the mean distance (g, g) of a sketch of one to one of another.

    On the diagonal the mean over pairs of different sketches; NaN for a group of one.
    """
    groups = np.asarray(groups)
    names = list(dict.fromkeys(groups.tolist()))
    members = [np.flatnonzero(groups == name) for name in names]
    means = np.full((len(names), len(names)), np.nan)
    for i, first in enumerate(members):
        if len(first) > 1:
            # The zeros of the diagonal are in the sum and not in the count.
            inside = distances[np.ix_(first, first)].sum()
            means[i, i] = float(inside) / (len(first) * (len(first) - 1))
        for j, second in enumerate(members[:i]):
            means[i, j] = means[j, i] = distances[np.ix_(first, second)].mean()
    return names, means


def summarize_distances(
    distances: NDArray[np.float64], groups: Sequence[str] | NDArray[Any]
) -> tuple[float | None, float | None]:
    """Mean distance within groups and between groups, from all distances (N, N).

    Within: the mean over groups of the mean distance of two sketches of the group; between: the
    mean over pairs of groups of the mean distance of a sketch of one to a sketch of the other;
    None where there is no such pair. Large groups count no more than small ones.
    """
    _, means = mean_distances(distances, groups)
    within = np.diag(means)[~np.isnan(np.diag(means))]
    between = means[np.triu_indices(len(means), 1)]
    mean_within = float(within.mean()) if len(within) else None
    mean_between = float(between.mean()) if len(between) else None
    return mean_within, mean_between


def group_distances(
    vectors: NDArray[np.floating], groups: Sequence[str] | NDArray[Any]
) -> tuple[float | None, float | None, float]:
    """Mean Euclidean distance within groups and between groups, and the scale of the vectors.

    vectors: (N, C). See `summarize_distances` and `activation_scale`. Only ratios of these can be
    compared across layers and variants, for the number of channels and the size of the
    activations differ.
    """
    within, between = summarize_distances(distance_matrix(vectors), groups)
    return within, between, activation_scale(vectors)
