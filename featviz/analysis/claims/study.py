"""What the claims are about: which groups, layers and networks play which part."""

from collections.abc import Sequence
from dataclasses import dataclass

from featviz.base.errors import FeatvizError

BASELINE, MODIFIED, NO_NORM, AUGMENTED = "baseline", "modified", "no-norm", "augmented"
NO_NORM_3, NO_NORM_4 = "no-norm-first-3", "no-norm-first-4"

ROLES = (BASELINE, MODIFIED, NO_NORM, AUGMENTED, NO_NORM_3, NO_NORM_4)
"""The parts networks play. baseline: normalised everywhere. modified: not in the shallow layers,
and expected to keep edits where they are. no-norm: nowhere in the front end. augmented: as
modified, trained on moved sketches. no-norm-first-3, -4: not in the first three, four layers.
Feature tables have the first two."""


@dataclass(frozen=True)
class Study:
    """The part that groups and layers play in the claims; the source study's unless given.

    unchanged: groups whose sketches are all the same around the point that is read (the eyes).
    changed: groups whose sketches differ there. together: sets of unchanged groups that are the
    same around the point among each other too, and count as one. edited: the groups whose edits
    are measured in images (mouths and noses). mouths: those of them that edit mouths; the others
    edit noses. shallow, deep: layers, in order, before and behind
    the first normalisation of the modified network.
    """

    unchanged: tuple[str, ...] = ("G1", "G2", "G3", "G4", "G8", "G9", "G10", "G11")
    changed: tuple[str, ...] = ("G5", "G6", "G7")
    together: tuple[tuple[str, ...], ...] = (("G8", "G11"), ("G9", "G10"))
    edited: tuple[str, ...] = ("G8", "G9", "G10", "G11")
    shallow: tuple[str, ...] = ("L0", "L1")
    deep: tuple[str, ...] = ("L2", "L3", "L4")
    mouths: tuple[str, ...] = ("G8", "G10")

    def __post_init__(self) -> None:
        for name in ("unchanged", "shallow", "deep"):
            if not getattr(self, name):
                kind = "groups" if name == "unchanged" else "layers"
                raise FeatvizError(f"the claims take one or more {name} {kind}; given none")
        if both := [group for group in self.unchanged if group in self.changed]:
            raise FeatvizError(f"group '{both[0]}' cannot be both unchanged and changed")
        joined = [group for groups in self.together for group in groups]
        if stray := [group for group in joined if group not in self.unchanged]:
            raise FeatvizError(
                f"group '{stray[0]}' is told to stay together with others and is none of the "
                f"unchanged groups {', '.join(self.unchanged)}"
            )
        if len(set(joined)) < len(joined):
            raise FeatvizError("a group can stay together with one set of groups only")

    @property
    def layers(self) -> tuple[str, ...]:
        """Shallow and deep layers in order."""
        return self.shallow + self.deep

    @property
    def kinds(self) -> dict[str, tuple[str, ...]]:
        """The edited groups by what they edit, "mouth" and "nose"."""
        return {
            kind: tuple(group for group in self.edited if (group in self.mouths) is is_mouth)
            for kind, is_mouth in (("mouth", True), ("nose", False))
        }

    @property
    def units(self) -> tuple[tuple[str, ...], ...]:
        """The unchanged groups, those that stay together as one, in order."""
        units: list[tuple[str, ...]] = []
        for group in self.unchanged:
            unit = next((groups for groups in self.together if group in groups), (group,))
            if unit not in units:
                units.append(unit)
        return tuple(units)

    def unit_of(self, group: str) -> str:
        """The name of the unit of a group, such as G8+G11; its own where it stands alone."""
        for unit in self.units:
            if group in unit:
                return _unit_name(unit)
        return group


def _unit_name(groups: Sequence[str]) -> str:
    """The name of groups that count as one."""
    return "+".join(groups)


STUDY = Study()
"""The source study's own groups and layers."""
