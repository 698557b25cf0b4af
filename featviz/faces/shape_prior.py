"""What shapes faces have: how landmarks go together, and what drawn ones may stand for."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError
from featviz.faces.landmarks import LANDMARKS
from featviz.faces.pairs import PairSet
from featviz.sketches.drawing import CANVAS

Landmarks = NDArray[np.float64]
"""(68, 2), pixels of a canvas of `CANVAS` px with x to the right and y down."""

Noise = NDArray[np.float64]
"""(68, 68): covariance of either coordinate of what is drawn beside what was meant, in pixels^2."""

LikelyShape = Callable[[Landmarks, Noise], Landmarks]
"""Drawn landmarks, NaN where there are none, and their noise, to those of a likely face."""

_COMPONENTS = 30
"""Of held-out faces whose outline is off, more find it no better; 15 leave it a tenth worse."""
_NEIGHBOURS = 10


@dataclass(frozen=True, eq=False)
class ShapePrior:
    """Landmarks as a Gaussian, a point distribution model (Cootes et al. 1995, section 3).

    mean: (136,), x0, y0, x1, ... covariance: (136, 136), of so many principal components and of
    what is left, alike in all directions (Tipping and Bishop 1999, eq. 7 and 8).
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    def __call__(self, drawn: Landmarks, noise: Noise) -> Landmarks:
        """The mean of faces' landmarks given drawn ones (68, 2) that are off by Gaussian noise."""
        told = np.flatnonzero(np.isfinite(drawn.reshape(-1)))
        seen = (self.covariance + np.kron(noise, np.eye(2)))[np.ix_(told, told)]
        off = drawn.reshape(-1)[told] - self.mean[told]
        found = self.mean + self.covariance[:, told] @ np.linalg.solve(seen, off)
        return found.reshape(LANDMARKS, 2)


@dataclass(frozen=True, eq=False)
class ShapeNeighbours:
    """Landmarks as those of the nearest faces mix (Chen et al. 2020, DeepFaceDrawing, eq. 2 and 3).

    There the nearest are found part by part, in features of a network; here by the landmarks that
    were drawn, each as much as it can be relied on. shapes: (N, 136).
    """

    shapes: NDArray[np.float64]
    neighbours: int = _NEIGHBOURS

    def __call__(self, drawn: Landmarks, noise: Noise) -> Landmarks:
        """As of `ShapePrior`, but no mixture of faces keeps to what is exactly as drawn."""
        told = np.isfinite(drawn.reshape(-1))
        deviations = np.repeat(np.sqrt(np.diag(noise)), 2)[told]
        off = (self.shapes[:, told] - drawn.reshape(-1)[told]) / deviations
        nearest = np.argsort(np.linalg.norm(off, axis=1))[: self.neighbours]
        # Weights of sum 1 whose mixture is nearest (Roweis and Saul 2000, with its regularisation).
        gram = off[nearest] @ off[nearest].T
        gram += 1e-3 * np.trace(gram) / len(gram) * np.eye(len(gram)) + np.finfo(float).tiny
        weights = np.linalg.solve(gram, np.ones(len(gram)))
        mixed: Landmarks = (weights / weights.sum()) @ self.shapes[nearest]
        return mixed.reshape(LANDMARKS, 2)


def fit_prior(pairs: PairSet, components: int = _COMPONENTS) -> ShapePrior:
    """The Gaussian of the training contours of a pair set.

    Raises FeatvizError for fewer contours than components.
    """
    from sklearn.decomposition import PCA

    shapes = shapes_of(pairs)
    if not 1 <= components < min(shapes.shape):
        raise FeatvizError(
            f"a shape prior of {components} components takes more contours than that; "
            f"{pairs.folder} has {len(shapes)} for training"
        )
    fitted = PCA(components, svd_solver="covariance_eigh").fit(shapes)
    return ShapePrior(fitted.mean_, fitted.get_covariance())


def shapes_of(pairs: PairSet) -> NDArray[np.float64]:
    """The training contours of a pair set, (N, 136) in pixels of `CANVAS`."""
    landmarks = pairs.split("train").landmarks.astype(np.float64)
    scaled = (landmarks + 0.5) * (CANVAS / pairs.size) - 0.5
    shapes: NDArray[np.float64] = scaled.reshape(len(landmarks), -1)
    return shapes
