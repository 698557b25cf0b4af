"""C1 to C9: what the activation vectors of two networks say."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featviz.claims.claim import Finding
from featviz.claims.comparing import (
    Randomness,
    paired_test,
    relative_difference,
    steps,
    trend_test,
)
from featviz.claims.evidence import Evidence, NotJudgeableError, require_alike
from featviz.claims.study import BASELINE, MODIFIED, Study
from featviz.embedding import fit_projection
from featviz.errors import FeatvizError
from featviz.structure import activation_scale, distance_matrix, mean_distances, permutation_test


@dataclass(frozen=True, eq=False)
class Tables:
    """What C1 to C9 are judged on: the two networks' evidence, None where there is no table."""

    study: Study
    randomness: Randomness
    baseline_or_none: Evidence | None
    modified_or_none: Evidence | None

    def __post_init__(self) -> None:
        if self.baseline_or_none is not None and self.modified_or_none is not None:
            require_alike(self.baseline_or_none, self.modified_or_none)

    @property
    def baseline(self) -> Evidence:
        """The baseline's evidence; NotJudgeableError without its table."""
        if self.baseline_or_none is None:
            raise NotJudgeableError(f"no feature table of {BASELINE}")
        return self.baseline_or_none

    @property
    def modified(self) -> Evidence:
        """The modified network's evidence; NotJudgeableError without its table."""
        if self.modified_or_none is None:
            raise NotJudgeableError(f"no feature table of {MODIFIED}")
        return self.modified_or_none

    @property
    def both(self) -> tuple[Evidence, Evidence]:
        """Baseline and modified."""
        return self.baseline, self.modified


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
                distances.append(float(between.min()) / network.scale(layer))
                if between.min() == 0:
                    names = study.units[j] + study.units[i]
                    shared[f"{' '.join(names)} {layer}"] = 1
    if not distances:
        raise NotJudgeableError("fewer than two units of unchanged groups")
    return Finding(len(shared), min(distances), "smallest distance / scale", details=shared)


def spread_in_plane(tables: Tables) -> Finding:
    """C3: how spread the changed groups are in PCA's plane, in units of its scale."""
    network, study = tables.modified, tables.study
    spread = {}
    for layer in study.shallow:
        vectors = network.layer(layer).vectors
        network.scale(layer)
        plane = fit_projection(vectors, network.groups)(vectors)
        for group in study.changed:
            rows = network.rows([group])
            _, means = mean_distances(distance_matrix(plane[rows]), network.groups[rows])
            spread[f"{group} {layer}"] = float(means[0, 0]) / activation_scale(plane)
    return Finding(_least(spread), details=spread)


def growth(tables: Tables, relative: bool) -> Finding:
    """C4: whether modified's within-group distance grows with depth."""
    network, study = tables.modified, tables.study
    layers = _at_least_two(study.deep)
    within = [_mean_within(network, layer, study.unchanged, relative) for layer in layers]
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
        silhouettes, units = _silhouettes(network, layer, study)
        means.append(float(silhouettes.mean()))
        values.append([silhouettes[units == unit].mean() for unit in dict.fromkeys(units)])
    falls = [a - b for a, b in itertools.pairwise(means)]
    return _trend(falls, -np.array(values).T, dict(zip(layers, means, strict=True)), tables)


def scattering(tables: Tables) -> Finding:
    """C6: how far baseline's unchanged groups spread, in units of the scale."""
    network, study = tables.baseline, tables.study
    within = {
        layer: _mean_within(network, layer, study.unchanged, relative=True)
        for layer in study.shallow
    }
    _, each = _relative_within(network, study.shallow, study.unchanged)
    return Finding(
        _least(within), min(each.values()), "smallest group's within / scale", details=within
    )


def closeness(tables: Tables, relative: bool) -> Finding:
    """C7: how much closer modified's unchanged groups are than baseline's."""
    study = tables.study
    units = {
        (network.role, layer): network.scale(layer) if relative else 1.0
        for network in tables.both
        for layer in study.deep
    }
    within = {
        (network.role, layer): _mean_within(network, layer, study.unchanged, relative)
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
            between = _between(network, layer, study)
            units[network.role, layer] = between
            mean = _mean_within(network, layer, study.unchanged, relative=False)
            within[network.role, layer] = mean / between
    return _closer(tables, study.shallow, units, within)


def least_silhouette(tables: Tables) -> Finding:
    """C8: the smallest mean silhouette of modified's shallow layers."""
    found = _mean_silhouettes(tables.modified, tables.study)
    return Finding(_least(found), details=found)


def largest_silhouette(tables: Tables) -> Finding:
    """C8: the largest mean silhouette of baseline's shallow layers."""
    found = _mean_silhouettes(tables.baseline, tables.study)
    return Finding(max(found.values()), details=found)


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
    return Finding(_least(shares), test.statistic, "mean share", test.p_value, shares)


FINDERS: dict[tuple[str, str], Callable[[Tables], Finding]] = {
    ("C1", "identical"): lambda t: most_vectors(t, _each(t.study.unchanged)),
    ("C1", "differ"): lambda t: fewest_vectors(t, t.study.shallow, _each(t.study.changed)),
    ("C2", "differ"): differing_pairs,
    ("C3", "points"): lambda t: most_vectors(t, t.study.units),
    ("C3", "apart"): shared_points,
    ("C3", "spread"): spread_in_plane,
    ("C4", "leaves zero"): lambda t: fewest_vectors(t, t.study.deep[:1], _each(t.study.unchanged)),
    ("C4", "relative"): lambda t: growth(t, relative=True),
    ("C4", "absolute"): lambda t: growth(t, relative=False),
    ("C5", "nearer, relative"): lambda t: nearing(t, relative=True),
    ("C5", "nearer, absolute"): lambda t: nearing(t, relative=False),
    ("C5", "borders blur"): blurring,
    ("C6", "points"): lambda t: most_vectors(t, _each(t.study.unchanged)),
    ("C6", "scattered"): scattering,
    ("C7", "relative"): lambda t: closeness(t, relative=True),
    ("C7", "absolute"): lambda t: closeness(t, relative=False),
    ("C8", "tight"): least_silhouette,
    ("C8", "loose"): largest_silhouette,
    ("C8", "tighter"): tightness,
    ("C9", "together"): partners,
}
"""What measures each part."""


def feature_findings(tables: Tables) -> dict[tuple[str, str], Finding]:
    """The findings of C1 to C9, by claim and part; those without evidence say what is missing."""
    findings = {}
    for name, find in FINDERS.items():
        try:
            findings[name] = find(tables)
        except NotJudgeableError as reason:
            findings[name] = Finding(missing=str(reason))
        except FeatvizError as error:
            raise FeatvizError(f"{name[0]}, {name[1]}: {error}") from None
    return findings


def _each(groups: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple((group,) for group in groups)


def _least(numbers: dict[str, float]) -> float:
    if not numbers:
        raise NotJudgeableError("no groups or layers to look at")
    return min(numbers.values())


def _at_least_two(layers: tuple[str, ...]) -> tuple[str, ...]:
    if len(layers) < 2:
        raise NotJudgeableError("fewer than two deep layers")
    return layers


def _distinct(
    network: Evidence, layers: tuple[str, ...], units: tuple[tuple[str, ...], ...]
) -> dict[str, int]:
    counts = {
        f"{'+'.join(unit)} {layer}": network.distinct(layer, unit)
        for layer in layers
        for unit in units
    }
    if not counts:
        raise NotJudgeableError("no groups or layers to look at")
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


def _mean_within(network: Evidence, layer: str, groups: tuple[str, ...], relative: bool) -> float:
    if not groups:
        raise NotJudgeableError("no unchanged groups")
    mean = float(np.mean(list(network.within(layer, groups).values())))
    return mean / network.scale(layer) if relative else mean


def _between(network: Evidence, layer: str, study: Study) -> float:
    rows = network.rows(study.unchanged)
    units = [study.unit_of(group) for group in network.groups[rows]]
    names, means = mean_distances(network.layer(layer).distances[np.ix_(rows, rows)], units)
    between = means[np.triu_indices(len(names), 1)]
    if len(between) == 0:
        raise NotJudgeableError("fewer than two units of unchanged groups")
    if between.mean() == 0:
        raise NotJudgeableError(f"all units of {network.role} are one point at {layer}")
    return float(between.mean())


def _silhouettes(
    network: Evidence, layer: str, study: Study
) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    from sklearn.metrics import silhouette_samples

    if len(study.units) < 2:
        raise NotJudgeableError("fewer than two units of unchanged groups")
    rows = network.rows(study.unchanged)
    units = np.array([study.unit_of(group) for group in network.groups[rows]])
    distances = network.layer(layer).distances[np.ix_(rows, rows)]
    return silhouette_samples(distances, units, metric="precomputed"), units


def _mean_silhouettes(network: Evidence, study: Study) -> dict[str, float]:
    found = {}
    for layer in study.shallow:
        silhouettes, _ = _silhouettes(network, layer, study)
        found[layer] = float(silhouettes.mean())
    if not found:
        raise NotJudgeableError("no shallow layers")
    return found


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


def _trend(
    differences: list[float],
    values: NDArray[np.float64],
    details: dict[str, float],
    tables: Tables,
) -> Finding:
    test = trend_test(values, tables.randomness)
    share = float((values[:, -1] > values[:, 0]).mean())
    return Finding(min(differences), share, "share of units", test.p_value, dict(details))


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
    if not least:
        raise NotJudgeableError("no layers to look at")
    details["p, bases flipped as one"] = max(over_bases)
    return Finding(min(least), min(shares), "share of edits", max(tests), details)
