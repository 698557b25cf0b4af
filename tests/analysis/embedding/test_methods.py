import sys

import numpy as np
import openTSNE
import pytest
from numpy.typing import NDArray
from openTSNE.affinity import PerplexityBasedNN
from openTSNE.tsne import kl_divergence_bh
from scipy.optimize import approx_fprime, brentq
from scipy.spatial.distance import cdist, pdist, squareform
from scipy.special import rel_entr
from scipy.stats import entropy, spearmanr
from sklearn.datasets import make_swiss_roll
from sklearn.manifold._t_sne import _joint_probabilities, _kl_divergence

from featviz.analysis.embedding import embed
from featviz.analysis.embedding.objective import all_pairs, exact_objective, gaussian, student
from featviz.analysis.embedding.quality import neighbourhood_quality
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable
from tests.analysis.embedding.tables import (
    assert_same_map,
    feature_table,
    places,
    reordered,
    with_vectors,
)


def distinct(table: FeatureTable) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The distinct vectors and the row each is first seen in."""
    return np.unique(table.vectors["L0"].astype(np.float64), axis=0, return_index=True)


def test_the_stress_of_mds_is_what_kruskal_defines_and_below_that_of_pca(
    iris: FeatureTable,
) -> None:
    vectors, first = distinct(iris)
    wanted = pdist(vectors)
    stress = {}
    for method in ("mds", "pca"):
        given = pdist(places(embed(iris, method))[first])
        stress[method] = np.sqrt(((wanted - given) ** 2).sum() / (given**2).sum())
    assert embed(iris, "mds").panels[0]["stress"] == pytest.approx(stress["mds"], rel=1e-9)
    assert stress["mds"] < stress["pca"]


def test_mds_keeps_every_distance_that_a_plane_can_hold(rng: np.random.Generator) -> None:
    plane = rng.normal(size=(40, 2)) @ np.linalg.qr(rng.normal(size=(7, 2)))[0].T
    table = embed(feature_table(plane, ["a"] * 40), "mds")
    np.testing.assert_allclose(pdist(places(table)), pdist(plane), atol=1e-5)
    assert table.panels[0]["stress"] < 1e-6


def test_mds_from_a_random_start_heeds_the_seed_and_is_no_worse_than_chance(
    iris: FeatureTable,
) -> None:
    part = iris.select(groups=["setosa"])
    one, again, other = (embed(part, "mds", start="random", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(places(one), places(again))
    assert not np.array_equal(places(one), places(other))
    assert one.panels[0]["stress"] < 0.5


@pytest.fixture(scope="module")
def roll() -> tuple[FeatureTable, NDArray[np.float64]]:
    """A rolled up sheet, and how far along the sheet each vector lies."""
    vectors, along = make_swiss_roll(400, random_state=0)
    # 0.25 of the width: the roll is long rather than broad.
    return feature_table(vectors * [1, 0.25, 1], ["a"] * 400), along


def test_isomap_unrolls_a_swiss_roll_where_pca_cannot(
    roll: tuple[FeatureTable, NDArray[np.float64]],
) -> None:
    table, along = roll
    order = {
        method: abs(spearmanr(places(embed(table, method, neighbours=8))[:, 0], along).statistic)
        for method in ("isomap", "pca")
    }
    assert order["isomap"] > 0.99
    assert order["pca"] < 0.7


def test_isomap_has_the_unit_of_the_vectors() -> None:
    # On a straight line all ways are straight, whatever the unit.
    line = np.linspace(0, 30, 25)[:, None] * [[0.6, 0.8, 0]]
    table = embed(feature_table(line, ["a"] * 25), "isomap", neighbours=3)
    np.testing.assert_allclose(pdist(places(table)), pdist(line), atol=1e-4)


def test_isomap_links_pieces_and_counts_them(rng: np.random.Generator) -> None:
    blobs = np.concatenate([rng.normal(size=(20, 3)) + 50 * i for i in range(3)])
    table = embed(feature_table(blobs, ["a"] * 60), "isomap", neighbours=5)
    assert table.panels[0]["pieces"] == 3
    assert np.isfinite(places(table)).all()


def test_lle_keeps_the_order_of_vectors_along_a_bent_line() -> None:
    turn = np.linspace(0, 3, 60)
    arc = np.stack([np.cos(turn), np.sin(turn), 0.2 * turn], axis=1)
    table = embed(feature_table(arc, ["a"] * 60), "lle", neighbours=6)
    assert abs(spearmanr(places(table)[:, 0], turn).statistic) > 0.999


def test_lle_refuses_pieces_and_names_the_fewest_neighbours_that_join_them(
    rng: np.random.Generator,
) -> None:
    blobs = np.concatenate([rng.normal(size=(20, 3)), rng.normal(size=(20, 3)) + 50])
    table = feature_table(blobs, ["a"] * 40)
    with pytest.raises(FeatvizError, match=r"5 neighbours the graph of 40.* 2 pieces.* (20) neigh"):
        embed(table, "lle", neighbours=5)
    assert embed(table, "lle", neighbours=20).panels[0]["effective_neighbours"] == 20


@pytest.mark.parametrize("method", ["isomap", "lle"])
def test_more_neighbours_than_there_are_others_are_lowered(
    method: str, rng: np.random.Generator
) -> None:
    vectors = np.repeat(rng.normal(size=(6, 4)), 5, axis=0)
    table = embed(feature_table(vectors, ["a"] * 30), method, neighbours=15)
    assert table.panels[0]["effective_neighbours"] == 5
    assert table.metadata["parameters"] == {"neighbours": 15}


@pytest.mark.parametrize("kernel", [student, gaussian])
def test_the_gradient_is_a_quarter_of_the_derivative_of_the_divergence(
    kernel: object, rng: np.random.Generator
) -> None:
    vectors, points = rng.normal(size=(20, 5)), rng.normal(size=(20, 2))
    probabilities = PerplexityBasedNN(vectors, 5, method="exact").P
    objective = exact_objective(kernel, probabilities.toarray())

    def divergence(flat: NDArray[np.float64]) -> float:
        return objective(flat.reshape(-1, 2), probabilities, should_eval_error=True)[0]

    numeric = approx_fprime(points.ravel(), divergence, 1e-6).reshape(-1, 2)
    _, given = objective(points, probabilities)
    np.testing.assert_allclose(4 * given, numeric, atol=1e-6)


def test_the_exact_objective_is_that_of_a_tree_that_merges_nothing(
    iris: FeatureTable, rng: np.random.Generator
) -> None:
    vectors, _ = distinct(iris)
    points = rng.normal(size=(len(vectors), 2))
    probabilities = PerplexityBasedNN(vectors, 15, method="exact").P
    objective = exact_objective(student, probabilities.toarray())
    given = objective(points, probabilities, should_eval_error=True)
    expected = kl_divergence_bh(points, probabilities, 1, {"theta": 0}, should_eval_error=True)
    assert given[0] == pytest.approx(expected[0], rel=1e-6)
    np.testing.assert_allclose(given[1], expected[1], rtol=1e-6, atol=1e-12)
    # The optimiser's exaggeration is in both alike.
    given = objective(points, 12 * probabilities, should_eval_error=True)
    expected = kl_divergence_bh(points, 12 * probabilities, 1, {"theta": 0}, should_eval_error=True)
    assert given[0] == pytest.approx(expected[0], rel=1e-6)
    np.testing.assert_allclose(given[1], expected[1], rtol=1e-6, atol=1e-12)


def test_the_exact_objective_sees_an_exaggeration_that_comes_and_goes_in_place(
    rng: np.random.Generator,
) -> None:
    points = rng.normal(size=(20, 2))
    probabilities = PerplexityBasedNN(rng.normal(size=(20, 5)), 5, method="exact").P
    objective = exact_objective(student, probabilities.toarray())
    for exaggeration in (1, 12, 1 / 12):
        probabilities *= exaggeration
        given = objective(points, probabilities, should_eval_error=True)
        anew = exact_objective(student, (probabilities / probabilities.sum()).toarray())
        expected = anew(points, probabilities, should_eval_error=True)
        assert given[0] == pytest.approx(expected[0])
        np.testing.assert_allclose(given[1], expected[1])


def joint_probabilities(vectors: NDArray[np.float64], perplexity: float) -> NDArray[np.float64]:
    """Of all pairs, as van der Maaten and Hinton (2008) define them in section 2 and eq. 3."""
    squares = cdist(vectors, vectors, "sqeuclidean")

    def conditional(i: int, log_precision: float) -> NDArray[np.float64]:
        others = np.delete(squares[i], i)
        weights = np.exp(-np.exp(log_precision) * (others - others.min()))
        return np.insert(weights / weights.sum(), i, 0)

    rows = []
    for i in range(len(vectors)):
        found = brentq(
            lambda b, i=i: entropy(conditional(i, b)) - np.log(perplexity), -20, 40, xtol=1e-12
        )
        rows.append(conditional(i, found))
    p = np.array(rows)
    return (p + p.T) / (2 * len(p))


@pytest.mark.parametrize("method", ["tsne", "sne"])
def test_the_divergence_told_is_of_all_pairs(iris: FeatureTable, method: str) -> None:
    vectors, first = distinct(iris)
    table = embed(iris, method, perplexity=8)
    squares = cdist(places(table)[first], places(table)[first], "sqeuclidean")
    closeness = {"tsne": 1 / (1 + squares), "sne": np.exp(-squares)}[method]
    np.fill_diagonal(closeness, 0)
    q = closeness / closeness.sum()
    p = joint_probabilities((vectors - vectors.mean(axis=0)) / np.sqrt(vectors.var(0).sum()), 8)
    expected = rel_entr(p, np.maximum(q, 1e-300)).sum()
    assert table.panels[0]["kl_divergence"] == pytest.approx(expected, abs=1e-6)
    assert table.panels[0]["neighbours"] == "all"
    assert table.panels[0]["effective_perplexity"] == 8


def test_probabilities_and_divergence_are_those_of_scikit_learns_exact_method(
    iris: FeatureTable,
) -> None:
    vectors, first = distinct(iris)
    vectors = (vectors - vectors.mean(axis=0)) / np.sqrt(vectors.var(axis=0).sum())
    expected = _joint_probabilities(cdist(vectors, vectors, "sqeuclidean"), 15, verbose=0)
    found = squareform(all_pairs(vectors, 15).P.toarray(), checks=False)
    # scikit-learn searches each Gaussian's width in single precision.
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-12)
    table = embed(iris, "tsne")
    points = places(table)[first]
    divergence, _ = _kl_divergence(points.ravel(), expected, 1, len(points), 2)
    assert table.panels[0]["kl_divergence"] == pytest.approx(divergence, abs=1e-4)


def test_a_map_of_all_pairs_descends_further_than_one_of_a_few_neighbours(
    iris: FeatureTable,
) -> None:
    vectors, _ = distinct(iris)
    p = all_pairs(vectors, 15).P
    few = openTSNE.TSNE(
        perplexity=15, neighbors="exact", negative_gradient_method="bh", theta=0, random_state=0
    ).fit(vectors)
    of_few, _ = exact_objective(student, p.toarray())(few, p, should_eval_error=True)
    assert embed(iris, "tsne").panels[0]["kl_divergence"] < of_few


def test_sne_descends_its_own_divergence(iris: FeatureTable) -> None:
    vectors, first = distinct(iris)
    unit = (vectors - vectors.mean(axis=0)) / np.sqrt(vectors.var(axis=0).sum())
    p = all_pairs(unit, 15).P.toarray()

    def divergence(points: NDArray[np.float64]) -> float:
        closeness = np.exp(-(cdist(points, points) ** 2))
        np.fill_diagonal(closeness, 0)
        q, there = closeness / closeness.sum(), p > 0
        return float((p[there] * np.log(p[there] / np.maximum(q[there], 1e-300))).sum())

    table = embed(iris, "sne")
    found = divergence(places(table)[first])
    assert table.panels[0]["kl_divergence"] == pytest.approx(found, abs=1e-6)
    # The plane of PCA at its best size, and places at random, are worse.
    plane = places(embed(iris, "pca"))[first]
    assert found < min(divergence(plane * scale) for scale in np.geomspace(0.2, 5, 30))
    rng = np.random.default_rng(0)
    assert found < 0.3 * min(divergence(rng.normal(size=(len(p), 2)) * s) for s in (0.5, 1, 2))


def test_umap_keeps_neighbours_in_any_order_and_says_how_many(iris: FeatureTable) -> None:
    table = embed(iris, "umap", neighbours=200, min_dist=0.3)
    assert table.panels[0]["effective_neighbours"] == table.panels[0]["distinct"] - 1
    assert table.metadata["parameters"] == {"neighbours": 200, "min_dist": 0.3, "start": "pca"}
    few = embed(iris, "umap")
    assert_same_map(few, embed(reordered(iris), "umap"))
    assert few.panels[0]["trustworthiness"] > 0.95
    distances = cdist(places(few), places(few))
    np.fill_diagonal(distances, np.inf)
    setosa = few.frame["group"].to_numpy() == "setosa"
    assert (setosa[distances.argmin(axis=1)] == setosa).all()


def test_without_umap_learn_the_error_says_how_to_get_it(
    iris: FeatureTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(FeatvizError, match=r"needs umap; pip install 'featviz\[umap\]'$"):
        embed(iris, "umap")


def test_quality_is_what_venna_and_kaski_define(rng: np.random.Generator) -> None:
    vectors, points = rng.normal(size=(40, 6)), rng.normal(size=(40, 2))

    def lost(near_in: NDArray[np.float64], ranked_in: NDArray[np.float64]) -> float:
        """Of neighbours in one space, by how much their ranks in the other are too large."""
        total = 0
        for i in range(40):
            others = [j for j in range(40) if j != i]
            by_rank = sorted(others, key=lambda j: np.linalg.norm(ranked_in[i] - ranked_in[j]))
            near = sorted(others, key=lambda j: np.linalg.norm(near_in[i] - near_in[j]))[:15]
            total += sum(max(0, by_rank.index(j) + 1 - 15) for j in near)
        return 1 - 2 / (40 * 15 * (2 * 40 - 3 * 15 - 1)) * total

    quality = neighbourhood_quality(vectors, points)
    assert quality["trustworthiness"] == pytest.approx(lost(points, vectors))
    assert quality["continuity"] == pytest.approx(lost(vectors, points))
    assert quality["quality_neighbours"] == 15


def test_quality_looks_at_fewer_neighbours_where_there_are_few(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(9, 3))
    assert neighbourhood_quality(vectors, vectors[:, :2])["quality_neighbours"] == 4
    assert neighbourhood_quality(vectors[:2], vectors[:2, :2])["trustworthiness"] is None
    plane = rng.normal(size=(50, 2))
    perfect = neighbourhood_quality(plane, 7 * plane[:, ::-1] + 3)
    assert perfect["trustworthiness"] == perfect["continuity"] == 1


@pytest.mark.parametrize("method", ["isomap", "lle", "umap"])
def test_too_few_distinct_vectors_are_an_error_with_both_numbers(method: str) -> None:
    vectors = np.repeat(np.eye(3), 4, axis=0)
    with pytest.raises(FeatvizError, match="at least 4 distinct vectors, there are 3: use PCA"):
        embed(feature_table(vectors, ["a"] * 12), method)


@pytest.mark.parametrize(("method", "most"), [("sne", 2000), ("mds", 5000), ("isomap", 5000)])
def test_what_compares_all_pairs_refuses_too_many(method: str, most: int) -> None:
    vectors = np.arange(most + 1)[:, None]
    with pytest.raises(FeatvizError, match=f"at most {most} .* there are {most + 1}: use tsne"):
        embed(feature_table(vectors, ["a"] * len(vectors)), method)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"neighbours": 1}, "neighbours must be 2 or more; got 1"),
        ({"min_dist": 1.5}, "min-dist must lie between 0 and 1; got 1.5"),
        ({"min_dist": float("nan")}, "between 0 and 1; got nan"),
        ({"start": "spectral"}, "unknown start 'spectral'; there are pca, random"),
    ],
)
def test_settings_out_of_range_are_refused_with_their_value(
    iris: FeatureTable, setting: dict[str, object], message: str
) -> None:
    with pytest.raises(FeatvizError, match=message):
        embed(iris, "umap", **setting)


@pytest.mark.parametrize("method", ["mds", "isomap", "lle", "sne"])
def test_the_unit_of_the_vectors_changes_nothing_but_the_unit_of_the_map(
    iris: FeatureTable, method: str
) -> None:
    part = iris.select(groups=["versicolor", "virginica"])
    tiny = with_vectors(part, part.vectors["L0"] * np.float32(2.0**-30))
    one, other = places(embed(part, method)), places(embed(tiny, method))
    factor = 2.0**-30 if method in ("mds", "isomap") else 1.0
    np.testing.assert_allclose(other, one * factor, rtol=1e-6, atol=1e-6 * factor)
