"""What a figure of leakage maps shows: the mean of a group or one edit, a row for each mode."""

from collections.abc import Mapping, Sequence
from typing import Any

from featviz.analysis.leakage.maps import LeakageMaps
from featviz.analysis.leakage.plots import MapRow
from featviz.analysis.leakage.table import ALL, FREE, STATISTICS, LeakageTable
from featviz.base.errors import FeatvizError
from featviz.figures.labels import shortened
from featviz.sketches.edits import Edit

TITLES = {FREE: "as it is", ALL: "statistics\nheld", STATISTICS: "statistics\nalone"}
"""The modes that maps are kept of, and what a row of each is called."""
_ROOM, _FONT = 0.72, 8
"""Inches that there are for a row's title, and the size of its letters."""

Measured = tuple[LeakageTable, LeakageMaps]
"""What was measured of one checkpoint."""


def shown_rows(
    measured: Sequence[Measured], shown: Sequence[str] = (), edits: Mapping[str, Edit] | None = None
) -> list[MapRow]:
    """Rows of groups and of single edits, one checkpoint below the other.

    shown: names of either, a group first if both are called so; all groups if there is none. Layers
    are those that all checkpoints have. edits: the sketches that can be drawn in front, by name.

    Raises FeatvizError for a name that there are no maps of, and checkpoints without a layer in
    common.
    """
    tables = [table for table, _ in measured]
    layers = [one for one in tables[0].layers if all(one in table.layers for table in tables)]
    if not layers:
        told = "; ".join(f"{table.checkpoints[0]}: {', '.join(table.layers)}" for table in tables)
        raise FeatvizError(f"no layer is in all of the leakage tables; there are {told}")
    rows = []
    for name in shown or dict.fromkeys(group for _, maps in measured for group in maps.groups):
        for table, maps in measured:
            names = [table.checkpoints[0], name] if len(measured) > 1 else [name]
            title = ",\n".join(shortened(each, _ROOM, _FONT) for each in names)
            if name in maps.groups:
                rows += rows_of_group(table, maps, name, title, layers)
            else:
                edit = (edits or {}).get(name)
                rows += rows_of_edit(table, maps, name, title, layers, edit)
    return rows


def rows_of_group(
    table: LeakageTable, maps: LeakageMaps, group: str, title: str, layers: Sequence[str]
) -> list[MapRow]:
    """The mean maps of a group's edits, a row a mode."""
    reach = {layer: maps.reach[group, layer] for layer in layers}
    return [
        MapRow(
            f"{title},\n{TITLES[mode]}",
            {layer: maps.changes[mode, group, layer] for layer in layers},
            reach,
            _outside(table, layers, group=group, mode=mode),
        )
        for mode in TITLES
        if (mode, group, layers[0]) in maps.changes
    ]


def rows_of_edit(
    table: LeakageTable,
    maps: LeakageMaps,
    sketch: str,
    title: str,
    layers: Sequence[str],
    edit: Edit | None = None,
) -> list[MapRow]:
    """The maps of one edit, a row a mode, in front of the first the sketch and its base.

    Raises FeatvizError if the edit's own maps were not kept.
    """
    if (sketch, layers[0]) not in maps.edit_reach:
        kept = ", ".join(dict.fromkeys(name for name, _ in maps.edit_reach)) or "no single edit"
        raise FeatvizError(
            f"no maps of '{sketch}' were kept of {table.checkpoints[0]}; there are those of groups "
            f"{', '.join(maps.groups)} and of {kept}"
        )
    reach = {layer: maps.edit_reach[sketch, layer] for layer in layers}
    modes = [mode for mode in TITLES if (mode, sketch, layers[0]) in maps.edit_changes]
    return [
        MapRow(
            f"{title},\n{TITLES[mode]}",
            {layer: maps.edit_changes[mode, sketch, layer] for layer in layers},
            reach,
            _outside(table, layers, sketch=sketch, mode=mode),
            (edit.edited, edit.base) if edit is not None and mode == modes[0] else None,
        )
        for mode in modes
    ]


def _outside(table: LeakageTable, layers: Sequence[str], **of: Any) -> dict[str, float]:
    """By layer the mean change out of reach, over the edits that some of it is out of reach of."""
    means = table.values(**of).groupby("layer")["outside_reach"].mean()
    return {layer: float(means[layer]) for layer in layers}


def maps_caption(measured: Sequence[Measured], edits: Mapping[str, Edit]) -> str:
    """The words below a figure of `shown_rows`."""
    names = ", ".join(table.checkpoints[0] for table, _ in measured)
    drawn = " Blue: added, orange: taken away." if edits else ""
    return (
        f"Relative change at every position of {names}: of a group the mean over its edits that "
        f"were measured, of a sketch its own.{drawn} Green: what convolutions reach from the "
        "changed pixels (of a group: of any edit). Out: mean change out of reach. Held: the edit, "
        "every norm uses the statistics of the base. Alone: the base with those of the edit. Light "
        "blue is exactly 0, to the last bit; 1 is a typical vector of the layer, at the image from "
        "black to white."
    )
