"""A network's feature table, laid out for the claims: distances, groups, edits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.claims.paired_tests import Randomness
from featviz.analysis.claims.study import BASELINE, MODIFIED, Study
from featviz.analysis.separation import (
    activation_scale,
    distance_matrix,
    distinct_count,
    mean_distances,
    silhouettes,
)
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable

_NO_BASE = -1


class NotJudgeableError(Exception):
    """Why a part of a claim cannot be judged; never leaves `featviz.analysis.claims`."""


@dataclass(frozen=True, eq=False)
class LayerEvidence:
    """vectors: (N, C) float64. distances: (N, N), Euclidean. scale: see `activation_scale`."""

    vectors: NDArray[np.float64]
    distances: NDArray[np.float64]
    scale: float


@dataclass(frozen=True, eq=False)
class Evidence:
    """The vectors of one network at one point.

    role: the part it plays. groups: (N,) names. bases: (N,) the row of each sketch's base,
    _NO_BASE for bases themselves and sketches that have none.
    """

    role: str
    sketches: tuple[str, ...]
    groups: NDArray[np.str_]
    bases: NDArray[np.int64]
    layers: Mapping[str, LayerEvidence]

    def layer(self, name: str) -> LayerEvidence:
        """A layer; NotJudgeableError if the table lacks it."""
        if name not in self.layers:
            there = ", ".join(self.layers)
            raise NotJudgeableError(f"no layer {name} in {self.role}'s table; there are {there}")
        return self.layers[name]

    def scale(self, name: str) -> float:
        """A layer's scale; NotJudgeableError if it is 0."""
        if (scale := self.layer(name).scale) == 0:
            raise NotJudgeableError(f"all vectors of {self.role} at {name} are the same")
        return scale

    def rows(self, groups: Sequence[str]) -> NDArray[np.int64]:
        """The rows of some groups; NotJudgeableError if one has fewer than 2 sketches."""
        for group in groups:
            if (count := int((self.groups == group).sum())) < 2:
                have = "no sketch" if count == 0 else "one sketch"
                raise NotJudgeableError(f"{have} of group {group} in {self.role}'s table")
        return np.flatnonzero(np.isin(self.groups, list(groups)))

    def distinct(self, layer: str, groups: Sequence[str]) -> int:
        """How many exactly different vectors some groups have together."""
        return distinct_count(self.layer(layer).vectors[self.rows(groups)])

    def within(self, layer: str, groups: Sequence[str]) -> dict[str, float]:
        """Of each group, the mean distance of two of its sketches."""
        rows = self.rows(groups)
        distances = self.layer(layer).distances[np.ix_(rows, rows)]
        names, means = mean_distances(distances, self.groups[rows])
        return {name: float(means[i, i]) for i, name in enumerate(names)}

    def are_edits(self, group: str) -> bool:
        """Whether a group's sketches were made from a base, as unrelated drawings were not."""
        return bool((self.bases[self.rows([group])] != _NO_BASE).any())


def gather_evidence(
    role: str,
    table: FeatureTable,
    layers: Sequence[str],
    bases: Mapping[str, str] | None = None,
) -> Evidence:
    """The evidence of a table that holds one point.

    layers: those to look at, as far as the table has them. bases: the base of each sketch by
    name, "" for none; a column `base` of the table unless given; if there is neither, the first
    sketch of each group serves as the base of the others. Rows are put in the order of names, so
    that two tables compare. Raises FeatvizError for several points and vectors not finite.
    """
    if len(table.points) != 1:
        given = ", ".join(f"({x}, {y})" for x, y in table.points) or "none"
        raise FeatvizError(
            f"claims are judged at one point; the table of {role} has {len(table.points)}: {given}"
        )
    names = table.rows["sketch"].astype(str).to_numpy()
    order = np.argsort(names, kind="stable")
    if len(twice := names[order][1:][names[order][1:] == names[order][:-1]]):
        raise FeatvizError(f"the table of {role} holds sketch {twice[0]} more than once")
    sketches = tuple(names[order].tolist())
    groups = table.rows["group"].astype(str).to_numpy()[order]
    if bases is None and "base" in table.rows.columns:
        bases = dict(zip(names, table.rows["base"].fillna("").astype(str), strict=True))
    if bases is None:
        first = table.rows.groupby("group", sort=False)["sketch"].first().to_dict()
        bases = {
            name: str(first[group]) for name, group in zip(sketches, groups.tolist(), strict=True)
        }
    row_of = {name: row for row, name in enumerate(sketches)}
    found = [row_of.get(bases.get(name, ""), _NO_BASE) for name in sketches]
    laid = {}
    for layer in layers:
        if layer in table.vectors:
            vectors = table.vectors[layer][order].astype(np.float64)
            try:
                laid[layer] = LayerEvidence(
                    vectors, distance_matrix(vectors), activation_scale(vectors)
                )
            except FeatvizError as error:
                raise FeatvizError(f"table of {role}, layer {layer}: {error}") from None
    edited = np.array([_NO_BASE if row == base else base for row, base in enumerate(found)])
    return Evidence(role, sketches, groups.astype(np.str_), edited.astype(np.int64), laid)


def bases_from(tables: Iterable[FeatureTable], bases: Mapping[str, str] | None) -> str:
    """Where `gather_evidence` takes the bases of tables from, in words."""
    if bases is not None:
        return "the sketch set"
    if all("base" in table.rows.columns for table in tables):
        return "the feature tables"
    return "the first sketch of each group"


def _require_alike(first: Evidence, second: Evidence) -> None:
    """Raise FeatvizError unless two networks saw the same sketches in the same groups."""
    if first.sketches != second.sketches:
        odd = sorted(set(first.sketches) ^ set(second.sketches))
        raise FeatvizError(
            f"the tables of {first.role} and {second.role} do not hold the same sketches; only "
            f"one of them has {odd[0] if odd else 'a sketch twice'} ({len(first.sketches)} and "
            f"{len(second.sketches)} rows)"
        )
    if (first.groups != second.groups).any():
        row = int(np.flatnonzero(first.groups != second.groups)[0])
        raise FeatvizError(
            f"sketch {first.sketches[row]} is of group {first.groups[row]} in the table of "
            f"{first.role} and of {second.groups[row]} in that of {second.role}"
        )


@dataclass(frozen=True, eq=False)
class Tables:
    """What C1 to C9 and C15 are judged on: the networks' evidence, None where there is no table.

    crossed: modified's vectors of a crossed set of sketches, every pair of eyes on every face.
    """

    study: Study
    randomness: Randomness
    baseline_or_none: Evidence | None
    modified_or_none: Evidence | None
    crossed: Evidence | None = None

    def __post_init__(self) -> None:
        if self.baseline_or_none is not None and self.modified_or_none is not None:
            _require_alike(self.baseline_or_none, self.modified_or_none)

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


def mean_between(network: Evidence, layer: str, study: Study) -> float:
    """The mean over pairs of units of the mean distance of a sketch of one to one of the other."""
    rows = network.rows(study.unchanged)
    units = [study.unit_of(group) for group in network.groups[rows]]
    names, means = mean_distances(network.layer(layer).distances[np.ix_(rows, rows)], units)
    between = means[np.triu_indices(len(names), 1)]
    if len(between) == 0:
        raise NotJudgeableError("fewer than two units of unchanged groups")
    if between.mean() == 0:
        raise NotJudgeableError(f"all units of {network.role} are one point at {layer}")
    return float(between.mean())


def silhouettes_of_units(
    network: Evidence, layer: str, study: Study, units: Sequence[Sequence[str]]
) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """(n,) the silhouettes of the sketches of some units, and (n,) their units."""
    rows = network.rows([group for unit in units for group in unit])
    names = np.array([study.unit_of(group) for group in network.groups[rows]])
    distances = network.layer(layer).distances[np.ix_(rows, rows)]
    return silhouettes(distances, names), names
