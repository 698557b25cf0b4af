"""How C10 to C14 and C16 to C18, about generated images, are judged. See `definitions`."""

from featviz.analysis.claims.claim import Definition
from featviz.analysis.claims.conventions import (
    A_TENTH,
    BOTH,
    EDITS,
    EFFECT,
    EYE_VISIBLE,
    ONE_IN_A_HUNDRED,
    ONE_PERCENT,
    PAIRS,
    SWAPPED,
    THESE_FACES,
    VISIBLE_EFFECT,
)

IMAGE_DEFINITIONS = (
    Definition(
        "C10",
        "moved",
        "moved sketches: augmented is nearer to the photo than modified",
        "LPIPS to the photo, mean over a move by 25 px and a turn by 7 degrees, modified against "
        "augmented: " + EFFECT,
        "at least",
        VISIBLE_EFFECT,
        EYE_VISIBLE + ". Decides: the claim speaks of the faces one gets",
        PAIRS,
        sample="pairs",
    ),
    Definition(
        "C10",
        "loss",
        "augmented loses less by the move than modified",
        "rise of LPIPS by the moves over that of the sketch in place, modified against augmented: "
        + EFFECT,
        "at least",
        VISIBLE_EFFECT,
        EYE_VISIBLE + ". Does not decide: one may lose little because there is little to lose",
        PAIRS,
        decides=False,
        sample="pairs",
    ),
    Definition(
        "C11",
        "best",
        "modified is nearer to the photo than baseline and than no-norm",
        "LPIPS to the photo, each of the other two against modified: " + EFFECT + "; the smaller",
        "at least",
        VISIBLE_EFFECT,
        EYE_VISIBLE,
        PAIRS + BOTH,
        sample="pairs",
    ),
    Definition(
        "C11",
        "light",
        "modified has more of the photo's contrast and light than baseline and than no-norm",
        "distance of (mean, standard deviation) of the image's luminance to the photo's, grey "
        "levels, each of the other two against modified: " + EFFECT + "; the smaller",
        "at least",
        VISIBLE_EFFECT,
        EYE_VISIBLE,
        PAIRS + BOTH,
        sample="pairs",
    ),
    Definition(
        "C11",
        "patches",
        "no-norm has more blue-green patches than baseline and than modified",
        "share of the 32 x 32 blocks of an image whose mean of (green + blue) / 2 - red exceeds "
        "that of the photo's block by more than 32 of 255 levels, no-norm against each of the "
        "other two: " + EFFECT + "; the smaller",
        "at least",
        VISIBLE_EFFECT,
        EYE_VISIBLE + "; an eighth of the range is a cast that nobody takes for skin or light",
        PAIRS + BOTH,
        sample="pairs",
    ),
    Definition(
        "C11",
        "dead",
        "no-norm has many dead features",
        "share of the entries (places x channels) of the map of the last deep layer of no-norm "
        "that are zero, mean over contours, less the larger share of the other two",
        "at least",
        A_TENTH,
        "a tenth of the entries: fewer are common after ReLU and not called many. The last deep "
        "layer is what the rest of the generator is given",
        PAIRS + BOTH,
        sample="pairs",
    ),
    Definition(
        "C11",
        "convergence",
        "no-norm is farther from the photo than baseline and than modified",
        "LPIPS to the photo, no-norm against each of the other two: " + EFFECT + "; the smaller",
        "at least",
        VISIBLE_EFFECT,
        EYE_VISIBLE + ". Finished weights do not tell how they converged: after as many steps, one "
        "that hardly converged is visibly worse",
        PAIRS + BOTH,
        sample="pairs",
    ),
    Definition(
        "C12",
        "teeth",
        "sharper teeth in modified than in baseline",
        "mean absolute difference of neighbouring pixels between the inner lips of open mouths, "
        "grey levels, modified against baseline: " + EFFECT,
        "at least",
        VISIBLE_EFFECT,
        EYE_VISIBLE,
        PAIRS + " with an open mouth",
        sample="pairs",
    ),
    Definition(
        "C12",
        "forehead",
        "less noise on the forehead in modified than in baseline",
        "mean absolute difference of neighbouring pixels above the brows, grey levels, baseline "
        "against modified: " + EFFECT,
        "at least",
        VISIBLE_EFFECT,
        EYE_VISIBLE,
        PAIRS,
        sample="pairs",
    ),
    Definition(
        "C13",
        "stronger",
        "the edit is stronger in modified than in baseline",
        "relative difference of the mean change inside the edited area, modified against "
        "baseline; the smaller of mouth and nose",
        "at least",
        A_TENTH,
        "a tenth, as for distances",
        EDITS,
        sample="edits",
        scope=THESE_FACES,
    ),
    Definition(
        "C13",
        "eyes stay",
        "modified does not change the eyes",
        "mean change at the eyes in modified, grey levels of 255; the larger of mouth and nose",
        "at most",
        ONE_PERCENT,
        "one per cent of the range, about the smallest step of grey that is seen: less is nothing",
        sample="edits",
        scope=THESE_FACES,
    ),
    Definition(
        "C13",
        "nowhere else",
        "modified does not change elsewhere",
        "share of the pixels outside the edited area that change by more than 2.55 grey levels of "
        "255 in modified, mean over edits; the larger of mouth and nose",
        "at most",
        ONE_IN_A_HUNDRED,
        "one pixel in a hundred: the study says nowhere, and a mean over all that lies outside "
        "would hide a place that changes",
        sample="edits",
        scope=THESE_FACES,
    ),
    Definition(
        "C13",
        "more local",
        "less of the change lies elsewhere in modified than in baseline",
        "relative difference of the mean change outside the edited area divided by the mean "
        "change inside, baseline against modified; the smaller of mouth and nose",
        "at least",
        A_TENTH,
        "a tenth, as for distances",
        EDITS,
        sample="edits",
        scope=THESE_FACES,
    ),
    Definition(
        "C13",
        "eyes",
        "the eyes change less in modified than in baseline",
        "relative difference of the mean change at the eyes, baseline against modified; the "
        "smaller of mouth and nose",
        "at least",
        A_TENTH,
        "a tenth, as for distances",
        EDITS,
        sample="edits",
        scope=THESE_FACES,
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
        PAIRS,
        sample="pairs",
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
        SWAPPED + "deformed and not change places within a pair",
        sample="pairs",
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
        SWAPPED + "the networks change places within a pair",
        sample="pairs",
    ),
    Definition(
        "C16",
        "vanish",
        "hardly any of the gradient reaches the first layer of no-norm",
        "of the mean absolute difference of image and photo, how far a relative change of a "
        "layer's weights moves it (norm of the gradient times norm of the weights), the first "
        "shallow layer divided by the last deep layer, mean over pairs; that of no-norm divided by "
        "those of baseline and modified; the larger",
        "at most",
        A_TENTH,
        "a tenth of what reaches it in the others: vanishing means by orders of magnitude. Of "
        "finished weights, as at C11",
        SWAPPED + "no-norm and the other change places within a pair" + BOTH,
        sample="pairs",
    ),
    Definition(
        "C17",
        "worse",
        "without the norms of three, four and five layers faces are farther from the photo",
        "LPIPS to the photo, of no-norm-first-3, no-norm-first-4 and no-norm, each against "
        "modified: " + EFFECT + "; the smallest",
        "at least",
        VISIBLE_EFFECT,
        EYE_VISIBLE,
        PAIRS + "; the largest p of the three, for all have to differ",
        sample="pairs",
    ),
    Definition(
        "C18",
        "mouth",
        "edited mouths hardly change the faces of baseline",
        "mean change inside the edited area in baseline, edits of mouths, grey levels of 255",
        "at most",
        ONE_PERCENT,
        "one per cent of the range, about the smallest step of grey that is seen: more than that "
        "is more than hardly",
        sample="edits",
        scope=THESE_FACES,
    ),
)
"""The parts of C10 to C14 and C16 to C18, in order."""
