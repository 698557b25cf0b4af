from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featviz.analysis.separation.plots import pair_distances, structure_figure
from featviz.base.feature_table import write_features
from featviz.cli import main
from featviz.figures.style import style

from .test_measure import feature_table


def test_every_pair_is_within_its_group_once_or_between_once_for_each_of_two(rng) -> None:
    groups = ["G1"] * 4 + ["G2"] * 3 + ["G3"]
    vectors = rng.normal(5, 2, size=(8, 6))
    found = pair_distances(feature_table(groups, {"L0": vectors}), "L0")
    scale = np.sqrt(((vectors - vectors.mean(0)) ** 2).sum(1).mean())
    expected = {(name, pairs): [] for name in ("G1", "G2", "G3") for pairs in ("within", "between")}
    for i, j in combinations(range(8), 2):
        distance = np.linalg.norm(vectors[i] - vectors[j]) / scale
        if groups[i] == groups[j]:
            expected[groups[i], "within"].append(distance)
        else:
            expected[groups[i], "between"].append(distance)
            expected[groups[j], "between"].append(distance)
    for (name, pairs), distances in expected.items():
        of = found[(found["group"] == name) & (found["pairs"] == pairs)]["distance"]
        np.testing.assert_allclose(sorted(of), sorted(distances), rtol=1e-6)


def test_a_group_of_identical_vectors_shows_as_a_bar_and_others_do_not(rng) -> None:
    groups = ["same"] * 5 + ["other"] * 5
    vectors = rng.normal(size=(10, 4))
    vectors[:5] = vectors[0]
    with style():
        figure = structure_figure([feature_table(groups, {"L0": vectors, "L1": vectors[:, :2]})])
    bars = [
        line.get_segments()
        for ax in figure.axes
        for line in ax.collections
        if hasattr(line, "get_segments") and line.get_linewidth()[0] > 2
    ]
    assert len(figure.axes) == 2 and len(bars) == 2
    for ((x, low), (_, high)), *rest in bars:
        # The group is the first line; its bar lies in the upper half of that, at distance 0.
        assert (x, high) == (0, 0) and -0.5 < low < 0 and not rest


def test_all_panels_share_one_scale_and_zero_is_their_left_edge(rng) -> None:
    groups = ["a"] * 6 + ["b"] * 6
    tables = [
        feature_table(groups, {"L0": rng.normal(size=(12, channels))}, checkpoint=name)
        for name, channels in (("one", 3), ("two", 9))
    ]
    with style():
        limits = {ax.get_xlim() for ax in structure_figure(tables).axes}
    assert len(limits) == 1 and limits.pop()[0] == 0


def test_the_command_draws_what_was_asked_for(tmp_path, monkeypatch, rng, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    groups = ["G8"] * 5 + ["G9"] * 5
    write_features(feature_table(groups, {"L0": rng.normal(size=(10, 4))}), Path("one.parquet"))
    main(["structure", "one.parquet", "--permutations", "9", "--plot", "s.png"])
    assert "s.png" in capsys.readouterr().out
    with Image.open("s.png") as image:
        assert min(image.size) > 300 and len(image.convert("RGB").getcolors(1 << 24)) > 50
    with pytest.raises(SystemExit):
        main(["structure", "one.parquet", "--plot", "s.txt"])
    assert ".png" in capsys.readouterr().err and not Path("s.txt").exists()
