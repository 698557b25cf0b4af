"""Planes through vectors: principal components."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.embedding.orientation import orientation
from featviz.analysis.embedding.settings import Map, MethodSettings, Places
from featviz.analysis.embedding.ties import Ties, merge_ties

_MANY = 2000


@dataclass(frozen=True, eq=False)
class Projection:
    """A plane through vectors, onto which others can be projected.

    mean: (C,), its origin. axes: (2, C), orthonormal rows; zeros where there is no second axis.
    explained_variance_ratio: (2,), shares of the variance of the vectors it was fitted to.
    """

    mean: NDArray[np.float64]
    axes: NDArray[np.float64]
    explained_variance_ratio: NDArray[np.float64]

    def __call__(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        """Coordinates (N, 2) of vectors (N, C)."""
        return (np.asarray(vectors, dtype=np.float64) - self.mean) @ self.axes.T


def fit_projection(
    vectors: NDArray[np.floating], groups: Sequence[str] | NDArray[Any]
) -> Projection:
    """The plane of `embed`'s map by PCA, oriented as there, for vectors that are not in it.

    vectors: (N, C). Raises FeatvizError for no, constant, NaN or infinite vectors.
    """
    exact = np.asarray(vectors, dtype=np.float64)
    fitted = principal_plane(merge_ties(exact))
    signs = orientation(fitted(exact), groups)
    return replace(fitted, axes=signs[:, None] * fitted.axes)


def pca(ties: Ties, settings: MethodSettings, shared: Places | None = None) -> Map:
    """Principal components of all sketches, ties counted as often as they occur.

    The coordinate along a component points to where its largest loading is positive. With one
    channel, or two distinct vectors, the second coordinate is 0.
    """
    del settings, shared
    plane = principal_plane(ties)
    ratios = [float(ratio) for ratio in plane.explained_variance_ratio]
    return Map(plane(ties.vectors), {"explained_variance_ratio": ratios})


def principal_plane(ties: Ties) -> Projection:
    """The first two principal components, ties counted as often as they occur."""
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    rows = np.repeat(ties.vectors, ties.multiplicity, axis=0)
    # Of many vectors the covariance of the channels is small and quickly made.
    solver = "covariance_eigh" if len(rows) > max(_MANY, rows.shape[1]) else "full"
    model = PCA(n_components=min(2, *rows.shape), svd_solver=solver)
    with threadpool_limits(1):
        model.fit(rows)
    axes, ratios = np.asarray(model.components_), np.asarray(model.explained_variance_ratio_)
    largest = np.abs(axes).argmax(axis=1)
    axes = np.sign(axes[np.arange(len(largest)), largest])[:, None] * axes
    missing = 2 - len(ratios)
    return Projection(
        np.asarray(model.mean_),
        np.pad(axes, ((0, missing), (0, 0))),
        np.pad(ratios, (0, missing)),
    )
