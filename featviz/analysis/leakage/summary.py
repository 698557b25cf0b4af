"""Leakage in few numbers: means over edits and groups, and whose the change is."""

import math
from collections.abc import Sequence

import pandas as pd

from featviz.analysis.evaluation.summary import aligned
from featviz.analysis.leakage.decomposition import both_orders, four_corners
from featviz.analysis.leakage.table import (
    ALL,
    ALL_BUT,
    FREE,
    NUMBERS,
    STATISTICS,
    LeakageTable,
)
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
    """How much shorter a change is when statistics are held: 1 - held / free.

    Of tables that were written before there were four corners nothing better is known. It is one
    order alone, and of lengths, which do not add up: where both parts of a change cancel each other
    it is negative. See `four_corners` for shares that add up. NaN if there is no change to begin
    with.
    """
    return math.nan if free == 0 or math.isnan(free) else 1 - held / free


def leakage_summary(table: LeakageTable) -> str:
    """Small tables for every checkpoint: by layer, by mode and by group at the last layer."""
    found, corners = summarize(table), four_corners(table)
    edits = table.metadata["edits_a_group"]
    chosen = "all edits" if edits == "all" else f"at most {edits} edits a group, evenly spaced"
    blocks = [
        f"Relative change by edits of {table.metadata['sketches']} ({chosen}); means over groups. "
        "1 is a typical vector of the layer, at the image from black to white. All held: with the "
        "base's statistics, so by content alone; by statistics: what these had made of it. The "
        "statistics' share is signed, Shapley's mean of both orders (first: before the content "
        "changes), and the convolutions' is the rest to 1."
    ]
    if found["eyes"].isna().all():
        blocks[0] += (
            " Of eyes nothing is known here (-): no drawing names any, or all edits cover them."
        )
    for name in table.checkpoints:
        overall = found[(found["checkpoint"] == name) & (found["group"] == ALL_GROUPS)]
        of_name = corners[corners["checkpoint"] == name]
        blocks += [_by_layer(name, overall, of_name), _by_mode(overall)]
        if len(of_name):
            blocks.append(_by_kind(of_name))
    return "\n\n".join(blocks)


def _by_layer(name: str, found: pd.DataFrame, corners: pd.DataFrame) -> str:
    head = ["in reach", "out of reach", "exactly 0 there", "point", "eyes"]
    held = {row["layer"]: row for _, row in found[found["mode"] == ALL].iterrows()}
    of_all = corners[(corners["kind"] == ALL_GROUPS) & (corners["region"] == "eyes")]
    shares = dict(zip(of_all["layer"], of_all["share"], strict=True))
    last = "statistics' share" if shares else "1 - held / free"
    of_held_head = ["all held: eyes", "by statistics", last]
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
                percent(shares[row["layer"]] if shares else of_held["through_statistics"]),
            ]
        lines.append(cells)
    return aligned(lines)


def _by_mode(found: pd.DataFrame) -> str:
    layer = found["layer"].iloc[-1]
    of_mode = {row["mode"]: row for _, row in found[found["layer"] == layer].iterrows()}
    parts = [mode for mode in of_mode if not mode.startswith(ALL_BUT) and mode != STATISTICS]
    is_freed = any(mode.startswith(ALL_BUT) for mode in of_mode)
    columns = {"inside area": "inside_area", "outside area": "outside_area", "eyes": "eyes"}
    lines = [[f"held, at {layer}", *columns, "had made", *["makes alone"] * is_freed]]
    for mode in parts:
        cells = [change_number(of_mode[mode][column]) for column in columns.values()]
        orders = (math.nan, math.nan) if mode == FREE else both_orders(of_mode, mode)
        made = [change_number(part) for part in orders[: 1 + is_freed]]
        lines.append(["nothing" if mode == FREE else mode, *cells, *made])
    told = "Had made: what is gone at the eyes when these statistics alone are held."
    if is_freed:
        told += (
            " Makes alone: what they do there when all others are held. Where the second is the "
            "larger they are redundant: each later norm sends the edit again."
        )
    elif len(parts) > 2:
        told += (
            " What is little here may be much alone, for each later norm sends the edit again: "
            "--hold both-orders measures that, too."
        )
    return f"{aligned(lines)}\n{told}" if len(lines) > 2 else aligned(lines)


def _by_kind(corners: pd.DataFrame) -> str:
    of_last = corners[corners["layer"] == corners["layer"].iloc[-1]]
    head = [f"at {of_last['layer'].iloc[0]}", "edits", "edit", "content alone"]
    lines = [[*head, "statistics alone", "first", "last", "statistics' share"]]
    for _, row in of_last.iterrows():
        if not row["edits"]:
            continue
        lines.append(
            [
                f"{row['kind']}, {row['region']}",
                str(row["edits"]),
                *(change_number(row[corner]) for corner in ("edit", "content", "statistics")),
                *share_cells(row),
            ]
        )
    return aligned(lines)


def share_cells(row: pd.Series) -> Sequence[str]:
    """Of a row of `four_corners` first, last and the share with its error, for a table."""
    error = "" if math.isnan(row["standard_error"]) else f" ± {row['standard_error']:.2f}"
    return f"{row['first']:.2f}", f"{row['last']:.2f}", f"{row['share']:.2f}{error}"


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
