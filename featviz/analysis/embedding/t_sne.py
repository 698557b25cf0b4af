"""t-SNE, and SNE with its Gaussian kernel, of the distinct vectors."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.embedding.objective import (
    Kernel,
    all_pairs,
    exact_objective,
    gaussian,
    student,
)
from featviz.analysis.embedding.settings import Map, MethodSettings, Places
from featviz.analysis.embedding.starts import starting_places
from featviz.analysis.embedding.ties import Ties
from featviz.base.errors import FeatvizError
from featviz.base.progress import progress_bar

MINIMUM_PERPLEXITY = 2.0
"""t-SNE lowers a perplexity down to this because of ties, not further."""
_LARGEST_PERPLEXITY = 1e6
"""Far beyond any use; it keeps infinity and slips of the hand out."""
EXACT_LIMIT = 2000
"""The most distinct vectors of which all pairs are compared; the time grows with N**2."""
ALL_PAIRS = {"repulsion": "exact", "neighbours": "all"}
"""What the metadata of a map says whose divergence is over all pairs."""

_STEPS = (250, 500)
"""With exaggerated attraction, and without."""
_SHOWN_EVERY = 10


def tsne(ties: Ties, settings: MethodSettings, shared: Places | None) -> Map:
    """t-SNE (van der Maaten and Hinton 2008) of the distinct vectors, by openTSNE.

    Up to EXACT_LIMIT vectors, all pairs attract and repel, and the divergence is that of all pairs.
    Beyond, 3 p neighbours attract, found by Annoy in all channels, the divergence is of those, and
    repulsion is interpolated on a grid (FIt-SNE, Linderman et al. 2019), on several threads; the
    metadata says so. The map ignores the scale of the vectors. A
    Gaussian neighbourhood of perplexity p reaches over about 3 p vectors, so 3 p <= D - 1 must
    hold: if only ties make D too small, p is lowered and the effective value is in the metadata; if
    the sketches themselves are too few, that is an error.
    """
    perplexity = _perplexity(ties, settings)
    start = starting_places(ties, settings, shared)
    vectors = _unit(ties.vectors)
    if len(vectors) <= EXACT_LIMIT:
        places, divergence = _descend(vectors, start, perplexity, settings.seed, student)
        facts = ALL_PAIRS
    else:
        places, divergence, kept = _descend_many(vectors, start, perplexity, settings.seed)
        facts = {"repulsion": "interpolated", "neighbours": f"{kept}, approximate (Annoy)"}
    return Map(places, {"effective_perplexity": perplexity, "kl_divergence": divergence, **facts})


def sne(ties: Ties, settings: MethodSettings, shared: Places | None) -> Map:
    """Symmetric SNE (Hinton and Roweis 2002, made symmetric by Cook et al. 2007), over all pairs.

    t-SNE's probabilities and openTSNE's optimiser, and a Gaussian instead of Student's t on the
    map: what separates the two maps is the kernel alone. Perplexity as for `tsne`.
    """
    perplexity = _perplexity(ties, settings)
    places, divergence = _descend(
        _unit(ties.vectors),
        starting_places(ties, settings, shared),
        perplexity,
        settings.seed,
        gaussian,
    )
    facts = {"effective_perplexity": perplexity, "kl_divergence": divergence}
    return Map(places, {**facts, **ALL_PAIRS})


def _descend(
    vectors: NDArray[np.float64], start: Places, perplexity: float, seed: int, kernel: Kernel
) -> tuple[Places, float]:
    import openTSNE
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1):
        affinities = all_pairs(vectors, perplexity)
        objective = exact_objective(kernel, affinities.P.toarray())
        result = openTSNE.TSNE(
            negative_gradient_method=objective, n_jobs=1, random_state=seed, **_steps()
        ).fit(affinities=affinities, initialization=_small(start, seed))
    return np.asarray(result, dtype=np.float64), float(result.kl_divergence)


def _descend_many(
    vectors: NDArray[np.float64], start: Places, perplexity: float, seed: int
) -> tuple[Places, float, int]:
    """Places, divergence, and how many neighbours of a vector attract it."""
    import openTSNE
    from openTSNE.affinity import PerplexityBasedNN
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), _steps_shown(len(vectors)) as callbacks:
        # Trees built by several threads would depend on their number.
        affinities = PerplexityBasedNN(
            vectors, perplexity, method="annoy", n_jobs=1, random_state=seed
        )
        result = openTSNE.TSNE(
            negative_gradient_method="fft",
            n_jobs=_threads(),
            random_state=seed,
            **_steps(),
            callbacks=callbacks,
            callbacks_every_iters=_SHOWN_EVERY,
        ).fit(affinities=affinities, initialization=_small(start, seed))
    kept = int(affinities.knn_index.k)
    return np.asarray(result, dtype=np.float64), float(result.kl_divergence), kept


def _steps() -> dict[str, int]:
    return {"early_exaggeration_iter": _STEPS[0], "n_iter": _STEPS[1]}


def _threads() -> int:
    """As many as OMP_NUM_THREADS allows, else one per core that this process may use."""
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    if allowed.isdecimal() and int(allowed) > 0:
        return int(allowed)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


@contextmanager
def _steps_shown(count: int) -> Iterator[Any]:
    """Callbacks that move a bar, or None where nobody watches."""
    with progress_bar() as progress:
        if progress is None:
            yield None
            return
        name = f"t-SNE of {count} vectors"
        task = progress.add_task(f"{name}: neighbours", total=sum(_STEPS))

        def advance(_step: int, _divergence: float, _map: object) -> None:
            progress.update(task, advance=_SHOWN_EVERY, description=name)

        yield [advance]


def _perplexity(ties: Ties, settings: MethodSettings) -> float:
    return effective_perplexity(
        settings.perplexity, int(ties.multiplicity.sum()), len(ties.vectors)
    )


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = vectors - vectors.mean(axis=0)
    return np.asarray(centred / np.sqrt((centred**2).sum(axis=1).mean()))


def _small(start: Places, seed: int) -> Places:
    """The start as t-SNE wants it: so small that all points repel all, no two in one place."""
    from openTSNE import initialization

    return np.asarray(
        initialization.jitter(initialization.rescale(start.copy()), random_state=seed)
    )


def require_perplexity(perplexity: float) -> None:
    """Raise FeatvizError for a perplexity that no number of vectors makes possible."""
    if not MINIMUM_PERPLEXITY <= perplexity <= _LARGEST_PERPLEXITY:
        raise FeatvizError(
            f"the perplexity must be at least {MINIMUM_PERPLEXITY:g} and at most "
            f"{_LARGEST_PERPLEXITY:g}; got {perplexity:g}"
        )


def effective_perplexity(perplexity: float, sketches: int, distinct: int) -> float:
    """The perplexity t-SNE can use: at most (distinct - 1) / 3, and at least 2.

    Raises FeatvizError if the sketches, counted with ties, are too few for the perplexity asked
    for, or the distinct vectors too few for any.
    """
    require_perplexity(perplexity)
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
