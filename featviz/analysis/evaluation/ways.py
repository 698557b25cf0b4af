"""The ways in which an edit can be made: free, with statistics held, with maps kept."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from featviz.analysis.evaluation.images import Painter
from featviz.editing import Base, record_base
from featviz.editing.local import StatisticsOf, edit_base
from featviz.probing.statistics import instance_norms
from featviz.sketches.edits import Edit

Kept = Literal["layers", "trunk"]


@dataclass(frozen=True)
class Way:
    """How the face of an edited sketch is made.

    keep: where the base's maps are kept outside of the edited area, None for nowhere. statistics:
    whose the norms use, None for their own, as the generator is.
    """

    keep: Kept | None = None
    statistics: StatisticsOf | None = None

    @property
    def name(self) -> str:
        """`free`, `held`, or what is kept and whose statistics: `layers base`, `trunk 0.5`."""
        if self.statistics is None:
            return "free"
        told = f"{self.statistics:g}" if isinstance(self.statistics, float) else self.statistics
        return f"{self.keep} {told}" if self.keep else "held"


FREE = Way()
HELD = Way(statistics="base")


def ways_of(keep: Sequence[Kept], statistics: Sequence[StatisticsOf]) -> tuple[Way, ...]:
    """Free, held, and each way to keep with each kind of statistics."""
    return FREE, HELD, *(Way(where, whose) for where in keep for whose in statistics)


@dataclass(frozen=True, eq=False)
class Faces:
    """The images of an edit, (1, 3, H, W) each: its base's, and its own by way."""

    edit: Edit
    base: Tensor
    edited: Mapping[Way, Tensor]


def faces_of(paint: Painter, edits: Iterable[Edit], ways: Sequence[Way]) -> Iterator[Faces]:
    """Make each edit in each way; those of one base should follow each other.

    A generator without instance norms has no statistics that could be held: what is kept then
    differs by `keep` alone, and the way `held`, which would be free, is left out.
    """
    network, number, bases = paint.generator, None, dict[str, Base]()
    has_norms = bool(instance_norms(network))
    ways = [way for way in ways if way.keep or way == FREE or has_norms]
    for each in edits:
        if each.base_number != number:
            number, bases = each.base_number, {}
            sketch = paint.checkpoint.input(each.base)[None].to(paint.device)
            for keep in dict.fromkeys(way.keep or "layers" for way in ways):
                bases[keep] = record_base(network, sketch, keep)
        given, edited = paint.checkpoint.input(each.edited)[None].to(paint.device), {}
        for way in ways:
            if way.statistics is None:
                with torch.no_grad():
                    edited[way] = network(given).float()
                continue
            area = each.area if way.keep else np.ones_like(each.area)
            base = bases[way.keep or "layers"]
            made = edit_base(network, base, given, area=area, statistics=way.statistics)
            edited[way] = made.image.float()
        # The free runs of all bases are one.
        yield Faces(each, next(iter(bases.values())).image.float(), edited)
