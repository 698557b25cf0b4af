from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from featviz.analysis.claims import judge
from featviz.analysis.claims.claim import Verdict
from featviz.analysis.separation import group_distances
from featviz.analysis.trajectory import (
    edits_out_of_reach,
    judge_steps,
    measure_trajectory,
    run_name,
    verdicts_table,
)
from featviz.analysis.trajectory.plots import trajectory_figure
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable, write_features
from featviz.cli import main
from featviz.extraction.vectors import extract
from featviz.figures.style import style
from featviz.generators.networks.generators import FrontEnd, GeneratorArchitecture
from featviz.sketches.drawing import CANVAS
from featviz.sketches.sketch_set import read_sketches
from tests.analysis.claims.worlds import BASELINE, MODIFIED, World

SKETCHES = Path(__file__).parents[2] / "sketches"


def table(step: int, run: str = "net", seed: int | None = None, **metadata) -> FeatureTable:
    """Vectors of 3 groups of 4; the first of each group is the base of the others."""
    rng = np.random.default_rng(step if seed is None else seed)
    groups = [name for name in "abc" for _ in range(4)]
    rows = pd.DataFrame(
        {
            "sketch": [f"{name}/{i % 4}" for i, name in enumerate(groups)],
            "group": groups,
            "point_x": 170,
            "point_y": 250,
        }
    )
    vectors = {layer: rng.normal(size=(12, 5)).astype(np.float32) for layer in ("L0", "L1")}
    described = {"checkpoint": f"{run}-{step:06d}", "variant": "baseline", "step": step}
    return FeatureTable(rows, vectors, described | metadata)


EDITS = {"L0": [("a/1", "a/0"), ("a/2", "a/0"), ("b/3", "b/0")], "L1": []}


def test_curves_hold_the_structure_of_each_step_whatever_the_order_of_the_tables() -> None:
    tables = {step: table(step) for step in (500, 0, 1000)}
    trajectory = measure_trajectory(list(tables.values()))
    for layer in ("L0", "L1"):
        curve = trajectory.curve("net", layer, "ratio")
        assert list(curve["step"]) == [0, 500, 1000]
        relative = trajectory.curve("net", layer, "relative within")
        for step, ratio, share in zip(
            curve["step"], curve["value"], relative["value"], strict=True
        ):
            one = tables[step]
            within, between, scale = group_distances(one.vectors[layer], one.rows["group"])
            assert ratio == pytest.approx(within / between)
            assert share == pytest.approx(within / scale)
    assert set(trajectory.curve("net", "L0", "distinct")["value"]) == {12}
    assert trajectory.measures == ("ratio", "relative within", "distinct")


def test_leakage_is_the_mean_over_groups_of_the_relative_change_by_edits() -> None:
    tables = [table(0), table(10)]
    trajectory = measure_trajectory(tables, edits=EDITS)
    for one, row in zip(tables, trajectory.curve("net", "L0", "leakage").itertuples(), strict=True):
        vectors = dict(zip(one.rows["sketch"], one.vectors["L0"].astype(float), strict=True))
        size = np.sqrt(np.mean([v @ v for v in vectors.values()]))
        change = {a: np.linalg.norm(vectors[a] - vectors[b]) / size for a, b in EDITS["L0"]}
        expected = ((change["a/1"] + change["a/2"]) / 2 + change["b/3"]) / 2
        assert row.value == pytest.approx(expected)
        assert row.count == 3
    none = trajectory.curve("net", "L1", "leakage")
    assert none["value"].isna().all() and set(none["count"]) == {0}


def test_dead_and_constant_layers_are_gaps_in_a_curve_or_zero() -> None:
    dead = table(10)
    dead = replace(dead, vectors={layer: np.zeros_like(v) for layer, v in dead.vectors.items()})
    trajectory = measure_trajectory([table(0), dead], edits=EDITS)
    for measure in ("ratio", "relative within", "leakage"):
        first, second = trajectory.curve("net", "L0", measure)["value"]
        assert np.isfinite(first) and np.isnan(second)
    assert list(trajectory.curve("net", "L0", "distinct")["value"]) == [12, 1]
    constant = replace(dead, vectors={layer: v + 1 for layer, v in dead.vectors.items()})
    trajectory = measure_trajectory([table(0), constant], edits=EDITS)
    assert trajectory.curve("net", "L0", "leakage")["value"].iloc[1] == 0


def test_runs_are_told_apart_by_their_names_without_the_step() -> None:
    assert run_name("modified-000500", 500) == "modified"
    assert run_name("modified-2-001500", 1500) == "modified-2"
    assert run_name("step_000020", 20) == run_name("000500", 500) == "run"
    assert run_name("net-1500", 500) == "net-1500"
    assert run_name("paper-baseline", 500) == "paper-baseline"
    trajectory = measure_trajectory([table(s, run) for run in ("two", "one") for s in (10, 0)])
    assert trajectory.runs == ("two", "one")
    assert list(trajectory.curve("one", "L0", "ratio")["step"]) == [0, 10]


def test_tables_that_make_no_curve_are_refused() -> None:
    with pytest.raises(FeatvizError, match="'net-000000' does not tell a training step"):
        measure_trajectory([replace(table(0), metadata={"checkpoint": "net-000000"})])
    with pytest.raises(FeatvizError, match="run 'net' is given at step 7 only"):
        measure_trajectory([table(7)])
    with pytest.raises(
        FeatvizError, match="step 5 of run 'net' is given twice: net-000005 and net"
    ):
        measure_trajectory([table(5), table(5, checkpoint="net")])
    fewer = table(5).select(groups=["a", "b"])
    with pytest.raises(FeatvizError, match="hold 12 and 8 sketches"):
        measure_trajectory([table(0), fewer])
    convolved = replace(table(5), metadata=table(5).metadata | {"stage": "conv"})
    first = replace(table(0), metadata=table(0).metadata | {"stage": "activation"})
    with pytest.raises(FeatvizError, match="hold other stages: activation and conv"):
        measure_trajectory([first, convolved])
    with pytest.raises(FeatvizError, match="unknown layer 'L9'"):
        measure_trajectory([table(0), table(5)], ["L9"])


@pytest.fixture(scope="module")
def drawn():
    """Real sketches, and their features at two front ends with fresh weights, as if of a run."""
    sketches = read_sketches(SKETCHES).of_groups("G6", "G9")
    tables = []
    for step in (0, 40):
        torch.manual_seed(step)
        front_end = FrontEnd(GeneratorArchitecture(variant="modified", width=4)).eval()
        provenance = {"checkpoint": f"net-{step:06d}", "step": step, "variant": "modified"}
        tables.append(extract(front_end, sketches, provenance=provenance))
    return sketches, tables


def test_only_edits_that_leave_the_receptive_field_alone_count(drawn) -> None:
    sketches, tables = drawn
    edits = edits_out_of_reach(tables[0], sketches)
    index = sketches.index.set_index("sketch")
    images = {name: sketches.image(i) for i, name in enumerate(sketches.index["sketch"])}
    for layer, pairs in edits.items():
        left, top, right, bottom = tables[0].metadata["receptive_field_boxes"][layer][0]
        inside = np.zeros((CANVAS, CANVAS), dtype=bool)
        inside[max(top, 0) : bottom + 1, max(left, 0) : right + 1] = True
        expected = {
            (name, index.at[name, "base"])
            for name in index.index
            if index.at[name, "base"] in images
            and name != index.at[name, "base"]
            and (images[name] == images[index.at[name, "base"]])[inside].all()
        }
        assert set(pairs) == expected
        # Noses are far from the eye's corner, eyes of another size are not.
        groups = [index.at[name, "group"] for name, _ in pairs]
        assert groups.count("G9") == 18
        assert groups.count("G6") < 8
    assert len(edits["L4"]) <= len(edits["L0"])


def test_without_normalisation_nothing_leaks_and_with_it_something_does(drawn) -> None:
    sketches, tables = drawn
    trajectory = measure_trajectory(tables, edits=edits_out_of_reach(tables[0], sketches))
    for layer in ("L0", "L1"):
        assert list(trajectory.curve("net", layer, "leakage")["value"]) == [0, 0]
    for layer in ("L2", "L3", "L4"):
        assert (trajectory.curve("net", layer, "leakage")["value"] > 1e-4).all()


def test_layers_whose_receptive_field_is_unknown_have_no_edits(drawn) -> None:
    sketches, tables = drawn
    unknown = {**tables[0].metadata, "receptive_field_boxes": {"L0": None}}
    edits = edits_out_of_reach(replace(tables[0], metadata=unknown), sketches)
    assert all(pairs == [] for pairs in edits.values())
    with pytest.raises(FeatvizError, match="sketch 'a/0' of the feature table is not in"):
        edits_out_of_reach(table(0), sketches)


def test_no_text_of_the_figure_is_cut_off_or_covers_another() -> None:
    for runs in (["net"], ["a-run-with-a-long-name", "another"]):
        tables = [table(step, run) for run in runs for step in (0, 1000, 123456)]
        with style():
            figure = trajectory_figure(measure_trajectory(tables, edits=EDITS))
            figure.draw_without_rendering()
        assert len(figure.axes) == 4 * len(runs)
        texts = []
        for ax in figure.axes:
            for axis, (low, high) in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
                places = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
                texts += [axis.label, *(tick for at, tick in places if low <= at <= high)]
        ticks = [text.get_window_extent() for text in texts if text.get_text()]
        names = [text.get_window_extent() for text in figure.texts]
        whole = figure.bbox
        assert all(whole.x0 <= b.x0 and b.x1 <= whole.x1 for b in names + ticks)
        assert all(whole.y0 <= b.y0 and b.y1 <= whole.y1 for b in names + ticks)
        assert not any(name.overlaps(tick) for name in names for tick in ticks)


def test_panels_of_one_measure_share_a_scale_that_begins_at_zero() -> None:
    tables = [table(step, run) for run in ("one", "two") for step in (0, 10)]
    with style():
        figure = trajectory_figure(measure_trajectory(tables))
    limits = [ax.get_ylim() for ax in figure.axes]
    assert limits[:3] == limits[3:]
    assert all(low == 0 for low, _ in limits)


def test_the_command_follows_a_run_from_its_kept_generators_to_the_figure(
    tmp_path, monkeypatch, capsys, drawn
) -> None:
    _, tables = drawn
    monkeypatch.chdir(tmp_path)
    names = []
    for one in tables:
        names.append(f"{one.metadata['checkpoint']}.parquet")
        write_features(one, Path(names[-1]))
    main(["trajectory", *names, "--sketches", str(SKETCHES), "--save-table", "t.csv"])
    assert capsys.readouterr().out.splitlines()[:2] == ["t.csv", "net-trajectory.png"]
    assert Image.open("net-trajectory.png").size[0] > 900
    frame = pd.read_csv("t.csv")
    assert set(frame["step"]) == {0, 40} and set(frame["run"]) == {"net"}
    assert frame.loc[frame["measure"] == "leakage", "count"].min() >= 18
    main(["trajectory", *names, "--layers", "L0", "--merge", "G9=G6", "--out", "t.pdf"])
    assert "no folder 'sketches' here, so leakage is left out" in capsys.readouterr().err
    assert Path("t.pdf").read_bytes().startswith(b"%PDF")
    for arguments, message in (
        (["--out", "t.doc"], "expected a name ending in .png"),
        (["--save-table", "t.doc"], "expected a name ending in .csv, .parquet"),
        (["--merge", "x"], "expected GROUP=GROUP"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["trajectory", *names, *arguments])
        assert stopped.value.code == 2 and message in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["trajectory", names[0]])
    assert "step 0 only; a curve takes 2 or more" in capsys.readouterr().err


def world_at(world: World, step: int) -> FeatureTable:
    made = world.table()
    provenance = {"checkpoint": f"{world.variant}-{step:06d}", "step": step}
    return replace(made, metadata=made.metadata | provenance)


@pytest.fixture(scope="module")
def learning() -> list[FeatureTable]:
    """Two runs: at step 0 both networks are the modified one, from step 100 on they differ."""
    tables = [world_at(replace(MODIFIED, variant="baseline"), 0), world_at(MODIFIED, 0)]
    for step in (100, 200):
        tables += [world_at(BASELINE, step), world_at(MODIFIED, step)]
    return [*tables, world_at(BASELINE, 300)]


def test_claims_are_judged_at_each_step_that_both_runs_have(learning) -> None:
    verdicts = judge_steps(learning)
    assert list(dict.fromkeys(verdicts["step"])) == [0, 100, 200]
    alone = judge(learning[2:4], permutations=999)
    at_100 = verdicts[verdicts["step"] == 100].set_index("claim")
    assert list(at_100.index) == [*(f"C{i}" for i in range(1, 10)), "C15"]
    for name in at_100.index:
        # C9 takes a table of crossed sketches.
        expected = "cannot be judged" if name == "C9" else "holds"
        assert at_100.at[name, "verdict"] == alone[name].verdict == expected
        assert at_100.at[name, "why"] == alone[name].why
    at_0 = verdicts[verdicts["step"] == 0].set_index("claim")["verdict"]
    assert at_0["C1"] == "holds" and at_0["C2"] == at_0["C7"] == "does not hold"
    lines = verdicts_table(verdicts).splitlines()
    assert lines[0].split("|")[2:5] == [" step 0 ", " step 100 ", " step 200 "]
    cells = {line.split("|")[1].strip(): line.split("|")[2:5] for line in lines[2:]}
    assert [cell.strip() for cell in cells["C2"]] == ["no", "holds", "holds"]


def test_steps_without_a_partner_are_told(learning) -> None:
    with pytest.raises(
        FeatvizError, match=r"at the same step; given steps 0 \(baseline\), 100 \(mod"
    ):
        judge_steps([learning[0], learning[3]])
    with pytest.raises(FeatvizError, match="given steps of neither"):
        judge_steps([table(0, variant="no-norm")])
    with pytest.raises(FeatvizError, match="step 100 has baseline-000100, modified-000100, other"):
        judge_steps([*learning[2:4], table(100, variant="modified", checkpoint="other")])


def test_the_command_draws_and_writes_verdicts(tmp_path, monkeypatch, capsys, learning) -> None:
    monkeypatch.chdir(tmp_path)
    names = []
    for one in learning:
        names.append(f"{one.metadata['checkpoint']}.parquet")
        write_features(one, Path(names[-1]))
    main(["trajectory", *names, "--save-claims", "v.csv", "--out", "t.png"])
    printed = capsys.readouterr().out
    assert "| C1 " in printed and "red cross does not hold" in printed
    assert pd.read_csv("v.csv")["verdict"].value_counts()["holds"] > 18
    with pytest.raises(SystemExit):
        main(["trajectory", *names, "--save-claims", "v.txt"])
    assert "cannot write verdicts to v.txt" in capsys.readouterr().err


def test_every_verdict_has_its_mark_at_its_step(learning) -> None:
    verdicts = judge_steps(learning)
    with style():
        figure = trajectory_figure(measure_trajectory(learning), verdicts)
    ax = figure.axes[-1]
    drawn = {}
    for marks, verdict in zip(ax.collections, get_args(Verdict), strict=True):
        drawn |= {(int(x), int(y)): verdict for x, y in marks.get_offsets().tolist()}
    names = list(dict.fromkeys(verdicts["claim"]))
    assert drawn == {
        (row.step, names.index(row.claim)): row.verdict for row in verdicts.itertuples()
    }
