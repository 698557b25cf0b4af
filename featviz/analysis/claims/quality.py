"""C10, C11, C12, C16, C17: which network's images are better, and in what."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.claims.claim import Finding
from featviz.analysis.claims.feature_evidence import NotJudgeableError
from featviz.analysis.claims.image_evidence import MOVED, Images, Values, compared
from featviz.analysis.claims.jackknife import jackknife
from featviz.analysis.claims.paired_tests import paired_test, swap_test
from featviz.analysis.claims.pictures import LEAST_OPEN_MOUTHS
from featviz.analysis.claims.study import (
    AUGMENTED,
    BASELINE,
    MODIFIED,
    NO_NORM,
    NO_NORM_3,
    NO_NORM_4,
)


def moved_quality(images: Images) -> Finding:
    """C10: LPIPS of moved contours, augmented against modified."""
    plain, augmented = (_moved(images, role) for role in (MODIFIED, AUGMENTED))
    return compared(images, [(plain, augmented)], {MODIFIED: plain, AUGMENTED: augmented})


def moved_loss(images: Images) -> Finding:
    """C10: what moving costs in LPIPS, augmented against modified."""
    plain, augmented = (
        _moved(images, role) - images.values(role, "lpips") for role in (MODIFIED, AUGMENTED)
    )
    return compared(images, [(plain, augmented)], {MODIFIED: plain, AUGMENTED: augmented})


def lowest(images: Images, measure: str, role: str) -> Finding:
    """C11: whether a network's images have less of a measure than both others."""
    of = {name: images.values(name, measure) for name in (BASELINE, MODIFIED, NO_NORM)}
    pairs = [(values, of[role]) for name, values in of.items() if name != role]
    return compared(images, pairs, of)


def highest(images: Images, measure: str, role: str) -> Finding:
    """C11: whether a network's images have more of a measure than both others."""
    of = {name: images.values(name, measure) for name in (BASELINE, MODIFIED, NO_NORM)}
    pairs = [(of[role], values) for name, values in of.items() if name != role]
    return compared(images, pairs, of)


def dead_features(images: Images) -> Finding:
    """C11: how much larger no-norm's share of entries that are zero is than the others'."""
    of = {name: images.values(name, "zeros") for name in (BASELINE, MODIFIED, NO_NORM)}
    others = [of[BASELINE], of[MODIFIED]]
    tests = [paired_test(of[NO_NORM] - other, images.randomness) for other in others]
    found = jackknife(
        lambda kept: np.min([(of[NO_NORM] - other)[kept].mean() for other in others]),
        np.zeros(len(of[NO_NORM])),
    )
    low, high = found.bounds()
    return Finding(
        float(found.values[0]),
        float(of[NO_NORM].mean()),
        "share in no-norm",
        max(test.p_value for test in tests),
        {role: float(values.mean()) for role, values in of.items()},
        low=low,
        high=high,
    )


def vanishing(images: Images) -> Finding:
    """C16: how much of the gradient reaches the first layer, no-norm against the others."""
    of = {name: images.values(name, "reaches") for name in (BASELINE, MODIFIED, NO_NORM)}
    if (of[BASELINE] == 0).all() or (of[MODIFIED] == 0).all():
        raise NotJudgeableError("no gradient reaches the first layer of baseline or modified")
    pairs = len(of[NO_NORM])

    def ratio(role: str, changed: NDArray[np.bool_], kept: NDArray[np.bool_]) -> float:
        above, below = np.where(changed, [of[role], of[NO_NORM]], [of[NO_NORM], of[role]])
        return float(above[kept].mean() / below[kept].mean())

    everyone, nobody = np.ones(pairs, dtype=bool), np.zeros(pairs, dtype=bool)
    found = jackknife(
        lambda kept: np.max([ratio(role, nobody, kept) for role in (BASELINE, MODIFIED)]),
        np.zeros(pairs),
    )
    low, high = found.bounds()
    tests = [
        swap_test(
            lambda changed, role=role: ratio(role, changed, everyone),  # type: ignore[misc]
            np.arange(pairs),
            images.randomness,
            "less",
        )
        for role in (BASELINE, MODIFIED)
    ]
    return Finding(
        float(found.values[0]),
        float((of[NO_NORM] < np.minimum(of[BASELINE], of[MODIFIED])).mean()),
        "share of pairs",
        max(test.p_value for test in tests),
        {**{role: float(values.mean()) for role, values in of.items()}, "pairs": pairs},
        low=low,
        high=high,
    )


def fewer_norms(images: Images) -> Finding:
    """C17: LPIPS without the norms of three, four and all layers, each against modified."""
    of = {role: images.values(role, "lpips") for role in (MODIFIED, NO_NORM_3, NO_NORM_4, NO_NORM)}
    return compared(images, [(of[role], of[MODIFIED]) for role in list(of)[1:]], of)


def teeth(images: Images) -> Finding:
    """C12: detail in open mouths, modified against baseline."""
    of = {role: images.values(role, "teeth") for role in (MODIFIED, BASELINE)}
    is_open = ~np.isnan(of[MODIFIED]) & ~np.isnan(of[BASELINE])
    if (count := int(is_open.sum())) < LEAST_OPEN_MOUTHS:
        raise NotJudgeableError(
            f"{count} of the pairs have an open mouth; expected at least {LEAST_OPEN_MOUTHS} "
            "(a larger --count)"
        )
    of = {role: values[is_open] for role, values in of.items()}
    finding = compared(images, [(of[MODIFIED], of[BASELINE])], of)
    return replace(finding, details={**finding.details, "open mouths": count})


def forehead_detail(images: Images) -> Finding:
    """C12: detail on the forehead, baseline against modified."""
    of = {role: images.values(role, "forehead") for role in (MODIFIED, BASELINE)}
    return compared(images, [(of[BASELINE], of[MODIFIED])], of)


def _moved(images: Images, role: str) -> Values:
    moved = [images.values(role, "lpips", condition) for condition in MOVED]
    return np.asarray(np.mean(moved, axis=0))
