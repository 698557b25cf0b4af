"""C7, C8, C9: how close groups are in one network and in the other, and which to each other."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.claims.claim import Finding
from featviz.analysis.claims.feature_evidence import (
    Evidence,
    NotJudgeableError,
    Tables,
    mean_between,
    silhouettes_of_units,
)
from featviz.analysis.claims.jackknife import jackknife
from featviz.analysis.claims.paired_tests import OVER_BASES, relative_difference, swap_test
from featviz.analysis.claims.study import Study
from featviz.analysis.claims.within import SampledGroups, within_of_units
from featviz.analysis.separation import neighbour_purity, permutation_test


def closeness(tables: Tables, relative: bool) -> Finding:
    """C7: how much closer modified's unchanged groups are than baseline's."""

    def unit(network: Evidence, layer: str) -> float:
        return network.scale(layer) if relative else 1.0

    return _closer(tables, tables.study.deep, unit)


def tightness(tables: Tables) -> Finding:
    """C8: how much tighter modified's units are than baseline's, between as the yardstick."""
    return _closer(
        tables,
        tables.study.shallow,
        lambda network, layer: mean_between(network, layer, tables.study),
    )


def least_silhouette(tables: Tables) -> Finding:
    """C8: the smallest mean silhouette of modified's shallow layers."""
    return _extreme_silhouette(tables.modified, tables.study, np.min)


def largest_silhouette(tables: Tables) -> Finding:
    """C8: the largest mean silhouette of baseline's shallow layers."""
    return _extreme_silhouette(tables.baseline, tables.study, np.max)


def partners(tables: Tables) -> Finding:
    """C9: the smallest share of sketches whose nearest other group is of their unit."""
    network, study = tables.modified, tables.study
    layer = study.layers[-1]
    pairs = [(a, b) for unit in study.together for a in unit for b in unit if a != b]
    if not pairs:
        raise NotJudgeableError("no groups are told to stay together")
    for unit in study.together:
        network.rows(unit)
    names = list(dict.fromkeys(network.groups.tolist()))
    shares_of = _shares_of_groups(network.layer(layer).distances, network.groups, names)
    nearest = np.array([shares_of[network.groups == name].mean(axis=0) for name in names])
    number = {name: row for row, name in enumerate(names)}
    first = np.array([number[a] for a, _ in pairs])
    second = np.array([number[b] for _, b in pairs])

    def mean_share(labels: NDArray[np.int64]) -> float:
        return float(nearest[labels[first], labels[second]].sum()) / len(set(first.tolist()))

    test = permutation_test(
        mean_share,
        np.arange(len(names)),
        permutations=tables.randomness.permutations,
        seed=tables.randomness.seed,
    )
    # Of each sketch of these groups, its share in the groups of its unit.
    of_sketch = {
        a: sum(shares_of[network.groups == a, number[b]] for x, b in pairs if x == a)
        for a, _ in pairs
    }
    strata = np.concatenate([np.full(len(of_sketch[a]), a) for a in of_sketch])
    shares = np.concatenate(list(of_sketch.values()))
    found = jackknife(
        lambda kept: np.min([shares[kept & (strata == a)].mean() for a in of_sketch]), strata
    )
    low, high = found.bounds()
    details = {a: float(of_sketch[a].mean()) for a in of_sketch}
    return Finding(
        float(found.values[0]),
        test.statistic,
        "mean share",
        test.p_value,
        details,
        low=low,
        high=high,
    )


def _extreme_silhouette(
    network: Evidence, study: Study, extreme: Callable[[list[float]], float]
) -> Finding:
    """The smallest or largest, over shallow layers, mean silhouette of the sketches of units."""
    if len(study.units) < 2:
        raise NotJudgeableError("fewer than two units of unchanged groups")
    found, strata = {}, np.array([])
    for layer in study.shallow:
        found[layer], strata = silhouettes_of_units(network, layer, study, study.units)
    sampled = jackknife(
        lambda kept: extreme([float(of[kept].mean()) for of in found.values()]), strata
    )
    low, high = sampled.bounds()
    means = {layer: float(of.mean()) for layer, of in found.items()}
    details = means | _purities(network, study)
    return Finding(float(sampled.values[0]), details=details, low=low, high=high)


def _purities(network: Evidence, study: Study) -> dict[str, float]:
    """Told beside the silhouettes: the mean share of nearest neighbours of the same unit."""
    rows = network.rows(study.unchanged)
    units = np.array([study.unit_of(group) for group in network.groups[rows]])
    return {
        f"nearest neighbours of the unit, {layer}": float(
            np.nanmean(neighbour_purity(network.layer(layer).distances[np.ix_(rows, rows)], units))
        )
        for layer in study.shallow
    }


def _shares_of_groups(
    distances: NDArray[np.float64], groups: NDArray[np.str_], names: list[str]
) -> NDArray[np.float64]:
    """(n, g): of each sketch, whether its nearest sketch of another group is of which group.

    Where several are equally near each has its share of the sketch.
    """
    shares = np.zeros((len(groups), len(names)))
    for name in names:
        others = groups != name
        rows = distances[np.ix_(~others, others)]
        if rows.shape[1] == 0:
            continue
        tied = rows == rows.min(axis=1, keepdims=True)
        for j, other in enumerate(names):
            is_other = groups[others] == other
            shares[~others, j] = tied[:, is_other].sum(axis=1) / tied.sum(axis=1)
    return shares


def _closer(
    tables: Tables, layers: tuple[str, ...], unit: Callable[[Evidence, str], float]
) -> Finding:
    """Within of baseline against that of modified, in some unit; the layer that differs least."""
    both, study = tables.both, tables.study
    units = {(network.role, layer): unit(network, layer) for network in both for layer in layers}
    baseline, modified = (SampledGroups(network, study.units) for network in both)

    def compared(kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        pairs = [
            [
                sampled.within(layer, kept) / units[network.role, layer]
                for network, sampled in zip(both, (baseline, modified), strict=True)
            ]
            for layer in layers
        ]
        return np.array(
            [np.min([relative_difference(a, b) for a, b in pairs]), *(a - b for a, b in pairs)]
        )

    found = jackknife(compared, baseline.strata)
    low, high = found.bounds()
    of_units = np.array(
        [
            [
                within_of_units(network, layer, study, relative=False) / units[network.role, layer]
                for layer in layers
            ]
            for network in both
        ]
    )

    def swapped(changed: NDArray[np.bool_]) -> float:
        first, second = (np.where(changed, of_units[1 - k], of_units[k]) for k in (0, 1))
        means = zip(first.mean(axis=1), second.mean(axis=1), strict=True)
        return float(np.min([relative_difference(float(a), float(b)) for a, b in means]))

    details: dict[str, float] = {
        f"{network.role} {layer}": float(of_units[k, row].mean())
        for row, layer in enumerate(layers)
        for k, network in enumerate(both)
    }
    over_bases = swap_test(swapped, [str(unit) for unit in study.units], tables.randomness)
    details |= {"sketches": len(baseline.strata), OVER_BASES: over_bases.p_value}
    return Finding(
        float(found.values[0]),
        float((of_units[0] > of_units[1]).all(axis=0).mean()),
        "share of units, at all layers",
        float(found.p_values()[1:].max()),
        details,
        low=low,
        high=high,
    )
