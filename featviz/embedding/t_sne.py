"""t-SNE of the distinct vectors."""

import numpy as np

from featviz.embedding.projection import pca
from featviz.embedding.settings import Map, Settings
from featviz.embedding.ties import Ties
from featviz.errors import FeatvizError

MINIMUM_PERPLEXITY = 2.0
"""t-SNE lowers a perplexity down to this because of ties, not further."""
LARGEST_PERPLEXITY = 1e6
"""Far beyond any use; it keeps infinity and slips of the hand out."""
EXACT_LIMIT = 1000
"""The most distinct vectors whose repulsion t-SNE computes exactly; the time grows with N**2."""


def tsne(ties: Ties, settings: Settings) -> Map:
    """t-SNE (van der Maaten and Hinton 2008) of the distinct vectors.

    Started from PCA, with exact neighbours and, up to EXACT_LIMIT vectors, exact repulsion
    (theta = 0); beyond, repulsion is interpolated on a grid (FIt-SNE, Linderman et al. 2019), and
    the metadata says so. The map ignores the scale of the vectors. A Gaussian neighbourhood of
    perplexity p reaches over about 3 p vectors, so 3 p <= D - 1 must hold: if only ties make D too
    small, p is lowered and the effective value is in the metadata; if the sketches themselves are
    too few, that is an error.
    """
    perplexity = effective_perplexity(
        settings.perplexity, int(ties.multiplicity.sum()), len(ties.vectors)
    )
    import openTSNE
    from openTSNE import initialization
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    centred = ties.vectors - ties.vectors.mean(axis=0)
    vectors = centred / np.sqrt((centred**2).sum(axis=1).mean())
    # Ties are drawn once, so the start ignores multiplicity as t-SNE itself does.
    start = pca(Ties(vectors, np.ones_like(ties.multiplicity), ties.index), settings).coordinates
    start = initialization.rescale(start)
    start = initialization.jitter(start, random_state=settings.seed)
    exact = len(vectors) <= EXACT_LIMIT
    with threadpool_limits(1):
        result = openTSNE.TSNE(
            perplexity=perplexity,
            initialization=start,
            negative_gradient_method="bh" if exact else "fft",
            theta=0,
            neighbors="exact",
            n_jobs=1,
            random_state=settings.seed,
        ).fit(vectors)
    metadata = {
        "effective_perplexity": perplexity,
        "kl_divergence": float(result.kl_divergence),
        "repulsion": "exact" if exact else "interpolated",
    }
    return Map(np.asarray(result, dtype=np.float64), metadata)


def effective_perplexity(perplexity: float, sketches: int, distinct: int) -> float:
    """The perplexity t-SNE can use: at most (distinct - 1) / 3, and at least 2.

    Raises FeatvizError if the sketches, counted with ties, are too few for the perplexity asked
    for, or the distinct vectors too few for any.
    """
    if not MINIMUM_PERPLEXITY <= perplexity <= LARGEST_PERPLEXITY:
        raise FeatvizError(
            f"the perplexity must be at least {MINIMUM_PERPLEXITY:g} and at most "
            f"{LARGEST_PERPLEXITY:g}; got {perplexity:g}"
        )
    needed = int(np.ceil(3 * perplexity)) + 1
    smallest = int(3 * MINIMUM_PERPLEXITY) + 1
    if sketches < needed:
        largest = (sketches - 1) / 3
        advice = (
            f"the largest possible perplexity is {np.floor(100 * largest) / 100:g}"
            if largest >= MINIMUM_PERPLEXITY
            else f"t-SNE needs at least {smallest} sketches; use PCA"
        )
        raise FeatvizError(
            f"perplexity {perplexity:g} needs at least {needed} sketches, there are {sketches}; "
            f"{advice}"
        )
    if distinct < smallest:
        raise FeatvizError(
            f"{sketches} sketches have only {distinct} distinct vectors; t-SNE needs at least "
            f"{smallest} (perplexity {MINIMUM_PERPLEXITY:g}): use PCA"
        )
    return min(float(perplexity), (distinct - 1) / 3)
