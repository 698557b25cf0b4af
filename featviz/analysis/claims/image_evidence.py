"""What was measured of generated images, laid out for the claims."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.claims.claim import Finding
from featviz.analysis.claims.feature_evidence import NotJudgeableError
from featviz.analysis.claims.jackknife import jackknife
from featviz.analysis.claims.paired_tests import (
    Randomness,
    paired_test,
    relative_difference,
    standardized_difference,
)
from featviz.analysis.claims.study import STUDY, Study

if TYPE_CHECKING:
    from featviz.analysis.claims.image_measures import ImageMeasures

REST, MOVED, DEFORMED = "rest", ("shifted", "turned"), "deformed"

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Images:
    """What C10 to C14 and C16 to C18 are judged on."""

    measures: "ImageMeasures"
    randomness: Randomness
    study: Study = STUDY

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

    def bases(self) -> NDArray[np.str_]:
        """(edits,) the base of each edit, the same for all networks."""
        return self._of_edits("base")

    def groups(self) -> NDArray[np.str_]:
        """(edits,) the group of each edit."""
        return self._of_edits("group")

    def kinds(self) -> dict[str, NDArray[np.bool_]]:
        """(edits,) which edits are of a mouth and which of a nose; kinds without any left out."""
        groups = self.groups()
        kinds = {name: np.isin(groups, names) for name, names in self.study.kinds.items()}
        return {name: which for name, which in kinds.items() if which.any()}

    def _of_edits(self, column: str) -> NDArray[np.str_]:
        first = next(iter(self.measures.edits.values()))
        return first[column].to_numpy(dtype=np.str_)

    def descriptors(self, role: str, condition: str) -> NDArray[np.float32]:
        """(pairs, 512) what VGG16 sees in a network's images."""
        self.require(role, "pairs")
        return self.measures.descriptors[role, condition]

    def require(self, role: str, kind: str) -> None:
        """NotJudgeableError unless there are images by a network, of pairs or edits.

        Edits have to be the same for all networks; a small one may not see them all.
        """
        for name in (kind, role):
            if name in self.measures.missing:
                raise NotJudgeableError(self.measures.missing[name])
        if kind == "edits":
            seen = {role: tuple(of["sketch"]) for role, of in self.measures.edits.items()}
            if len(set(seen.values())) > 1:
                counts = ", ".join(f"{len(edits)} in {role}" for role, edits in seen.items())
                raise NotJudgeableError(f"the networks do not see the same edits: {counts}")


class Tested(Protocol):
    """What has a number of permutations and their seed."""

    @property
    def randomness(self) -> Randomness:
        """These."""


def compared(
    evidence: Tested, pairs: Sequence[tuple[Values, Values]], of: dict[str, Values]
) -> Finding:
    """Whether the first of each is larger: the smallest d_av and the largest p."""

    def smallest(kept: NDArray[np.bool_]) -> float:
        return float(np.min([standardized_difference(a[kept], b[kept]) for a, b in pairs]))

    found = jackknife(smallest, np.zeros(len(pairs[0][0])))
    low, high = found.bounds()
    tests = [paired_test(larger - smaller, evidence.randomness) for larger, smaller in pairs]
    shares = [float((larger > smaller).mean()) for larger, smaller in pairs]
    details = {role: float(values.mean()) for role, values in of.items()}
    return Finding(
        float(found.values[0]),
        min(shares),
        "share of pairs",
        max(test.p_value for test in tests),
        {**details, "pairs": len(pairs[0][0])},
        low=low,
        high=high,
    )


def related(images: Images, larger: Values, smaller: Values, of: dict[str, Values]) -> Finding:
    """Whether paired values of one kind are larger, by the relative difference of their means."""
    test = paired_test(larger - smaller, images.randomness)
    found = jackknife(
        lambda kept: relative_difference(float(larger[kept].mean()), float(smaller[kept].mean())),
        np.zeros(len(larger)),
    )
    low, high = found.bounds()
    return Finding(
        float(found.values[0]),
        float((larger > smaller).mean()),
        "share of pairs",
        test.p_value,
        {**{role: float(values.mean()) for role, values in of.items()}, "pairs": len(larger)},
        low=low,
        high=high,
    )
