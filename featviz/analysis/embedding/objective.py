"""The Kullback-Leibler divergence that t-SNE and SNE descend, over all pairs of points."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


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


def exact_objective(kernel: Kernel) -> Any:
    """Divergence and gradient of a kernel over all pairs, in the form openTSNE's optimiser takes.

    The gradient is a quarter of the true one, as openTSNE's own are: its learning rates expect so.
    Takes O(N**2) time and memory; for up to about 2000 points faster than a tree.
    """

    def objective(
        embedding: NDArray[np.float64],
        probabilities: Any,
        should_eval_error: bool = False,
        **_: object,
    ) -> tuple[float, NDArray[np.float64]]:
        points = np.asarray(embedding)
        p = probabilities.toarray()
        norms = (points**2).sum(axis=1)
        squares = np.maximum(norms[:, None] + norms - 2 * points @ points.T, 0)
        closeness, factor = kernel(squares)
        np.fill_diagonal(closeness, 0)
        q = closeness / closeness.sum()
        force = (p - q) * factor
        gradient = force.sum(axis=1)[:, None] * points - force @ points
        divergence = float("nan")
        if should_eval_error:
            near = p > 0
            divergence = float((p[near] * np.log(p[near] / np.maximum(q[near], 1e-300))).sum())
        return divergence, gradient

    return objective
