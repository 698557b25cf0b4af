"""The claims C1 to C14, and how each is judged: statistics, tests, thresholds and their reasons.

Fixed in advance: this file was committed before the claims were run on any features or images, and
a threshold is not moved afterwards. What was known then: docs/evaluation.md tells LPIPS, locality
and robustness of the shipped generators, figure 4.3 their dead channels, and the captions of
figures 3.3 to 3.8 distances within and between groups; so thresholds follow conventions (Cohen's, a
tenth, one per cent of the range), not those numbers.

Words. *Group*, *unit* (groups that stay together count as one), *unchanged*, *changed*, *shallow*
and *deep* layers: see `Study`. *Scale* of a layer: root mean square distance of the vectors of all
sketches in the table to their mean; distances of different layers or networks compare only in
units of it. *Within*: the mean over groups of the mean distance of two sketches of a group.
*Relative difference* of a and b: (a - b) / max(a, b), from -1 to 1 and 0 for 0 and 0.
*Edit*: a sketch and the base it was made from; where no base is known, the first of its group.

A part holds if its statistic meets the threshold and, where there is a test, the p-value is at most
ALPHA after Holm's correction over all tests made together. If the statistic meets the threshold and
the test does not tell it from chance, it cannot be judged; else it does not hold. A claim holds if
all its deciding parts do, and does not if one of them does not.
"""

from featviz.analysis.claims.claim import Definition

ALPHA = 0.05
"""The chance of any false "holds" among the tests made together, after Holm's correction."""

A_TENTH = 0.1
VISIBLE_EFFECT = 0.5
ONE_PERCENT = 2.55

_A_TENTH = (
    "a tenth: the study judged scatter plots by eye, and a distance that differs by less than a "
    "tenth looks the same in them"
)
_VISIBLE = (
    "0.5, Cohen's medium effect, which he chose to be visible to the naked eye of a careful "
    "observer (Statistical Power Analysis, 1988, ch. 2); the study judged images by eye"
)
_EXACT = "exact: the claim says identical, and the mechanism leaves no room for anything else"
_TREND = (
    "permutation test, one-sided, of the mean over units of the difference between the first and "
    "the last deep layer; layers change places within a unit, which keeps the sketches over one "
    "base together"
)
_PAIRED = (
    "sign-flip test, one-sided, of paired differences over edits, each sketch its own control in "
    "both networks, with its base fixed; the largest p of the layers, for all have to differ"
)
_IMAGES = "sign-flip test, one-sided, of paired differences over held-out pairs"
_EFFECT = (
    "mean paired difference divided by the root of the mean of both variances over pairs "
    "(Cohen's d_av)"
)

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
}
"""The claims in our words."""

DEFINITIONS = (
    Definition(
        "C1",
        "identical",
        "one vector in every unchanged group",
        "the largest number of exactly different vectors in an unchanged group at a shallow layer "
        "of modified",
        "at most",
        1,
        _EXACT,
    ),
    Definition(
        "C1",
        "differ",
        "several vectors in every changed group",
        "the smallest number of exactly different vectors in a changed group at a shallow layer of "
        "modified",
        "at least",
        2,
        "two: the claim denies that they are all the same. A network whose vectors never change "
        "fails here",
    ),
    Definition(
        "C2",
        "differ",
        "no two sketches of a group have the same vector",
        "the smallest share, over groups and layers of baseline, of pairs of sketches of a group "
        "whose vectors are not exactly equal",
        "at least",
        1,
        "all pairs: normalisation over the whole map shifts every position by every edit, so one "
        "single tie would be an exception",
    ),
    Definition(
        "C3",
        "points",
        "every unit of unchanged groups is one point",
        "the largest number of exactly different vectors in a unit at a shallow layer of modified",
        "at most",
        1,
        _EXACT + "; PCA maps equal vectors to one point and is not needed to see it",
    ),
    Definition(
        "C3",
        "apart",
        "the points of different units differ",
        "the number of pairs of units that have a vector in common at a shallow layer of modified",
        "at most",
        0,
        "none: were all units one point, that two groups share theirs would say nothing",
    ),
    Definition(
        "C3",
        "spread",
        "changed groups are spread out",
        "the smallest, over changed groups and shallow layers of modified, mean distance of two "
        "sketches of the group in the plane of the first two principal components of all "
        "sketches, divided by the scale in that plane",
        "at least",
        A_TENTH,
        "a tenth of the scale is about a marker's width in figure 3.3: less looks like a point",
    ),
    Definition(
        "C4",
        "leaves zero",
        "no unchanged group is one point at the first deep layer",
        "the smallest number of exactly different vectors in an unchanged group at the first deep "
        "layer of modified",
        "at least",
        2,
        "two: a distance above zero means two different vectors",
    ),
    Definition(
        "C4",
        "relative",
        "within-group distance in units of the scale grows at every step",
        "the smallest, over steps from a deep layer to the next, relative difference of within "
        "divided by scale, over unchanged groups of modified",
        "at least",
        A_TENTH,
        _A_TENTH + ". Decides: channels double at every layer, and each panel of the figure has "
        "axes of its own, so what was seen is relative",
        _TREND + ": mean distance of edits to their base divided by the scale",
    ),
    Definition(
        "C4",
        "absolute",
        "within-group distance itself grows at every step",
        "as relative, without dividing by the scale",
        "at least",
        A_TENTH,
        _A_TENTH + ". Does not decide: twice as many channels alone raise it by a factor of root 2",
        _TREND + ": mean distance of edits to their base",
        decides=False,
    ),
    Definition(
        "C5",
        "nearer, relative",
        "units come nearer to each other in units of the scale at every step",
        "the smallest, over steps from a deep layer to the next, relative difference of the mean "
        "distance between the mean vectors of two units divided by the scale, the layer before "
        "against the layer behind, in modified",
        "at least",
        A_TENTH,
        _A_TENTH + ". Decides, for the reason given at C4",
        _TREND + ": distance of the unit's mean vector to the mean of these, divided by the scale",
    ),
    Definition(
        "C5",
        "nearer, absolute",
        "units come nearer to each other at every step, as measured",
        "as nearer, relative, without dividing by the scale",
        "at least",
        A_TENTH,
        _A_TENTH + ". Does not decide: it mixes in the number of channels",
        _TREND + ": distance of the unit's mean vector to the mean of these",
        decides=False,
    ),
    Definition(
        "C5",
        "borders blur",
        "units are less apart at every step",
        "the smallest fall, over steps from a deep layer to the next, of the mean silhouette "
        "(Rousseeuw 1987) of the sketches of units in modified",
        "at least",
        0.05,
        "0.05 a step is a tenth over the depth, on a scale from 0 (no border) to 1; half of a "
        "class of Kaufman and Rousseeuw (weak, reasonable, strong structure)",
        _TREND + ": mean silhouette of the unit",
    ),
    Definition(
        "C6",
        "points",
        "modified: every unchanged group is one point",
        "the largest number of exactly different vectors in an unchanged group at a shallow layer "
        "of modified",
        "at most",
        1,
        _EXACT,
    ),
    Definition(
        "C6",
        "scattered",
        "baseline: unchanged groups are scattered",
        "the smallest, over shallow layers of baseline, within of unchanged groups divided by the "
        "scale",
        "at least",
        A_TENTH,
        "a tenth of the scale is about a marker's width in figure 3.5: less looks like a point",
    ),
    Definition(
        "C7",
        "relative",
        "within-group distance in units of the scale is smaller in modified",
        "the smallest, over deep layers, relative difference of within divided by scale, over "
        "unchanged groups, baseline against modified",
        "at least",
        A_TENTH,
        _A_TENTH + ". Decides: a network whose vectors are all closer together, those of "
        "different eyes too, is not less disturbed by edits elsewhere",
        _PAIRED + ": distance to the base divided by the network's scale",
    ),
    Definition(
        "C7",
        "absolute",
        "within-group distance itself is smaller in modified",
        "as relative, without dividing by the scale",
        "at least",
        A_TENTH,
        _A_TENTH + ". Does not decide: activations of two networks have no common unit",
        _PAIRED + ": distance to the base",
        decides=False,
    ),
    Definition(
        "C8",
        "tight",
        "modified: units are tight",
        "the smallest, over shallow layers of modified, mean silhouette of the sketches of units, "
        "on the vectors",
        "at least",
        0.7,
        "0.7: where Kaufman and Rousseeuw (Finding Groups in Data, 1990, ch. 2) begin to speak "
        "of a strong structure. Groups with changed eyes are no clusters by C3 and left out",
    ),
    Definition(
        "C8",
        "loose",
        "baseline: units are loose",
        "the largest, over shallow layers of baseline, mean silhouette of the sketches of units, "
        "on the vectors",
        "at most",
        0.7,
        "0.7, for the same reason: a structure that is strong too is no loose one",
    ),
    Definition(
        "C8",
        "tighter",
        "units are tighter in modified than in baseline",
        "the smallest, over shallow layers, relative difference of within divided by the mean "
        "distance of sketches of different units, baseline against modified",
        "at least",
        A_TENTH,
        _A_TENTH,
        _PAIRED + ": distance to the base divided by the network's distance between units",
    ),
    Definition(
        "C9",
        "together",
        "nearest to every group is the one with the same eyes",
        "the smallest, over groups that stay together with another, share of sketches whose "
        "nearest sketch of another group, by the vectors of modified's last layer, belongs to a "
        "group of their unit; equally near ones count in proportion",
        "at least",
        0.9,
        "nine of ten: one or two strays among the 19 or 26 sketches of a group are not seen in a "
        "map, more would be",
        "permutation test, one-sided, of the mean of these shares; whole groups change places, so "
        "that chance means: any other groups could be the ones that stay together",
    ),
    Definition(
        "C10",
        "moved",
        "moved sketches: augmented is nearer to the photo than modified",
        "LPIPS to the photo, mean over a move by 25 px and a turn by 7 degrees, modified against "
        "augmented: " + _EFFECT,
        "at least",
        VISIBLE_EFFECT,
        _VISIBLE + ". Decides: the claim speaks of the faces one gets",
        _IMAGES,
    ),
    Definition(
        "C10",
        "loss",
        "augmented loses less by the move than modified",
        "rise of LPIPS by the moves over that of the sketch in place, modified against augmented: "
        + _EFFECT,
        "at least",
        VISIBLE_EFFECT,
        _VISIBLE + ". Does not decide: one may lose little because there is little to lose",
        _IMAGES,
        decides=False,
    ),
    Definition(
        "C11",
        "best",
        "modified is nearer to the photo than baseline and than no-norm",
        "LPIPS to the photo, each of the other two against modified: " + _EFFECT + "; the smaller",
        "at least",
        VISIBLE_EFFECT,
        _VISIBLE,
        _IMAGES + "; the larger p of the two, for both have to differ",
    ),
    Definition(
        "C11",
        "light",
        "modified has more of the photo's contrast and light than baseline and than no-norm",
        "distance of (mean, standard deviation) of the image's luminance to the photo's, grey "
        "levels, each of the other two against modified: " + _EFFECT + "; the smaller",
        "at least",
        VISIBLE_EFFECT,
        _VISIBLE,
        _IMAGES + "; the larger p of the two, for both have to differ",
    ),
    Definition(
        "C11",
        "patches",
        "no-norm has more blue-green patches than baseline and than modified",
        "share of the 32 x 32 blocks of an image whose mean of (green + blue) / 2 - red exceeds "
        "that of the photo's block by more than 32 of 255 levels, no-norm against each of the "
        "other two: " + _EFFECT + "; the smaller",
        "at least",
        VISIBLE_EFFECT,
        _VISIBLE + "; an eighth of the range is a cast that nobody takes for skin or light",
        _IMAGES + "; the larger p of the two, for both have to differ",
    ),
    Definition(
        "C11",
        "dead",
        "no-norm has many dead channels",
        "share of the channels of shallow and deep layers of no-norm that are zero everywhere, "
        "for all contours, less the larger share of the other two",
        "at least",
        A_TENTH,
        "a tenth of the channels: fewer are common after ReLU and not called many",
    ),
    Definition(
        "C11",
        "convergence",
        "no-norm is farther from the photo than baseline and than modified",
        "LPIPS to the photo, no-norm against each of the other two: " + _EFFECT + "; the smaller",
        "at least",
        VISIBLE_EFFECT,
        _VISIBLE + ". Finished weights do not tell how they converged: after as many steps, one "
        "that hardly converged is visibly worse",
        _IMAGES + "; the larger p of the two, for both have to differ",
    ),
    Definition(
        "C12",
        "teeth",
        "sharper teeth in modified than in baseline",
        "mean absolute difference of neighbouring pixels between the inner lips of open mouths, "
        "grey levels, modified against baseline: " + _EFFECT,
        "at least",
        VISIBLE_EFFECT,
        _VISIBLE,
        _IMAGES + " with an open mouth",
    ),
    Definition(
        "C12",
        "forehead",
        "less noise on the forehead in modified than in baseline",
        "mean absolute difference of neighbouring pixels above the brows, grey levels, baseline "
        "against modified: " + _EFFECT,
        "at least",
        VISIBLE_EFFECT,
        _VISIBLE,
        _IMAGES,
    ),
    Definition(
        "C13",
        "stronger",
        "the edit is stronger in modified than in baseline",
        "relative difference of the mean change inside the edited area, modified against baseline",
        "at least",
        A_TENTH,
        "a tenth, as for distances",
        "sign-flip test, one-sided, of paired differences over edits",
    ),
    Definition(
        "C13",
        "nowhere else",
        "modified does not change elsewhere",
        "mean change outside the edited area in modified, grey levels of 255",
        "at most",
        ONE_PERCENT,
        "one per cent of the range, about the smallest step of grey that is seen: less is nothing",
    ),
    Definition(
        "C13",
        "more local",
        "less of the change lies elsewhere in modified than in baseline",
        "relative difference of the mean change outside the edited area divided by that inside, "
        "baseline against modified",
        "at least",
        A_TENTH,
        "a tenth, as for distances",
        "sign-flip test, one-sided, of paired differences of outside / inside over edits",
    ),
    Definition(
        "C13",
        "eyes",
        "the eyes change less in modified than in baseline",
        "relative difference of the mean change at the eyes, baseline against modified",
        "at least",
        A_TENTH,
        "a tenth, as for distances",
        "sign-flip test, one-sided, of paired differences over edits",
    ),
    Definition(
        "C14",
        "follows",
        "a badly drawn sketch changes the face more in modified than in baseline",
        "relative difference of the mean change where the contour was deformed, modified against "
        "baseline",
        "at least",
        A_TENTH,
        "a tenth, as for distances",
        _IMAGES,
    ),
    Definition(
        "C14",
        "realism drops",
        "faces of badly drawn sketches are less realistic in modified",
        "relative difference of the kernel distance to the photos of modified's faces, deformed "
        "contours against contours as they were (negative distances count as 0)",
        "at least",
        A_TENTH,
        "a tenth, as for distances",
        "permutation test, one-sided: deformed and not change places within a pair",
    ),
    Definition(
        "C14",
        "trade-off",
        "realism drops more in modified than in baseline",
        "relative difference of the rise of the kernel distance by deforming (a fall counts as 0), "
        "modified against baseline",
        "at least",
        A_TENTH,
        "a tenth, as for distances",
        "permutation test, one-sided: the networks change places within a pair",
    ),
)
"""All parts of all claims, in order."""


def definitions_of(claim: str) -> tuple[Definition, ...]:
    """The parts of a claim, in order."""
    return tuple(one for one in DEFINITIONS if one.claim == claim)
