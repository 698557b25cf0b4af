"""C14: following a badly drawn sketch, and what it costs in realism."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.claims.claim import Finding
from featviz.analysis.claims.image_evidence import DEFORMED, REST, Images, related
from featviz.analysis.claims.paired_tests import relative_difference
from featviz.analysis.claims.study import BASELINE, MODIFIED
from featviz.analysis.evaluation.distributions import kernel_distance
from featviz.analysis.separation import permutation_test


def following(images: Images) -> Finding:
    """C14: change where the contour was deformed, modified against baseline."""
    of = {role: images.values(role, "followed", DEFORMED) for role in (MODIFIED, BASELINE)}
    return related(images, of[MODIFIED], of[BASELINE], of, "pairs")


def realism(images: Images) -> Finding:
    """C14: kernel distance to the photos, modified's faces of deformed contours against others."""
    both = _both_conditions(images, MODIFIED)
    distances = _kernel_distances(images, both)

    def rise(labels: NDArray[np.int64]) -> float:
        rest, deformed = _kernel_distances(images, _exchanged(both, labels))
        return deformed - rest

    rest, deformed = (max(distance, 0.0) for distance in distances)
    return Finding(
        relative_difference(deformed, rest),
        distances[1] - distances[0],
        "rise of the kernel distance",
        _swap_test(images, rise, len(both[0])),
        {"rest": distances[0], "deformed": distances[1], "pairs": len(both[0])},
    )


def trade_off(images: Images) -> Finding:
    """C14: rise of the kernel distance by deforming, modified against baseline."""
    networks = [_both_conditions(images, role) for role in (BASELINE, MODIFIED)]
    count = len(networks[0][0])

    def rises(of: Sequence[Sequence[NDArray[np.float32]]]) -> list[float]:
        found = [_kernel_distances(images, both) for both in of]
        return [deformed - rest for rest, deformed in found]

    def exchanged(labels: NDArray[np.int64]) -> float:
        # A pair changes networks with both of its images.
        rest = _exchanged([both[0] for both in networks], labels)
        deformed = _exchanged([both[1] for both in networks], labels)
        of_baseline, of_modified = rises(list(zip(rest, deformed, strict=True)))
        return of_modified - of_baseline

    of_baseline, of_modified = rises(networks)
    return Finding(
        relative_difference(max(of_modified, 0.0), max(of_baseline, 0.0)),
        of_modified - of_baseline,
        "difference of the rises",
        _swap_test(images, exchanged, count),
        {BASELINE: of_baseline, MODIFIED: of_modified, "pairs": count},
    )


def _both_conditions(images: Images, role: str) -> list[NDArray[np.float32]]:
    return [images.descriptors(role, condition) for condition in (REST, DEFORMED)]


def _kernel_distances(images: Images, sets: Sequence[NDArray[np.float32]]) -> list[float]:
    photos = images.measures.of_photos
    return [kernel_distance(one, photos).value for one in sets]


def _exchanged(
    sets: Sequence[NDArray[np.float32]], labels: NDArray[np.int64]
) -> list[NDArray[np.float32]]:
    """Two sets (pairs, d), the pairs exchanged whose labels say so; labels (2 x pairs,)."""
    swap = (labels.reshape(-1, 2)[:, 0] == 1)[:, None]
    first, second = sets
    return [np.where(swap, second, first), np.where(swap, first, second)]


def _swap_test(
    images: Images, statistic: Callable[[NDArray[np.int64]], float], pairs: int
) -> float:
    """P of a statistic whose two sets may change places pair by pair."""
    test = permutation_test(
        statistic,
        np.tile([0, 1], pairs),
        np.repeat(np.arange(pairs), 2),
        permutations=images.randomness.permutations,
        seed=images.randomness.seed,
    )
    return test.p_value
