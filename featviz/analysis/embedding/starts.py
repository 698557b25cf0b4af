"""Where points lie before a method moves them, and one start for panels that are compared."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from featviz.analysis.embedding.orientation import orient
from featviz.analysis.embedding.projection import principal_plane
from featviz.analysis.embedding.settings import MethodSettings, Places
from featviz.analysis.embedding.ties import Ties, merge_ties
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable
from featviz.base.ordering import natural_key


def starting_places(ties: Ties, settings: MethodSettings, shared: Places | None) -> Places:
    """Where the distinct vectors start: the shared places, else as the settings say; centred.

    By PCA ties count once, as they do in the methods that take a start.
    """
    if shared is not None:
        places = shared
    elif settings.start == "random":
        rng = np.random.default_rng(settings.seed)
        places = rng.normal(size=(len(ties.vectors), 2))
    else:
        places = principal_plane(counted_once(ties))(ties.vectors)
    return np.asarray(places - places.mean(axis=0))


def counted_once(ties: Ties) -> Ties:
    """The same distinct vectors as if no two sketches shared one."""
    return Ties(ties.vectors, np.ones_like(ties.multiplicity), ties.index)


def shared_starts(tables: Sequence[FeatureTable], layers: Sequence[str]) -> list[pd.DataFrame]:
    """For each layer one start for all tables: PCA of their vectors side by side.

    Each table's vectors are centred and divided by the root mean square distance to their mean, so
    that no network weighs more than another, and put into one row per sketch. Neither the order of
    the tables nor that of the sketches matters; the first group points to the left and down.
    Returns frames with index sketch and columns x and y. Raises FeatvizError unless all tables hold
    the same sketches, and if all are constant.
    """
    names = sorted(tables[0].rows["sketch"])
    for table in tables[1:]:
        if sorted(table.rows["sketch"]) != names:
            raise FeatvizError(
                "a shared start needs the same sketches in every table; "
                f"'{tables[0].checkpoint}' has {len(names)}, '{table.checkpoint}' has "
                f"{len(table)}, {len(set(names) & set(table.rows['sketch']))} in common"
            )
    ordered = sorted(tables, key=lambda table: natural_key(table.checkpoint))
    starts = []
    for layer in layers:
        blocks = [_standardised(table, layer) for table in ordered]
        ties = merge_ties(np.concatenate(blocks, axis=1))
        places = principal_plane(counted_once(ties))(ties.vectors)[ties.index]
        groups = ordered[0].rows.set_index("sketch")["group"].loc[names].to_numpy()
        starts.append(pd.DataFrame(orient(places, groups), index=names, columns=["x", "y"]))
    return starts


def start_of(start: pd.DataFrame, sketches: Sequence[str], ties: Ties) -> Places:
    """The shared place of each distinct vector: the mean over the sketches that have it."""
    missing = [sketch for sketch in sketches if sketch not in start.index]
    if missing:
        raise FeatvizError(f"the shared start has no place for sketch '{missing[0]}'")
    # Sums in the order of the names: rounding must not depend on the order of the rows.
    order = np.argsort(np.asarray(sketches, dtype=str), kind="stable")
    places = start.loc[list(sketches)].to_numpy(dtype=np.float64)
    sums = np.zeros((len(ties.vectors), 2))
    np.add.at(sums, ties.index[order], places[order])
    return sums / ties.multiplicity[:, None]


def _standardised(table: FeatureTable, layer: str) -> NDArray[np.float64]:
    order = np.argsort(table.rows["sketch"].to_numpy(dtype=str), kind="stable")
    vectors = table.vectors[layer][order].astype(np.float64)
    centred = vectors - vectors.mean(axis=0)
    scale = np.sqrt((centred**2).sum(axis=1).mean())
    return np.asarray(centred / scale) if scale > 0 else centred
