import re

import numpy as np
import pandas as pd
import pytest

from analyses.leakage import (
    BEGIN,
    END,
    FRONT_ENDS,
    WHOLE,
    draw_maps,
    representatives,
    rewrite,
    tables,
)
from analyses.study import ROOT
from featviz.analysis.leakage import (
    LeakageTable,
    join_leakage,
    measure_leakage,
    read_maps,
    write_maps,
)
from featviz.analysis.leakage.summary import change_number
from featviz.base.errors import FeatvizError
from featviz.generators.checkpoint_files import load_generator
from tests.analysis.leakage.test_decomposition import with_corners
from tests.analysis.leakage.test_table import METADATA

PAGE = (ROOT / "docs" / "leakage.md").read_text(encoding="utf-8")


def test_the_tables_of_the_page_are_of_the_shipped_weights():
    digests = dict(re.findall(r"`([\w-]+)` \(([0-9a-f]{8})\)", PAGE))
    expected = {name: load_generator(name).digest[:8] for name in WHOLE + FRONT_ENDS}
    assert digests == expected, "measure again: python -m analyses.leakage"


def test_the_numbers_of_the_text_stand_in_the_tables():
    measured, text = PAGE.split(BEGIN)[1].split(END)
    numbers = re.findall(r"\d+\.\d+", text)
    assert len(numbers) > 30
    assert set(numbers) <= set(re.findall(r"\d+\.\d+", measured))


def test_the_code_of_the_page_prints_what_the_page_says(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    found: dict[str, object] = {}
    exec(compile(block, "docs/leakage.md", "exec"), found)
    lines = capsys.readouterr().out.splitlines()
    # Claim C1: without a norm before it, L1 does not change out of reach.
    assert [line.split()[:2] for line in lines if line.endswith("100% zero")] == [
        ["free", "L1"], ["all", "L1"], ["all", "L4"], ["all", "image"],
        ["front-end", "L1"], ["front-end", "L4"],
    ]  # fmt: skip
    assert len(lines) == 9
    assert found["face"].shape == (1, 3, 512, 512)  # type: ignore[attr-defined]


def test_only_what_is_between_the_marks_is_written_anew():
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = rewrite(page, r"new \1")
    assert once == f"before\n{BEGIN}\nnew \\1\n{END}\nafter\n"
    assert rewrite(once, "new") == rewrite(page, "new")
    assert PAGE.count(BEGIN) == PAGE.count(END) == 1
    for broken in ("none", page + page):
        with pytest.raises(FeatvizError, match="no place for tables"):
            rewrite(broken, "new")


def test_the_shown_edit_of_a_kind_is_that_of_its_middle_share():
    frame = with_corners()
    fewer = frame[frame["sketch"] != "G9/003"]
    # Shares of 0.7 and 0.5 of G8 (mouth), of 0 and -0.2 of G9 (nose).
    assert representatives(LeakageTable(frame, METADATA)) == {"mouth": "G8/003", "nose": "G9/003"}
    assert representatives(LeakageTable(fewer, METADATA))["nose"] == "G9/002"
    third = frame[frame["sketch"] == "G8/002"].assign(sketch="G8/004")
    third.loc[third["mode"] == "statistics", "eyes_statistics_last"] = -9
    both = pd.concat([frame, third], ignore_index=True)
    assert representatives(LeakageTable(both, METADATA))["mouth"] == "G8/003"


def test_the_maps_of_the_shown_edit_are_drawn_as_they_were_measured(make, shipped, tmp_path):
    part, sketch = shipped.of_groups("G8"), "G8/014"
    layers, modes = ["L0", "image"], ["all", "statistics"]
    found = measure_leakage(make(), part, layers, modes, name="m", most=3, keep=[sketch])
    write_maps(found.maps, tmp_path / "maps.npz")
    figure = draw_maps(found.table, read_maps(tmp_path / "maps.npz"), {"mouth": sketch}, part)
    told = [ax.get_xlabel() for ax in figure.axes if ax.get_xlabel()]
    rows = found.table.values(sketch=sketch)
    expected = [
        "all in reach" if np.isnan(value) else f"out: {change_number(value)}"
        for mode in ("free", "all", "statistics")
        for value in rows[rows["mode"] == mode]["outside_reach"]
    ]
    assert told == expected and "out: 0" in told


def test_tables_hold_both_ways_of_a_change_for_every_checkpoint():
    def of(name, extra):
        frame = with_corners().assign(checkpoint=name)
        parts = [mode for mode in frame["mode"].unique() if extra or "L0" not in mode]
        metadata = METADATA | {"checkpoints": {name: {"digest": "0123456789"}}}
        frame = frame[frame["mode"].isin(parts)].reset_index(drop=True)
        return LeakageTable(frame, metadata)

    both = join_leakage([of("baseline", True), of("paper-modified", False)])
    kept = both.rows[(both.rows["checkpoint"] == "baseline") | (both.rows["layer"] != "image")]
    text = tables(LeakageTable(kept.reset_index(drop=True), both.metadata))
    assert "`baseline` (01234567), `paper-modified` (01234567); 4 edits" in text
    assert "| baseline | L0 | 50 % | 0.5000 | 0.5000 | 50 % |" in text
    assert "| paper-modified | L0 |" in text
    # 0.25 of 255 grey levels at each corner; shares of 0.7 and 0.5.
    corners = "| 63.75 | 63.75 | 63.75 | 0.45 | 0.75 | 0.60 ± 0.10 | 1 of 2 |"
    assert f"| baseline | mouth | eyes {corners}" in text
    # Held alone 1/32, free alone 1/8.
    assert "| L0 | 7.97 / 31.88 |" in text
    assert "| G8 | 50 % | 63.75: 63.75 + 127.50 |" in text
    widths = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert set(widths) == {12, 11, 3, 4}
