"""What a mode holds: instance norms by their names, or statistics by what a forward does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from featviz.analysis.leakage.modes import default_modes, held_norms
from featviz.analysis.leakage.single import (
    held_statistics,
    not_held,
    reading,
    told_ways,
    trace,
    ways_to,
)
from featviz.analysis.leakage.table import ALL, ALL_BUT, FREE, IMAGE, STATISTICS
from featviz.base.errors import FeatvizError
from featviz.probing.activations import find_layers
from featviz.probing.field import WholeMapWay
from featviz.probing.held import (
    MapStatistics,
    hold_map_statistics,
    plain_attention,
    record_map_statistics,
)
from featviz.probing.receptive_field import Geometry
from featviz.probing.rules import ATTENTION


class Holding(Protocol):
    """What there is to hold in a network; statistics are what its `Runs` give."""

    def default_modes(self, layers: Sequence[str]) -> tuple[str, ...]:
        """The modes that make a difference, "free" first."""

    def check(self, mode: str) -> None:
        """Raise FeatvizError for a mode that is unknown or holds nothing."""

    def held(self, statistics: Any, mode: str) -> Any:
        """Of some statistics those that a mode holds."""

    def in_turn(self, statistics: Any, modes: Sequence[str]) -> list[str]:
        """Modes in an order in which those whose runs begin alike come one after the other."""

    def not_held(self, geometries: Mapping[str, Geometry], statistics: Any) -> tuple[str, ...]:
        """What else lets positions see each other up to the layers, each with what it is."""


@dataclass(frozen=True, eq=False)
class NormHolding:
    """Instance norms by name, see `held_norms`."""

    model: nn.Module

    def default_modes(self, layers: Sequence[str]) -> tuple[str, ...]:
        """See `Holding`."""
        return default_modes(self.model, layers)

    def check(self, mode: str) -> None:
        """See `Holding`."""
        held_norms(self.model, mode)

    def held(self, statistics: Any, mode: str) -> Any:
        """See `Holding`."""
        return held_statistics(self.model, statistics, mode)

    def in_turn(self, statistics: Any, modes: Sequence[str]) -> list[str]:
        """See `Holding`."""

        def held(mode: str) -> list[bool]:
            found = self.held(statistics, mode)
            return [name in found for name in statistics]

        return sorted(modes, key=held)

    def not_held(self, geometries: Mapping[str, Geometry], statistics: Any) -> tuple[str, ...]:
        """See `Holding`."""
        return not_held(self.model, geometries, statistics)


@dataclass(frozen=True, eq=False)
class WayHolding:
    """Statistics of any kind, by operation; see `hold_map_statistics`.

    ways: those that can be held. attention: where weights of attention can.
    """

    model: nn.Module
    ways: tuple[WholeMapWay, ...]
    attention: tuple[WholeMapWay, ...] = ()

    def default_modes(self, layers: Sequence[str]) -> tuple[str, ...]:  # noqa: ARG002
        """See `Holding`."""
        return (FREE, ALL, STATISTICS) if self.ways else (FREE,)

    def check(self, mode: str) -> None:
        """See `Holding`."""
        if mode == ATTENTION:
            if not self.attention:
                raise FeatvizError(
                    f"mode '{mode}' holds nothing; this network has no attention by a softmax"
                )
        elif mode != FREE and not self._chosen(mode):
            there = ", ".join(dict.fromkeys(way.module or "forward" for way in self.ways))
            raise FeatvizError(
                f"mode '{mode}' holds nothing; statistics are taken in {there or 'no module'}"
            )

    def held(self, statistics: MapStatistics, mode: str) -> MapStatistics:
        """See `Holding`."""
        if mode == ATTENTION:
            return replace(statistics, operations=(), norms={})
        chosen = self._chosen(mode)
        norms = {
            name: each
            for name, each in statistics.norms.items()
            if any(way.module == name for way in chosen)
        }
        operations = tuple(each for each in statistics.operations if each.way in chosen)
        return replace(statistics, operations=operations, norms=norms, attention=())

    def in_turn(self, statistics: Any, modes: Sequence[str]) -> list[str]:  # noqa: ARG002
        """See `Holding`; nothing is shared."""
        return list(modes)

    def not_held(
        self, geometries: Mapping[str, Geometry], statistics: MapStatistics
    ) -> tuple[str, ...]:
        """See `Holding`."""
        ways = ways_to(geometries)
        return told_ways([way for way in ways if way not in statistics.ways])

    def _chosen(self, mode: str) -> tuple[WholeMapWay, ...]:
        if mode in (ALL, STATISTICS):
            return self.ways
        part = find_layers(self.model, [mode.removeprefix(ALL_BUT)])
        name = next(name for name, each in self.model.named_modules() if each in part.values())
        inside = tuple(way for way in self.ways if f"{way.module}.".startswith(f"{name}."))
        if mode.startswith(ALL_BUT):
            return tuple(way for way in self.ways if way not in inside)
        return inside


class WayRuns:
    """Runs of any network with statistics held by operation; see `Runs`.

    A free run has its own statistics held, so what an edit does not reach stays the base's to the
    last bit where they are the base's. scale: what the image is multiplied by to lie in [-1, 1].
    attention: whether its weights may be held, too.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Sequence[str],
        scale: float | Tensor = 1.0,
        attention: bool = False,
    ) -> None:
        self._model, self._layers, self._scale = model, layers, scale
        self._attention = attention
        self._geometries: Mapping[str, Geometry] | None = None
        self._known: dict[int, tuple[Tensor, MapStatistics]] = {}

    def __call__(
        self,
        image: Tensor,
        held: Any,
        keep: bool = False,  # noqa: ARG002 (nothing is shared)
    ) -> tuple[Mapping[str, Tensor], Any]:
        """See `Runs`; what is held are `MapStatistics`, and so is what else normalised."""
        self._geometries = self._geometries or trace(self._model, self._layers, image)
        own = held or replace(self.statistics(image), attention=())
        with (
            reading(self._model, self._layers, self._geometries) as activations,
            # In inference mode operations come in another form than when they were recorded.
            torch.inference_mode(mode=False),
            torch.no_grad(),
            plain_attention(self._attention),
            hold_map_statistics(self._model, own),
        ):
            maps = activations(image)
        if IMAGE in maps and (isinstance(self._scale, Tensor) or self._scale != 1):
            maps[IMAGE] = maps[IMAGE] * self._scale
        return maps, own

    def statistics(self, image: Tensor) -> Any:
        """See `Runs`."""
        if id(image) not in self._known:
            found = record_map_statistics(self._model, image, self._attention)
            self._known[id(image)] = image, found
        return self._known[id(image)][1]

    def forget(self, image: Tensor) -> None:
        """See `Runs`."""
        self._known.pop(id(image), None)
