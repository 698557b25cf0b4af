"""The claims C1 to C21, and how each is judged: statistics, tests, thresholds and their reasons.

Fixed in advance: what stands here, in `vector_definitions`, `image_definitions` and
`system_definitions` was committed before it was run on any features or images, and a threshold is
not moved afterwards. Where a definition was changed later, docs/claims.md tells the old one, the
new one and why; it was committed before its statistic was seen, too. What was known at first:
docs/evaluation.md tells LPIPS, locality and robustness of the shipped generators, figure 4.3 their
dead channels, and the captions of figures 3.3 to 3.8 distances within and between groups; so
thresholds follow conventions (Cohen's, a tenth, one per cent of the range), not those numbers.

Words. *Group*, *unit* (groups that stay together count as one), *unchanged*, *changed*, *shallow*
and *deep* layers, *mouth* and *nose*: see `Study`. *Scale* of a layer: root mean square distance
of the vectors of all sketches in the table (the study's 200, those of changed groups among them)
to their mean, for all claims alike; distances of different layers or networks compare only in
units of it. *Within*: the mean distance of two sketches of a group, its mean over the groups of a
unit, and the mean of that over units. *Relative difference* of a and b: (a - b) / max(a, b), from
-1 to 1 and 0 for 0 and 0.
*Edit*: a sketch and the base it was made from; where no base is known, the first of its group.

A part holds if its statistic meets the threshold and, where there is a test, the p-value is at
most ALPHA. A claim is a conjunction, so its p is the largest of its deciding parts, corrected by
Holm over all claims of vectors that have a test, or all of images, or of other systems, those that
could not be judged among them (as p = 1): asking for images changes no verdict on vectors. If the
statistic meets the threshold and the test does not tell it from chance, the part cannot be judged.
If the statistic misses the threshold, the part does not hold where the bound of its confidence
interval (CONFIDENCE, one-sided, jackknife) misses it too, or where nothing is sampled; else it
cannot be judged either. A claim holds if all its deciding parts do, and does not if one of them
does not.
"""

from featviz.analysis.claims.claim import Definition
from featviz.analysis.claims.image_definitions import IMAGE_DEFINITIONS
from featviz.analysis.claims.system_definitions import SYSTEM_DEFINITIONS
from featviz.analysis.claims.vector_definitions import VECTOR_DEFINITIONS

SAYS = {
    "C1": "modified: at the shallow layers all sketches of a group with unchanged eyes have one "
    "and the same vector; groups with changed eyes have several",
    "C2": "baseline: at every layer the sketches of every group have different vectors",
    "C3": "modified, PCA of the shallow layers: each group with unchanged eyes is one point, "
    "those with the same eyes share it, groups with changed eyes are spread out",
    "C4": "modified: within groups with unchanged eyes the distance is no longer zero at the first "
    "deep layer, and grows with depth",
    "C5": "modified: with depth groups with unchanged eyes come nearer to each other and their "
    "borders blur",
    "C6": "shallow layers, groups with unchanged eyes: scattered in baseline, points in modified",
    "C7": "deep layers, groups with unchanged eyes: closer together in modified than in baseline",
    "C8": "t-SNE of the shallow layers: tight clusters in modified, loose ones in baseline",
    "C9": "modified, t-SNE of the last layer: groups with the same eyes stay together",
    "C10": "trained on moved sketches, a generator gives good faces of moved sketches; trained "
    "without, it does not",
    "C11": "modified gives the best faces (contrast, light); no-norm shows blue-green patches and "
    "many dead features, and hardly converges",
    "C12": "modified has sharper teeth than baseline and no hair-like noise on the forehead",
    "C13": "an edit of mouth or nose changes the face there and nowhere else in modified; in "
    "baseline it is weak and the eyes change too",
    "C14": "modified follows a badly drawn sketch, at the price of realism; baseline corrects it",
    "C15": "modified: edits of the eyes themselves act ever more weakly from the first deep layer "
    "to the last",
    "C16": "no-norm: gradients vanish on their way back to the first layer",
    "C17": "taking the norm from more than the first two layers (three, four, all five) makes "
    "faces worse",
    "C18": "baseline: an edited mouth hardly changes in the face",
    "C19": "pix2pix has a hard time at high resolution: there it falls behind pix2pixHD",
    "C20": "CRN's faces have fewer textures than photos and than pix2pixHD's faces",
    "C21": "retrieval and fusion leaves seams and needs much data",
}
"""The claims in our words."""

DEFINITIONS = tuple(
    sorted(
        VECTOR_DEFINITIONS + IMAGE_DEFINITIONS + SYSTEM_DEFINITIONS,
        key=lambda one: list(SAYS).index(one.claim),
    )
)
"""All parts of all claims, in order."""


def definitions_of(claim: str) -> tuple[Definition, ...]:
    """The parts of a claim, in order."""
    return tuple(one for one in DEFINITIONS if one.claim == claim)
