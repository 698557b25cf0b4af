"""Which norm each part of a generator has: variants, and norms by section."""

import re
from dataclasses import dataclass

from featviz.base.errors import FeatvizError
from featviz.generators.networks.normalization import Norm, require_norm, sees_sketch, window_of

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


_SECTIONS = ("front", "residual", "back", "enhancers")
"""Of a generator: what `norms_of` names."""

_LAYER = re.compile(r"L(\d+)")


@dataclass(frozen=True)
class SectionNorms:
    """The norm of each layer of the front end, and those of the other sections."""

    front: tuple[Norm, ...]
    residual: Norm
    back: Norm
    enhancers: Norm

    @property
    def see_sketch(self) -> bool:
        """Whether any of them is told what is drawn."""
        return any(map(sees_sketch, (*self.front, self.residual, self.back, self.enhancers)))

    def require_fitting(self, size: int, levels: int) -> None:
        """Raise FeatvizError if a window is larger than a map of sketches of a size.

        levels: enhancers; the front end sees the sketch at 1 / 2 ** levels of its size.
        """
        coarse = size >> levels
        deepest = coarse >> (len(self.front) - 1)
        named = [(f"L{layer}", norm, coarse >> layer) for layer, norm in enumerate(self.front)]
        named += [("residual", self.residual, deepest), ("back", self.back, 2 * deepest)]
        if levels:
            named.append(("enhancers", self.enhancers, coarse))
        for section, norm, side in named:
            window = window_of(norm)
            if window is not None and window > side:
                raise FeatvizError(
                    f"the window of {section}={norm} is larger than the map there, {side}x{side} "
                    f"for sketches of {size} px"
                )


def norms_of(norm: str, variant: str, layers: int) -> SectionNorms:
    """The norms of a generator whose front end has so many layers.

    norm: one name, see `normalization`, or names by section, "front=none,residual=pixel"; sections
    are front, residual, back and enhancers, or single layers L0, L1, ...; instance where none is
    named. variant: what it leaves without a norm has none. Raises FeatvizError for an unknown norm,
    section or variant, a section that is named twice, and for norms of the front end beside a
    variant other than baseline.
    """
    bare = layers_without_norm(variant, layers)
    if "=" not in norm:
        front = tuple("none" if layer < bare else norm for layer in range(layers))
        require_norm(norm)
        return SectionNorms(front, norm, norm, norm)
    found: dict[str, Norm] = {}
    for part in norm.split(","):
        section, _, name = (each.strip() for each in part.partition("="))
        layer = _LAYER.fullmatch(section)
        if section not in _SECTIONS and (layer is None or int(layer[1]) >= layers):
            raise FeatvizError(
                f"unknown section '{section}' in the norm '{norm}'; there are "
                f"{', '.join(_SECTIONS)} and L0 to L{layers - 1}"
            )
        if section in found:
            raise FeatvizError(f"section '{section}' is named twice in the norm '{norm}'")
        require_norm(name)
        found[section] = name
    of_front = [section for section in found if section == "front" or _LAYER.fullmatch(section)]
    if bare and of_front:
        raise FeatvizError(
            f"variant '{variant}' says which layers have no norm, and so does {of_front[0]}= in "
            f"'{norm}'; leave one of them out"
        )
    rest = found.get("front", "instance")
    front = tuple(
        "none" if layer < bare else found.get(f"L{layer}", rest) for layer in range(layers)
    )
    return SectionNorms(front, *(found.get(section, "instance") for section in _SECTIONS[1:]))
