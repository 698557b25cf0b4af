"""What all definitions of claims share: levels, thresholds, and the words of their tests."""

ALPHA = 0.05
"""The chance of any false "holds" among the claims of vectors, and among those of images."""

CONFIDENCE = 0.99
"""Of the bound that a statistic's threshold has to lie beyond before a part "does not hold". A
claim has up to five parts, and each could fail it wrongly: five times 0.01 is 0.05."""

A_TENTH = 0.1
VISIBLE_EFFECT = 0.5
ONE_PERCENT = 2.55
"""Grey levels of 255."""
ONE_IN_A_HUNDRED = 0.01

THESE_FACES = "these faces only"
"""The scope of a part whose test exchanges edits that share a face, or sketches of one face."""

EYE_A_TENTH = (
    "a tenth: the study judged scatter plots by eye, and a distance that differs by less than a "
    "tenth looks the same in them"
)
EYE_VISIBLE = (
    "0.5, Cohen's medium effect, which he chose to be visible to the naked eye of a careful "
    "observer (Statistical Power Analysis, 1988, ch. 2); the study judged images by eye"
)
EXACT = "exact: the claim says identical, and the mechanism leaves no room for anything else"
TREND = (
    "permutation test, one-sided, of the statistic itself; layers change places within a unit, "
    "which keeps the sketches over one base together"
)
JACKKNIFE = (
    "Student's t, one-sided, of the difference that the statistic is a share of over its jackknife "
    "error, the largest p of the layers, for all have to differ; every sketch is left out once, "
    "within its group, so that it speaks for further edits of these faces"
)
EDITS = (
    "permutation test, one-sided, of the statistic itself; the networks change places edit by "
    "edit, so that it speaks for further edits of these faces; the larger p of mouth and nose; p "
    "where they change places face by face is told beside it"
)
PAIRS = "sign-flip test, one-sided, of paired differences over held-out pairs"
SWAPPED = "permutation test, one-sided, of the statistic itself; "
EFFECT = (
    "mean paired difference divided by the root of the mean of both variances over pairs "
    "(Cohen's d_av)"
)
BOTH = "; the larger p of the two, for both have to differ"
