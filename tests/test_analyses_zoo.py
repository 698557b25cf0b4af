import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analyses import zoo as module
from analyses.zoo import Judging, find_runs, following, main, wanted
from analyses.zoo_table import MEASURES, Zoo, best, summary, zoo_figure, zoo_table
from featviz.sketches.tensors import encode_image
from tests.training_calls import training_call

SETTINGS = {"recipe": {"steps": 800}, "judging": {"pairs": 4, "early": 3, "edits": 2, "held": 1}}


@pytest.fixture
def judged() -> Zoo:
    rows = [
        {"norm": norm, "seed": seed, "digest": f"{norm}{seed}", "ways": ways}
        | dict.fromkeys(MEASURES, 0.5)
        | {"ratio": ratio, "lpips": lpips}
        for norm, seed, ways, ratio, lpips in (
            ("instance", 0, 27, 0.2, 0.70),
            ("instance", 1, 27, 0.3, 0.72),
            ("instance", 2, 27, 0.4, 0.71),
            ("pixel", 0, 0, 0.1, 0.75),
            ("window-7", 0, 0, 0.01, 0.65),
            ("demodulation", 0, 0, np.nan, 0.93),
        )
    ]
    # No face at all, so that edits change little.
    for row in rows[-2:]:
        row["found"] = 0.1
    judging = {**SETTINGS["judging"], "lpips_size": 64}
    return Zoo(pd.DataFrame(rows), {**SETTINGS, "judging": judging})


def test_a_norm_is_told_by_its_mean_and_students_interval_over_seeds(judged: Zoo) -> None:
    found = summary(judged).set_index("norm")
    # t = 4.302653 of two degrees of freedom, s = 0.1 and 0.01.
    half = 4.302653 * 0.1 / np.sqrt(3)
    assert found.loc["instance", ["ratio low", "ratio", "ratio high"]].tolist() == pytest.approx(
        [0.3 - half, 0.3, 0.3 + half], rel=1e-6
    )
    assert np.isnan(found.loc["pixel", "lpips low"])
    lines = zoo_table(judged, wanted()).splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line[:1] == "|"]
    columns = dict(zip(rows[0], zip(*rows[2:], strict=True), strict=True))
    assert columns["norm"] == ("`window-7`", "`pixel`", "`instance`", "`demodulation`")
    assert columns["seeds"] == ("1", "1", "3", "1")
    assert columns["outside / inside"] == ("0.01", "0.1", f"0.3 ± {half:.2g}", "-")
    told = lines[0]
    assert told.startswith("6 runs of 24, of 800 steps; not trained: `front=none` 0,")
    assert "`pixel` 1" in told and "`pixel` 0" not in told and "`instance`" not in told


def test_the_front_holds_what_nothing_beats_in_both(rng: np.random.Generator) -> None:
    points = rng.integers(0, 6, (40, 2)).astype(float)
    beaten = [
        any((q <= p).all() and (q < p).any() for q in points.tolist() and points) for p in points
    ]
    assert best(points).tolist() == [not each for each in beaten]
    assert 0 < best(points).sum() < 40


def test_the_figure_has_a_mark_a_norm_and_a_dot_a_seed(judged: Zoo) -> None:
    figure = zoo_figure(judged)
    ax = figure.axes[0]
    marks = [line for line in ax.lines if line.get_marker() == "o"]
    at = np.concatenate([mark.get_xydata() for mark in marks])
    np.testing.assert_allclose(at, [[0.3, 0.71], [0.1, 0.75]])
    assert [mark.get_markerfacecolor() == "white" for mark in marks] == [False, True]
    dots = [each.get_offsets() for each in ax.collections if len(each.get_offsets()) > 1]
    assert np.concatenate(dots)[:, 0].tolist() == [0.2, 0.3, 0.4]
    assert {text.get_text() for text in ax.texts} == {"instance", "pixel"}
    # What has no face has no mark and beats nobody: the front is of the other two.
    front = min(ax.lines, key=lambda line: line.get_zorder())
    assert front.get_xydata()[[0, -1]].tolist() == [[0.1, 0.75], [pytest.approx(0.3), 0.71]]
    # More real is above.
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pairs, pytestconfig) -> list[str]:
    """Arguments for a zoo of two norms, of a few steps at 32 px, on six real pairs."""
    recipe = {"size": 32, "width": 2, "residual_blocks": 1, "discriminator_width": 2}
    for name, value in (
        ("RECIPE", {**recipe, "steps": 4, "precision": "float32"}),
        ("TELLING", ("instance",)),
        ("OTHERS", ("pixel-spade",)),
        ("SEEDS", 1),
        ("KEEP_EVERY", 1),
        ("Judging", lambda: Judging(pairs=3, early=3, edits=1, held=1, lpips_size=32)),
    ):
        monkeypatch.setattr(module, name, value)
    return training_call(pairs, tmp_path, pytestconfig.rootpath, "zoo")


def test_a_zoo_is_trained_judged_and_told_and_no_run_is_done_twice(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*small, "--no-train"])
    assert stop.value.code == 2
    assert "no finished run of this recipe and these data" in capsys.readouterr().err
    main(small)
    zoo = Zoo.read(tmp_path / "zoo.json")
    assert [*zip(zoo.rows["norm"], zoo.rows["seed"], strict=True)] == [
        ("instance", 0),
        ("pixel-spade", 0),
    ]
    of = zoo.rows.set_index("norm")
    # Both blocks of the trunk, five layers of the front and four of the back end.
    assert of["ways"].to_dict() == {"instance": 11, "pixel-spade": 0}
    assert of.loc["pixel-spade", "share"] == 0 and of.loc["instance", "share"] != 0
    assert (of[["lpips", "early", "outside", "ratio"]] > 0).all(axis=None)
    page = (tmp_path / "page.md").read_text()
    assert page.startswith("Before\n") and page.endswith("behind\n") and "old" not in page
    assert "2 runs of 2, of 4 steps; not trained: none." in page
    assert (tmp_path / "zoo.png").stat().st_size > 1000
    with Image.open(tmp_path / "zoo-faces.png") as faces:
        # Contour, photo and two norms, of three contours.
        assert faces.width > faces.height > 3 * 190
    assert (tmp_path / "zoo.csv").read_text().count("\n") == 3

    def refuse(*_, **__):
        raise AssertionError("done before")

    monkeypatch.setattr(module, "judged", refuse)
    monkeypatch.setattr(module, "train", refuse)
    main(small)
    assert Zoo.read(tmp_path / "zoo.json").rows.equals(zoo.rows)
    # A run that was not finished, of other settings or of other faces is none of the zoo.
    runs = tmp_path / "runs"
    data = json.loads((runs / "instance-0" / "config.json").read_text())["data"]
    assert set(find_runs([runs], data)) == {("instance", 0), ("pixel-spade", 0)}
    assert not find_runs([runs], "of others")
    config = runs / "instance-0" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"batch_size": 2}))
    (runs / "pixel-spade-0" / "steps" / "pixel-spade-0-000004.safetensors").unlink()
    assert not find_runs([runs], data)


def test_following_is_the_distance_of_landmarks_found_again(pairs) -> None:
    class Photos:
        """Paints the photo that a contour was drawn of: nobody follows better."""

        size = 512

        def __init__(self) -> None:
            self.turn = iter(range(len(pairs)))

        def __call__(self, _):
            return encode_image(pairs.photo(next(self.turn), 512))[None]

    away, found = following(Photos(), pairs)
    assert found == 1 and away < 2
    shifted = replace(pairs, landmarks=pairs.landmarks + np.float32([30, 40]))
    assert following(Photos(), shifted)[0] == pytest.approx(50, abs=2)
