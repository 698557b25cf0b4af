"""Distances of vectors within and between groups."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def group_distances(
    vectors: NDArray[np.floating], groups: Sequence[str] | NDArray[Any]
) -> tuple[float | None, float | None, float]:
    """Mean Euclidean distance within groups and between groups, and the scale of the vectors.

    vectors: (N, C). Within: the mean over groups of the mean distance of two sketches of the
    group; between: the mean over pairs of groups of the mean distance of a sketch of one to a
    sketch of the other; None where there is no such pair. Scale: the root mean square distance of
    a vector to the mean of all. Only ratios of these can be compared across layers and variants,
    for the number of channels and the size of the activations differ.
    """
    from scipy.spatial.distance import cdist

    vectors = np.asarray(vectors, dtype=np.float64)
    scale = float(np.sqrt(((vectors - vectors.mean(axis=0)) ** 2).sum(axis=1).mean()))
    names = list(dict.fromkeys(groups))
    members = [vectors[np.asarray(groups) == name] for name in names]
    within: list[float] = []
    between: list[float] = []
    for i, first in enumerate(members):
        if len(first) > 1:
            # The zeros of the diagonal are in the sum and not in the count.
            within.append(float(cdist(first, first).sum()) / (len(first) * (len(first) - 1)))
        between.extend(float(cdist(first, second).mean()) for second in members[i + 1 :])
    mean_within = float(np.mean(within)) if within else None
    mean_between = float(np.mean(between)) if between else None
    return mean_within, mean_between, scale
