"""Leakage tables: one row for every edit, layer and mode, in memory and as parquet."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from featviz.base.table import ColumnKind, Table

FREE = "free"
"""The mode in which every norm takes its own statistics: the network as it is."""
ALL = "all"
"""The mode in which all norms are held at the statistics of the base sketch."""
STATISTICS = "statistics"
"""The mode in which the base sketch goes through with the edit's statistics."""
ALL_BUT = "all-but-"
"""Modes that hold all norms but those of a layer begin with this: "all-but-L0"."""
IMAGE = "image"
"""The layer that is the output of the whole model."""

_ADDED = (
    "eyes_by_free_statistics",
    "eyes_statistics_first",
    "eyes_statistics_last",
    "outside_statistics_first",
    "outside_statistics_last",
)
"""Columns that tables of older versions lack."""

NUMBERS = (
    "at_point",
    "inside_reach",
    "outside_reach",
    "zero_share_outside",
    "reach_share",
    "inside_area",
    "outside_area",
    "eyes",
    "eyes_in_reach",
    "eyes_by_statistics",
    *_ADDED,
)
"""The columns that hold numbers."""


@dataclass
class _Metadata:
    checkpoints: dict[str, dict[str, Any]]


@dataclass(frozen=True, eq=False)
class LeakageTable(Table):
    """What edits changed, one row for every edit x layer x mode.

    checkpoint, sketch, group, base (str): the edit `sketch` of the sketch `base`.
    layer (str): "L0", ... or "image", the output of the model.
    mode (str): whose statistics are held at those of the base: "free" nobody's, "all" every
    norm's, "front-end", "residual", "back-end" or "L0" those of the norms in it, "all-but-L0"
    those of all others. "statistics" is the other way round: the base sketch, all norms held at
    the statistics of the edit.
    Changes (float64) are relative, see `leakage.change`: 1 is a change as large as a typical
    vector of the layer, at the image from black to white.
    at_point: at the cell that stands for the point. inside_reach, outside_reach: means over the
    cells that the changed pixels can and cannot reach by convolutions. inside_area, outside_area:
    over the cells that stand for pixels in and out of the edited area (the changed pixels and
    `margin` px around). eyes: over the cells that stand for eyes, in which the edit drew nothing
    and which its area does not cover; NaN if the edit is one of the eyes or the sketch names none.
    eyes_by_statistics: the change at the eyes that the held statistics had made, that is of the
    edit as it is against the mode; 0 in "free". It and `eyes` are the two parts of the free
    change; they add up as vectors, not as lengths. In "statistics" it is what content makes.
    eyes_by_free_statistics: the change at the eyes that the statistics which are not held make by
    themselves, that is of the mode against "all"; NaN if that was not measured.
    eyes_statistics_first, eyes_statistics_last: the statistics' part in the free change at the
    eyes, see `Shares`; outside_statistics_first and _last, in the cells out of the edited area.
    In rows of the mode "statistics", and only if "all" was measured too; else NaN.
    Shares, 0 to 1 (float64): zero_share_outside, of the cells out of reach, those that are equal to
    the last bit; reach_share, of all cells, those in reach; eyes_in_reach, of the eyes' cells (as
    for `eyes`), those in reach. point_in_reach (bool): whether the point's cell is.
    A mean over no cells is NaN.

    metadata: `checkpoints`, by name digest, variant, step, layers and modes; point, margin, size,
    edits_a_group (a number or "all"), sketches, versions. Can be written as JSON.
    """

    noun: ClassVar[str] = "leakage table"
    command: ClassVar[str] = "featviz leakage"
    columns: ClassVar[Mapping[str, ColumnKind]] = {
        "checkpoint": "text",
        "sketch": "text",
        "group": "text",
        "base": "text",
        "layer": "text",
        "mode": "text",
        **dict.fromkeys(NUMBERS, "number"),
        "point_in_reach": "flag",
    }
    added: ClassVar[Mapping[str, Any]] = dict.fromkeys(_ADDED, math.nan)
    key: ClassVar[tuple[str, ...]] = ("checkpoint", "sketch", "layer", "mode")
    endings: ClassVar[tuple[str, ...]] = ()
    description: ClassVar[type] = _Metadata
    alike: ClassVar[tuple[str, ...]] = ("point", "margin", "size", "edits_a_group", "sketches")
    gathered: ClassVar[str] = "checkpoints"

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes, "free" first."""
        return self.names("mode")


LEAKAGE_COLUMNS = tuple(LeakageTable.columns)
join_leakage = LeakageTable.join
read_leakage = LeakageTable.read
write_leakage = LeakageTable.write
