"""Within-group distance: the mean over units of the mean over their groups, and its sampling."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.claims.feature_evidence import Evidence
from featviz.analysis.claims.study import Study


def within_of_units(
    network: Evidence, layer: str, study: Study, relative: bool
) -> NDArray[np.float64]:
    """(units,) the mean over a unit's groups of the mean distance of two sketches of a group.

    relative: in units of the scale.
    """
    of_group = network.within(layer, study.unchanged)
    values = np.array([np.mean([of_group[group] for group in unit]) for unit in study.units])
    return values / network.scale(layer) if relative else values


class SampledGroups:
    """The sketches of units of groups, some of which may be left out.

    strata: (N,) the group of each of the sketches, in the order in which they are kept or not.
    NotJudgeableError if a group has fewer than two.
    """

    def __init__(self, network: Evidence, units: Sequence[Sequence[str]]) -> None:
        rows = network.rows([group for unit in units for group in unit])
        self.strata = network.groups[rows]
        self._network, self._units = network, units
        self._places = {
            group: np.flatnonzero(self.strata == group) for unit in units for group in unit
        }
        self._rows = {group: rows[places] for group, places in self._places.items()}
        self._whole: dict[tuple[str, str], float] = {}

    def within(self, layer: str, kept: NDArray[np.bool_]) -> float:
        """The mean over units of within-group distance; NaN if a group keeps fewer than two."""
        of_units = [
            sum(self._of_group(layer, group, kept) for group in unit) / len(unit)
            for unit in self._units
        ]
        return sum(of_units) / len(of_units)

    def _of_group(self, layer: str, group: str, kept: NDArray[np.bool_]) -> float:
        some = kept[self._places[group]]
        if not some.all():
            return self._mean(layer, self._rows[group][some])
        # One group at a time is left out of: the others need not be looked at again.
        if (layer, group) not in self._whole:
            self._whole[layer, group] = self._mean(layer, self._rows[group])
        return self._whole[layer, group]

    def _mean(self, layer: str, rows: NDArray[np.int64]) -> float:
        count = len(rows)
        inside = self._network.layer(layer).distances[np.ix_(rows, rows)].sum()
        return float(inside) / (count * (count - 1)) if count > 1 else np.nan
