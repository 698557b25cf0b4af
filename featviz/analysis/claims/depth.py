"""C4, C5, C15: what changes from one deep layer to the next."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.claims.claim import Finding
from featviz.analysis.claims.feature_evidence import (
    NotJudgeableError,
    Tables,
    silhouettes_of_units,
)
from featviz.analysis.claims.jackknife import jackknife
from featviz.analysis.claims.paired_tests import steps, trend_test
from featviz.analysis.claims.within import SampledGroups, within_of_units
from featviz.analysis.separation import distance_matrix

_Values = NDArray[np.float64]
_Mask = NDArray[np.bool_]


def growth(tables: Tables, relative: bool) -> Finding:
    """C4: whether modified's within-group distance grows with depth."""
    network, study = tables.modified, tables.study
    layers = _at_least_two(study.deep)
    values = np.array([within_of_units(network, layer, study, relative) for layer in layers]).T
    return _trend(tables, layers, lambda kept: values[kept], _least_rise)


def nearing(tables: Tables, relative: bool) -> Finding:
    """C5: whether modified's units come nearer to each other with depth."""
    network, study = tables.modified, tables.study
    layers = _at_least_two(study.deep)
    _at_least_two_units(tables)
    apart = []
    for layer in layers:
        vectors = network.layer(layer).vectors / (network.scale(layer) if relative else 1.0)
        centers = np.stack([vectors[network.rows(unit)].mean(axis=0) for unit in study.units])
        apart.append(distance_matrix(centers))

    def to_others(kept: _Mask) -> _Values:
        some = [distances[np.ix_(kept, kept)] for distances in apart]
        return np.array(
            [one.sum(axis=1) / (len(one) - 1) if len(one) > 1 else [np.nan] for one in some]
        ).T

    return _trend(tables, layers, to_others, _least_shrink)


def blurring(tables: Tables) -> Finding:
    """C5: whether the silhouettes of modified's units fall with depth."""
    network, study = tables.modified, tables.study
    layers = _at_least_two(study.deep)
    _at_least_two_units(tables)

    def means(kept: _Mask) -> _Values:
        units = [unit for unit, is_kept in zip(study.units, kept, strict=True) if is_kept]
        columns = []
        for layer in layers:
            silhouettes, names = silhouettes_of_units(network, layer, study, units)
            columns.append([silhouettes[names == name].mean() for name in dict.fromkeys(names)])
        return np.array(columns).T

    return _trend(tables, layers, means, _least_fall)


def weakening(tables: Tables) -> Finding:
    """C15: whether what edits of the eyes change in modified shrinks with depth."""
    network, study = tables.modified, tables.study
    layers = _at_least_two(study.deep)
    groups = [group for group in study.changed if network.are_edits(group)]
    if not groups:
        raise NotJudgeableError("no changed group was made from a base")
    sampled = SampledGroups(network, [[group] for group in groups])

    def shrinking(kept: _Mask) -> _Values:
        within = [sampled.within(layer, kept) / network.scale(layer) for layer in layers]
        return np.array([-np.max(steps(within)), *(-np.diff(within))])

    found = jackknife(shrinking, sampled.strata)
    low, high = found.bounds()
    everyone = np.ones(len(sampled.strata), dtype=bool)
    details = {layer: sampled.within(layer, everyone) / network.scale(layer) for layer in layers}
    share = details[layers[-1]] / details[layers[0]] if details[layers[0]] else None
    return Finding(
        float(found.values[0]),
        share,
        "of the first layer's is left in the last",
        float(found.p_values()[1:].max()),
        {**details, "groups": " ".join(groups), "sketches": len(sampled.strata)},
        low=low,
        high=high,
    )


def _at_least_two(layers: tuple[str, ...]) -> tuple[str, ...]:
    if len(layers) < 2:
        raise NotJudgeableError("fewer than two deep layers")
    return layers


def _at_least_two_units(tables: Tables) -> None:
    if len(tables.study.units) < 2:
        raise NotJudgeableError("fewer than two units of unchanged groups")


def _least_rise(values: _Values) -> float:
    """The least step upwards of the mean over units, as a share of the larger."""
    return float(np.min(steps(values.mean(axis=0))))


def _least_shrink(values: _Values) -> float:
    return float(-np.max(steps(values.mean(axis=0))))


def _least_fall(values: _Values) -> float:
    return float(-np.diff(values.mean(axis=0)).max())


def _trend(
    tables: Tables,
    layers: tuple[str, ...],
    values: Callable[[_Mask], _Values],
    statistic: Callable[[_Values], float],
) -> Finding:
    """A statistic of values (units, layers), its test and its bounds; values: of the units kept."""
    units = len(tables.study.units)
    given = values(np.ones(units, dtype=bool))
    # The layers in order and turned round: which way the statistic looks for a change.
    way = np.sign(statistic(given[:, [0, 0]] + [0, 1]))
    share = float((way * (given[:, -1] - given[:, 0]) > 0).mean())
    found = jackknife(lambda kept: statistic(values(kept)), np.zeros(units))
    low, high = found.bounds()
    return Finding(
        statistic(given),
        share,
        "share of units",
        trend_test(given, statistic, tables.randomness).p_value,
        dict(zip(layers, given.mean(axis=0).tolist(), strict=True)),
        low=low,
        high=high,
    )
