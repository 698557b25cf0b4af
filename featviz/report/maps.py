"""Feature tables -> what every panel of the report shows, by every method."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from featviz.analysis.embedding import METHODS, PERPLEXITY, EmbeddingTable, embed, join
from featviz.analysis.embedding.captions import embedding_caption
from featviz.analysis.embedding.plots import distances
from featviz.analysis.embedding.t_sne import MINIMUM_PERPLEXITY
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable
from featviz.base.ordering import natural_key

_MARGIN = 1.18


@dataclass(frozen=True, eq=False)
class Tie:
    """Several sketches with one and the same vector. members: their numbers."""

    x: float
    y: float
    members: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class PanelMap:
    """One panel by one method, or `problem`: why there is none.

    x, y: (N,) float64, NaN for a sketch that the table lacks. sizes: (N,) float64, how many times
    larger than usual a point is drawn, so that groups that share a point show around one another.
    ties: the points that several sketches share. centre, half_width: the square that is shown.
    axes: what the two axes are called. has_unit: whether coordinates are in units of the panel's
    scale, so that panels are drawn alike large.
    """

    x: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    y: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    sizes: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    ties: tuple[Tie, ...] = ()
    centre: tuple[float, float] = (0.0, 0.0)
    half_width: float = 1.0
    axes: tuple[str, str] = ("", "")
    facts: str = ""
    has_unit: bool = False
    problem: str = ""


@dataclass(frozen=True, eq=False)
class Panel:
    """One checkpoint and layer.

    moved: (N,) float64, the distance of each sketch's vector to its base's, in units of the root
    mean square distance of the panel's vectors to their mean; exactly 0 for equal vectors, NaN
    where there is no base. box: (left, top, right, bottom), the receptive field in input pixels,
    ends included; None if it is not known. extent: its width away from the edges.
    sees_whole_map: whether a global statistic lets every pixel reach the point; None if unknown.
    """

    layer: str
    channels: int
    maps: Mapping[str, PanelMap]
    moved: NDArray[np.float64]
    box: tuple[int, int, int, int] | None
    extent: str
    sees_whole_map: bool | None


def map_panels(
    table: FeatureTable,
    methods: Sequence[str],
    numbers: Mapping[str, int],
    bases: Mapping[str, str],
    *,
    seed: int = 0,
    perplexity: float = PERPLEXITY,
) -> tuple[list[Panel], dict[str, EmbeddingTable]]:
    """The panels of a table of one point, and the embeddings by method for their captions.

    numbers: sketch -> its number in the report, of all sketches there. bases: sketch -> the one it
    was made from. A method that cannot map a layer (a constant one, say) leaves a problem in place
    of the map, so that the others are seen.
    """
    panels: list[Panel] = []
    embeddings: dict[str, list[EmbeddingTable]] = {method: [] for method in methods}
    for layer in table.layers:
        maps: dict[str, PanelMap] = {}
        for method in methods:
            try:
                embedding = _embed(table, method, layer, seed, perplexity)
            except FeatvizError as error:
                maps[method] = PanelMap(problem=str(error))
                continue
            embeddings[method].append(embedding)
            maps[method] = _panel_map(embedding, numbers)
        panels.append(_panel(table, layer, maps, numbers, bases))
    return panels, {method: join(found) for method, found in embeddings.items() if found}


def method_caption(embeddings: Sequence[EmbeddingTable]) -> str:
    """The caption of all panels of one method; if they were made differently, one after another.

    Tables of different size can have different perplexities; each caption names its checkpoints.
    """
    alike: dict[str, list[EmbeddingTable]] = {}
    for embedding in embeddings:
        made = json.dumps([embedding.metadata[key] for key in ("parameters", "seed")])
        alike.setdefault(made, []).append(embedding)
    return " ".join(embedding_caption(join(tables)) for tables in alike.values())


def root_mean_square(vectors: NDArray[np.float64]) -> float:
    """A panel's unit: the root mean square distance of its vectors (N, C) to their mean."""
    return float(np.sqrt(((vectors - vectors.mean(axis=0)) ** 2).sum(axis=1).mean()))


def usable_perplexity(perplexity: float, sketches: int) -> float:
    """The perplexity itself, or the largest that so many sketches allow; at least 2."""
    return max(MINIMUM_PERPLEXITY, min(perplexity, (sketches - 1) // 3))


def _embed(
    table: FeatureTable, method: str, layer: str, seed: int, perplexity: float
) -> EmbeddingTable:
    return embed(
        table,
        method,
        [layer],
        seed=seed,
        perplexity=usable_perplexity(perplexity, len(table)),
    )


def _panel_map(embedding: EmbeddingTable, numbers: Mapping[str, int]) -> PanelMap:
    panel, frame = embedding.panels[0], embedding.frame
    method = embedding.metadata["method"]
    has_unit = METHODS[method].has_unit
    unit = panel["scale"] if has_unit else 1.0
    places = frame[["x", "y"]].to_numpy(dtype=np.float64) / unit
    rows = np.array([numbers[name] for name in frame["sketch"]])
    x, y, sizes = (np.full(len(numbers), np.nan) for _ in range(3))
    x[rows], y[rows] = places.T
    sizes[rows] = _sizes(frame)
    low, high = places.min(axis=0), places.max(axis=0)
    centre = (low + high) / 2
    tied = np.flatnonzero(frame["multiplicity"] > 1)
    members_of = frame.iloc[tied].groupby(["x", "y"], sort=False).indices.values()
    ties = tuple(
        Tie(float(x[rows[tied[at[0]]]]), float(y[rows[tied[at[0]]]]), _whole(rows[tied[at]]))
        for at in members_of
    )
    within = distances(panel["within_group_distance"], panel["between_group_distance"])
    return PanelMap(
        x=x,
        y=y,
        sizes=sizes,
        ties=ties,
        centre=(float(centre[0]), float(centre[1])),
        half_width=max(float((high - low).max()) / 2, 1e-9) * _MARGIN,
        axes=_axes(method, panel),
        has_unit=has_unit,
        facts=f"{panel['distinct']} of {panel['sketches']} distinct, {within}",
    )


def _whole(numbers: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(int(number) for number in numbers)


def _sizes(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Diameters: where groups share a point the first one lies outside, as in `plots`."""
    order = {name: i for i, name in enumerate(sorted(set(frame["group"]), key=natural_key))}
    place = frame.groupby(["x", "y"], sort=False).ngroup()
    rank = pd.DataFrame({"place": place, "group": frame["group"].map(order)})
    depth = rank.groupby("place")["group"].rank(method="dense").to_numpy() - 1
    crowd = rank.groupby("place")["group"].transform("nunique").to_numpy()
    return np.asarray(np.sqrt(1 + 1.8 * (crowd - 1 - depth)), dtype=np.float64)


def _axes(method: str, panel: Mapping[str, Any]) -> tuple[str, str]:
    if "explained_variance_ratio" in panel:
        one, two = (100 * ratio for ratio in panel["explained_variance_ratio"][:2])
        return f"PC 1 {one:.1f} %", f"PC 2 {two:.1f} %"
    name = METHODS[method].label
    return f"{name} 1", f"{name} 2"


def _panel(
    table: FeatureTable,
    layer: str,
    maps: Mapping[str, PanelMap],
    numbers: Mapping[str, int],
    bases: Mapping[str, str],
) -> Panel:
    vectors = np.asarray(table.vectors[layer], dtype=np.float64)
    row_of = {name: i for i, name in enumerate(table.rows["sketch"])}
    moved = np.full(len(numbers), np.nan)
    scale = root_mean_square(vectors)
    for name, row in row_of.items():
        base = bases.get(name, "")
        if base in row_of and base != name:
            distance = float(np.linalg.norm(vectors[row] - vectors[row_of[base]]))
            # Of a constant layer nothing moved, whatever the scale.
            moved[numbers[name]] = distance / scale if distance else 0.0
    metadata = table.metadata
    boxes = (metadata.get("receptive_field_boxes") or {}).get(layer)
    box = tuple(int(side) for side in boxes[0]) if boxes else None
    extent = (metadata.get("receptive_fields") or {}).get(layer)
    sides = [extent] if isinstance(extent, int) else list(extent or [])
    return Panel(
        layer=layer,
        channels=vectors.shape[1],
        maps=maps,
        moved=moved,
        box=box if box is not None and len(box) == 4 else None,
        extent="×".join(str(side) for side in dict.fromkeys(sides)),
        sees_whole_map=(metadata.get("sees_whole_map") or {}).get(layer),
    )
