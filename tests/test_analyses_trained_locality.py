import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analyses import trained_locality as module
from analyses.trained_locality import Judging, drawn_edits, held_out_edits, main
from analyses.trained_locality_table import (
    MEASURES,
    Tradeoff,
    over_seeds,
    tradeoff_figure,
    tradeoff_table,
)
from featviz.sketches.drawing import changed_parts
from featviz.training.part_edits import EDITED_PARTS
from tests.training_calls import training_call

TOLD = {"steps": 7, "pairs": 5, "drawn": 4, "lpips_size": 64}


@pytest.fixture
def judged() -> Tradeoff:
    """Three runs, one of two seeds, one without faces; every error is a tenth.

    In the first seed of the two no part was found in a face.
    """
    rows = [
        {"run": run, "seed": seed, "way": way, "digest": "d"}
        | dict.fromkeys(MEASURES, 1.0)
        | {f"{name} error": 0.1 for name in MEASURES}
        | {"ratio": ratio, "kernel": kernel, "found": found}
        for run, seed, way, ratio, kernel, found in (
            ("start", 0, "free", 0.4, 0.6, 1.0),
            ("locality-0", 0, "free", 0.2, 0.5, 1.0),
            ("locality-0", 0, "layers base", 0.01, 0.55, 1.0),
            ("norm-pixel", 0, "free", 0.02, 0.1, 0.2),
            ("locality-0", 1, "free", 0.3, 0.3, 1.0),
            ("locality-10", 0, "free", 0.1, 0.7, 1.0),
            ("locality-10", 0, "layers base", 0.001, 0.7, 1.0),
        )
    ]
    rows[1] |= {"followed": np.nan, "followed error": np.nan}
    return Tradeoff(pd.DataFrame(rows), TOLD)


def test_a_run_is_told_by_the_mean_of_its_seeds_and_each_of_them(judged: Tradeoff) -> None:
    means = over_seeds(judged).set_index(["run", "way"])
    assert means.loc[("locality-0", "free"), ["seeds", "ratio", "kernel"]].tolist() == (
        pytest.approx([2, 0.25, 0.4])
    )
    wanted = [("start", 0), ("locality-0", 0), ("locality-0", 1), ("locality-10", 1)]
    text = tradeoff_table(judged, wanted)
    assert "not trained, by name and seed: `locality-10` 1. Judged on 5 held-out faces" in text
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]
    columns = dict(zip(rows[0], zip(*rows[2:], strict=True), strict=True))
    assert columns["edits"] == ("free", "free", "kept", "free", "free", "kept")
    assert columns["outside / inside"][:2] == ("0.4 ± 0.2", "0.25 (0.2, 0.3)")
    assert columns["seam"][0] == "1"
    assert columns["part off, px"][1] == "1 ± 0.2"


def test_the_figure_has_a_mark_a_run_with_faces_and_the_front_of_these(judged: Tradeoff) -> None:
    ax = tradeoff_figure(judged).axes[1]
    marks = [line.get_xydata()[0].tolist() for line in ax.lines if line.get_marker() == "o"]
    # Not the run without faces, nor kept edits of another weight than 0.
    expected = [[0.4, 0.6], [0.25, 0.4], [0.01, 0.55], [0.1, 0.7]]
    np.testing.assert_allclose(sorted(marks), sorted(expected))
    front = min(ax.lines, key=lambda line: line.get_zorder()).get_xydata()
    np.testing.assert_allclose(front[[0, -1]], [[0.01, 0.55], [0.25, 0.4]])
    assert {text.get_text() for text in ax.texts} == {"start", "0", "10", "kept"}
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_held_out_edits_are_of_one_part_and_the_same_each_time(pairs) -> None:
    edits, again = (held_out_edits(pairs, 128) for _ in range(2))
    parts = [tuple(sorted(names)) for names in EDITED_PARTS.values()]
    assert len(edits) == len(pairs)
    for each, same in zip(edits, again, strict=True):
        assert changed_parts(each.base, each.edited) in parts
        assert np.array_equal(each.edit.edited, same.edit.edited)


def test_drawn_edits_are_the_sketch_sets(shipped) -> None:
    (edit,) = drawn_edits(shipped.of_groups("G8"), 1, 128)
    assert changed_parts(edit.base, edit.edited) == ("mouth",)
    assert edit.edit.area.any()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pairs, pytestconfig) -> list[str]:
    """Arguments for runs of a step at 64 px, on six real pairs."""
    recipe = {"size": 64, "width": 2, "residual_blocks": 1, "discriminator_width": 2}
    runs = {"locality-0": {"locality": 0.0}, "norm-pixel": {"norm": "pixel"}}
    for name, value in (
        ("RECIPE", {**recipe, "precision": "float32"}),
        ("RUNS", runs),
        ("START_STEPS", 1),
        ("STEPS", 1),
        ("SEEDS", 1),
        ("KINDS", ("G8",)),
        ("Judging", lambda: Judging(pairs=3, edits=1, lpips_size=32)),
    ):
        monkeypatch.setattr(module, name, value)
    return training_call(pairs, tmp_path, pytestconfig.rootpath, "t")


def test_runs_begin_alike_are_judged_and_told_and_none_is_done_twice(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    main(small)
    table = Tradeoff.read(tmp_path / "t.json")
    assert [*zip(table.rows["run"], table.rows["way"], strict=True)] == [
        ("start", "free"),
        ("locality-0", "free"),
        ("locality-0", "layers base"),
        ("locality-0", "trunk base"),
        ("norm-pixel", "free"),
    ]
    configs = [
        json.loads((tmp_path / "runs" / name / "config.json").read_text())
        for name in ("start", "locality-0", "norm-pixel")
    ]
    assert [each["norm"] for each in configs] == ["instance", "instance", "pixel"]
    assert configs[0]["start"] is None
    assert configs[1]["start"] == configs[2]["start"] and configs[1]["start"]["discriminator"]
    of = table.rows[table.rows["run"] == "locality-0"].set_index("way")
    assert of.loc["layers base", "ratio"] < 0.1 * of.loc["free", "ratio"]
    assert of["lpips"].nunique() == 1 and of.loc["free", "seam"] == 1
    page = (tmp_path / "page.md").read_text()
    assert page.startswith("Before\n") and page.endswith("behind\n") and "old" not in page
    for name in ("t.png", "t-faces.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.width > 700 and picture.height > 500

    def refuse(*_, **__):
        raise AssertionError("done before")

    monkeypatch.setattr(module, "judged", refuse)
    monkeypatch.setattr(module, "train", refuse)
    main([*small, "--no-train"])
    assert Tradeoff.read(tmp_path / "t.json").rows.equals(table.rows)
    capsys.readouterr()
    monkeypatch.setattr(module, "RUNS", {"locality-0": {"locality": 5.0}})
    with pytest.raises(SystemExit):
        main(small)
    error = capsys.readouterr().err
    assert "locality-0 is a run of other locality" in error and error.count("\n") == 1
