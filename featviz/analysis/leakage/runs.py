"""Runs: a network's maps of one image, some of its norms' statistics held."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from torch import Tensor, nn

from featviz.analysis.leakage.generator_runs import GeneratorRuns
from featviz.analysis.leakage.single import running, trace
from featviz.probing.receptive_field import Geometry
from featviz.probing.statistics import Statistics, record_statistics


class Runs(Protocol):
    """A function from an image and what is held to maps and statistics."""

    def __call__(
        self, image: Tensor, held: Mapping[str, Statistics], keep: bool = False
    ) -> tuple[Mapping[str, Tensor], Mapping[str, Statistics]]:
        """The maps (1, C, H, W) of the layers, and the statistics of norms that are not held.

        image: (1, C, H, W). held: by name. keep: whether later runs of the same image may build on
        it, until it is forgotten.
        """

    def statistics(self, image: Tensor) -> Mapping[str, Statistics]:
        """The statistics of every norm that takes part in the forward of an image."""

    def forget(self, image: Tensor) -> None:
        """Drop what was kept of an image."""


class PlainRuns:
    """Runs of any network: a forward each."""

    def __init__(self, model: nn.Module, layers: Sequence[str]) -> None:
        self._model, self._layers = model, layers
        self._geometries: Mapping[str, Geometry] | None = None

    def __call__(
        self,
        image: Tensor,
        held: Mapping[str, Statistics],
        keep: bool = False,  # noqa: ARG002 (nothing is shared)
    ) -> tuple[Mapping[str, Tensor], Mapping[str, Statistics]]:
        """See `Runs`."""
        self._geometries = self._geometries or trace(self._model, self._layers, image)
        with running(self._model, self._layers, self._geometries) as run:
            return run(image, held)

    def statistics(self, image: Tensor) -> Mapping[str, Statistics]:
        """See `Runs`."""
        return record_statistics(self._model, image)

    def forget(self, image: Tensor) -> None:
        """Nothing was kept."""


def runs_of(model: nn.Module, layers: Sequence[str]) -> Runs:
    """The fastest runs that there are of a model."""
    if GeneratorRuns.fits(model, layers):
        return GeneratorRuns(model, layers)  # type: ignore[arg-type]
    return PlainRuns(model, layers)
