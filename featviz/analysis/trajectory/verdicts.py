"""The study's claims at every step of two runs, a baseline's and a modified network's."""

from collections.abc import Mapping, Sequence

import pandas as pd

from featviz.analysis.claims import STUDY, Study, judge
from featviz.analysis.claims.feature_claims import FEATURE_FINDERS
from featviz.analysis.claims.study import BASELINE, MODIFIED
from featviz.analysis.separation.summary import markdown
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable
from featviz.base.progress import track

_VERDICT_COLUMNS = ("step", "claim", "verdict", "why")
_SIGNS = {"holds": "holds", "does not hold": "no", "cannot be judged": "?"}


def judge_steps(
    tables: Sequence[FeatureTable],
    study: Study = STUDY,
    *,
    bases: Mapping[str, str] | None = None,
    permutations: int = 999,
    seed: int = 0,
) -> pd.DataFrame:
    """Verdicts on the claims of vectors, C1 to C9 and C15, at every step that both networks have.

    tables: their metadata tells variant and step; those of other variants, and of steps that one
    of the two lacks, are left out. Columns _VERDICT_COLUMNS, step by step. p-values are corrected
    within a step, as `judge` does, not for the number of steps: the verdicts of a curve are to be
    read together, not searched for one that holds. Raises FeatvizError if no step has both, one has
    several of a variant, and as `judge` does.
    """
    of: dict[int, list[FeatureTable]] = {}
    for table in tables:
        step = table.metadata.get("step")
        if table.metadata.get("variant") in (BASELINE, MODIFIED) and isinstance(step, int):
            of.setdefault(step, []).append(table)
    variants = {
        step: {table.metadata["variant"] for table in both} for step, both in sorted(of.items())
    }
    steps = [step for step, known in variants.items() if len(known) == 2]
    if not steps:
        given = ", ".join(f"{step} ({' '.join(sorted(known))})" for step, known in variants.items())
        raise FeatvizError(
            f"claims compare a {BASELINE} and a {MODIFIED} network at the same step; given steps "
            f"{given or 'of neither'}"
        )
    for step in steps:
        if len(of[step]) > 2:
            given = ", ".join(str(table.metadata.get("checkpoint")) for table in of[step])
            raise FeatvizError(
                f"claims compare one {BASELINE} and one {MODIFIED} network; step {step} has {given}"
            )
    names = list(dict.fromkeys(claim for claim, _ in FEATURE_FINDERS))
    rows = []
    for step in track(steps, "judging claims"):
        claims = judge(of[step], study, bases=bases, permutations=permutations, seed=seed)
        rows += [(step, name, claims[name].verdict, claims[name].why) for name in names]
    return pd.DataFrame(rows, columns=list(_VERDICT_COLUMNS))


def verdicts_table(verdicts: pd.DataFrame) -> str:
    """Markdown: a row a claim, a column a step."""
    signs = verdicts.assign(verdict=verdicts["verdict"].map(_SIGNS)).pivot(
        index="claim", columns="step", values="verdict"
    )
    lines = [["claim", *(f"step {step}" for step in signs.columns)]]
    lines += [
        [str(claim), *map(str, cells)]
        for claim, cells in zip(signs.index, signs.to_numpy(), strict=True)
    ]
    return markdown(lines)
