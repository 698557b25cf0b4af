"""C19 to C21: what faces by pix2pix, CRN and retrieval say, part by part."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.claims.claim import Finding
from featviz.analysis.claims.feature_evidence import NotJudgeableError
from featviz.analysis.claims.finding import found_of
from featviz.analysis.claims.image_evidence import Values, compared
from featviz.analysis.claims.jackknife import jackknife
from featviz.analysis.claims.paired_tests import Randomness, paired_test, relative_difference
from featviz.analysis.claims.retrieved_parts import RetrievalMeasures
from featviz.analysis.claims.system_measures import (
    CRN,
    PHOTOS,
    PIX2PIX,
    PIX2PIXHD,
    RETRIEVAL,
    SystemMeasures,
)
from featviz.analysis.claims.trade_off import judged_by_swaps
from featviz.analysis.evaluation.distributions import kernel_distance

_Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Systems:
    """What C19 to C21 are judged on."""

    measures: SystemMeasures
    randomness: Randomness

    def require(self, *names: str) -> None:
        """NotJudgeableError unless all of these systems are there."""
        for name in names:
            if name in self.measures.missing:
                raise NotJudgeableError(self.measures.missing[name])

    @property
    def sizes(self) -> list[int]:
        """Those at which both pix2pix and pix2pixHD are, the smallest first."""
        self.require(PIX2PIX, PIX2PIXHD)
        both = [set(self.measures.sizes[name]) for name in (PIX2PIX, PIX2PIXHD)]
        if not (common := sorted(both[0] & both[1])):
            raise NotJudgeableError(f"'{PIX2PIX}' and '{PIX2PIXHD}' are not of one size")
        return common

    @property
    def both_sizes(self) -> tuple[int, int]:
        """The largest of them, and the smallest, at most half of it; NotJudgeableError without."""
        small, *_, large = sizes if len(sizes := self.sizes) > 1 else (*sizes, *sizes)
        if 2 * small > large:
            told = " and ".join(map(str, dict.fromkeys((small, large))))
            raise NotJudgeableError(
                f"runs of {told} px; expected two sizes, one at most half of the other: --systems "
                "takes a folder of each"
            )
        return large, small

    @property
    def retrieval(self) -> RetrievalMeasures:
        """What was measured of the data base."""
        self.require(RETRIEVAL)
        assert self.measures.retrieval is not None
        return self.measures.retrieval


def behind(systems: Systems) -> Finding:
    """C19: LPIPS at the largest size, pix2pix against pix2pixHD."""
    size = systems.sizes[-1]
    of = {name: systems.measures.lpips[name, size] for name in (PIX2PIX, PIX2PIXHD)}
    return compared(systems, [(of[PIX2PIX], of[PIX2PIXHD])], of)


def with_size(systems: Systems) -> Finding:
    """C19: how much farther behind in LPIPS pix2pix is at the larger size than at the smaller."""
    sizes = systems.both_sizes
    # (sizes, networks, pairs)
    values = np.array(
        [[systems.measures.lpips[name, size] for name in (PIX2PIX, PIX2PIXHD)] for size in sizes]
    )

    def statistic(changed: _Mask, kept: _Mask) -> float:
        large, small = np.where(changed, values[::-1], values)[..., kept].mean(axis=-1)
        return relative_difference(*large) - relative_difference(*small)

    return _of_sizes(systems, statistic, values.shape[-1], sizes)


def realism_with_size(systems: Systems) -> Finding:
    """C19: the same of the kernel distance to the photos."""
    sizes, measures = systems.both_sizes, systems.measures
    faces = {name: [measures.seen[name, size] for size in sizes] for name in (PIX2PIX, PIX2PIXHD)}
    photos = [measures.of_photos[size] for size in sizes]

    def statistic(changed: _Mask, kept: _Mask) -> float:
        swap = changed[:, None]

        def placed(pair: list[NDArray[np.float32]], number: int) -> NDArray[np.float32]:
            return np.where(swap, pair[1 - number], pair[number])[kept]

        def behind_at(number: int) -> float:
            own, other = (
                max(0.0, kernel_distance(placed(of, number), placed(photos, number)).value)
                for of in faces.values()
            )
            return relative_difference(own, other)

        return behind_at(0) - behind_at(1)

    return _of_sizes(systems, statistic, len(photos[0]), sizes)


def _of_sizes(
    systems: Systems,
    statistic: Callable[[_Mask, _Mask], float],
    count: int,
    sizes: tuple[int, int],
) -> Finding:
    told: dict[str, float] = {"larger, px": sizes[0], "smaller, px": sizes[1], "pairs": count}
    return judged_by_swaps(systems.randomness, statistic, count, (None, ""), told)


def textures(systems: Systems) -> Finding:
    """C20: texture of photos and of pix2pixHD's faces, each against that of CRN's."""
    systems.require(CRN, PIX2PIXHD)
    of = systems.measures.textures
    if PIX2PIXHD not in of:
        raise NotJudgeableError(f"'{CRN}' and '{PIX2PIXHD}' are not of one size")
    return compared(systems, [(of[PHOTOS], of[CRN]), (of[PIX2PIXHD], of[CRN])], of)


def seams(systems: Systems) -> Finding:
    """C21: the step that fused parts leave, by the base photo's own."""
    return _steps(systems.retrieval, systems.retrieval.fused, "fused")


def cut_seams(systems: Systems) -> Finding:
    """C21: the same of parts that are not fused."""
    return _steps(systems.retrieval, systems.retrieval.cut, "cut")


def _steps(measured: RetrievalMeasures, steps: Values, name: str) -> Finding:
    known = np.isfinite(measured.own)
    if not known.any() or measured.own[known].sum() == 0:
        raise NotJudgeableError("no part of any contour has a match that went in")
    own, left = measured.own[known], steps[known]
    found = jackknife(lambda kept: float(left[kept].mean() / own[kept].mean()), np.zeros(len(own)))
    low, high = found.bounds()
    means = {f"{name}, grey levels": float(left.mean()), "own, grey levels": float(own.mean())}
    details = {**means, "pairs": len(own), "faces": measured.faces}
    return Finding(float(found.values[0]), details=details, low=low, high=high)


def less_alike(systems: Systems) -> Finding:
    """C21: distance of the found parts, a tenth of the photos against all."""
    of = systems.retrieval.apart
    return compared(systems, [(of["a tenth"], of["all"])], of)


def unmatched_share(systems: Systems) -> Finding:
    """C21: share of the parts without a match, with a tenth of the photos less with all."""
    of = systems.retrieval.unmatched
    more = of["a tenth"] - of["all"]
    found = jackknife(lambda kept: float(more[kept].mean()), np.zeros(len(more)))
    low, high = found.bounds()
    return Finding(
        float(found.values[0]),
        float(of["a tenth"].mean()),
        "share with a tenth",
        paired_test(more, systems.randomness).p_value,
        {**{name: float(each.mean()) for name, each in of.items()}, "pairs": len(more)},
        low=low,
        high=high,
    )


SYSTEM_FINDERS: dict[tuple[str, str], Callable[[Systems], Finding]] = {
    ("C19", "behind"): behind,
    ("C19", "with size"): with_size,
    ("C19", "realism"): realism_with_size,
    ("C20", "textures"): textures,
    ("C21", "seams"): seams,
    ("C21", "cut"): cut_seams,
    ("C21", "less alike"): less_alike,
    ("C21", "missing"): unmatched_share,
}
"""What measures each part."""


def system_findings(
    measures: SystemMeasures, permutations: int = 9999, seed: int = 0
) -> dict[tuple[str, str], Finding]:
    """The findings of all parts about systems; those without faces say what is missing."""
    return found_of(SYSTEM_FINDERS, Systems(measures, Randomness(permutations, seed)))
