"""How C19 to C21, about other systems than pix2pixHD, are judged. See `definitions`."""

from featviz.analysis.claims.claim import Definition
from featviz.analysis.claims.conventions import (
    A_TENTH,
    BOTH,
    EFFECT,
    EYE_VISIBLE,
    PAIRS,
    SWAPPED,
    VISIBLE_EFFECT,
)

_THIS_DATABASE = "this data base only"

SYSTEM_DEFINITIONS = (
    Definition(
        "C19",
        "behind",
        "large images: pix2pix is farther from the photo than pix2pixHD",
        "LPIPS to the photo at the larger size, pix2pix against pix2pixHD: " + EFFECT,
        "at least",
        VISIBLE_EFFECT,
        EYE_VISIBLE,
        PAIRS,
        sample="pairs",
    ),
    Definition(
        "C19",
        "with size",
        "the larger the images, the farther pix2pix falls behind pix2pixHD",
        "relative difference of the mean LPIPS to the photo, pix2pix against pix2pixHD, at the "
        "larger size less the same at the smaller one, which is at most half of it; both networks "
        "are trained at both sizes, and images are not reduced for LPIPS",
        "at least",
        A_TENTH,
        "a tenth, as for distances",
        SWAPPED + "the sizes change places within a pair, with both networks' images",
        sample="pairs",
    ),
    Definition(
        "C19",
        "realism",
        "the same of the distance to photos as a whole",
        "relative difference of the kernel distance to the photos (negative distances count as "
        "0), pix2pix against pix2pixHD, at the larger size less the same at the smaller one",
        "at least",
        A_TENTH,
        "a tenth, as for distances. Does not decide: of a small set of faces the kernel distance "
        "is the coarser measure",
        SWAPPED + "the sizes change places within a pair, with both networks' images",
        decides=False,
        sample="pairs",
    ),
    Definition(
        "C20",
        "textures",
        "CRN's faces have fewer textures than the photos and than pix2pixHD's faces",
        "texture of an image, the mean over all spatial frequencies above an eighth of a cycle a "
        "pixel of the logarithm of the luminance's amplitude, photos and pix2pixHD's faces each "
        "against CRN's: " + EFFECT + "; the smaller",
        "at least",
        VISIBLE_EFFECT,
        EYE_VISIBLE + ". Logarithms, because texture fills the spectrum, and the chequered "
        "patterns that networks leave are a few lines in it",
        PAIRS + BOTH,
        sample="pairs",
    ),
    Definition(
        "C21",
        "seams",
        "fused parts have seams",
        "mean step across the borders of the parts that their photos do not have, after fusing, "
        "divided by the mean step that the base photo has at the same places",
        "at least",
        A_TENTH,
        "a tenth, as for distances: what adds less to the photo's own steps looks like the photo",
        sample="pairs",
        scope=_THIS_DATABASE,
    ),
    Definition(
        "C21",
        "cut",
        "the same of parts that are cut out and laid there",
        "mean step across the borders of the parts that their photos do not have, before fusing, "
        "divided by the mean step that the base photo has at the same places",
        "at least",
        A_TENTH,
        "a tenth, as for distances. Does not decide: the system fuses its parts",
        decides=False,
        sample="pairs",
        scope=_THIS_DATABASE,
    ),
    Definition(
        "C21",
        "less alike",
        "with a tenth of the photos the found parts are less like the drawn ones",
        "distance of the found parts to the drawn ones in their radii, mean over the parts of a "
        "contour, ten data bases of a tenth of the photos each (their mean) against the whole: "
        + EFFECT,
        "at least",
        VISIBLE_EFFECT,
        EYE_VISIBLE,
        PAIRS,
        sample="pairs",
        scope=_THIS_DATABASE,
    ),
    Definition(
        "C21",
        "missing",
        "with a tenth of the photos many parts have no match",
        "share of the drawn parts without a match, mean over contours, in data bases of a tenth of "
        "the photos (mean of the ten) less in the whole",
        "at least",
        A_TENTH,
        "a tenth of the parts, two in every three faces of seven parts: fewer are not many",
        PAIRS,
        sample="pairs",
        scope=_THIS_DATABASE,
    ),
)
"""The parts of C19 to C21, in order."""
