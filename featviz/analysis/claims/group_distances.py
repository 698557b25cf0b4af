"""C7, C8, C9: how close groups are in one network and in the other, and which to each other."""

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.claims.claim import Finding
from featviz.analysis.claims.feature_evidence import (
    Evidence,
    NotJudgeableError,
    Tables,
    mean_between,
    mean_within,
    silhouettes_of_units,
)
from featviz.analysis.claims.paired_tests import OVER_BASES, paired_test, relative_difference
from featviz.analysis.claims.study import Study
from featviz.analysis.separation import neighbour_purity, permutation_test


def closeness(tables: Tables, relative: bool) -> Finding:
    """C7: how much closer modified's unchanged groups are than baseline's."""
    study = tables.study
    units = {
        (network.role, layer): network.scale(layer) if relative else 1.0
        for network in tables.both
        for layer in study.deep
    }
    within = {
        (network.role, layer): mean_within(network, layer, study.unchanged, relative)
        for network in tables.both
        for layer in study.deep
    }
    return _closer(tables, study.deep, units, within)


def tightness(tables: Tables) -> Finding:
    """C8: how much tighter modified's units are than baseline's, between as the yardstick."""
    study = tables.study
    units, within = {}, {}
    for network in tables.both:
        for layer in study.shallow:
            between = mean_between(network, layer, study)
            units[network.role, layer] = between
            mean = mean_within(network, layer, study.unchanged, relative=False)
            within[network.role, layer] = mean / between
    return _closer(tables, study.shallow, units, within)


def least_silhouette(tables: Tables) -> Finding:
    """C8: the smallest mean silhouette of modified's shallow layers."""
    found = _mean_silhouettes(tables.modified, tables.study)
    return Finding(min(found.values()), details=found | _purities(tables.modified, tables.study))


def largest_silhouette(tables: Tables) -> Finding:
    """C8: the largest mean silhouette of baseline's shallow layers."""
    found = _mean_silhouettes(tables.baseline, tables.study)
    return Finding(max(found.values()), details=found | _purities(tables.baseline, tables.study))


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
    nearest = _nearest_groups(network.layer(layer).distances, network.groups, names)
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
    shares: dict[str, float] = {}
    for a, b in pairs:
        shares[a] = shares.get(a, 0.0) + float(nearest[number[a], number[b]])
    return Finding(min(shares.values()), test.statistic, "mean share", test.p_value, shares)


def _mean_silhouettes(network: Evidence, study: Study) -> dict[str, float]:
    found = {}
    for layer in study.shallow:
        silhouettes, _ = silhouettes_of_units(network, layer, study)
        found[layer] = float(silhouettes.mean())
    return found


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


def _nearest_groups(
    distances: NDArray[np.float64], groups: NDArray[np.str_], names: list[str]
) -> NDArray[np.float64]:
    """(g, g): of the sketches of a group, the share whose nearest other group is which.

    Where several are equally near each has its share of the sketch.
    """
    nearest = np.zeros((len(names), len(names)))
    for i, name in enumerate(names):
        others = groups != name
        rows = distances[np.ix_(~others, others)]
        if rows.shape[1] == 0:
            continue
        tied = rows == rows.min(axis=1, keepdims=True)
        for j, other in enumerate(names):
            is_other = groups[others] == other
            nearest[i, j] = (tied[:, is_other].sum(axis=1) / tied.sum(axis=1)).mean()
    return nearest


def _closer(
    tables: Tables,
    layers: tuple[str, ...],
    units: dict[tuple[str, str], float],
    within: dict[tuple[str, str], float],
) -> Finding:
    """Baseline against modified at every layer, edit by edit; the layer that differs least."""
    baseline, modified = tables.both
    edits = modified.edits(tables.study.unchanged)
    bases = [modified.sketches[base] for base in modified.bases[edits]]
    least, tests, over_bases, shares = [], [], [], []
    details: dict[str, float] = {}
    for layer in layers:
        of_baseline, of_modified = within[baseline.role, layer], within[modified.role, layer]
        least.append(relative_difference(of_baseline, of_modified))
        differences = baseline.from_base(layer, edits) / units[baseline.role, layer]
        differences -= modified.from_base(layer, edits) / units[modified.role, layer]
        tests.append(paired_test(differences, tables.randomness).p_value)
        over_bases.append(paired_test(differences, tables.randomness, bases).p_value)
        shares.append(float((differences > 0).mean()))
        details |= {f"baseline {layer}": of_baseline, f"modified {layer}": of_modified}
    details |= {"edits": len(edits), OVER_BASES: max(over_bases)}
    return Finding(min(least), min(shares), "share of edits", max(tests), details)
