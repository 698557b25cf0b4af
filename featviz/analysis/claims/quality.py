"""C10, C11, C12: which network's images are better, and in what."""

from dataclasses import replace

import numpy as np

from featviz.analysis.claims.claim import Finding
from featviz.analysis.claims.feature_evidence import NotJudgeableError
from featviz.analysis.claims.image_evidence import MOVED, Images, Values, compared
from featviz.analysis.claims.pictures import LEAST_OPEN_MOUTHS
from featviz.analysis.claims.study import AUGMENTED, BASELINE, MODIFIED, NO_NORM


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


def dead_channels(images: Images) -> Finding:
    """C11: how much larger no-norm's share of dead channels is than the others'."""
    shares = {}
    for role in (BASELINE, MODIFIED, NO_NORM):
        images.require(role, "pairs")
        dead, channels = images.measures.dead[role]
        shares[role] = dead / channels
    others = max(shares[BASELINE], shares[MODIFIED])
    return Finding(shares[NO_NORM] - others, shares[NO_NORM], "share in no-norm", details=shares)


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
