"""C1 to C9 and C15: what the activation vectors of two networks say, part by part."""

from collections.abc import Callable

from featviz.analysis.claims.claim import Finding
from featviz.analysis.claims.crossed import same_eyes
from featviz.analysis.claims.depth import blurring, growth, nearing, weakening
from featviz.analysis.claims.equal_vectors import (
    differing_pairs,
    fewest_vectors,
    most_vectors,
    scattering,
    shared_points,
    spread_in_plane,
)
from featviz.analysis.claims.feature_evidence import Tables
from featviz.analysis.claims.finding import found_of
from featviz.analysis.claims.group_distances import (
    closeness,
    largest_silhouette,
    least_silhouette,
    partners,
    tightness,
)


def _each(groups: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple((group,) for group in groups)


FEATURE_FINDERS: dict[tuple[str, str], Callable[[Tables], Finding]] = {
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
    ("C9", "crossed"): same_eyes,
    ("C9", "together"): partners,
    ("C15", "weaker"): weakening,
}
"""What measures each part."""


def feature_findings(tables: Tables) -> dict[tuple[str, str], Finding]:
    """The findings of the parts about vectors; those without evidence say what is missing."""
    return found_of(FEATURE_FINDERS, tables)
