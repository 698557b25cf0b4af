"""Leakage in few numbers: means over edits and groups, and what came through statistics."""

import math

import pandas as pd

from featviz.analysis.evaluation.summary import aligned
from featviz.analysis.leakage.table import ALL, FREE, NUMBERS, LeakageTable
from featviz.base.table import ALL_GROUPS

_KEYS = ["checkpoint", "group", "layer", "mode"]


def summarize(table: LeakageTable) -> pd.DataFrame:
    """Means over the edits of each group, and over groups.

    One row for every checkpoint x group x layer x mode with the numbers of the table, `edits`, how
    many are behind them, and `through_statistics`: the share of the change at the eyes that is
    gone when the mode's statistics are held, see `through_statistics`. group "all" is the mean over
    groups, each of equal weight; a group whose value is NaN has no part in it.
    """
    numbers = list(NUMBERS)
    groups = table.rows.groupby(_KEYS, sort=False)
    means = groups[numbers].mean().assign(edits=groups.size()).reset_index()
    of_all = means.groupby(["checkpoint", "layer", "mode"], sort=False)
    overall = of_all[numbers].mean().assign(edits=of_all["edits"].sum()).reset_index()
    result = pd.concat([overall.assign(group=ALL_GROUPS), means], ignore_index=True)
    place = ["checkpoint", "group", "layer"]
    free = result[result["mode"] == FREE].set_index(place)["eyes"]
    at_rest = free.reindex(pd.MultiIndex.from_frame(result[place])).to_numpy()
    shares = [
        through_statistics(held, rest) for held, rest in zip(result["eyes"], at_rest, strict=True)
    ]
    return result.assign(through_statistics=shares)[
        [*_KEYS, "edits", *numbers, "through_statistics"]
    ]


def through_statistics(held: float, free: float) -> float:
    """The share of a change that is gone when statistics are held: 1 - held / free.

    What is left came through convolutions. The two parts of a change add up as vectors: where they
    cancel each other holding the statistics makes the change larger, and the share is negative. So
    look at `eyes_by_statistics` too, the length of the part that is gone. NaN if there is no change
    to begin with.
    """
    return math.nan if free == 0 or math.isnan(free) else 1 - held / free


def leakage_summary(table: LeakageTable) -> str:
    """Two small tables for every checkpoint: layer by layer, and mode by mode at the last layer."""
    found = summarize(table)
    edits = table.metadata["edits_a_group"]
    chosen = "all edits" if edits == "all" else f"at most {edits} edits a group, evenly spaced"
    blocks = [
        f"Relative change by edits of {table.metadata['sketches']} ({chosen}); means over groups. "
        "1 is a typical vector of the layer, at the image from black to white. With statistics "
        "held, eyes is what is left and came through convolutions, by statistics the part that is "
        "gone (they add up as vectors), through statistics 1 - held / free."
    ]
    if found["eyes"].isna().all():
        blocks[0] += (
            " Of eyes nothing is known here (-): no drawing names any, or all edits cover them."
        )
    for name in table.checkpoints:
        overall = found[(found["checkpoint"] == name) & (found["group"] == ALL_GROUPS)]
        blocks += [_by_layer(name, overall), _by_mode(overall)]
    return "\n\n".join(blocks)


def _by_layer(name: str, found: pd.DataFrame) -> str:
    head = ["in reach", "out of reach", "exactly 0 there", "point", "eyes"]
    held = {row["layer"]: row for _, row in found[found["mode"] == ALL].iterrows()}
    of_held_head = ["all held: eyes", "by statistics", "through statistics"]
    lines = [[name, *head] + (of_held_head if held else [])]
    for _, row in found[found["mode"] == FREE].iterrows():
        cells = [
            row["layer"],
            change_number(row["inside_reach"]),
            change_number(row["outside_reach"]),
            percent(row["zero_share_outside"]),
            change_number(row["at_point"]),
            change_number(row["eyes"]),
        ]
        if held:
            of_held = held[row["layer"]]
            cells += [
                change_number(of_held["eyes"]),
                change_number(of_held["eyes_by_statistics"]),
                percent(of_held["through_statistics"]),
            ]
        lines.append(cells)
    return aligned(lines)


def _by_mode(found: pd.DataFrame) -> str:
    layer = found["layer"].iloc[-1]
    columns = {
        "inside area": "inside_area",
        "outside area": "outside_area",
        "eyes": "eyes",
        "by statistics": "eyes_by_statistics",
    }
    lines = [[f"held, at {layer}", *columns, "through statistics"]]
    for _, row in found[found["layer"] == layer].iterrows():
        cells = [change_number(row[column]) for column in columns.values()]
        share = "-" if row["mode"] == FREE else percent(row["through_statistics"])
        lines.append(["nothing" if row["mode"] == FREE else row["mode"], *cells, share])
    return aligned(lines)


def change_number(value: float) -> str:
    """A change for a table: 0 only if it is exactly 0; "-" if there is none."""
    if math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    return f"{value:.4f}" if value >= 0.001 else f"{value:.1e}"


def percent(share: float) -> str:
    """A share for a table; 0 % and 100 % only if they are exact."""
    if math.isnan(share):
        return "-"
    text = f"{100 * share:.0f} %"
    if (text in ("0 %", "-0 %") and share != 0) or (text == "100 %" and share != 1):
        text = f"{100 * share:.2g} %" if abs(share) < 0.5 else f"{100 * share:.4f} %"
        text = "< 100 %" if text == "100.0000 %" and share < 1 else text
    return text
