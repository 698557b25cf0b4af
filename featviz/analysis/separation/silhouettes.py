"""How well groups keep apart: silhouettes, nearest neighbours, distinct vectors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Groups = Sequence[str] | NDArray[Any]

_TIE = 1e-12


def distinct_count(vectors: NDArray[np.floating]) -> int:
    """How many different vectors there are among (N, C), by exact equality (-0 equals 0)."""
    return len(np.unique(np.asarray(vectors) + 0.0, axis=0))


def silhouettes(distances: NDArray[np.float64], groups: _Groups) -> NDArray[np.float64]:
    """Silhouette (N,) of each sketch, from all distances (N, N): (b - a) / max(a, b), -1 to 1.

    a: mean distance to the others of its group; b: the least, over the other groups, of the mean
    distance to one. 0 for the only sketch of a group (Rousseeuw 1987, J. Comput. Appl. Math. 20,
    53-65) and where a and b are both 0; NaN if there is one group, or none of two sketches, for
    then nothing is compared.
    """
    from sklearn.metrics import silhouette_samples

    groups = np.asarray(groups)
    if not 2 <= len(set(groups.tolist())) < len(groups):
        return np.full(len(groups), np.nan)
    return np.asarray(silhouette_samples(distances, groups, metric="precomputed"))


def neighbour_purity(distances: NDArray[np.float64], groups: _Groups) -> NDArray[np.float64]:
    """Share (N,) of each sketch's nearest neighbours that are of its group, 0 to 1.

    Usually that is one neighbour. Where several are equally near, as identical vectors are, all of
    them count: 3 of its own group and 1 of another give 0.75, whatever the order of the sketches.
    NaN for the only sketch of a group, which can have no such neighbour.
    """
    groups = np.asarray(groups)
    same = groups[:, None] == groups[None, :]
    others = ~np.eye(len(groups), dtype=bool)
    far = np.where(others, distances, np.inf)
    nearest = far <= far.min(axis=1, keepdims=True) * (1 + _TIE)
    nearest &= others
    shares = (nearest & same).sum(axis=1) / np.maximum(nearest.sum(axis=1), 1)
    shares[(same & others).sum(axis=1) == 0] = np.nan
    return np.asarray(shares)


def purity_by_chance(groups: _Groups) -> NDArray[np.float64]:
    """Purity (N,) to expect where groups mean nothing: others of the group / all others."""
    groups = np.asarray(groups)
    sizes = (groups[:, None] == groups[None, :]).sum(axis=1)
    chance = (sizes - 1) / max(len(groups) - 1, 1)
    return np.where(sizes > 1, chance, np.nan)
