import math

import pandas as pd
import pytest

from featviz.analysis.leakage import LeakageTable, four_corners
from featviz.analysis.leakage.decomposition import both_orders
from tests.analysis.leakage.test_table import METADATA, rows


def with_corners():
    """Rows of a table whose two groups' changes are of opposite kinds, at both layers."""
    frame = rows()
    apart = frame[frame["mode"] == "all"].assign(mode="statistics")
    alone = frame[frame["mode"] == "all"].assign(mode="all-but-L0", eyes_by_free_statistics=0.125)
    shares = {("G8", 2): (0.5, 0.9), ("G8", 3): (0.4, 0.6), ("G9", 2): (0, 0), ("G9", 3): (0, -0.4)}
    for (group, number), (first, last) in shares.items():
        of = apart["sketch"] == f"{group}/00{number}"
        for region in ("eyes", "outside"):
            apart.loc[of, f"{region}_statistics_first"] = first
            apart.loc[of, f"{region}_statistics_last"] = last
    l0 = frame[frame["mode"] == "all"].assign(mode="L0", eyes_by_statistics=0.03125)
    return pd.concat([frame, apart, l0, alone], ignore_index=True)


def test_shares_are_means_over_the_edits_of_a_kind_with_their_errors():
    corners = four_corners(LeakageTable(with_corners(), METADATA))
    found = corners.set_index(["kind", "layer", "region"])
    assert len(found) == 3 * 2 * 2
    g8, g9, overall = (found.loc[(kind, "image", "eyes")] for kind in ("G8", "G9", "all"))
    # 0.7 and 0.5; 0 and -0.2.
    assert (g8["share"], g9["share"]) == pytest.approx((0.6, -0.1))
    assert (g8["standard_error"], g9["standard_error"]) == pytest.approx((0.1, 0.1))
    assert (overall["share"], overall["standard_error"]) == pytest.approx((0.25, 0.02**0.5 / 2))
    assert (g8["first"], g8["last"], g8["interaction"]) == pytest.approx((0.45, 0.75, 0.3))
    assert (g8["edits"], g8["mostly"], overall["edits"], overall["mostly"]) == (2, 1, 4, 1)
    assert (g8["edit"], g8["content"], g8["statistics"]) == (0.25, 0.25, 0.25)
    assert found.loc[("G8", "image", "outside"), "edit"] == 0.5


def test_groups_of_one_kind_are_taken_together_and_others_left_out():
    frame = with_corners()
    both = four_corners(LeakageTable(frame, METADATA), {"G8": "mouth", "G9": "mouth"})
    assert list(both["kind"].unique()) == ["all", "mouth"]
    assert both.set_index(["kind", "layer", "region"]).loc[
        ("mouth", "L0", "eyes"), "share"
    ] == pytest.approx(0.25)
    one = four_corners(LeakageTable(frame, METADATA), {"G9": "nose"})
    assert set(one["kind"]) == {"all", "nose"}
    assert one["share"].to_numpy() == pytest.approx(-0.1)


def test_a_part_makes_one_thing_before_all_others_and_another_behind_them():
    of_mode = {mode: rows.iloc[0] for mode, rows in with_corners().groupby("mode")}
    assert both_orders(of_mode, "L0") == (0.03125, 0.125)
    assert both_orders(of_mode, "all") == (0.5, 0.5)
    del of_mode["all-but-L0"]
    assert both_orders(of_mode, "L0")[0] == 0.03125
    assert math.isnan(both_orders(of_mode, "L0")[1])
