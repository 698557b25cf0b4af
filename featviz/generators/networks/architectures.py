"""Which generators there are, and how each is built from its description."""

from collections.abc import Mapping
from typing import Any

from featviz.base.errors import FeatvizError
from featviz.generators.networks.crn import Crn, CrnArchitecture
from featviz.generators.networks.generators import (
    Generator,
    GeneratorArchitecture,
    GlobalGenerator,
    LocalEnhancer,
    build_generator,
)
from featviz.generators.networks.names import GENERATORS
from featviz.generators.networks.unet import Unet, UnetArchitecture

Architecture = GeneratorArchitecture | UnetArchitecture | CrnArchitecture
WholeGenerator = GlobalGenerator | LocalEnhancer | Unet | Crn
"""Whatever makes an image of a sketch."""


def described_architecture(description: Mapping[str, Any]) -> Architecture:
    """The architecture that a checkpoint's description tells: pix2pixHD's unless it names another.

    Raises FeatvizError for a generator that there is not, TypeError for other fields than its own.
    """
    settings = dict(description)
    match name := settings.pop("generator", "global"):
        case "global":
            return GeneratorArchitecture(**settings)
        case "unet":
            return UnetArchitecture(**settings)
        case "crn":
            return CrnArchitecture(**settings)
        case _:
            raise FeatvizError(
                f"unknown generator {str(name)[:50]!r}; there are {', '.join(GENERATORS)}"
            )


def build(architecture: Architecture) -> WholeGenerator:
    """A generator of any kind with fresh weights from torch's global random state."""
    if isinstance(architecture, UnetArchitecture):
        return Unet(architecture)
    if isinstance(architecture, CrnArchitecture):
        return Crn(architecture)
    generator: Generator = build_generator(architecture)
    return generator
