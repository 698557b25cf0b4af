"""The source study's claims: each with statistics, tests, thresholds fixed in advance, a verdict.

Feature tables in, verdicts out; statistics are taken on the vectors, never on a map of them.
"""

from featviz.analysis.claims.claim import (
    Claim,
    ClaimPart,
    Claims,
    Definition,
    Finding,
    Verdict,
    read_claims,
    write_claims,
)
from featviz.analysis.claims.definitions import DEFINITIONS
from featviz.analysis.claims.image_claims import image_findings
from featviz.analysis.claims.judging import judge
from featviz.analysis.claims.study import STUDY, Study

__all__ = [
    "DEFINITIONS",
    "STUDY",
    "Claim",
    "ClaimPart",
    "Claims",
    "Definition",
    "Finding",
    "Study",
    "Verdict",
    "image_findings",
    "judge",
    "read_claims",
    "write_claims",
]
