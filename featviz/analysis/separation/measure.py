"""Feature tables -> a structure table."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from featviz.analysis.comparable import checkpoint_names
from featviz.analysis.separation.corrections import holm
from featviz.analysis.separation.distances import (
    METRICS,
    Metric,
    activation_scale,
    distance_matrix,
    distance_ratio,
    distances_of_groups,
    finite_vectors,
    summarize_distances,
)
from featviz.analysis.separation.group_tests import (
    GroupTest,
    as_euclidean,
    energy_test,
    permanova,
    permdisp,
)
from featviz.analysis.separation.groups import regroup
from featviz.analysis.separation.silhouettes import (
    distinct_count,
    neighbour_purity,
    purity_by_chance,
    silhouettes,
)
from featviz.analysis.separation.table import ALL_GROUPS, StructureTable
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable
from featviz.base.progress import track
from featviz.base.provenance import VERSION, VERSION_KEY

_TESTS: dict[str, Callable[..., GroupTest]] = {
    "permanova": permanova,
    "permdisp": permdisp,
    "energy": energy_test,
}
_ONE_SKETCH = "one sketch"
_ONE_GROUP = "one group"
_ALL_IDENTICAL = "all vectors are identical"

_Row = dict[str, Any]


def measure_structure(
    tables: Sequence[FeatureTable],
    layers: Sequence[str] | None = None,
    *,
    merge: Mapping[str, str] | None = None,
    permutations: int = 4999,
    seed: int = 0,
) -> StructureTable:
    """Measure how the vectors of groups lie, layer by layer, on all channels.

    tables: of one point each. layers: all of each table if None. merge: groups counted as others,
    see `regroup`. permutations: of every test; 0 leaves the tests out. docs/structure.md tells
    what each measure is and what it gives where there is nothing to measure.

    Raises FeatvizError for no table, two of one name, several points, an unknown layer or group,
    vectors that are not finite, or a negative number of permutations.
    """
    if permutations < 0:
        raise FeatvizError(f"expected 0 or more permutations; got {permutations}")
    chosen = [regroup(table.select(layers=layers), merge or {}) for table in tables]
    names = checkpoint_names(chosen)
    rows: list[_Row] = []
    panels = [
        (name, table, layer)
        for name, table in zip(names, chosen, strict=True)
        for layer in table.layers
    ]
    for name, table, layer in track(panels, "measuring structure"):
        try:
            vectors = finite_vectors(table.vectors[layer])
        except FeatvizError as error:
            raise FeatvizError(f"{name}, layer {layer}: {error}") from None
        described = {
            "checkpoint": name,
            "variant": str(table.metadata.get("variant") or ""),
            "step": table.metadata.get("step"),
            "layer": layer,
        }
        groups = table.rows["group"].to_numpy()
        rows += [described | row for row in _layer_rows(vectors, groups, permutations, seed)]
    frame = pd.DataFrame(rows).reindex(columns=list(StructureTable.columns))
    frame["p_holm"] = holm(frame["p_value"].to_numpy(np.float64))
    return StructureTable(
        frame,
        {
            "merge": dict(merge or {}),
            "permutations": permutations,
            "seed": seed,
            VERSION_KEY: VERSION,
            "points": {
                name: list(table.points[0]) for name, table in zip(names, chosen, strict=True)
            },
            "checkpoints": {
                name: str(table.metadata.get("digest") or "")
                for name, table in zip(names, chosen, strict=True)
            },
        },
    )


def _layer_rows(
    vectors: NDArray[np.float64], groups: NDArray[Any], permutations: int, seed: int
) -> Iterator[_Row]:
    """All rows of one layer, without what they have in common."""
    scale = activation_scale(vectors)
    norm = float(np.sqrt((vectors**2).sum(axis=1).mean()))
    yield _row("distinct", distinct_count(vectors), len(vectors))
    yield _row("scale", scale, len(vectors))
    yield _row("norm", norm, len(vectors))
    names = list(dict.fromkeys(groups.tolist()))
    for name in names:
        members = vectors[groups == name]
        yield _row("distinct", distinct_count(members), len(members), group=name)
    for metric in METRICS:
        distances = distance_matrix(vectors, metric)
        unit = scale if metric == "euclidean" else None
        yield from _distance_rows(distances, groups, metric, unit)
        yield from _separation_rows(distances, groups, metric)
        if permutations:
            euclidean = as_euclidean(distances, metric)
            yield from _test_rows(euclidean, groups, metric, permutations, seed)


def _distance_rows(
    distances: NDArray[np.float64], groups: NDArray[Any], metric: Metric, scale: float | None
) -> Iterator[_Row]:
    of_groups = distances_of_groups(distances, groups)
    everything = (ALL_GROUPS, len(groups), *summarize_distances(distances, groups))
    each = [(name, one.members, one.within, one.between) for name, one in of_groups.items()]
    for group, members, within, between in (everything, *each):
        no_pair = _ONE_SKETCH if group != ALL_GROUPS else "no group of two sketches"
        reason_within = no_pair if within is None else ""
        reason_between = _ONE_GROUP if between is None else ""
        ratio = distance_ratio(within, between)
        reason = reason_within or reason_between or ("" if ratio is not None else _ALL_IDENTICAL)
        yield _row("within", within, members, group, metric, reason_within)
        yield _row("between", between, members, group, metric, reason_between)
        yield _row("ratio", ratio, members, group, metric, reason)
        if scale is not None:
            relative = within / scale if within is not None and scale else None
            missing = reason_within or (_ALL_IDENTICAL if relative is None else "")
            yield _row("relative within", relative, members, group, metric, missing)


def _separation_rows(
    distances: NDArray[np.float64], groups: NDArray[Any], metric: Metric
) -> Iterator[_Row]:
    measured = {
        "silhouette": silhouettes(distances, groups),
        "purity": neighbour_purity(distances, groups),
        "purity by chance": purity_by_chance(groups),
    }
    for measure, values in measured.items():
        for group in (ALL_GROUPS, *dict.fromkeys(groups.tolist())):
            of = values if group == ALL_GROUPS else values[groups == group]
            known = of[~np.isnan(of)]
            reason = ""
            if len(known) == 0:
                one = measure == "silhouette" and len(set(groups.tolist())) == 1
                reason = _ONE_GROUP if one else _ONE_SKETCH
            value = known.mean() if len(known) else None
            yield _row(measure, value, len(of), group, metric, remark=reason)


def _test_rows(
    distances: NDArray[np.float64],
    groups: NDArray[Any],
    metric: Metric,
    permutations: int,
    seed: int,
) -> Iterator[_Row]:
    for name, test in _TESTS.items():
        try:
            result = test(distances, groups, permutations=permutations, seed=seed)
        except FeatvizError as error:
            yield _row(name, None, len(groups), metric=metric, remark=str(error))
        else:
            row = _row(name, result.statistic, len(groups), metric=metric)
            yield row | {"effect": result.effect, "p_value": result.p_value}


def _row(
    measure: str,
    value: float | None,
    count: int,
    group: str = ALL_GROUPS,
    metric: str = "",
    remark: str = "",
) -> _Row:
    return {
        "measure": measure,
        "value": np.nan if value is None else float(value),
        "count": count,
        "group": group,
        "metric": metric,
        "remark": remark,
    }
