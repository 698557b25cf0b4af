"""CKA and RSA: two sets of vectors of the same sketches -> one number.

Neither needs the two to have the same channels, and neither changes with a rotation, a shift or
the overall size of either.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from featviz.analysis.separation.distances import Metric, distance_matrix, finite_vectors
from featviz.base.errors import FeatvizError

_Vectors = NDArray[np.floating]


def linear_cka(first: _Vectors, second: _Vectors) -> float:
    """Debiased linear CKA of vectors (N, C) and (N, D) of the same N sketches, at most 1.

    HSIC_1 / sqrt(HSIC_1 HSIC_1) with the unbiased estimator of Song et al. 2012 (J. Mach. Learn.
    Res. 13, eq. 5), as Nguyen et al. 2021 (arXiv 2010.15327, eq. 3) use it: 1 for the same up to
    rotation, shift and one scale, about 0 for independent ones, with the usual, biased CKA far
    from 0 where there are more channels than sketches. May be slightly negative. NaN if either is
    constant. Raises FeatvizError for fewer than 4 sketches, numbers that differ, or NaN.
    """
    return _correlation(centred_gram(first), centred_gram(second))


def rsa(first: _Vectors, second: _Vectors, metric: Metric = "euclidean") -> float:
    """Spearman correlation, -1 to 1, of the distances of all pairs of sketches in (N, C), (N, D).

    Pairs at equal distance share the mean of their ranks; so do all pairs of identical vectors,
    which are the nearest, at 0. Where one side has ties that the other has not, 1 is out of reach.
    NaN if all distances of one side are equal. Source: Kriegeskorte et al. 2008, Front. Syst.
    Neurosci. 2, 4. Raises FeatvizError for fewer than 3 sketches, numbers that differ, or NaN.
    """
    return _correlation(centred_ranks(first, metric), centred_ranks(second, metric))


def centred_gram(vectors: _Vectors) -> NDArray[np.float64]:
    """The U-centred Gram matrix (N, N), whose inner products are N (N - 3) times HSIC_1.

    Its diagonal is 0 and its rows add up to 0: Székely & Rizzo 2014 (Ann. Stat. 42, 2382-2412,
    eq. 2.1), for kernels instead of distances.
    """
    vectors = finite_vectors(vectors)
    count = len(vectors)
    if count < 4:
        raise FeatvizError(f"unbiased CKA takes 4 or more sketches; got {count}")
    if (vectors == vectors[0]).all():
        # A mean of equal numbers need not be that number.
        return np.zeros((count, count))
    centred = vectors - vectors.mean(axis=0)
    gram: NDArray[np.float64] = centred @ centred.T
    np.fill_diagonal(gram, 0.0)
    rows = gram.sum(axis=1) / (count - 2)
    gram += gram.sum() / ((count - 1) * (count - 2)) - rows[:, None] - rows[None, :]
    np.fill_diagonal(gram, 0.0)
    return gram


def centred_ranks(vectors: _Vectors, metric: Metric) -> NDArray[np.float64]:
    """Ranks of the distances of all pairs (N (N - 1) / 2,), less their mean; ties share theirs."""
    distances = distance_matrix(vectors, metric)
    if len(distances) < 3:
        raise FeatvizError(f"RSA takes 3 or more sketches; got {len(distances)}")
    ranks = rankdata(distances[np.triu_indices(len(distances), 1)])
    return np.asarray(ranks - ranks.mean(), dtype=np.float64)


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    if first.shape != second.shape:
        raise FeatvizError(
            f"similarity takes two sets of vectors of the same sketches; got {first.shape} and "
            f"{second.shape} pairs of them"
        )
    return float(correlations([first, second])[0, 1])


def correlations(centred: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Inner products (P, P) of P centred arrays by their lengths; NaN where a length is 0."""
    flat = np.stack([array.reshape(-1) for array in centred])
    lengths = np.sqrt((flat**2).sum(axis=1))
    units = flat / np.where(lengths > 0, lengths, math.nan)[:, None]
    products: NDArray[np.float64] = np.clip(units @ units.T, -1.0, 1.0)
    return products
