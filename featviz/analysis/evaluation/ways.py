"""The ways in which an edit can be made: free, with statistics held, with maps kept."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from featviz.analysis.evaluation.images import Painter
from featviz.editing.engine import LocalEditor, StatisticsOf
from featviz.editing.local import EditsOfBase, engine_makes, engine_of
from featviz.probing.statistics import (
    Statistics,
    hold_statistics,
    instance_norms,
    record_statistics,
)
from featviz.sketches.edits import Edit, Pixels

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


FREE_WAY = Way()
HELD = Way(statistics="base")


def ways_of(keep: Sequence[Kept], statistics: Sequence[StatisticsOf]) -> tuple[Way, ...]:
    """Free, held, and each way to keep with each kind of statistics."""
    return FREE_WAY, HELD, *(Way(where, whose) for where in keep for whose in statistics)


@dataclass(frozen=True, eq=False)
class EditImages:
    """An edit's image and that of its base, as this way computed it, (1, 3, H, W) each."""

    image: Tensor
    base: Tensor


def faces_of(
    paint: Painter, edits: Iterable[Edit], ways: Sequence[Way]
) -> Iterator[tuple[Edit, Mapping[Way, EditImages]]]:
    """Make each edit in each way; those of one base should follow each other.

    A generator without instance norms has no statistics that could be held: what is kept then
    differs by `keep` alone, and the way `held`, which would be free, is left out.
    """
    has_norms = bool(instance_norms(paint.generator))
    ways = [way for way in ways if way.keep or way == FREE_WAY or has_norms]
    fast = any(engine_makes(way.keep) for way in ways)
    editor = engine_of(paint.generator) if fast else None
    number, maker = None, None
    for each in edits:
        if maker is None or each.base_number != number:
            number, maker = each.base_number, _Maker(paint, each.base, editor)
        yield each, {way: maker.make(each, way) for way in ways}


class _Maker:
    """Makes the edits of one base, which runs once for each of the ways in which maps are kept."""

    def __init__(self, paint: Painter, base: Pixels, editor: LocalEditor | None) -> None:
        self._paint, self._base, self._editor = paint, base, editor
        self._free = self._image(base)
        self._edits: dict[Kept, EditsOfBase] = {}

    def make(self, each: Edit, way: Way) -> EditImages:
        """The face of an edit in one way."""
        statistics = way.statistics
        if statistics is None:
            return EditImages(self._image(each.edited), self._free)
        network = self._paint.generator
        if way.keep is None:
            with hold_statistics(network, self._statistics):
                return EditImages(self._image(each.edited), self._free)
        if way.keep not in self._edits:
            given = self._given(self._base)
            self._edits[way.keep] = EditsOfBase(network, self._editor, self._base, given, way.keep)
        kept, base = self._edits[way.keep].edit(each, self._given(each.edited), statistics)
        return EditImages(kept.image.float(), base.float())

    @cached_property
    def _statistics(self) -> Mapping[str, Statistics]:
        return record_statistics(self._paint.generator, self._given(self._base))

    def _image(self, sketch: Pixels) -> Tensor:
        with torch.no_grad():
            image: Tensor = self._paint.generator(self._given(sketch)).float()
        return image

    def _given(self, sketch: Pixels) -> Tensor:
        return self._paint.checkpoint.input(sketch)[None].to(self._paint.device)
