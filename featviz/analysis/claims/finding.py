"""Asking all parts of claims about one kind of evidence."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from featviz.analysis.claims.claim import Finding
from featviz.analysis.claims.feature_evidence import NotJudgeableError
from featviz.base.errors import FeatvizError

_Evidence = TypeVar("_Evidence")


def found_of(
    finders: Mapping[tuple[str, str], Callable[[_Evidence], Finding]], evidence: _Evidence
) -> dict[tuple[str, str], Finding]:
    """By claim and part what is found; those that cannot be judged say what is missing.

    Raises FeatvizError, naming the part, as whoever finds it does.
    """
    findings = {}
    for (claim, part), find in finders.items():
        try:
            findings[claim, part] = find(evidence)
        except NotJudgeableError as reason:
            findings[claim, part] = Finding(missing=str(reason))
        except FeatvizError as error:
            raise FeatvizError(f"{claim}, {part}: {error}") from None
    return findings
