"""C10 to C14: what generated images say, from their measures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from featviz.claims.claim import Finding
from featviz.claims.comparing import (
    Randomness,
    paired_test,
    relative_difference,
    standardized_difference,
)
from featviz.claims.evidence import NotJudgeableError
from featviz.claims.pictures import LEAST_OPEN_MOUTHS
from featviz.claims.study import AUGMENTED, BASELINE, MODIFIED, NO_NORM
from featviz.evaluation.distributions import kernel_distance
from featviz.structure import permutation_test

if TYPE_CHECKING:
    from featviz.claims.measuring import ImageMeasures

REST, MOVED, DEFORMED = "rest", ("shifted", "turned"), "deformed"

Values = NDArray[np.float64]
Findings = dict[tuple[str, str], Finding]


@dataclass(frozen=True, eq=False)
class Images:
    """What C10 to C14 are judged on."""

    measures: "ImageMeasures"
    randomness: Randomness

    def values(self, role: str, measure: str, condition: str = REST) -> Values:
        """(pairs,) a measure of a network's images; NotJudgeableError if it painted none."""
        self.require(role, "pairs")
        pairs = self.measures.pairs
        chosen = pairs[(pairs["role"] == role) & (pairs["condition"] == condition)]
        return chosen.sort_values("pair")[measure].to_numpy(dtype=np.float64)

    def edits(self, role: str, measure: str) -> Values:
        """(edits,) what edits changed in a network's images."""
        self.require(role, "edits")
        return self.measures.edits[role][measure].to_numpy(dtype=np.float64)

    def descriptors(self, role: str, condition: str) -> NDArray[np.float32]:
        """(pairs, 512) what VGG16 sees in a network's images."""
        self.require(role, "pairs")
        return self.measures.descriptors[role, condition]

    def require(self, role: str, kind: str) -> None:
        """NotJudgeableError unless there are images by a network, of pairs or edits."""
        for name in (kind, role):
            if name in self.measures.missing:
                raise NotJudgeableError(self.measures.missing[name])


def moved_quality(images: Images) -> Finding:
    """C10: LPIPS of moved contours, augmented against modified."""
    plain, augmented = (_moved(images, role) for role in (MODIFIED, AUGMENTED))
    return _compared(images, [(plain, augmented)], {MODIFIED: plain, AUGMENTED: augmented})


def moved_loss(images: Images) -> Finding:
    """C10: what moving costs in LPIPS, augmented against modified."""
    plain, augmented = (
        _moved(images, role) - images.values(role, "lpips") for role in (MODIFIED, AUGMENTED)
    )
    return _compared(images, [(plain, augmented)], {MODIFIED: plain, AUGMENTED: augmented})


def lowest(images: Images, measure: str, role: str) -> Finding:
    """C11: whether a network's images have less of a measure than both others."""
    of = {name: images.values(name, measure) for name in (BASELINE, MODIFIED, NO_NORM)}
    pairs = [(values, of[role]) for name, values in of.items() if name != role]
    return _compared(images, pairs, of)


def highest(images: Images, measure: str, role: str) -> Finding:
    """C11: whether a network's images have more of a measure than both others."""
    of = {name: images.values(name, measure) for name in (BASELINE, MODIFIED, NO_NORM)}
    pairs = [(of[role], values) for name, values in of.items() if name != role]
    return _compared(images, pairs, of)


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
    finding = _compared(images, [(of[MODIFIED], of[BASELINE])], of)
    return replace(finding, details={**finding.details, "open mouths": count})


def forehead(images: Images) -> Finding:
    """C12: detail on the forehead, baseline against modified."""
    of = {role: images.values(role, "forehead") for role in (MODIFIED, BASELINE)}
    return _compared(images, [(of[BASELINE], of[MODIFIED])], of)


def edit_strength(images: Images) -> Finding:
    """C13: change inside the edited area, modified against baseline."""
    of = {role: images.edits(role, "inside") for role in (MODIFIED, BASELINE)}
    return _related(images, of[MODIFIED], of[BASELINE], of)


def change_elsewhere(images: Images) -> Finding:
    """C13: modified's change outside the edited area."""
    outside = images.edits(MODIFIED, "outside")
    return Finding(
        float(outside.mean()),
        float((outside > 1).mean()),
        "share of edits above 1 grey level",
        details={MODIFIED: float(outside.mean()), "edits": len(outside)},
    )


def locality(images: Images) -> Finding:
    """C13: change outside relative to inside, baseline against modified."""
    ratios, means = {}, {}
    for role in (BASELINE, MODIFIED):
        inside, outside = images.edits(role, "inside"), images.edits(role, "outside")
        if (inside == 0).any():
            raise NotJudgeableError(f"an edit changes nothing where it was drawn in {role}")
        ratios[role], means[role] = outside / inside, float(outside.mean() / inside.mean())
    differences = ratios[BASELINE] - ratios[MODIFIED]
    test = paired_test(differences, images.randomness)
    return Finding(
        relative_difference(means[BASELINE], means[MODIFIED]),
        float((differences > 0).mean()),
        "share of edits",
        test.p_value,
        {**means, "edits": len(differences)},
    )


def eyes(images: Images) -> Finding:
    """C13: change at the eyes, baseline against modified."""
    of = {role: images.edits(role, "eyes") for role in (BASELINE, MODIFIED)}
    known = ~np.isnan(of[BASELINE]) & ~np.isnan(of[MODIFIED])
    if not known.any():
        raise NotJudgeableError("no edit leaves eyes that a drawing names unedited")
    of = {role: values[known] for role, values in of.items()}
    return _related(images, of[BASELINE], of[MODIFIED], of)


def following(images: Images) -> Finding:
    """C14: change where the contour was deformed, modified against baseline."""
    of = {role: images.values(role, "followed", DEFORMED) for role in (MODIFIED, BASELINE)}
    return _related(images, of[MODIFIED], of[BASELINE], of, "pairs")


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


FINDERS: dict[tuple[str, str], Callable[[Images], Finding]] = {
    ("C10", "moved"): moved_quality,
    ("C10", "loss"): moved_loss,
    ("C11", "best"): lambda images: lowest(images, "lpips", MODIFIED),
    ("C11", "light"): lambda images: lowest(images, "light", MODIFIED),
    ("C11", "patches"): lambda images: highest(images, "patches", NO_NORM),
    ("C11", "dead"): dead_channels,
    ("C11", "convergence"): lambda images: highest(images, "lpips", NO_NORM),
    ("C12", "teeth"): teeth,
    ("C12", "forehead"): forehead,
    ("C13", "stronger"): edit_strength,
    ("C13", "nowhere else"): change_elsewhere,
    ("C13", "more local"): locality,
    ("C13", "eyes"): eyes,
    ("C14", "follows"): following,
    ("C14", "realism drops"): realism,
    ("C14", "trade-off"): trade_off,
}
"""What measures each part."""


def image_findings(measures: "ImageMeasures", permutations: int = 9999, seed: int = 0) -> Findings:
    """The findings of C10 to C14, by claim and part; those without images say what is missing."""
    images = Images(measures, Randomness(permutations, seed))
    findings = {}
    for name, find in FINDERS.items():
        try:
            findings[name] = find(images)
        except NotJudgeableError as reason:
            findings[name] = Finding(missing=str(reason))
    return findings


def _moved(images: Images, role: str) -> Values:
    moved = [images.values(role, "lpips", condition) for condition in MOVED]
    return np.asarray(np.mean(moved, axis=0))


def _compared(
    images: Images, pairs: Sequence[tuple[Values, Values]], of: dict[str, Values]
) -> Finding:
    """Whether the first of each is larger: the smallest d_av and the largest p."""
    sizes = [standardized_difference(larger, smaller) for larger, smaller in pairs]
    tests = [paired_test(larger - smaller, images.randomness) for larger, smaller in pairs]
    shares = [float((larger > smaller).mean()) for larger, smaller in pairs]
    details = {role: float(values.mean()) for role, values in of.items()}
    return Finding(
        min(sizes),
        min(shares),
        "share of pairs",
        max(test.p_value for test in tests),
        {**details, "pairs": len(pairs[0][0])},
    )


def _related(
    images: Images,
    larger: Values,
    smaller: Values,
    of: dict[str, Values],
    unit: str = "edits",
) -> Finding:
    """Whether paired values of one kind are larger, by the relative difference of their means."""
    test = paired_test(larger - smaller, images.randomness)
    return Finding(
        relative_difference(float(larger.mean()), float(smaller.mean())),
        float((larger > smaller).mean()),
        f"share of {unit}",
        test.p_value,
        {**{role: float(values.mean()) for role, values in of.items()}, unit: len(larger)},
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
