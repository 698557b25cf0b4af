import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import spearmanr
from sklearn.datasets import load_iris

from featviz.analysis.similarity import compare, linear_cka, rsa
from featviz.analysis.similarity.plots import draw_similarity, similarity_figure
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable, write_features
from featviz.cli import main
from featviz.figures.style import style


def hsic_1(k, l_):
    """Song et al. 2012, eq. 5, written out in loops."""
    n = len(k)
    k, l_ = k.copy(), l_.copy()
    for i in range(n):
        k[i, i] = l_[i, i] = 0.0
    trace = sum(k[i, j] * l_[j, i] for i in range(n) for j in range(n))
    k_sum = sum(k[i, j] for i in range(n) for j in range(n))
    l_sum = sum(l_[i, j] for i in range(n) for j in range(n))
    product = sum(k[i, j] * l_[j, m] for i in range(n) for j in range(n) for m in range(n))
    return (trace + k_sum * l_sum / ((n - 1) * (n - 2)) - 2 * product / (n - 2)) / (n * (n - 3))


def test_cka_is_the_published_formula(rng) -> None:
    x, y = rng.normal(3, 1, size=(9, 4)), rng.normal(size=(9, 6))
    y[:, :2] += x[:, :2]
    k, l_ = x @ x.T, y @ y.T
    expected = hsic_1(k, l_) / math.sqrt(hsic_1(k, k) * hsic_1(l_, l_))
    assert linear_cka(x, y) == pytest.approx(expected)


def test_cka_and_rsa_of_the_same_up_to_rotation_shift_and_scale_are_one(rng) -> None:
    x = rng.normal(size=(30, 8))
    turn, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    for other in (x, x @ turn, 1000 * x, x + 5, np.concatenate([x, np.zeros((30, 3))], axis=1)):
        assert linear_cka(x, other) == pytest.approx(1)
        assert rsa(x, other) == pytest.approx(1)
    stretched = x * np.array([30, 1, 1, 1, 1, 1, 1, 1])
    assert linear_cka(x, stretched) < 0.9 and rsa(x, stretched) < 0.9
    assert rsa(x, x * rng.uniform(1, 9, size=(30, 1)), "cosine") == pytest.approx(1)


def test_independent_features_have_similarity_about_zero_however_many_channels() -> None:
    values = [
        [
            measure(r.normal(size=(40, 300)), r.normal(size=(40, 500)))
            for measure in (linear_cka, rsa)
        ]
        for r in map(np.random.default_rng, range(60))
    ]
    assert np.abs(np.mean(values, axis=0)).max() < 0.02
    # The usual CKA is biased: it calls these alike.
    x, y = np.random.default_rng(0).normal(size=(2, 40, 500))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    biased = np.sum((x.T @ y) ** 2) / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y)
    assert biased > 0.9


def test_rsa_is_that_of_rsatoolbox_and_scipy_with_ties(rng) -> None:
    import rsatoolbox

    x = rng.integers(0, 3, size=(15, 2)).astype(float)
    y = rng.normal(size=(15, 3)) + x[:, :1]
    rdms = [rsatoolbox.rdm.calc_rdm(rsatoolbox.data.Dataset(v), method="euclidean") for v in (x, y)]
    theirs = float(np.squeeze(rsatoolbox.rdm.compare(*rdms, method="spearman")))
    assert rsa(x, y) == pytest.approx(theirs)
    pairs = [(i, j) for i in range(15) for j in range(i)]
    distances = [[math.dist(v[i], v[j]) for i, j in pairs] for v in (x, y)]
    assert rsa(x, y) == pytest.approx(spearmanr(*distances).statistic)


def test_constant_features_have_no_similarity(rng) -> None:
    x, constant = rng.normal(size=(7, 3)), np.full((7, 3), 0.1)
    assert math.isnan(linear_cka(x, constant)) and math.isnan(rsa(x, constant))
    assert math.isnan(linear_cka(constant, constant))


def test_what_cannot_be_compared_is_refused(rng) -> None:
    x = rng.normal(size=(5, 2))
    with pytest.raises(FeatvizError, match="same sketches"):
        linear_cka(x, x[:4])
    with pytest.raises(FeatvizError, match="4 or more sketches; got 3"):
        linear_cka(x[:3], x[:3])
    with pytest.raises(FeatvizError, match="3 or more sketches; got 2"):
        rsa(x[:2], x[:2])
    x[1, 1] = np.nan
    with pytest.raises(FeatvizError, match="1 of 5 vectors hold NaN"):
        rsa(x, x)


def table(name: str, **layers) -> FeatureTable:
    count = len(next(iter(layers.values())))
    rows = pd.DataFrame(
        {
            "sketch": [f"G1/{i:03d}" for i in range(count)],
            "group": "G1",
            "point_x": 170,
            "point_y": 250,
        }
    )
    vectors = {layer: np.asarray(v, dtype=np.float32) for layer, v in layers.items()}
    return FeatureTable(rows, vectors, {"checkpoint": name, "digest": "0123456789"})


@pytest.fixture(scope="module")
def tables() -> list[FeatureTable]:
    data = load_iris().data[::3]
    one = table("one", L0=data, L1=data[:, :2])
    return [one, table("two", L0=data[:, ::-1], L1=data[:, 2:])]


@pytest.mark.parametrize(("measure", "single"), [("cka", linear_cka), ("rsa", rsa)])
def test_every_layer_is_compared_with_every_other(tables, measure, single) -> None:
    similarity = compare(tables, measure)
    assert similarity.panels == (("one", "L0"), ("one", "L1"), ("two", "L0"), ("two", "L1"))
    vectors = [v for t in tables for v in t.vectors.values()]
    expected = [[single(a, b) for b in vectors] for a in vectors]
    np.testing.assert_allclose(similarity.matrix, expected, atol=1e-12)
    assert similarity.value(("one", "L1"), ("two", "L1")) == similarity.matrix[1, 3]
    frame = similarity.rows
    assert len(frame) == 16
    row = frame[(frame["layer_1"] == "L1") & (frame["layer_2"] == "L0")].iloc[1]
    assert (row["checkpoint_1"], row["checkpoint_2"]) == ("one", "two")
    assert row["value"] == similarity.matrix[1, 2]


def test_a_dead_layer_is_nan_and_the_others_are_not(tables) -> None:
    dead = table("two", L0=np.zeros((50, 3)))
    values = compare([tables[0], dead]).matrix
    assert np.isnan(values[2]).all() and np.isnan(values[:, 2]).all()
    assert np.isfinite(values[:2, :2]).all()


def test_tables_that_do_not_match_are_refused(tables) -> None:
    one, two = tables
    fewer = FeatureTable(two.rows[1:], {k: v[1:] for k, v in two.vectors.items()}, two.metadata)
    with pytest.raises(FeatvizError, match="hold 50 and 49 sketches, such as 'G1/000'"):
        compare([one, fewer])
    turned = replace(two, rows=two.rows[::-1].reset_index(drop=True))
    with pytest.raises(FeatvizError, match="in another order"):
        compare([one, turned])
    elsewhere = replace(two, rows=two.rows.assign(point_x=99))
    with pytest.raises(FeatvizError, match=r"'one' and 'two' were read at other points: .*\(99, "):
        compare([one, elsewhere])
    with pytest.raises(FeatvizError, match="unknown measure 'dot'; there are cka, rsa"):
        compare([one], "dot")
    with pytest.raises(FeatvizError, match="unknown metric 'l1'"):
        compare([one], "rsa", metric="l1")
    with pytest.raises(FeatvizError, match="no panel 'one L9'; there are one L0, one L1"):
        compare([one]).value(("one", "L9"), ("one", "L0"))


def test_the_heat_map_writes_every_number_and_rounds_nothing_up_to_one(tables) -> None:
    near = table("two", L0=tables[0].vectors["L0"] + 1e-3 * np.arange(50)[:, None] % 0.01)
    dead = table("three", L0=np.zeros((50, 3)))
    similarity = compare([tables[0].select(layers=["L0"]), near, dead])
    assert 0.995 < similarity.matrix[0, 1] < 1
    with style():
        figure = similarity_figure(similarity)
    ax = figure.axes[0]
    written = [text.get_text() for text in ax.texts]
    assert written.count("1.00") == 2 and written.count("0.99+") == 2 and written.count("-") == 5
    (mesh,) = ax.collections
    assert mesh.get_clim() == (0, 1)


def test_no_text_of_the_figure_is_cut_off_or_covers_another(tables) -> None:
    many = [
        replace(tables[0], metadata={"checkpoint": f"a-run-{step:06d}"}).select(layers=["L1"])
        for step in range(0, 3000, 500)
    ]
    for shown in (tables, many):
        with style():
            figure = similarity_figure(compare(shown, "rsa"))
            figure.draw_without_rendering()
        texts = [*figure.texts, *(t for ax in figure.axes for t in ax.texts)]
        boxes = [t.get_window_extent() for t in texts if t.get_text()]
        whole = figure.bbox
        assert all(whole.x0 <= b.x0 and b.x1 <= whole.x1 for b in boxes)
        assert all(whole.y0 <= b.y0 and b.y1 <= whole.y1 for b in boxes)
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_the_command_writes_a_figure_and_the_numbers(tmp_path, monkeypatch, capsys, tables) -> None:
    monkeypatch.chdir(tmp_path)
    for one in tables:
        write_features(one, Path(f"{one.metadata['checkpoint']}.parquet"))
    main(["similarity", "one.parquet", "two.parquet", "--save-table", "numbers.csv"])
    assert capsys.readouterr().out.splitlines()[:2] == ["numbers.csv", "one_two-cka.png"]
    assert Image.open("one_two-cka.png").size[0] > 500
    np.testing.assert_allclose(
        pd.read_csv("numbers.csv")["value"], compare(tables).rows["value"], atol=1e-12
    )
    command = ["similarity", "one.parquet", "--measure", "rsa", "--metric", "cosine"]
    main([*command, "--layers", "L1", "--out", "rsa.pdf"])
    assert Path("rsa.pdf").read_bytes().startswith(b"%PDF")
    for wrong, message in (
        (["--out", "x.doc"], "expected a name ending in .png"),
        (["--save-table", "x.doc"], "expected a name ending in .csv, .parquet"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["similarity", "one.parquet", *wrong])
        assert stopped.value.code == 2 and message in capsys.readouterr().err


def test_figures_are_drawn_on_axes_of_ones_own(tables) -> None:
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert draw_similarity(compare(tables), ax) is ax
