"""Metric MDS of the distinct vectors."""

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.embedding.projection import principal_plane
from featviz.analysis.embedding.settings import Map, MethodSettings, Places
from featviz.analysis.embedding.starts import counted_once, starting_places
from featviz.analysis.embedding.ties import Ties

_STEPS = 1000


def mds(ties: Ties, settings: MethodSettings, shared: Places | None) -> Map:
    """Metric MDS by SMACOF (de Leeuw 1977): distances on the map as near as can be to the vectors'.

    Started from PCA, so it repeats itself and needs no restarts; a start without a scale of its own
    is first given the one that fits best. A map by distances may be turned freely: without a shared
    start it lies along its principal axes.
    """
    from scipy.spatial.distance import pdist, squareform
    from sklearn.manifold import smacof
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    wanted = pdist(ties.vectors)
    start = starting_places(ties, settings, shared)
    near = pdist(start)
    start = start * (wanted @ near / (near @ near))
    with threadpool_limits(1):
        places, _ = smacof(
            squareform(wanted),
            init=start,
            n_init=1,
            max_iter=_STEPS,
            random_state=settings.seed,
            normalized_stress=False,
        )
    places = np.asarray(places, dtype=np.float64)
    if shared is None:
        turned = Ties(places, ties.multiplicity, ties.index)
        places = principal_plane(counted_once(turned))(places)
    return Map(places, {"stress": _stress(wanted, pdist(places))})


def _stress(wanted: NDArray[np.float64], given: NDArray[np.float64]) -> float:
    """Kruskal's stress 1 of map distances `given` for wanted ones, both by pairs; 0 is perfect."""
    return float(np.sqrt(((wanted - given) ** 2).sum() / (given**2).sum()))
