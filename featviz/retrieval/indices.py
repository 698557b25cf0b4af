"""Nearest neighbours: exact by scikit-learn, approximate by faiss where there are many."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError, needing
from featviz.base.files import atomic_write
from featviz.base.foreign import parsing, told_of

MANY = 100_000
"""Of fewer faces every one is looked at."""

_SEEN = 32
"""Of the lists of an approximate index, those that a search looks at."""

Nearest = Callable[[NDArray[np.float32], int], NDArray[np.int64]]
"""A descriptor (D,) and how many, to the numbers of the nearest, nearest first."""


def exact_index(descriptors: NDArray[np.float32]) -> Nearest:
    """Every one of descriptors (N, D) is looked at."""
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(algorithm="brute").fit(descriptors)

    def nearest(query: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        found: NDArray[np.int64] = index.kneighbors(query[None], count, return_distance=False)[0]
        return found

    return nearest


def write_index(descriptors: NDArray[np.float32], path: Path) -> None:
    """Write an approximate index of (N, D): inverted lists around sqrt(N) centres.

    Raises FeatvizError without faiss.
    """
    faiss = _import_faiss(len(descriptors))
    dimensions, lists = descriptors.shape[1], int(np.sqrt(len(descriptors)))
    index = faiss.index_factory(dimensions, f"IVF{lists},Flat")
    given = np.ascontiguousarray(descriptors)
    index.train(given)
    index.add(given)
    with atomic_write(path) as temporary:
        faiss.write_index(index, str(temporary))


def approximate_index(path: Path, count: int) -> Nearest:
    """What `write_index` wrote of `count` descriptors, mapped into memory.

    Raises FeatvizError without faiss, and for another file.
    """
    faiss = _import_faiss(count)
    with told_of(path), parsing("not an index of faiss"):
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
        if index.ntotal != count:
            raise FeatvizError(f"an index of {index.ntotal} faces; expected {count}")
    index.nprobe = _SEEN

    def nearest(query: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        found: NDArray[np.int64] = index.search(query[None], count)[1][0]
        return found[found >= 0]

    return nearest


def _import_faiss(count: int) -> Any:
    with needing(f"a data base of {count} faces ({MANY} or more)", "retrieval"):
        import faiss
    return faiss
