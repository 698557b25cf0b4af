import math

import pandas as pd
import pytest

from featviz.analysis.leakage import LeakageTable, four_corners, leakage_summary, summarize
from featviz.analysis.leakage.summary import (
    change_number,
    percent,
    through_statistics,
)
from tests.analysis.leakage.test_decomposition import with_corners
from tests.analysis.leakage.test_table import METADATA, rows


def test_groups_weigh_equally_and_edited_eyes_have_no_part():
    frame = rows()
    g8, free, held = frame["group"] == "G8", frame["mode"] == "free", frame["mode"] == "all"
    frame.loc[g8 & free, "eyes"] = 0.4
    frame.loc[g8 & held, "eyes"] = 0.1
    frame.loc[~g8 & free, "eyes"] = 0.2
    frame.loc[~g8 & held, "eyes"] = 0.2
    # One more edit of G8 does not make G8 weigh more.
    extra = frame[frame["sketch"] == "G8/002"].assign(sketch="G8/004")
    frame = pd.concat([frame, extra], ignore_index=True)
    found = summarize(LeakageTable(frame, METADATA)).set_index(["group", "layer", "mode"])
    assert found.loc[("G8", "L0", "free"), "edits"] == 3
    assert found.loc[("all", "L0", "free"), "edits"] == 5
    assert found.loc[("G8", "image", "all"), "through_statistics"] == pytest.approx(0.75)
    assert found.loc[("G9", "image", "all"), "through_statistics"] == 0
    assert found.loc[("all", "image", "free"), "eyes"] == pytest.approx(0.3)
    assert found.loc[("all", "image", "all"), "through_statistics"] == pytest.approx(0.5)
    frame.loc[frame["group"] == "G9", "eyes"] = math.nan
    found = summarize(LeakageTable(frame, METADATA)).set_index(["group", "layer", "mode"])
    assert found.loc[("all", "image", "free"), "eyes"] == pytest.approx(0.4)
    assert math.isnan(found.loc[("G9", "image", "all"), "through_statistics"])


def test_the_share_through_statistics_is_what_is_gone_when_they_are_held():
    assert through_statistics(0, 0.5) == 1
    assert through_statistics(0.5, 0.5) == 0
    assert through_statistics(0.6, 0.5) == pytest.approx(-0.2)
    assert math.isnan(through_statistics(0, 0))


def test_tables_without_corners_have_no_shares_and_tell_of_the_older_number():
    assert len(four_corners(LeakageTable(rows(), METADATA))) == 0
    assert "1 - held / free" in leakage_summary(LeakageTable(rows(), METADATA))
    assert "1 - held / free" not in leakage_summary(LeakageTable(with_corners(), METADATA))


def test_a_summary_shows_each_checkpoint_by_layer_mode_and_group():
    text = leakage_summary(LeakageTable(with_corners(), METADATA))
    lines = [line.split() for line in text.splitlines()]
    assert "at most 3 edits a group" in text
    half, quarter = "0.5000", "0.2500"
    assert ["L0", half, half, "50", "%", half, quarter, quarter, half, "25", "%"] in lines
    assert ["nothing", half, half, quarter, "-", "-"] in lines
    assert ["L0", half, half, quarter, "0.0312", "0.1250"] in lines
    corners = [quarter, quarter, quarter]
    assert ["G8,", "eyes", "2", *corners, "0.45", "0.75", "0.60", "±", "0.10"] in lines
    assert ["G9,", "outside", "2", half, half, half, "0.00", "-0.20", "-0.10", "±", "0.10"] in lines


def test_a_summary_says_when_nothing_is_known_of_eyes():
    assert "Of eyes nothing is known" not in leakage_summary(LeakageTable(rows(), METADATA))
    assert "Of eyes nothing is known" in leakage_summary(
        LeakageTable(rows(eyes=math.nan), METADATA)
    )


def test_zero_and_all_are_written_only_where_they_are_exact():
    assert [change_number(x) for x in (0, 1e-9, 0.25, math.nan)] == ["0", "1.0e-09", "0.2500", "-"]
    assert [percent(x) for x in (0, 1, 0.5, math.nan)] == ["0 %", "100 %", "50 %", "-"]
    assert percent(1e-5) == "0.001 %"
    assert percent(0.99999) == "99.9990 %"
    assert percent(1 - 1e-9) == "< 100 %"
    assert percent(-0.001) == "-0.1 %"
