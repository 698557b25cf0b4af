"""C10 to C14 and C16 to C18: what generated images say, part by part."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from featviz.analysis.claims.claim import Finding
from featviz.analysis.claims.editing import (
    edit_strength,
    eyes,
    eyes_kept,
    locality,
    mouth,
    spread_elsewhere,
)
from featviz.analysis.claims.finding import found_of
from featviz.analysis.claims.image_evidence import Images
from featviz.analysis.claims.paired_tests import Randomness
from featviz.analysis.claims.quality import (
    dead_features,
    fewer_norms,
    forehead_detail,
    highest,
    lowest,
    moved_loss,
    moved_quality,
    teeth,
    vanishing,
)
from featviz.analysis.claims.study import MODIFIED, NO_NORM, STUDY, Study
from featviz.analysis.claims.trade_off import following, realism, trade_off

if TYPE_CHECKING:
    from featviz.analysis.claims.image_measures import ImageMeasures

Findings = dict[tuple[str, str], Finding]

IMAGE_FINDERS: dict[tuple[str, str], Callable[[Images], Finding]] = {
    ("C10", "moved"): moved_quality,
    ("C10", "loss"): moved_loss,
    ("C11", "best"): lambda images: lowest(images, "lpips", MODIFIED),
    ("C11", "light"): lambda images: lowest(images, "light", MODIFIED),
    ("C11", "patches"): lambda images: highest(images, "patches", NO_NORM),
    ("C11", "dead"): dead_features,
    ("C11", "convergence"): lambda images: highest(images, "lpips", NO_NORM),
    ("C12", "teeth"): teeth,
    ("C12", "forehead"): forehead_detail,
    ("C13", "stronger"): edit_strength,
    ("C13", "eyes stay"): eyes_kept,
    ("C13", "nowhere else"): spread_elsewhere,
    ("C13", "more local"): locality,
    ("C13", "eyes"): eyes,
    ("C14", "follows"): following,
    ("C14", "realism drops"): realism,
    ("C14", "trade-off"): trade_off,
    ("C16", "vanish"): vanishing,
    ("C17", "worse"): fewer_norms,
    ("C18", "mouth"): mouth,
}
"""What measures each part."""


def image_findings(
    measures: "ImageMeasures", permutations: int = 9999, seed: int = 0, study: Study = STUDY
) -> Findings:
    """The findings of all parts about images; those without images say what is missing."""
    return found_of(IMAGE_FINDERS, Images(measures, Randomness(permutations, seed), study))
