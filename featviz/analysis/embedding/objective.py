"""The Kullback-Leibler divergence that t-SNE and SNE descend, over all pairs of points."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

_TINY = 1e-300
_BLOCK = 2**16
"""Pairs taken at once: what is computed of them stays in a processor's cache."""


class Kernel(Protocol):
    """How close two points are on the map, and what that does to the gradient."""

    def __call__(
        self, squares: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | float]:
        """Squared distances -> closeness, and the factor of the force between two points."""


def student(squares: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Student's t with one degree of freedom (van der Maaten and Hinton 2008, eq. 4 and 5)."""
    closeness = 1 / (1 + squares)
    return closeness, closeness


def gaussian(squares: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """A Gaussian of variance 1/2 (symmetric SNE; van der Maaten and Hinton 2008, eq. 3)."""
    return np.exp(-squares), 1.0


def all_pairs(vectors: NDArray[np.float64], perplexity: float) -> Any:
    """Affinities of vectors (N, C) over all pairs, none left out, as openTSNE takes them.

    Each vector's Gaussian has the perplexity among all N - 1 others; openTSNE by itself keeps the
    nearest 3 x perplexity of them, and its divergence is of those.
    """
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import Sklearn

    # Given as an index: openTSNE would warn of so many neighbours.
    others = Sklearn(vectors, len(vectors) - 1)
    return PerplexityBasedNN(perplexity=perplexity, knn_index=others)


def exact_objective(kernel: Kernel, probabilities: NDArray[np.float64]) -> Any:
    """Divergence and gradient of a kernel over all pairs, in the form openTSNE's optimiser takes.

    probabilities: (N, N), of sum 1. Of those that the optimiser hands over only the sum counts, its
    exaggeration. The gradient is a quarter of the true one, as openTSNE's own are: its learning
    rates expect so. Takes O(N**2) time; for up to some thousand points faster than a tree.
    """
    largest = exaggeration = float("nan")
    surprise = float((probabilities * np.log(np.maximum(probabilities, _TINY))).sum())

    def objective(
        embedding: NDArray[np.float64],
        exaggerated: Any,
        should_eval_error: bool = False,
        **_: object,
    ) -> tuple[float, NDArray[np.float64]]:
        nonlocal largest, exaggeration
        # For hundreds of steps the same, and the sum would take a quarter of each.
        if largest != (largest := exaggerated.max()):
            exaggeration = float(exaggerated.sum())
        points = np.asarray(embedding)
        norms = (points**2).sum(axis=1)
        weighted = np.column_stack([points, np.ones(len(points))])
        attraction, repulsion = np.empty((2, *weighted.shape))
        total = overlap = 0.0
        step = max(_BLOCK // len(points), 1)
        for first in range(0, len(points), step):
            rows = slice(first, first + step)
            squares = points[rows] @ (-2 * points.T)
            squares += norms[rows, None]
            squares += norms
            closeness, factor = kernel(np.maximum(squares, 0, out=squares))
            # No point is a neighbour of its own.
            itself = np.arange(first, first + len(squares))
            closeness[itself - first, itself] = 0
            total += closeness.sum()
            attraction[rows] = (probabilities[rows] * factor) @ weighted
            repulsion[rows] = (closeness * factor) @ weighted
            if should_eval_error:
                overlap += (probabilities[rows] * np.log(np.maximum(closeness, _TINY))).sum()
        force = exaggeration * attraction - repulsion / total
        gradient = force[:, 2:] * points - force[:, :2]
        divergence = float("nan")
        if should_eval_error:
            divergence = surprise - overlap + np.log(total)
            divergence = exaggeration * (divergence + np.log(exaggeration))
        return divergence, gradient

    return objective
