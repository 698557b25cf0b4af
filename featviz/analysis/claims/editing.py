"""C13, C18: what an edit changes where it was drawn, elsewhere, and at the eyes."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.claims.claim import Finding
from featviz.analysis.claims.feature_evidence import NotJudgeableError
from featviz.analysis.claims.image_evidence import Images, Values
from featviz.analysis.claims.jackknife import jackknife
from featviz.analysis.claims.paired_tests import OVER_BASES, relative_difference, swap_test
from featviz.analysis.claims.study import BASELINE, MODIFIED

_Mask = NDArray[np.bool_]


def edit_strength(images: Images) -> Finding:
    """C13: change inside the edited area, modified against baseline."""
    of = {role: images.edits(role, "inside") for role in (MODIFIED, BASELINE)}
    return _compared(images, of)


def eyes_kept(images: Images) -> Finding:
    """C13: modified's change at the eyes."""
    changes = images.edits(MODIFIED, "eyes")
    return _largest(images, MODIFIED, changes, _known_eyes(changes))


def spread_elsewhere(images: Images) -> Finding:
    """C13: the share of the pixels outside the edited area that modified changes visibly."""
    changes = images.edits(MODIFIED, "beyond")
    return _largest(images, MODIFIED, changes, np.ones(len(changes), dtype=bool))


def locality(images: Images) -> Finding:
    """C13: change outside relative to inside, baseline against modified."""
    outside = {role: images.edits(role, "outside") for role in (BASELINE, MODIFIED)}
    inside = {role: images.edits(role, "inside") for role in (BASELINE, MODIFIED)}
    for role, changes in inside.items():
        if (changes == 0).any():
            raise NotJudgeableError(f"an edit changes nothing where it was drawn in {role}")
    return _compared(images, outside, inside)


def eyes(images: Images) -> Finding:
    """C13: change at the eyes, baseline against modified."""
    of = {role: images.edits(role, "eyes") for role in (BASELINE, MODIFIED)}
    return _compared(images, of, known=_known_eyes(*of.values()))


def mouth(images: Images) -> Finding:
    """C18: baseline's change inside the edited area of mouths."""
    changes = images.edits(BASELINE, "inside")
    only = {"mouth": images.kinds().get("mouth", np.zeros(len(changes), dtype=bool))}
    if not only["mouth"].any():
        raise NotJudgeableError("no edit is one of a mouth")
    return _largest(images, BASELINE, changes, np.ones(len(changes), dtype=bool), only)


def _known_eyes(*changes: Values) -> _Mask:
    known = np.logical_and.reduce([~np.isnan(values) for values in changes])
    if not known.any():
        raise NotJudgeableError("no edit leaves eyes that a drawing names unedited")
    return np.asarray(known)


def _largest(
    images: Images,
    role: str,
    changes: Values,
    known: _Mask,
    kinds: Mapping[str, _Mask] | None = None,
) -> Finding:
    """The mean of one network's changes; the larger of the kinds of edits."""
    kinds = kinds or images.kinds()
    of_kinds = {name: is_kind & known for name, is_kind in kinds.items()}
    of_kinds = {name: which for name, which in of_kinds.items() if which.any()}
    some = np.logical_or.reduce(list(of_kinds.values()))

    def largest(kept: _Mask) -> float:
        rest = some.copy()
        rest[some] = kept
        return float(np.max([_mean(changes[which & rest]) for which in of_kinds.values()]))

    found = jackknife(largest, images.groups()[some])
    low, high = found.bounds()
    details: dict[str, float] = {
        f"{role}, {name}": float(changes[which].mean()) for name, which in of_kinds.items()
    }
    return Finding(
        float(found.values[0]), details=details | {"edits": int(some.sum())}, low=low, high=high
    )


def _compared(
    images: Images,
    of: Mapping[str, Values],
    per: Mapping[str, Values] | None = None,
    known: _Mask | None = None,
) -> Finding:
    """The first network's mean change against the second's, relative; the smaller of the kinds.

    per: by role, changes whose mean the mean change is divided by.
    """
    first, second = of
    divisors = per or {role: np.ones(len(values)) for role, values in of.items()}
    known = np.ones(len(of[first]), dtype=bool) if known is None else known
    kinds = {name: np.flatnonzero(which & known) for name, which in images.kinds().items()}
    kinds = {name: rows for name, rows in kinds.items() if len(rows)}

    def relative(rows: NDArray[np.int64], changed: _Mask) -> float:
        """The difference where some edits changed networks."""
        means = []
        for role, other in ((first, second), (second, first)):
            above = np.where(changed, of[other][rows], of[role][rows])
            below = np.where(changed, divisors[other][rows], divisors[role][rows])
            means.append(_mean(above) / _mean(below))
        return relative_difference(*means)

    def least(kept: _Mask) -> float:
        rows = {name: rows[np.isin(rows, everyone[kept])] for name, rows in kinds.items()}
        return float(np.min([relative(some, np.zeros(len(some), bool)) for some in rows.values()]))

    def p_value(rows: NDArray[np.int64], blocks: NDArray[np.generic]) -> float:
        return swap_test(lambda changed: relative(rows, changed), blocks, images.randomness).p_value

    everyone = np.sort(np.concatenate(list(kinds.values())))
    found = jackknife(least, images.groups()[everyone])
    low, high = found.bounds()
    details: dict[str, float] = {
        f"{role}, {name}": float(of[role][rows].mean() / divisors[role][rows].mean())
        for name, rows in kinds.items()
        for role in of
    }
    ratios = {role: of[role][everyone] / divisors[role][everyone] for role in of}
    return Finding(
        float(found.values[0]),
        float((ratios[first] > ratios[second]).mean()),
        "share of edits",
        max(p_value(rows, rows) for rows in kinds.values()),
        {
            **details,
            "edits": len(everyone),
            OVER_BASES: max(p_value(rows, images.bases()[rows]) for rows in kinds.values()),
        },
        low=low,
        high=high,
    )


def _mean(values: Values) -> float:
    return float(values.mean()) if len(values) else np.nan
