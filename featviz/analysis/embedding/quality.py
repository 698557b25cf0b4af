"""How far a map keeps the neighbourhoods of the vectors it shows."""

import numpy as np
from numpy.typing import NDArray

_QUALITY_NEIGHBOURS = 15
_QUALITY_LIMIT = 2000
"""The most vectors that `neighbourhood_quality` compares: it ranks all pairs."""


def neighbourhood_quality(
    vectors: NDArray[np.float64], places: NDArray[np.float64]
) -> dict[str, float | int | None]:
    """Trustworthiness and continuity of a map (Venna and Kaski 2001), both in [0, 1].

    vectors: (D, C), places: (D, 2). Trustworthiness is low if neighbours on the map are none among
    the vectors, continuity if neighbours among the vectors are none on the map. Continuity is
    trustworthiness with the two spaces exchanged. Both look at _QUALITY_NEIGHBOURS neighbours,
    fewer where there are not twice as many others; the number is `quality_neighbours`. None for
    fewer than 4 vectors or more than _QUALITY_LIMIT.
    """
    from sklearn.manifold import trustworthiness
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    count = len(vectors)
    neighbours = min(_QUALITY_NEIGHBOURS, (count - 1) // 2)
    if neighbours < 1 or count > _QUALITY_LIMIT:
        return {"trustworthiness": None, "continuity": None, "quality_neighbours": None}
    with threadpool_limits(1):
        trust = trustworthiness(vectors, places, n_neighbors=neighbours)
        continuity = trustworthiness(places, vectors, n_neighbors=neighbours)
    return {
        "trustworthiness": float(trust),
        "continuity": float(continuity),
        "quality_neighbours": neighbours,
    }
