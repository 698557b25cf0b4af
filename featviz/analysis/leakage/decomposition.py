"""Whose the changes of a table are: shares of content and statistics, and of each layer's norms."""

import math
from collections.abc import Iterator, Mapping

import pandas as pd

from featviz.analysis.evaluation.estimates import Estimate, mean_estimate, mean_of
from featviz.analysis.leakage.table import ALL, ALL_BUT, FREE, STATISTICS, LeakageTable
from featviz.base.table import ALL_GROUPS

_REGIONS = {"eyes": "eyes", "outside": "outside_area"}
"""Where changes are taken apart, each with the column of the change there."""
_NUMBERS = ("edit", "content", "statistics", "first", "last", "share", "interaction")
_COLUMNS = (
    *("checkpoint", "kind", "layer", "region"),
    *("edits", *_NUMBERS, "standard_error", "mostly"),
)


def four_corners(table: LeakageTable, kinds: Mapping[str, str] | None = None) -> pd.DataFrame:
    """What content and statistics make of changes, and the statistics' signed share, by kind.

    kinds: what to call groups, which are left out if they are not named; the groups themselves if
    not given. One row for every checkpoint x kind x layer x region, "eyes" or "outside" (of the
    edited area): `edits`, how many have shares; `edit`, `content` and `statistics`, mean changes at
    the corners that are not the base; `first`, `last`, `share` and `interaction`, means over edits,
    see `Shares`; `standard_error`, of the share over edits; `mostly`, of how many edits the share
    is above a half. The content's share is 1 - share. kind "all" is the mean over kinds, each of
    equal weight. Of tables without the mode "statistics" there are no rows.
    """
    groups = table.rows["group"]
    rows = table.rows.assign(kind=groups.map(dict(kinds)) if kinds else groups)
    found = [
        (name, kind, layer, region, *numbers)
        for (name, layer), of_layer in rows.groupby(["checkpoint", "layer"], sort=False)
        if {FREE, ALL, STATISTICS} <= set(of_layer["mode"])
        for region in _REGIONS
        for kind, numbers in _of_kinds(_of_edits(of_layer, region))
    ]
    return pd.DataFrame(found, columns=list(_COLUMNS))


def _of_edits(rows: pd.DataFrame, region: str) -> pd.DataFrame:
    """The numbers of every edit, of the rows of one checkpoint and layer."""
    free, content, statistics = (
        rows[rows["mode"] == mode].set_index("sketch") for mode in (FREE, ALL, STATISTICS)
    )
    column = _REGIONS[region]
    first, last = (statistics[f"{region}_statistics_{order}"] for order in ("first", "last"))
    return pd.DataFrame(
        {
            "kind": statistics["kind"],
            "edit": free[column],
            "content": content[column],
            "statistics": statistics[column],
            "first": first,
            "last": last,
            "share": (first + last) / 2,
            "interaction": last - first,
        }
    ).dropna(subset=["kind"])


def _of_kinds(edits: pd.DataFrame) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Each kind, "all" first, with its numbers in the order of the columns."""
    of_kinds = {
        str(kind): {name: mean_estimate(of_kind[name]) for name in _NUMBERS}
        for kind, of_kind in edits.groupby("kind", sort=False)
    }
    overall = {name: mean_of([each[name] for each in of_kinds.values()]) for name in _NUMBERS}
    yield ALL_GROUPS, _row(edits, overall)
    for kind, estimates in of_kinds.items():
        yield kind, _row(edits[edits["kind"] == kind], estimates)


def _row(edits: pd.DataFrame, estimates: Mapping[str, Estimate]) -> tuple[float, ...]:
    return (
        int(edits["share"].notna().sum()),
        *(estimates[name].value for name in _NUMBERS),
        estimates["share"].standard_error,
        int((edits["share"] > 0.5).sum()),
    )


def both_orders(of_mode: Mapping[str, pd.Series], part: str) -> tuple[float, float]:
    """What the statistics of a part make at the eyes, last and first.

    Last is what is gone when they alone are held, first what they make when all others are held.
    of_mode: the rows of one checkpoint, group and layer, by mode. part: a mode that holds them.
    NaN for what was not measured.
    """
    last = float(of_mode[part]["eyes_by_statistics"])
    if part == ALL:
        return last, last
    alone = of_mode.get(f"{ALL_BUT}{part}")
    return last, math.nan if alone is None else float(alone["eyes_by_free_statistics"])
