"""How much a map hangs on its seed: the same vectors mapped many times."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from featviz.analysis.embedding.mapping import (
    description,
    one_point,
    panel_map,
    panel_of,
    panel_ties,
    starts_for,
)
from featviz.analysis.embedding.methods import method_named
from featviz.analysis.embedding.orientation import orientation
from featviz.analysis.embedding.settings import PERPLEXITY, START, Map, MethodSettings, Places
from featviz.analysis.embedding.starts import start_of
from featviz.analysis.embedding.table import SEED_PLACES, EmbeddingTable, join
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable
from featviz.base.progress import track

_DEALS = 20
"""How often points are dealt out anew for the spread of unrelated maps."""


def seed_spread(
    table: FeatureTable,
    layers: Sequence[str] | None = None,
    seeds: Sequence[int] = range(10),
    *,
    method: str = "tsne",
    perplexity: float = PERPLEXITY,
    start: str = START,
    shared: Mapping[str, pd.DataFrame] | None = None,
) -> EmbeddingTable:
    """`embed` with every seed, and how far the maps agree.

    method: "tsne" or "sne". With the start "pca" seeds differ in the jitter alone, with "random"
    in the whole start. The maps of a layer are brought to the size of the one whose divergence is
    the median, moved, turned and mirrored onto it (distinct vectors counted once). That map is the
    embedding; its column `seed_places` holds x, y of each seed in turn for every sketch, and its
    panels hold `seeds`: seeds, median_seed, kl_divergence, trustworthiness and continuity by seed,
    `spread`: the root mean square distance of a vector's places to their mean, as a share of the
    root mean square distance of the map's points to its centre, and `spread_unrelated`: what it
    is where maps have nothing in common (`unrelated_spread`). 0: every seed draws the same map.
    `spread_table` makes a table of it.

    Raises FeatvizError as `embed` does, for other methods, and for fewer than 2 different seeds.
    """
    if method not in ("tsne", "sne"):
        raise FeatvizError(f"seeds are compared for tsne and sne; got '{method}'")
    seeds = [int(seed) for seed in seeds]
    if len(set(seeds)) < 2 or len(set(seeds)) < len(seeds):
        raise FeatvizError(f"expected 2 or more different seeds; got {seeds}")
    settings = MethodSettings(seeds[0], perplexity, start=start)
    table = one_point(table, layers)
    frames, panels = [], []
    for layer in table.layers:
        ties = panel_ties(table, layer)
        places = None
        if shared is not None:
            places = start_of(shared[layer], table.rows["sketch"].to_list(), ties)
        maps = [
            panel_map(
                table, layer, method_named(method), ties, replace(settings, seed=seed), places
            )
            for seed in track(seeds, f"{table.checkpoint} {layer}: seeds")
        ]
        median = _median(maps)
        signs = np.ones(2)
        if shared is None:
            groups = table.rows["group"].to_numpy()
            signs = orientation(maps[median].coordinates[ties.index], groups)
        reference = Map(maps[median].coordinates * signs, maps[median].metadata)
        aligned = np.stack([align_maps(one.coordinates, reference.coordinates) for one in maps])
        frame, panel = panel_of(table, layer, ties, reference, turn=False)
        by_sketch = aligned[:, ties.index].transpose(1, 0, 2).reshape(len(table), 2 * len(seeds))
        frame[SEED_PLACES] = pd.Series(list(by_sketch))
        panel["seeds"] = {
            "seeds": seeds,
            "median_seed": seeds[median],
            **{
                key: [one.metadata[key] for one in maps]
                for key in ("kl_divergence", "trustworthiness", "continuity")
            },
            "spread": spread(aligned, reference.coordinates),
            "spread_unrelated": unrelated_spread(aligned, median),
        }
        frames.append(frame)
        panels.append(panel)
    metadata = description(method, settings, panels, shared is not None)
    return EmbeddingTable(pd.concat(frames, ignore_index=True), {**metadata, "seed": seeds})


def spread_all(
    tables: Sequence[FeatureTable],
    layers: Sequence[str] | None = None,
    seeds: Sequence[int] = range(10),
    *,
    method: str = "tsne",
    share_start: bool = False,
    **settings: Any,
) -> EmbeddingTable:
    """`seed_spread` of each table, joined; all of a layer from one start if `share_start`.

    layers: of the first table if None. settings: as `seed_spread` takes them.
    """
    if not tables:
        raise FeatvizError("no feature tables to embed")
    layers = list(layers or tables[0].layers)
    shared = None
    if share_start:
        shared = starts_for(tables, method, layers, settings.get("start", START))
    return join(
        seed_spread(table, layers, seeds, method=method, shared=shared, **settings)
        for table in tables
    )


def spread_table(table: EmbeddingTable) -> pd.DataFrame:
    """One row per panel of `seed_spread`: range of KL, other numbers' means, and the spread."""
    rows = []
    for panel in table.panels:
        if "seeds" not in panel:
            raise FeatvizError("the embedding was made with one seed; see seed_spread")
        facts: dict[str, Any] = panel["seeds"]
        rows.append(
            {
                "checkpoint": panel["checkpoint"],
                "layer": panel["layer"],
                "seeds": len(facts["seeds"]),
                "kl_least": min(facts["kl_divergence"]),
                "kl_most": max(facts["kl_divergence"]),
                "trustworthiness": mean_known(facts["trustworthiness"]),
                "continuity": mean_known(facts["continuity"]),
                "spread": facts["spread"],
                "spread_unrelated": facts.get("spread_unrelated"),
            }
        )
    return pd.DataFrame(rows)


def align_maps(places: Places, reference: Places) -> Places:
    """Move, turn and mirror a map (D, 2), at another's size, to lie on it as well as it can.

    The size is the root mean square distance to the centre. Were it free, a map that has nothing
    to do with the reference would fit best as a dot in its middle, and come out as near.
    """
    from scipy.linalg import orthogonal_procrustes

    centred, target = places - places.mean(axis=0), reference - reference.mean(axis=0)
    rotation, _ = orthogonal_procrustes(centred, target)
    aligned = centred @ rotation * (_radius(target) / _radius(centred))
    return np.asarray(aligned + reference.mean(axis=0))


def spread(aligned: NDArray[np.float64], reference: Places) -> float:
    """Root mean square distance of places (S, D, 2) to their means, in radii of the reference."""
    away = np.sqrt(((aligned - aligned.mean(axis=0)) ** 2).sum(axis=2).mean())
    return float(away / _radius(reference))


def unrelated_spread(maps: NDArray[np.float64], reference: int) -> float:
    """The spread of maps (S, D, 2) of these shapes that have nothing in common.

    The points of every map but the reference, an index, are dealt out anew among the vectors, and
    the map is aligned again; the mean over _DEALS such deals. Just under 1 for many maps of many
    points; 0.7 for two, each as far from their mean as the other.
    """
    rng, fixed = np.random.default_rng(0), maps[reference]

    def dealt() -> NDArray[np.float64]:
        others = (rng.permutation(one) for one in np.delete(maps, reference, axis=0))
        return np.stack([fixed, *(align_maps(one, fixed) for one in others)])

    return float(np.mean([spread(dealt(), fixed) for _ in range(_DEALS)]))


def _radius(places: Places) -> float:
    """Root mean square distance of a map's points to their centre."""
    return float(np.sqrt(((places - places.mean(axis=0)) ** 2).sum(axis=1).mean()))


def mean_known(values: Sequence[float | None]) -> float | None:
    """The mean of those that are known."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _median(maps: Sequence[Map]) -> int:
    """Which map has the median divergence, the lower one of two."""
    order = np.argsort([one.metadata["kl_divergence"] for one in maps], kind="stable")
    return int(order[(len(maps) - 1) // 2])
