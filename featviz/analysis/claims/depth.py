"""C4, C5: what changes from one deep layer to the next."""

import itertools

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.claims.claim import Finding
from featviz.analysis.claims.feature_evidence import (
    NotJudgeableError,
    Tables,
    mean_within,
    silhouettes_of_units,
)
from featviz.analysis.claims.paired_tests import steps, trend_test
from featviz.analysis.separation import distance_matrix


def growth(tables: Tables, relative: bool) -> Finding:
    """C4: whether modified's within-group distance grows with depth."""
    network, study = tables.modified, tables.study
    layers = _at_least_two(study.deep)
    within = [mean_within(network, layer, study.unchanged, relative) for layer in layers]
    edits = network.edits(study.unchanged)
    units = np.array([study.unit_of(group) for group in network.groups[edits]])
    values = []
    for layer in layers:
        scale = network.scale(layer) if relative else 1.0
        distances = network.from_base(layer, edits) / scale
        values.append([distances[units == unit].mean() for unit in dict.fromkeys(units)])
    return _trend(steps(within), np.array(values).T, dict(zip(layers, within, strict=True)), tables)


def nearing(tables: Tables, relative: bool) -> Finding:
    """C5: whether modified's units come nearer to each other with depth."""
    network, study = tables.modified, tables.study
    layers = _at_least_two(study.deep)
    if len(study.units) < 2:
        raise NotJudgeableError("fewer than two units of unchanged groups")
    apart, values = [], []
    for layer in layers:
        vectors = network.layer(layer).vectors / (network.scale(layer) if relative else 1.0)
        centers = np.stack([vectors[network.rows(unit)].mean(axis=0) for unit in study.units])
        distances = distance_matrix(centers)
        apart.append(float(distances.sum()) / (len(centers) * (len(centers) - 1)))
        values.append(np.linalg.norm(centers - centers.mean(axis=0), axis=1))
    least = [-step for step in steps(apart)]
    return _trend(least, -np.array(values).T, dict(zip(layers, apart, strict=True)), tables)


def blurring(tables: Tables) -> Finding:
    """C5: whether the silhouettes of modified's units fall with depth."""
    network, study = tables.modified, tables.study
    layers = _at_least_two(study.deep)
    means, values = [], []
    for layer in layers:
        silhouettes, units = silhouettes_of_units(network, layer, study)
        means.append(float(silhouettes.mean()))
        values.append([silhouettes[units == unit].mean() for unit in dict.fromkeys(units)])
    falls = [a - b for a, b in itertools.pairwise(means)]
    return _trend(falls, -np.array(values).T, dict(zip(layers, means, strict=True)), tables)


def _at_least_two(layers: tuple[str, ...]) -> tuple[str, ...]:
    if len(layers) < 2:
        raise NotJudgeableError("fewer than two deep layers")
    return layers


def _trend(
    differences: list[float],
    values: NDArray[np.float64],
    details: dict[str, float],
    tables: Tables,
) -> Finding:
    test = trend_test(values, tables.randomness)
    share = float((values[:, -1] > values[:, 0]).mean())
    return Finding(min(differences), share, "share of units", test.p_value, dict(details))
