"""How C1 to C9 and C15, about activation vectors, are judged. See `definitions`."""

from featviz.analysis.claims.claim import Definition
from featviz.analysis.claims.conventions import (
    A_TENTH,
    EXACT,
    EYE_A_TENTH,
    JACKKNIFE,
    THESE_FACES,
    TREND,
)

VECTOR_DEFINITIONS = (
    Definition(
        "C1",
        "identical",
        "one vector in every unchanged group",
        "the largest number of exactly different vectors in an unchanged group at a shallow layer "
        "of modified",
        "at most",
        1,
        EXACT,
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
        EXACT + "; PCA maps equal vectors to one point and is not needed to see it",
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
        "sketches, divided by the root mean square distance to the mean in that plane",
        "at least",
        A_TENTH,
        "a tenth of the spread of figure 3.3, which shows all sketches, is about a marker's width "
        "in it: less looks like a point",
        sample="sketches",
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
        "divided by scale in modified",
        "at least",
        A_TENTH,
        EYE_A_TENTH + ". Decides: channels double at every layer, and each panel of the figure has "
        "axes of its own, so what was seen is relative",
        TREND,
        sample="units",
    ),
    Definition(
        "C4",
        "absolute",
        "within-group distance itself grows at every step",
        "as relative, without dividing by the scale",
        "at least",
        A_TENTH,
        EYE_A_TENTH + ". Does not decide: twice as many channels alone raise it by a factor of "
        "root 2",
        TREND,
        decides=False,
        sample="units",
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
        EYE_A_TENTH + ". Decides, for the reason given at C4",
        TREND + "; of each unit, the mean distance to the others",
        sample="units",
    ),
    Definition(
        "C5",
        "nearer, absolute",
        "units come nearer to each other at every step, as measured",
        "as nearer, relative, without dividing by the scale",
        "at least",
        A_TENTH,
        EYE_A_TENTH + ". Does not decide: it mixes in the number of channels",
        TREND + "; of each unit, the mean distance to the others",
        decides=False,
        sample="units",
    ),
    Definition(
        "C5",
        "borders blur",
        "units are less apart at every step",
        "the smallest fall, over steps from a deep layer to the next, of the mean over units of "
        "the mean silhouette (Rousseeuw 1987) of a unit's sketches in modified",
        "at least",
        0.05,
        "0.05 a step is a tenth over the depth, on a scale from 0 (no border) to 1; half of a "
        "class of Kaufman and Rousseeuw (weak, reasonable, strong structure)",
        TREND + "; of each unit, its mean silhouette",
        sample="units",
    ),
    Definition(
        "C6",
        "points",
        "modified: every unchanged group is one point",
        "the largest number of exactly different vectors in an unchanged group at a shallow layer "
        "of modified",
        "at most",
        1,
        EXACT,
    ),
    Definition(
        "C6",
        "scattered",
        "baseline: unchanged groups are scattered",
        "the smallest, over shallow layers of baseline, within divided by the scale",
        "at least",
        A_TENTH,
        "a tenth of the scale is about a marker's width in figure 3.5: less looks like a point",
        sample="units",
    ),
    Definition(
        "C7",
        "relative",
        "within-group distance in units of the scale is smaller in modified",
        "the smallest, over deep layers, relative difference of within divided by scale, baseline "
        "against modified",
        "at least",
        A_TENTH,
        EYE_A_TENTH + ". Decides: a network whose vectors are all closer together, those of "
        "different eyes too, is not less disturbed by edits elsewhere",
        JACKKNIFE,
        sample="sketches",
        scope=THESE_FACES,
    ),
    Definition(
        "C7",
        "absolute",
        "within-group distance itself is smaller in modified",
        "as relative, without dividing by the scale",
        "at least",
        A_TENTH,
        EYE_A_TENTH + ". Does not decide: activations of two networks have no common unit",
        JACKKNIFE,
        decides=False,
        sample="sketches",
        scope=THESE_FACES,
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
        sample="sketches",
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
        sample="sketches",
    ),
    Definition(
        "C8",
        "tighter",
        "units are tighter in modified than in baseline",
        "the smallest, over shallow layers, relative difference of within divided by the mean "
        "distance of sketches of different units, baseline against modified",
        "at least",
        A_TENTH,
        EYE_A_TENTH,
        JACKKNIFE,
        sample="sketches",
        scope=THESE_FACES,
    ),
    Definition(
        "C9",
        "crossed",
        "the same eyes on another face are nearer than other eyes on the same face",
        "of the sketches of a crossed design, every pair of eyes on every face, the share whose "
        "mean distance, by the vectors of modified's last layer, to those of the same eyes on "
        "other faces is smaller than that to those of other eyes on the same face; equal ones "
        "count half",
        "at least",
        0.9,
        "nine of ten, as for together: a few strays are not seen in a map",
        "permutation test, one-sided, of the statistic itself; eyes change places "
        "within each face, so that chance means: any other eyes could be the ones that are the "
        "same",
        sample="faces",
        scope=THESE_FACES,
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
        "map, more would be. Does not decide: groups with the same eyes share the whole face, so "
        "that it tells faces apart as well as eyes",
        "permutation test, one-sided, of the mean of these shares; whole groups change places, so "
        "that chance means: any other groups could be the ones that stay together",
        decides=False,
        sample="sketches",
    ),
    Definition(
        "C15",
        "weaker",
        "what edits of the eyes change shrinks at every step",
        "the smallest, over steps from a deep layer to the next, relative difference of the mean "
        "over changed groups that were made from a base of the mean distance of two sketches of "
        "the group, divided by the scale, the layer before against the layer behind, in modified",
        "at least",
        A_TENTH,
        EYE_A_TENTH + ". In units of the scale, for the reason given at C4",
        JACKKNIFE,
        sample="sketches",
        scope=THESE_FACES,
    ),
)
"""The parts of C1 to C9 and C15, in order."""
