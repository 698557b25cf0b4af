"""Methods that look at a graph of nearest neighbours: Isomap, LLE, UMAP."""

import warnings
from typing import Any

import numpy as np

from featviz.analysis.embedding.settings import Map, MethodSettings, Places
from featviz.analysis.embedding.starts import starting_places
from featviz.analysis.embedding.ties import Ties
from featviz.base.errors import FeatvizError, needing

_DENSE_EIGENPROBLEM = 1000


def _effective_neighbours(neighbours: int, distinct: int) -> int:
    """The neighbours a vector can have: at most all others."""
    return min(neighbours, distinct - 1)


def isomap(ties: Ties, settings: MethodSettings, shared: Places | None) -> Map:
    """Isomap (Tenenbaum, de Silva and Langford 2000): classical MDS of ways through the graph.

    Where the graph falls into pieces, the closest two vectors of each pair of pieces are linked, as
    scikit-learn does; how many there were is in the metadata, for distances between pieces then
    mean little.
    """
    del shared
    from sklearn.manifold import Isomap
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    neighbours = _effective_neighbours(settings.neighbours, len(ties.vectors))
    with threadpool_limits(1), warnings.catch_warnings():
        # It warns of pieces, which the metadata tells.
        warnings.simplefilter("ignore")
        places = Isomap(n_neighbors=neighbours, path_method="D").fit_transform(_unit(ties))
    scale = _rms(ties)
    return Map(
        _two_columns(places) * scale,
        {"effective_neighbours": neighbours, "pieces": _pieces(ties, neighbours)},
    )


def lle(ties: Ties, settings: MethodSettings, shared: Places | None) -> Map:
    """Locally linear embedding (Roweis and Saul 2000): each vector a mix of its neighbours.

    Raises FeatvizError where the graph falls into pieces, for LLE would draw each as one point; the
    message says how many neighbours keep it together.
    """
    del shared
    from sklearn.manifold import LocallyLinearEmbedding
    from threadpoolctl import threadpool_limits

    distinct = len(ties.vectors)
    neighbours = _effective_neighbours(settings.neighbours, distinct)
    if (pieces := _pieces(ties, neighbours)) > 1:
        raise FeatvizError(
            f"with {neighbours} neighbours the graph of {distinct} distinct vectors falls into "
            f"{pieces} pieces, and LLE would draw each as one point; "
            f"{_connecting(ties, neighbours)} neighbours keep it together"
        )
    model = LocallyLinearEmbedding(
        n_neighbors=neighbours,
        eigen_solver="dense" if distinct <= _DENSE_EIGENPROBLEM else "arpack",
        random_state=settings.seed,
    )
    with threadpool_limits(1):
        places = model.fit_transform(_unit(ties))
    return Map(_two_columns(places), {"effective_neighbours": neighbours})


def umap(ties: Ties, settings: MethodSettings, shared: Places | None) -> Map:
    """UMAP (McInnes, Healy and Melville 2018) by umap-learn, started from PCA, on one thread.

    Neighbours are exact below 4096 vectors and approximate beyond, where metadata says so. Raises
    FeatvizError if umap-learn is not installed.
    """
    with needing("UMAP", "umap"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)
        from umap import UMAP

    distinct = len(ties.vectors)
    neighbours = _effective_neighbours(settings.neighbours, distinct)
    start = starting_places(ties, settings, shared)
    model = UMAP(
        n_neighbors=neighbours,
        min_dist=settings.min_dist,
        init=start.astype(np.float32),
        random_state=settings.seed,
        n_jobs=1,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        places = model.fit_transform(_unit(ties).astype(np.float32))
    metadata: dict[str, Any] = {
        "effective_neighbours": neighbours,
        "neighbours": "exact" if distinct < 4096 else "approximate (NN-descent)",
    }
    return Map(np.asarray(places, dtype=np.float64), metadata)


def _rms(ties: Ties) -> float:
    centred = ties.vectors - ties.vectors.mean(axis=0)
    return float(np.sqrt((centred**2).sum(axis=1).mean()))


def _unit(ties: Ties) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The vectors centred and in units of their spread: regularisers must not see a scale."""
    return np.asarray((ties.vectors - ties.vectors.mean(axis=0)) / _rms(ties))


def _two_columns(places: Any) -> Places:
    given = np.asarray(places, dtype=np.float64)
    return np.pad(given, ((0, 0), (0, 2 - given.shape[1])))


def _pieces(ties: Ties, neighbours: int) -> int:
    from scipy.sparse.csgraph import connected_components
    from sklearn.neighbors import kneighbors_graph

    graph = kneighbors_graph(_unit(ties), neighbours)
    return int(connected_components(graph, directed=False)[0])


def _connecting(ties: Ties, neighbours: int) -> int:
    """The fewest neighbours above `neighbours` that leave one piece."""
    low, high = neighbours, len(ties.vectors) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _pieces(ties, middle) == 1 else (middle, high)
    return high
