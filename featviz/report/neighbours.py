"""Who lies near whom among the vectors themselves, and who moved from one panel to another."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from featviz.base.feature_table import FeatureTable
from featviz.report.contents import Movement, PanelRow
from featviz.report.maps import root_mean_square

SHOWN_NEIGHBOURS = 6
_COMPARED = 400
"""Sketches to which distances are compared: of more, so many of them, evenly spaced."""

Near = tuple[tuple[int, float], ...]


def nearest(table: FeatureTable, layer: str, numbers: Mapping[str, int]) -> list[Near]:
    """The nearest other vectors of each sketch: (number of a sketch, distance in the panel's unit).

    numbers: sketch -> its number in the report. Of sketches with one and the same vector the first
    stands for all; equal vectors are no neighbours of each other but ties. A sketch that the table
    lacks has none.
    """
    from sklearn.neighbors import NearestNeighbors

    vectors = np.asarray(table.vectors[layer], dtype=np.float64) + 0.0
    places: dict[bytes, int] = {}
    place_of = [places.setdefault(vector.tobytes(), len(places)) for vector in vectors]
    first = np.unique(place_of, return_index=True)[1]
    found: list[Near] = [()] * len(numbers)
    if len(first) < 2:
        return found
    distinct, scale = vectors[first], root_mean_square(vectors)
    most = min(SHOWN_NEIGHBOURS, len(first) - 1)
    finder = NearestNeighbors(n_neighbors=most, algorithm="brute").fit(distinct)
    at = finder.kneighbors(return_distance=False)
    # The finder's distances come of dot products, in which the small ones are lost.
    far = np.linalg.norm(distinct[at] - distinct[:, None], axis=2) / scale
    order = np.argsort(far, axis=1, kind="stable")
    names = table.rows["sketch"].to_list()
    for name, place in zip(names, place_of, strict=True):
        found[numbers[name]] = tuple(
            (numbers[names[first[at[place, i]]]], float(far[place, i])) for i in order[place]
        )
    return found


def movements(
    tables: Sequence[FeatureTable], rows: Sequence[PanelRow], numbers: Mapping[str, int]
) -> list[Movement]:
    """How far each sketch moved between two layers of a checkpoint, or two checkpoints in a layer.

    Vectors of two panels have no common space, so what is compared is how far a sketch lies from
    all the others: the root mean square difference of these distances, each in its panel's unit.
    A map turned, mirrored or drawn larger moves nobody.
    """
    names = list(numbers)
    every = max(1, -(-len(names) // _COMPARED))
    far = {
        (row, panel): _distances(table, each.layer, numbers, names[::every])
        for row, table in enumerate(tables)
        for panel, each in enumerate(rows[row].panels)
    }
    layer_of = {place: rows[place[0]].panels[place[1]].layer for place in far}
    return [
        Movement(one, other, _root_mean_square(far[one] - far[other]))
        for one, other in combinations(far, 2)
        if one[0] == other[0] or layer_of[one] == layer_of[other]
    ]


def _distances(
    table: FeatureTable, layer: str, numbers: Mapping[str, int], to: Sequence[str]
) -> NDArray[np.float32]:
    """From each sketch of the report to some, (N, M); NaN where the table lacks one of the two."""
    vectors = np.asarray(table.vectors[layer], dtype=np.float64)
    row_of = {name: row for row, name in enumerate(table.rows["sketch"])}
    there = [column for column, name in enumerate(to) if name in row_of]
    # Of a constant layer every distance is 0.
    unit = root_mean_square(vectors) or 1.0
    found = np.full((len(numbers), len(to)), np.nan, dtype=np.float32)
    rows = [numbers[name] for name in row_of]
    found[np.ix_(rows, there)] = cdist(vectors, vectors[[row_of[to[i]] for i in there]]) / unit
    return found


def _root_mean_square(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Along rows, of the entries that are there; NaN for a row that has none."""
    there = ~np.isnan(values)
    total = np.where(there, values, 0.0).astype(np.float64) ** 2
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sqrt(total.sum(axis=1) / there.sum(axis=1)))
