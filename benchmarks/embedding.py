"""t-SNE of many vectors: time, peak memory, and what the approximations cost.

python -m benchmarks.embedding [--features FILE] [--layer L4] [--counts 1000 3000 10000 100000]

The vectors are synthetic: rows of a real feature table drawn with replacement, plus Gaussian noise
of a tenth of each channel's standard deviation, so that no two are equal and the table's clusters
stay. Each count runs in a process of its own; `embed` is timed whole, ties and distances included.
"""

import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from numpy.typing import NDArray

from benchmarks.machine import describe_machine, peak_memory
from featviz.analysis.embedding import embed
from featviz.analysis.embedding.t_sne import EXACT_LIMIT
from featviz.base.feature_table import FeatureTable, read_features

RECALL_QUERIES = 500
NOISE = 0.1
REDUCED = 50
"""Principal components, as many as openTSNE's own examples take first."""


@dataclass(frozen=True)
class Embedding:
    """Measure t-SNE at scale."""

    features: Path = Path("features/paper-baseline.parquet")
    """Feature table that the vectors imitate."""
    layer: str = "L4"
    """Which of its layers."""
    counts: tuple[int, ...] = (1000, 3000, 10_000, 100_000)
    """How many vectors."""
    recall: bool = True
    """Also count how many true nearest neighbours are found, in all channels and in fewer."""


def synthetic(settings: Embedding, count: int) -> FeatureTable:
    real = read_features(settings.features)
    real = real.select(points=real.points[:1], layers=[settings.layer])
    vectors = real.vectors[settings.layer]
    rng = np.random.default_rng(0)
    chosen = rng.integers(len(vectors), size=count)
    noise = rng.standard_normal((count, vectors.shape[1]), dtype=np.float32)
    rows = pd.DataFrame(
        {
            "sketch": [f"{i:07d}" for i in range(count)],
            "group": real.rows["group"].to_numpy()[chosen],
            "point_x": 0,
            "point_y": 0,
        }
    )
    spread = (NOISE * vectors.std(axis=0)).astype(np.float32)
    return FeatureTable(rows, {settings.layer: vectors[chosen] + spread * noise}, {})


def measure(settings: Embedding, count: int) -> str:
    table = synthetic(settings, count)
    before = peak_memory()
    start, work = time.perf_counter(), time.process_time()
    panel = embed(table, "tsne").panels[0]
    wall, work = time.perf_counter() - start, time.process_time() - work
    return (
        f"{count:>7}  {wall:>8.1f} s  {work:>8.1f} s  {peak_memory():>6.2f} GB "
        f"({before:.2f} before)  "
        f"KL {panel['kl_divergence']:.3f}  {panel['repulsion']}, {panel['neighbours']}"
    )


def recall(settings: Embedding, count: int) -> str:
    """The share of true neighbours that Annoy finds, in all channels and in fewer."""
    from openTSNE.nearest_neighbors import Annoy
    from sklearn.decomposition import PCA
    from sklearn.neighbors import NearestNeighbors

    neighbours = 45
    vectors = synthetic(settings, count).vectors[settings.layer].astype(np.float64)
    rows = np.random.default_rng(1).choice(count, RECALL_QUERIES, replace=False)
    exact = NearestNeighbors(n_neighbors=neighbours + 1, algorithm="brute").fit(vectors)
    truth = exact.kneighbors(vectors[rows], return_distance=False)[:, 1:]
    model = PCA(REDUCED, svd_solver="covariance_eigh").fit(vectors)
    reduced = model.transform(vectors)
    lines = []
    for name, searched in (
        (f"{vectors.shape[1]} channels", vectors),
        (f"{REDUCED} components", reduced),
    ):
        start = time.perf_counter()
        found, _ = Annoy(searched, neighbours, random_state=0).build()
        took = time.perf_counter() - start
        lines.append(f"{share(found[rows], truth):.3f} in {took:.1f} s with {name}")
    near = NearestNeighbors(n_neighbors=neighbours + 1, algorithm="brute").fit(reduced)
    kept = share(near.kneighbors(reduced[rows], return_distance=False)[:, 1:], truth)
    variance = model.explained_variance_ratio_.sum()
    return (
        f"{count:>7}  recall of {neighbours} neighbours: {', '.join(lines)}; an exact search in "
        f"the components keeps {kept:.3f} ({100 * variance:.1f} % of the variance)"
    )


def share(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    pairs = zip(found, truth, strict=True)
    return float(np.mean([len(np.intersect1d(one, other)) / len(other) for one, other in pairs]))


def alone(work: Sequence[tuple[object, Embedding, int]]) -> None:
    context = multiprocessing.get_context("spawn")
    for function, settings, count in work:
        with context.Pool(1) as pool:
            print(pool.apply(function, (settings, count)), flush=True)  # type: ignore[arg-type]


def main(settings: Embedding) -> None:
    print(describe_machine(("openTSNE", "numpy", "scikit-learn")))
    print(f"vectors    like {settings.layer} of {settings.features}, with noise (synthetic)")
    print(f"exact      up to {EXACT_LIMIT} vectors\n  count        wall         CPU    peak memory")
    alone([(measure, settings, count) for count in settings.counts])
    if settings.recall:
        alone([(recall, settings, count) for count in settings.counts if count > EXACT_LIMIT])


if __name__ == "__main__":
    main(tyro.cli(Embedding, description=__doc__))
