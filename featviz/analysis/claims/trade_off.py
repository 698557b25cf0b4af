"""C14: following a badly drawn sketch, and what it costs in realism."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.claims.claim import Finding
from featviz.analysis.claims.image_evidence import DEFORMED, REST, Images, related
from featviz.analysis.claims.jackknife import jackknife
from featviz.analysis.claims.paired_tests import Randomness, relative_difference, swap_test
from featviz.analysis.claims.study import BASELINE, MODIFIED
from featviz.analysis.evaluation.distributions import kernel_distance

_Mask = NDArray[np.bool_]
_Seen = NDArray[np.float32]


def following(images: Images) -> Finding:
    """C14: change where the contour was deformed, modified against baseline."""
    of = {role: images.values(role, "followed", DEFORMED) for role in (MODIFIED, BASELINE)}
    return related(images, of[MODIFIED], of[BASELINE], of)


def realism(images: Images) -> Finding:
    """C14: kernel distance to the photos, modified's faces of deformed contours against others."""
    rest, deformed = _both_conditions(images, MODIFIED)

    def distances(changed: _Mask, kept: _Mask) -> tuple[float, float]:
        first, second = _exchanged(rest, deformed, changed)
        return _distance(images, first, kept), _distance(images, second, kept)

    def statistic(changed: _Mask, kept: _Mask) -> float:
        of_rest, of_deformed = distances(changed, kept)
        return relative_difference(max(of_deformed, 0.0), max(of_rest, 0.0))

    everyone, nobody = _masks(len(rest))
    before, after = distances(nobody, everyone)
    return judged_by_swaps(
        images.randomness,
        statistic,
        len(rest),
        (after - before, "rise of the kernel distance"),
        {"rest": before, "deformed": after, "pairs": len(rest)},
    )


def trade_off(images: Images) -> Finding:
    """C14: rise of the kernel distance by deforming, modified against baseline."""
    of = [_both_conditions(images, role) for role in (BASELINE, MODIFIED)]
    count = len(of[0][0])

    def rises(changed: _Mask, kept: _Mask) -> list[float]:
        # A pair changes networks with both of its images.
        rest, deformed = (_exchanged(of[0][k], of[1][k], changed) for k in (0, 1))
        return [
            _distance(images, after, kept) - _distance(images, before, kept)
            for before, after in zip(rest, deformed, strict=True)
        ]

    def statistic(changed: _Mask, kept: _Mask) -> float:
        of_baseline, of_modified = rises(changed, kept)
        return relative_difference(max(of_modified, 0.0), max(of_baseline, 0.0))

    everyone, nobody = _masks(count)
    of_baseline, of_modified = rises(nobody, everyone)
    return judged_by_swaps(
        images.randomness,
        statistic,
        count,
        (of_modified - of_baseline, "difference of the rises"),
        {BASELINE: of_baseline, MODIFIED: of_modified, "pairs": count},
    )


def _both_conditions(images: Images, role: str) -> tuple[_Seen, _Seen]:
    return images.descriptors(role, REST), images.descriptors(role, DEFORMED)


def _distance(images: Images, seen: _Seen, kept: _Mask) -> float:
    return kernel_distance(seen[kept], images.measures.of_photos[kept]).value


def _exchanged(first: _Seen, second: _Seen, changed: _Mask) -> tuple[_Seen, _Seen]:
    """Two sets (pairs, d), the pairs exchanged that changed places."""
    swap = changed[:, None]
    return np.where(swap, second, first), np.where(swap, first, second)


def _masks(count: int) -> tuple[_Mask, _Mask]:
    return np.ones(count, dtype=bool), np.zeros(count, dtype=bool)


def judged_by_swaps(
    randomness: Randomness,
    statistic: Callable[[_Mask, _Mask], float],
    count: int,
    effect: tuple[float | None, str],
    details: dict[str, float],
) -> Finding:
    """A statistic of who changed places and of whom is kept, (pairs,) each; effect: with its name.

    The bounds leave out a pair at a time, the test lets pairs change places.
    """
    everyone, nobody = _masks(count)
    found = jackknife(lambda kept: statistic(nobody, kept), np.zeros(count))
    low, high = found.bounds()
    test = swap_test(lambda changed: statistic(changed, everyone), np.arange(count), randomness)
    return Finding(float(found.values[0]), *effect, test.p_value, details, low=low, high=high)
