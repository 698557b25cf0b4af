"""Identical vectors, merged before any method sees them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError


@dataclass(frozen=True, eq=False)
class Ties:
    """The distinct vectors of a panel.

    vectors: (D, C) float64 in lexicographic order, so that a map does not depend on the order of
    the sketches. multiplicity: (D,) how many sketches have each. index: (N,) each sketch's vector.
    """

    vectors: NDArray[np.float64]
    multiplicity: NDArray[np.int64]
    index: NDArray[np.int64]


def merge_ties(vectors: NDArray[np.floating]) -> Ties:
    """Merge exactly equal vectors (N, C); raise FeatvizError on no, constant or NaN features."""
    if len(vectors) == 0:
        raise FeatvizError("there are no sketches to map")
    if broken := int((~np.isfinite(vectors).all(axis=1)).sum()):
        raise FeatvizError(f"{broken} of {len(vectors)} vectors hold NaN or infinite values")
    # Adding 0 turns -0.0 into 0.0: the two are equal and must be one vector.
    distinct, index, multiplicity = np.unique(
        vectors + 0.0, axis=0, return_inverse=True, return_counts=True
    )
    if len(distinct) == 1:
        raise FeatvizError(
            f"the features are constant: all {len(vectors)} sketches have one and the same vector; "
            "a map needs at least 2 distinct ones"
        )
    return Ties(
        distinct.astype(np.float64),
        multiplicity.astype(np.int64),
        index.reshape(-1).astype(np.int64),
    )
