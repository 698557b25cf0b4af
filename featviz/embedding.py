"""Two-dimensional maps of activation vectors: a feature table in, an embedding table out.

Identical vectors are merged before any method sees them and keep their multiplicity: t-SNE draws
many copies of one vector as a ball as large as the rest of the map, and "these sketches have the
same vector" is the finding, not a detail.

A map is for looking. Distances are measured on the vectors, and each panel's metadata holds them.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

import featviz
from featviz.errors import FeatvizError
from featviz.files import atomic_write
from featviz.ordering import natural_key
from featviz.tables import FeatureTable

PERPLEXITY = 15.0
MINIMUM_PERPLEXITY = 2.0
"""t-SNE lowers a perplexity down to this because of ties, not further."""
LARGEST_PERPLEXITY = 1e6
"""Far beyond any use; it keeps infinity and slips of the hand out."""
EXACT_LIMIT = 1000
"""The most distinct vectors whose repulsion t-SNE computes exactly; the time grows with N**2."""

COLUMNS = ("sketch", "group", "checkpoint", "variant", "layer", "x", "y", "multiplicity")


@dataclass(frozen=True, eq=False)
class Ties:
    """The distinct vectors of a panel.

    vectors: (D, C) float64 in lexicographic order, so that a map does not depend on the order of
    the sketches. multiplicity: (D,) how many sketches have each. index: (N,) each sketch's vector.
    """

    vectors: NDArray[np.float64]
    multiplicity: NDArray[np.int64]
    index: NDArray[np.int64]


@dataclass(frozen=True)
class Settings:
    """What the methods may need; each takes what is its own."""

    seed: int = 0
    perplexity: float = PERPLEXITY


@dataclass(frozen=True, eq=False)
class Map:
    """Coordinates (D, 2) of the distinct vectors, and the facts a reader needs with them."""

    coordinates: NDArray[np.float64]
    metadata: dict[str, Any]


@dataclass(frozen=True, eq=False)
class EmbeddingTable:
    """Maps of one or more feature tables and layers, made by one method with one setting.

    frame: one row per sketch x checkpoint x layer with columns sketch, group, checkpoint, variant,
    layer, x, y, multiplicity (how many sketches lie at exactly this place).
    metadata: method, parameters, seed, version and `panels`: one dictionary per checkpoint x layer
    with checkpoint, digest, variant, layer, channels, sketches, distinct, scale,
    within_group_distance, between_group_distance (see `group_distances`; the unit of x and y for
    PCA too) and what the method adds: explained_variance_ratio; effective_perplexity,
    kl_divergence, repulsion ("exact" or "interpolated").
    """

    frame: pd.DataFrame
    metadata: dict[str, Any]

    @property
    def panels(self) -> list[dict[str, Any]]:
        """Metadata of the panels in drawing order: checkpoint by checkpoint, layer by layer."""
        panels: list[dict[str, Any]] = self.metadata["panels"]
        return panels

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """The checkpoints, in order."""
        return tuple(dict.fromkeys(panel["checkpoint"] for panel in self.panels))

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers, in order."""
        return tuple(dict.fromkeys(panel["layer"] for panel in self.panels))

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups, in order of first appearance."""
        return tuple(dict.fromkeys(self.frame["group"]))

    def panel(self, checkpoint: str, layer: str) -> "EmbeddingTable":
        """The table of one checkpoint and layer; raises FeatvizError if it is not there."""
        panels = [p for p in self.panels if (p["checkpoint"], p["layer"]) == (checkpoint, layer)]
        if not panels:
            available = ", ".join(f"{p['checkpoint']} {p['layer']}" for p in self.panels)
            raise FeatvizError(f"no panel '{checkpoint} {layer}'; there are {available}")
        rows = (self.frame["checkpoint"] == checkpoint) & (self.frame["layer"] == layer)
        return EmbeddingTable(
            self.frame[rows].reset_index(drop=True), {**self.metadata, "panels": panels}
        )


def embed(
    table: FeatureTable,
    method: str,
    layers: Sequence[str] | None = None,
    *,
    seed: int = 0,
    perplexity: float = PERPLEXITY,
) -> EmbeddingTable:
    """Map the vectors of each layer of a feature table to two dimensions, each layer by itself.

    method: "pca" or "tsne". layers: names, in drawing order; all layers of the table if None.
    seed, perplexity: for t-SNE alone; see `tsne` and `effective_perplexity`. The table holds one
    point: choose it with `FeatureTable.select(points=[...])`. Returns one row per sketch and layer.
    Axes have no sign of their own: each points away from the first group, see `orient`.

    Raises FeatvizError if the method or a layer is unknown, the seed or the perplexity is out of
    range, the table holds no or several points, a vector is not finite, all vectors of a layer are
    equal, or there are too few for t-SNE.
    """
    if method not in METHODS:
        raise FeatvizError(f"unknown method '{method}'; there are {', '.join(METHODS)}")
    if not 0 <= seed < 2**32:
        raise FeatvizError(f"the seed must lie between 0 and {2**32 - 1}; got {seed}")
    table = table.select(layers=layers)
    if len(table.points) > 1:
        given = ", ".join(f"({x}, {y})" for x, y in table.points)
        raise FeatvizError(
            f"the feature table holds {len(table.points)} points, {given}; a map takes one"
        )
    settings = Settings(seed, perplexity)
    groups = table.rows["group"].to_numpy()
    # A table of somebody's own module need not name a checkpoint.
    checkpoint = str(table.metadata.get("checkpoint") or "model")
    variant = str(table.metadata.get("variant") or "")
    frames, panels = [], []
    for layer in table.layers:
        vectors = np.asarray(table.vectors[layer], dtype=np.float64)
        try:
            ties = merge_ties(vectors)
            mapped = METHODS[method](ties, settings)
        except FeatvizError as error:
            raise FeatvizError(f"{checkpoint}, layer {layer}: {error}") from None
        within, between, scale = group_distances(vectors, groups)
        coordinates = orient(mapped.coordinates[ties.index], groups)
        frames.append(
            pd.DataFrame(
                {
                    "sketch": table.rows["sketch"].to_numpy(),
                    "group": groups,
                    "checkpoint": checkpoint,
                    "variant": variant,
                    "layer": layer,
                    "x": coordinates[:, 0],
                    "y": coordinates[:, 1],
                    "multiplicity": ties.multiplicity[ties.index],
                }
            )
        )
        panels.append(
            {
                "checkpoint": checkpoint,
                "digest": str(table.metadata.get("digest") or ""),
                "variant": variant,
                "layer": layer,
                "channels": vectors.shape[1],
                "sketches": len(vectors),
                "distinct": len(ties.vectors),
                "scale": scale,
                "within_group_distance": within,
                "between_group_distance": between,
                **mapped.metadata,
            }
        )
    parameters = {"perplexity": perplexity} if method == "tsne" else {}
    metadata = {
        "method": method,
        "parameters": parameters,
        "seed": seed,
        "version": featviz.__version__,
        "panels": panels,
    }
    return EmbeddingTable(pd.concat(frames, ignore_index=True), metadata)


def join(tables: Iterable[EmbeddingTable]) -> EmbeddingTable:
    """Put the embeddings of several feature tables into one, in the given order.

    Raises FeatvizError if there is none, if method, parameters or seed differ, or if a checkpoint
    and layer occur twice.
    """
    tables = list(tables)
    if not tables:
        raise FeatvizError("no embeddings to join")
    first = tables[0].metadata
    panels: list[dict[str, Any]] = []
    for table in tables:
        for key in ("method", "parameters", "seed"):
            if table.metadata[key] != first[key]:
                raise FeatvizError(
                    f"cannot join embeddings with {key} {first[key]} and {table.metadata[key]}"
                )
        panels.extend(table.panels)
    names = [(panel["checkpoint"], panel["layer"]) for panel in panels]
    if twice := [name for name in names if names.count(name) > 1]:
        raise FeatvizError(f"'{twice[0][0]}', layer {twice[0][1]}, is given more than once")
    frame = pd.concat([table.frame for table in tables], ignore_index=True)
    return EmbeddingTable(frame, {**first, "panels": panels})


def merge_ties(vectors: NDArray[np.float64]) -> Ties:
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
    return Ties(distinct, multiplicity.astype(np.int64), index.reshape(-1).astype(np.int64))


def group_distances(
    vectors: NDArray[np.floating], groups: Sequence[str] | NDArray[Any]
) -> tuple[float | None, float | None, float]:
    """Mean Euclidean distance within groups and between groups, and the scale of the vectors.

    vectors: (N, C). Within: the mean over groups of the mean distance of two sketches of the
    group; between: the mean over pairs of groups of the mean distance of a sketch of one to a
    sketch of the other; None where there is no such pair. Scale: the root mean square distance of
    a vector to the mean of all. Only ratios of these can be compared across layers and variants,
    for the number of channels and the size of the activations differ.
    """
    from scipy.spatial.distance import cdist

    vectors = np.asarray(vectors, dtype=np.float64)
    scale = float(np.sqrt(((vectors - vectors.mean(axis=0)) ** 2).sum(axis=1).mean()))
    names = list(dict.fromkeys(groups))
    members = [vectors[np.asarray(groups) == name] for name in names]
    within: list[float] = []
    between: list[float] = []
    for i, first in enumerate(members):
        if len(first) > 1:
            # The zeros of the diagonal are in the sum and not in the count.
            within.append(float(cdist(first, first).sum()) / (len(first) * (len(first) - 1)))
        between.extend(float(cdist(first, second).mean()) for second in members[i + 1 :])
    mean_within = float(np.mean(within)) if within else None
    mean_between = float(np.mean(between)) if between else None
    return mean_within, mean_between, scale


def orient(
    coordinates: NDArray[np.float64], groups: Sequence[str] | NDArray[Any]
) -> NDArray[np.float64]:
    """Turn each axis so that the mean of the first group is negative, if it is not 0.

    coordinates: (N, 2). First in natural order of the names, so that neither the order of the
    sketches nor the network decides, and maps of several networks lie alike.
    """
    return _orientation(coordinates, groups) * coordinates


def _orientation(
    coordinates: NDArray[np.float64], groups: Sequence[str] | NDArray[Any]
) -> NDArray[np.float64]:
    first = min(groups, key=natural_key)
    mean = coordinates[np.asarray(groups) == first].mean(axis=0)
    # A mean that is 0 but for rounding has no sign.
    return np.where(mean > 1e-9 * np.abs(coordinates).max(), -1.0, 1.0)


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
    fitted = _principal_plane(merge_ties(exact))
    signs = _orientation(fitted(exact), groups)
    return replace(fitted, axes=signs[:, None] * fitted.axes)


def pca(ties: Ties, settings: Settings) -> Map:
    """Principal components of all sketches, ties counted as often as they occur.

    The coordinate along a component points to where its largest loading is positive. With one
    channel, or two distinct vectors, the second coordinate is 0.
    """
    del settings
    plane = _principal_plane(ties)
    ratios = [float(ratio) for ratio in plane.explained_variance_ratio]
    return Map(plane(ties.vectors), {"explained_variance_ratio": ratios})


def _principal_plane(ties: Ties) -> Projection:
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    rows = np.repeat(ties.vectors, ties.multiplicity, axis=0)
    model = PCA(n_components=min(2, *rows.shape), svd_solver="full")
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
    from threadpoolctl import threadpool_limits

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


METHODS: dict[str, Callable[[Ties, Settings], Map]] = {"pca": pca, "tsne": tsne}


def write_embedding(table: EmbeddingTable, path: Path) -> None:
    """Write an embedding as parquet, the metadata as JSON text under the key `featviz`."""
    arrow = pa.Table.from_pandas(table.frame[list(COLUMNS)], preserve_index=False)
    arrow = arrow.replace_schema_metadata({b"featviz": json.dumps(table.metadata).encode()})
    with atomic_write(Path(path)) as temporary:
        pq.write_table(arrow, temporary, compression="zstd")


def read_embedding(path: Path) -> EmbeddingTable:
    """Read an embedding; raises FeatvizError saying what is missing or malformed."""
    path = Path(path)
    if not path.is_file():
        raise FeatvizError(f"{path}: no such embedding; make one with `featviz plot`")
    try:
        arrow = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise FeatvizError(f"{path} is not a parquet file: {error}") from None
    missing = [column for column in COLUMNS if column not in arrow.column_names]
    text = (arrow.schema.metadata or {}).get(b"featviz")
    if missing or text is None:
        lacks = f"columns {', '.join(missing)}" if missing else "featviz metadata"
        raise FeatvizError(f"{path} is not an embedding: it lacks {lacks}")
    return EmbeddingTable(arrow.to_pandas()[list(COLUMNS)], json.loads(text))
