"""From findings to verdicts; and from feature tables to all claims in one call."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from featviz.analysis.claims.claim import (
    Claim,
    ClaimPart,
    Claims,
    Definition,
    Finding,
    Verdict,
    finite,
)
from featviz.analysis.claims.conventions import ALPHA, CONFIDENCE
from featviz.analysis.claims.definitions import DEFINITIONS, SAYS
from featviz.analysis.claims.feature_claims import feature_findings
from featviz.analysis.claims.feature_evidence import Evidence, Tables, bases_from, gather_evidence
from featviz.analysis.claims.image_definitions import IMAGE_DEFINITIONS
from featviz.analysis.claims.paired_tests import Randomness
from featviz.analysis.claims.study import BASELINE, MODIFIED, STUDY, Study
from featviz.analysis.claims.system_definitions import SYSTEM_DEFINITIONS
from featviz.analysis.claims.vector_definitions import VECTOR_DEFINITIONS
from featviz.analysis.comparable import require_same_place
from featviz.analysis.separation import holm
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable
from featviz.base.provenance import VERSION, VERSION_KEY, recorded_version

_Findings = Mapping[tuple[str, str], Finding]

NO_IMAGES = "not asked for: --images"
NO_SYSTEMS = "not asked for: --systems FOLDER"
TABLE_ROLES = (BASELINE, MODIFIED)
_PROVENANCE = ("checkpoint", "digest", "variant", "step", "stage", "sketches", "size")


def judge(
    tables: Sequence[FeatureTable] | Mapping[str, FeatureTable],
    study: Study = STUDY,
    *,
    bases: Mapping[str, str] | None = None,
    crossed: FeatureTable | None = None,
    images: _Findings | None = None,
    images_metadata: Mapping[str, Any] | None = None,
    systems: _Findings | None = None,
    systems_metadata: Mapping[str, Any] | None = None,
    permutations: int = 9999,
    seed: int = 0,
) -> Claims:
    """Judge all claims on the feature tables of a baseline and a modified network.

    tables: by role, {"baseline": ..., "modified": ...}, or in any order if their metadata tells
    the variant; either may be missing, and what needs it cannot be judged. Each holds one point.
    bases: see `gather_evidence`; the metadata tells where they came from. crossed: the modified
    network's vectors of every pair of eyes on every face, for C9, in sketches named FACE/EYES.
    images: the findings of C10 to C14 and C16 to C18, see `image_findings`, with what to keep of
    their provenance; systems: likewise those of C19 to C21, see `system_findings`. Tests draw at
    most `permutations` permutations from `seed`. Raises
    FeatvizError for tables that do not belong together.
    """
    randomness = Randomness(permutations, seed)
    roles = assign_roles(tables)
    laid: dict[str, Evidence | None] = {
        role: gather_evidence(role, roles[role], study.layers, bases) if role in roles else None
        for role in TABLE_ROLES
    }
    if len(roles) == 2:
        require_same_place(roles[BASELINE], roles[MODIFIED], BASELINE, MODIFIED)
    eyes = None
    if crossed is not None:
        _require_same_network(crossed, roles.get(MODIFIED))
        eyes = gather_evidence("crossed", crossed, study.layers, {})
    findings = feature_findings(Tables(study, randomness, laid[BASELINE], laid[MODIFIED], eyes))
    findings |= {**(images or {}), **(systems or {})}
    metadata: dict[str, Any] = {
        VERSION_KEY: VERSION,
        "alpha": ALPHA,
        "confidence": CONFIDENCE,
        "correction": "Holm",
        "permutations": permutations,
        "seed": seed,
        "study": {name: _lists(value) for name, value in asdict(study).items()},
        "tables": {
            role: _provenance(table)
            for role, table in (roles | ({} if crossed is None else {"crossed": crossed})).items()
        },
        "bases": bases_from(roles.values(), bases) if roles else None,
        "images": dict(images_metadata) if images_metadata is not None else None,
        "systems": dict(systems_metadata) if systems_metadata is not None else None,
    }
    return draw_verdicts(findings, metadata)


def _require_same_network(crossed: FeatureTable, modified: FeatureTable | None) -> None:
    """Refuse a crossed table of another network, point or stage than the modified network's."""
    if modified is None:
        return
    require_same_place(crossed, modified, "crossed", MODIFIED)
    differ = [
        key
        for key in ("digest", "variant")
        if None not in (given := [table.metadata.get(key) for table in (crossed, modified)])
        and given[0] != given[1]
    ]
    if differ:
        names = [table.metadata.get("checkpoint") or "a model" for table in (crossed, modified)]
        raise FeatvizError(
            f"the crossed table is of other weights ({names[0]}) than that of {MODIFIED} "
            f"({names[1]}); extract both from one checkpoint"
        )


def assign_roles(
    tables: Sequence[FeatureTable] | Mapping[str, FeatureTable],
) -> dict[str, FeatureTable]:
    """Which table is baseline and which modified, by name or by the variant their metadata tells.

    Raises FeatvizError for unknown roles, other variants, and two tables of one role.
    """
    if isinstance(tables, Mapping):
        if unknown := [role for role in tables if role not in TABLE_ROLES]:
            raise FeatvizError(
                f"unknown role '{unknown[0]}' of a feature table; there are "
                f"{', '.join(TABLE_ROLES)}"
            )
        return dict(tables)
    roles: dict[str, FeatureTable] = {}
    for table in tables:
        name = table.metadata.get("checkpoint") or "a model"
        role = table.metadata.get("variant")
        if role not in TABLE_ROLES:
            raise FeatvizError(
                f"the feature table of {name} is of variant {role!r}; C1 to C9 and C15 are about "
                f"{' and '.join(TABLE_ROLES)}: say which it is with --baseline FILE or "
                "--modified FILE"
            )
        if role in roles:
            other = roles[role].metadata.get("checkpoint") or "a model"
            raise FeatvizError(
                f"two feature tables are of variant {role}, those of {other} and {name}; give one, "
                "or say which is which with --baseline FILE and --modified FILE"
            )
        roles[role] = table
    return roles


def draw_verdicts(findings: _Findings, metadata: Mapping[str, Any]) -> Claims:
    """Correct the claims' p for their number and compare every finding with its threshold.

    A part without a finding cannot be judged, for images or systems were not asked for.
    """
    found = {one: findings.get((one.claim, one.part), _not_asked(one)) for one in DEFINITIONS}
    adjusted = _corrected(found)
    parts = [
        _part(one, _plain(finding), finding, adjusted.get(one)) for one, finding in found.items()
    ]
    claims = tuple(
        _claim(name, [part for part in parts if part.definition.claim == name]) for name in SAYS
    )
    tests = {kind: len(family) for kind, family in _FAMILIES.items()}
    return Claims(claims, {**metadata, "tests": tests})


def _not_asked(one: Definition) -> Finding:
    return Finding(missing=NO_SYSTEMS if one in SYSTEM_DEFINITIONS else NO_IMAGES)


def _families() -> dict[str, tuple[str, ...]]:
    """The claims that have a test, of vectors, of images and of other systems."""
    kinds = {
        "vectors": VECTOR_DEFINITIONS,
        "images": IMAGE_DEFINITIONS,
        "systems": SYSTEM_DEFINITIONS,
    }
    return {
        kind: tuple(dict.fromkeys(one.claim for one in of_kind if one.decides and one.test))
        for kind, of_kind in kinds.items()
    }


_FAMILIES = _families()


def _corrected(found: Mapping[Definition, Finding]) -> dict[Definition, float]:
    """What the p of each deciding part's claim would be, if the claim hung on this part alone.

    A claim's p is the largest of its parts. A family always has the same claims, those without a
    p as 1, so that what else was asked for changes nothing.
    """
    given = {
        one: 1.0 if finding.p_value is None else finding.p_value
        for one, finding in found.items()
        if one.decides and one.test
    }
    corrected = {}
    for family in _FAMILIES.values():
        of_claims = [max(p for one, p in given.items() if one.claim == name) for name in family]
        for one, p in given.items():
            if one.claim in family and found[one].p_value is not None:
                number = family.index(one.claim)
                if_alone = [*of_claims[:number], p, *of_claims[number + 1 :]]
                corrected[one] = float(holm(if_alone)[number])
    return corrected


def _part(
    definition: Definition, finding: Finding, measured: Finding, p_adjusted: float | None
) -> ClaimPart:
    """The verdict on one part. measured: the finding as it was, whose bounds may be infinite."""

    def verdict(given: Verdict, why: str) -> ClaimPart:
        return ClaimPart(definition, finding, p_adjusted, given, why)

    if finding.value is None:
        return verdict("cannot be judged", finding.missing)
    sides = f"{definition.bound} {definition.threshold:g}"
    value = claim_number(finding.value)
    if not definition.met_by(finding.value):
        upwards = definition.bound == "at least"
        bound = measured.high if upwards else measured.low
        if definition.sample and (bound is None or definition.met_by(bound)):
            reach = "unknown" if bound is None or not np.isfinite(bound) else claim_number(bound)
            return verdict(
                "cannot be judged",
                f"{value} is not {sides}, but {'up' if upwards else 'down'} to {reach} may be true",
            )
        return verdict("does not hold", f"{value} is not {sides}")
    p = p_adjusted if definition.decides else finding.p_value
    if p is not None and p > ALPHA:
        corrected = " after correction" if definition.decides else ""
        return verdict(
            "cannot be judged",
            f"{value} is {sides}, but not told from chance (p = {p:.2g}{corrected})",
        )
    return verdict("holds", f"{value} is {sides}")


def _claim(name: str, parts: Sequence[ClaimPart]) -> Claim:
    deciding = [part for part in parts if part.definition.decides]
    verdict: Verdict = "holds"
    if _of(deciding, "does not hold"):
        verdict = "does not hold"
    elif _of(deciding, "cannot be judged"):
        verdict = "cannot be judged"
    return Claim(name, SAYS[name], tuple(parts), verdict, _why(parts, verdict))


def _why(parts: Sequence[ClaimPart], verdict: Verdict) -> str:
    """Which parts the verdict hangs on, and which beside it say something else."""
    deciding = [part for part in parts if part.definition.decides]
    beside = [part for part in parts if not part.definition.decides]
    reasons = {part.why for part in deciding if part.verdict == verdict}
    if verdict == "cannot be judged" and len(reasons) == 1:
        return reasons.pop()
    told = [f"{part.definition.part}: {part.why}" for part in _of(deciding, verdict)]
    if verdict != "holds" and (others := _of(deciding, "holds")):
        told.append(f"holds: {', '.join(part.definition.part for part in others)}")
    told += [f"beside it, {part.definition.part}: {part.verdict} ({part.why})" for part in beside]
    return "; ".join(told)


def _of(parts: Iterable[ClaimPart], verdict: Verdict) -> list[ClaimPart]:
    return [part for part in parts if part.verdict == verdict]


def claim_number(value: float) -> str:
    """A number as people read it: whole ones as such, others with three figures."""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}"


def _plain(finding: Finding) -> Finding:
    """A finding of Python's own numbers, none of them infinite, as JSON needs them."""
    details = {
        str(name): finite(float(value)) if isinstance(value, float | np.floating) else value
        for name, value in finding.details.items()
    }
    value = None if finding.value is None else float(finding.value)
    missing = finding.missing
    if value is not None and finite(value) is None:
        value, missing = None, "the statistic is not finite"
    return Finding(
        value,
        finite(finding.effect),
        finding.effect_name,
        finite(finding.p_value),
        details,
        missing,
        finite(finding.low),
        finite(finding.high),
    )


def _lists(value: Any) -> Any:
    """Tuples as the lists that JSON makes of them."""
    return [_lists(entry) for entry in value] if isinstance(value, tuple) else value


def _provenance(table: FeatureTable) -> dict[str, Any]:
    known = {name: table.metadata[name] for name in _PROVENANCE if name in table.metadata}
    known[VERSION_KEY] = recorded_version(table.metadata)
    return {**known, "rows": len(table), "point": list(table.points[0]) if table.points else None}
