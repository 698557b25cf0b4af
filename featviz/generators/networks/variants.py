"""The variants of a generator: which layers of the front end are left without normalisation."""

import re

from featviz.base.errors import FeatvizError

_VARIANTS = ("baseline", "modified", "no-norm")

_FIRST = re.compile(r"no-norm-first-(\d+)")


def layers_without_norm(variant: str, layers: int) -> int:
    """How many of the first `layers` layers of a variant have no normalisation.

    "baseline": none (pix2pixHD); "modified": the first two (the study's fix); "no-norm": all of
    them; "no-norm-first-N": the first N.
    """
    match = _FIRST.fullmatch(variant)
    if match is None and variant not in _VARIANTS:
        raise FeatvizError(
            f"unknown variant '{variant}'; there are {', '.join(_VARIANTS)} and no-norm-first-N"
        )
    counts = {"baseline": 0, "modified": 2, "no-norm": layers}
    count = int(match[1]) if match else counts[variant]
    if count > layers:
        raise FeatvizError(
            f"variant '{variant}' leaves {count} layers without normalisation; "
            f"this front end has {layers}"
        )
    return count
