"""C1, C2, C3, C6: which sketches have one and the same vector, and how far the others spread."""

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.claims.claim import Finding
from featviz.analysis.claims.feature_evidence import (
    Evidence,
    NotJudgeableError,
    Tables,
)
from featviz.analysis.claims.jackknife import jackknife
from featviz.analysis.claims.within import within_of_units
from featviz.analysis.embedding import fit_projection
from featviz.analysis.separation import activation_scale, distance_matrix, mean_distances


def most_vectors(tables: Tables, groups: tuple[tuple[str, ...], ...]) -> Finding:
    """C1, C3, C6: the largest number of distinct vectors of a group, modified's shallow layers."""
    counts = _distinct(tables.modified, tables.study.shallow, groups)
    _, spread = _relative_within(
        tables.modified, tables.study.shallow, [group for unit in groups for group in unit]
    )
    return Finding(
        max(counts.values()), max(spread.values()), "largest within / scale", details=counts
    )


def fewest_vectors(
    tables: Tables, layers: tuple[str, ...], groups: tuple[tuple[str, ...], ...]
) -> Finding:
    """C1, C4: the smallest number of distinct vectors of a group in modified."""
    counts = _distinct(tables.modified, layers, groups)
    _, spread = _relative_within(
        tables.modified, layers, [group for unit in groups for group in unit]
    )
    return Finding(
        min(counts.values()), min(spread.values()), "smallest within / scale", details=counts
    )


def differing_pairs(tables: Tables) -> Finding:
    """C2: the smallest share of pairs of a group's sketches that differ, in baseline."""
    network, study = tables.baseline, tables.study
    groups = study.unchanged + study.changed
    shares = {}
    for layer in study.layers:
        for group in groups:
            vectors = network.layer(layer).vectors[network.rows([group])] + 0.0
            _, counts = np.unique(vectors, axis=0, return_counts=True)
            same = int((counts * (counts - 1)).sum())
            shares[f"{group} {layer}"] = 1 - same / (len(vectors) * (len(vectors) - 1))
    _, spread = _relative_within(network, study.layers, groups)
    below = {name: share for name, share in shares.items() if share < 1}
    return Finding(
        min(shares.values()), min(spread.values()), "smallest within / scale", details=below
    )


def shared_points(tables: Tables) -> Finding:
    """C3: the number of pairs of units with a vector in common."""
    network, study = tables.modified, tables.study
    shared, distances = {}, []
    for layer in study.shallow:
        rows = [network.rows(unit) for unit in study.units]
        for i, first in enumerate(rows):
            for j in range(i):
                between = network.layer(layer).distances[np.ix_(first, rows[j])]
                scale = network.layer(layer).scale or 1.0
                distances.append(float(between.min()) / scale)
                if between.min() == 0:
                    names = study.units[j] + study.units[i]
                    shared[f"{' '.join(names)} {layer}"] = 1
    if not distances:
        raise NotJudgeableError("fewer than two units of unchanged groups")
    return Finding(len(shared), min(distances), "smallest distance / scale", details=shared)


def spread_in_plane(tables: Tables) -> Finding:
    """C3: how spread the changed groups are in PCA's plane, in units of its own scale."""
    network, study = tables.modified, tables.study
    if not study.changed:
        raise NotJudgeableError("no changed groups")
    rows = network.rows(study.changed)
    strata, planes = network.groups[rows], {}
    for layer in study.shallow:
        vectors = network.layer(layer).vectors
        network.scale(layer)  # cannot be judged if there is none
        plane = fit_projection(vectors, network.groups)(vectors)
        planes[layer] = distance_matrix(plane[rows]) / activation_scale(plane)

    def spread(kept: NDArray[np.bool_]) -> dict[str, float]:
        found: dict[str, float] = {}
        for layer, distances in planes.items():
            names, means = mean_distances(distances[np.ix_(kept, kept)], strata[kept])
            found |= {f"{name} {layer}": float(means[k, k]) for k, name in enumerate(names)}
        return found

    low, high = jackknife(lambda kept: np.min(list(spread(kept).values())), strata).bounds()
    everyone = spread(np.ones(len(rows), dtype=bool))
    return Finding(min(everyone.values()), details=everyone, low=low, high=high)


def scattering(tables: Tables) -> Finding:
    """C6: how far baseline's unchanged groups spread, in units of the scale."""
    network, study = tables.baseline, tables.study
    of_units = np.array(
        [within_of_units(network, layer, study, relative=True) for layer in study.shallow]
    )
    low, high = jackknife(
        lambda kept: of_units[:, kept].mean(axis=1).min(), np.zeros(len(study.units))
    ).bounds()
    within = dict(zip(study.shallow, of_units.mean(axis=1).tolist(), strict=True))
    _, each = _relative_within(network, study.shallow, study.unchanged)
    return Finding(
        min(within.values()),
        min(each.values()),
        "smallest group's within / scale",
        details=within,
        low=low,
        high=high,
    )


def _distinct(
    network: Evidence, layers: tuple[str, ...], units: tuple[tuple[str, ...], ...]
) -> dict[str, int]:
    counts = {
        f"{'+'.join(unit)} {layer}": network.distinct(layer, unit)
        for layer in layers
        for unit in units
    }
    if not counts:
        raise NotJudgeableError("no changed groups")
    return counts


def _relative_within(
    network: Evidence, layers: tuple[str, ...], groups: tuple[str, ...] | list[str]
) -> tuple[list[str], dict[str, float]]:
    each = {}
    for layer in layers:
        scale = network.layer(layer).scale or 1.0  # where all is equal every distance is 0
        for group, within in network.within(layer, groups).items():
            each[f"{group} {layer}"] = within / scale
    return list(each), each
