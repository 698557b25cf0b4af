"""Claims: what is said, how it was to be judged, what was found, and the verdict; as JSON too."""

import json
import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from featviz.base.errors import FeatvizError
from featviz.base.files import atomic_write
from featviz.base.foreign import read_json

Verdict = Literal["holds", "does not hold", "cannot be judged"]
_Bound = Literal["at least", "at most"]

CLAIMS_FORMAT = "featviz claims 1"


@dataclass(frozen=True)
class Definition:
    """How one part of a claim is judged. Fixed in code before the features it judges were seen.

    claim, part: its name, such as C4 and "relative". says: in words. statistic: the number that
    is compared with `threshold`, `bound` says on which side it has to lie. reason: why there.
    test: the p-value's test, "" if none makes sense. decides: whether the claim's verdict hangs on
    this part, or it is told beside it. sample: what was sampled, "" for a statement about these
    vectors alone, of which nothing is uncertain. scope: what a verdict does not go beyond, "" for
    what the sample stands for.
    """

    claim: str
    part: str
    says: str
    statistic: str
    bound: _Bound
    threshold: float
    reason: str
    test: str = ""
    decides: bool = True
    sample: str = ""
    scope: str = ""

    def met_by(self, value: float) -> bool:
        """Whether a statistic lies on the asked side of the threshold, or on it."""
        if self.bound == "at least":
            return value >= self.threshold
        return value <= self.threshold


@dataclass(frozen=True)
class Finding:
    """What was measured of one part.

    value: the statistic, None if it could not be measured, with the reason in `missing`.
    effect: a size of effect beside it, `effect_name` says which. p_value: one-sided, before
    correction; None without a test. details: further numbers by name, fit for JSON. low, high:
    bounds of the statistic, each with its own confidence, see `jackknife`; None without any.
    """

    value: float | None = None
    effect: float | None = None
    effect_name: str = ""
    p_value: float | None = None
    details: dict[str, Any] = field(default_factory=dict)
    missing: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ClaimPart:
    """A definition with what was found, and the verdict on it.

    p_adjusted: what the claim's p would be after correction if it hung on this part alone; the
    claim's own is the largest. None without a test and for parts that do not decide.
    """

    definition: Definition
    finding: Finding
    p_adjusted: float | None
    verdict: Verdict
    why: str


@dataclass(frozen=True)
class Claim:
    """A claim and its parts, a conjunction: the deciding ones have to hold all for it to hold."""

    name: str
    says: str
    parts: tuple[ClaimPart, ...]
    verdict: Verdict
    why: str

    @property
    def scope(self) -> str:
        """What the verdict does not go beyond, "" if no deciding part is so limited."""
        deciding = (part.definition for part in self.parts if part.definition.decides)
        return next((one.scope for one in deciding if one.scope), "")

    def part(self, name: str) -> ClaimPart:
        """The part of this name; raises FeatvizError if there is none."""
        for part in self.parts:
            if part.definition.part == name:
                return part
        there = ", ".join(part.definition.part for part in self.parts)
        raise FeatvizError(f"unknown part '{name}' of {self.name}; there are {there}")


@dataclass(frozen=True)
class Claims:
    """All claims, in order, and what it takes to judge them again (fit for JSON)."""

    claims: tuple[Claim, ...]
    metadata: dict[str, Any]

    def __getitem__(self, name: str) -> Claim:
        for claim in self.claims:
            if claim.name == name:
                return claim
        there = ", ".join(claim.name for claim in self.claims)
        raise FeatvizError(f"unknown claim '{name}'; there are {there}")


def write_claims(claims: Claims, path: Path) -> None:
    """Write claims as JSON, complete or not at all."""
    content = {
        "format": CLAIMS_FORMAT,
        "metadata": claims.metadata,
        "claims": [_claim_to_json(claim) for claim in claims.claims],
    }
    # Strict JSON has no NaN and no infinity; a browser reads this.
    text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
    with atomic_write(Path(path)) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class _PartEntry(Finding, Definition):
    """How the file holds a `ClaimPart`."""

    p_adjusted: float | None
    verdict: Verdict
    why: str

    def as_part(self) -> ClaimPart:
        definition, finding = (
            {one.name: getattr(self, one.name) for one in fields(kind)}
            for kind in (Definition, Finding)
        )
        return ClaimPart(
            Definition(**definition), Finding(**finding), self.p_adjusted, self.verdict, self.why
        )


@dataclass(frozen=True)
class _ClaimEntry:
    claim: str
    says: str
    parts: tuple[_PartEntry, ...]
    verdict: Verdict
    why: str


@dataclass(frozen=True)
class _Content:
    format: Literal["featviz claims 1"]
    metadata: dict[str, Any]
    claims: tuple[_ClaimEntry, ...]


def read_claims(path: Path) -> Claims:
    """Read what `write_claims` wrote; raises FeatvizError naming the file if it is no such."""
    path = Path(path)
    if not path.is_file():
        raise FeatvizError(
            f"{path}: no such file; `featviz claims FEATURES... --out FILE.json` writes it"
        )
    try:
        content = read_json(path, _Content)
    except FeatvizError as error:
        raise FeatvizError(
            f"{error}; expected claims of featviz, format '{CLAIMS_FORMAT}'"
        ) from None
    claims = tuple(
        Claim(one.claim, one.says, tuple(p.as_part() for p in one.parts), one.verdict, one.why)
        for one in content.claims
    )
    return Claims(claims, content.metadata)


def finite(value: float | None) -> float | None:
    """A number that JSON can hold, or None for NaN and infinity."""
    return None if value is None or not math.isfinite(value) else float(value)


def _claim_to_json(claim: Claim) -> dict[str, Any]:
    return {
        "claim": claim.name,
        "says": claim.says,
        "verdict": claim.verdict,
        "why": claim.why,
        "parts": [
            {
                **asdict(part.definition),
                **asdict(part.finding),
                "p_adjusted": part.p_adjusted,
                "verdict": part.verdict,
                "why": part.why,
            }
            for part in claim.parts
        ],
    }
