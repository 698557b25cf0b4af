"""What commands share that take feature tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from featviz.base.errors import FeatvizError

if TYPE_CHECKING:
    from featviz.base.feature_table import FeatureTable


@dataclass(frozen=True)
class TableOptions:
    """Feature tables, and which of their layers and points."""

    features: Positional[tuple[Path, ...]]
    """Feature tables that `featviz extract` wrote."""
    layers: tuple[str, ...] = ()
    """Which layers; all of each table if none is given."""
    point: tuple[int, int] | None = None
    """Which point, if the tables hold several."""

    def tables(self) -> "list[FeatureTable]":
        """The tables with all of their layers, at the point if it is given.

        Checkpoints of one name are told apart by their files, see `tell_apart`.
        """
        from featviz.analysis.comparable import tell_apart
        from featviz.base.feature_table import read_features

        if not self.features:
            raise FeatvizError("expected at least one feature table; `featviz extract` makes them")
        points = None if self.point is None else [self.point]
        tables = [read_features(path).select(points=points) for path in self.features]
        return tell_apart(tables, self.features)
