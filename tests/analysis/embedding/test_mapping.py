import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.spatial.distance import cdist, pdist

from featviz.analysis.embedding import (
    EMBEDDING_COLUMNS,
    METHODS,
    effective_perplexity,
    embed,
    fit_projection,
    join,
    mapping,
    merge_ties,
    projection,
    read_embedding,
    t_sne,
    write_embedding,
)
from featviz.analysis.separation import group_distances
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable
from tests.analysis.embedding.tables import (
    assert_same_map,
    feature_table,
    places,
    reordered,
    with_vectors,
)


def test_pca_is_the_projection_on_the_largest_eigenvectors_of_the_covariance(
    iris: FeatureTable,
) -> None:
    vectors = iris.vectors["L0"].astype(np.float64)
    values, axes = np.linalg.eigh(np.cov(vectors.T))
    expected = (vectors - vectors.mean(axis=0)) @ axes[:, ::-1][:, :2]
    table = embed(iris, "pca")
    np.testing.assert_allclose(np.abs(places(table)), np.abs(expected), atol=1e-9)
    np.testing.assert_allclose(
        table.panels[0]["explained_variance_ratio"], values[::-1][:2] / values.sum(), atol=1e-9
    )


def test_pca_counts_a_tie_as_often_as_it_occurs() -> None:
    # Three sketches at (0, 0) and one at (4, 0): the mean is (1, 0), not the middle (2, 0).
    vectors = np.array([[0, 0], [0, 0], [0, 0], [4, 0]])
    table = embed(feature_table(vectors, ["a", "a", "a", "b"]), "pca")
    assert sorted(table.frame["x"]) == pytest.approx([-1, -1, -1, 3])
    assert list(table.frame["multiplicity"]) == [3, 3, 3, 1]
    assert table.panels[0]["explained_variance_ratio"] == pytest.approx([1, 0])


def test_pca_of_two_channels_keeps_every_distance(iris: FeatureTable) -> None:
    two = with_vectors(iris, iris.vectors["L0"][:, :2])
    np.testing.assert_allclose(
        pdist(places(embed(two, "pca"))), pdist(two.vectors["L0"]), atol=1e-6
    )


def test_pca_of_one_channel_lies_on_a_line(iris: FeatureTable) -> None:
    one = iris.vectors["L0"][:, :1]
    result = places(embed(with_vectors(iris, one), "pca"))
    np.testing.assert_allclose(result[:, 0], one[:, 0] - one[:, 0].astype(float).mean(), atol=1e-6)
    assert (result[:, 1] == 0).all()


ALL = list(METHODS)
# umap's compiler takes long: test_methods.py waits for it once, and its ties are everybody's.
ALL_BUT_UMAP = [name for name in METHODS if name != "umap"]


@pytest.mark.parametrize("method", ALL_BUT_UMAP)
def test_equal_vectors_share_a_place_and_know_how_many_they_are(
    iris: FeatureTable, method: str
) -> None:
    # Flowers of one cloud: all methods can map the 60 of them.
    copies = np.concatenate(
        [iris.vectors["L0"][60:120], np.repeat(iris.vectors["L0"][60:62], 45, 0)]
    )
    table = embed(feature_table(copies, ["a"] * 60 + ["b"] * 90), method)
    _, index, counts = np.unique(copies, axis=0, return_inverse=True, return_counts=True)
    assert list(table.frame["multiplicity"]) == list(counts[index])
    for vector in range(len(counts)):
        assert len({tuple(place) for place in places(table)[index == vector]}) == 1
    assert table.panels[0]["distinct"] == len(counts)


@pytest.mark.parametrize("method", ALL_BUT_UMAP)
def test_the_map_does_not_depend_on_the_order_of_the_sketches(
    iris: FeatureTable, method: str
) -> None:
    one_cloud = iris.select(groups=["versicolor", "virginica"])
    assert_same_map(embed(one_cloud, method), embed(reordered(one_cloud), method))


def test_zero_and_minus_zero_are_one_vector() -> None:
    ties = merge_ties(np.array([[0.0, 1.0], [-0.0, 1.0], [2.0, 1.0]]))
    assert sorted(ties.multiplicity) == [1, 2]


def test_tsne_keeps_neighbours(iris: FeatureTable) -> None:
    # Setosa is far from the other two kinds: no flower crosses over.
    table = embed(iris, "tsne")
    distances = cdist(places(table), places(table))
    np.fill_diagonal(distances, np.inf)
    setosa = table.frame["group"].to_numpy() == "setosa"
    assert (setosa[distances.argmin(axis=1)] == setosa).all()


def test_tsne_ignores_the_scale_of_the_vectors(iris: FeatureTable) -> None:
    tiny = with_vectors(iris, iris.vectors["L0"] * np.float32(2.0**-30))
    # A power of two changes no digit, so the maps are equal to the last bit.
    np.testing.assert_array_equal(places(embed(tiny, "tsne")), places(embed(iris, "tsne")))


def test_tsne_repeats_itself_and_heeds_the_seed(iris: FeatureTable) -> None:
    first, again, other = (places(embed(iris, "tsne", seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("perplexity", "sketches", "distinct", "effective"),
    [(15, 200, 200, 15), (15, 200, 46, 15), (15, 200, 40, 13), (15, 46, 46, 15), (15, 200, 7, 2)],
)
def test_three_times_the_perplexity_stays_below_the_distinct_vectors(
    perplexity: float, sketches: int, distinct: int, effective: float
) -> None:
    assert effective_perplexity(perplexity, sketches, distinct) == effective


def test_too_few_sketches_for_a_perplexity_is_an_error_that_names_the_largest(
    iris: FeatureTable,
) -> None:
    few = FeatureTable(iris.rows[:30], {"L0": iris.vectors["L0"][:30]}, iris.metadata)
    with pytest.raises(
        FeatvizError, match=r"at least 46 sketches, there are 30.* is 9.66$"
    ) as error:
        embed(few, "tsne")
    largest = float(str(error.value).rsplit(" ", 1)[1])
    assert embed(few, "tsne", perplexity=largest).panels[0]["effective_perplexity"] == largest
    with pytest.raises(FeatvizError, match=r"9.67 needs at least 31 sketches"):
        embed(few, "tsne", perplexity=9.67)


def test_ties_that_leave_too_few_vectors_are_an_error_with_both_numbers(
    iris: FeatureTable,
) -> None:
    copies = np.repeat(iris.vectors["L0"][:5], 20, axis=0)
    with pytest.raises(FeatvizError, match=r"100 sketches have only 5 distinct.*at least 7"):
        embed(feature_table(copies, ["a"] * 100), "tsne")


@pytest.mark.parametrize("perplexity", [0, -3, 1.9, float("nan"), float("inf"), 1e308])
def test_a_perplexity_out_of_range_is_refused_with_its_value(
    iris: FeatureTable, perplexity: float
) -> None:
    with pytest.raises(
        FeatvizError, match=f"at least 2 and .*; got {perplexity:g}$".replace("+", ".")
    ):
        embed(iris, "tsne", perplexity=perplexity)


@pytest.mark.parametrize("method", ["pca", "tsne"])
@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused_with_its_value(
    iris: FeatureTable, method: str, seed: int
) -> None:
    with pytest.raises(FeatvizError, match=f"between 0 and 4294967295; got {seed}$"):
        embed(iris, method, seed=seed)


def test_the_largest_seed_is_taken(iris: FeatureTable) -> None:
    assert np.isfinite(places(embed(iris, "tsne", seed=2**32 - 1))).all()


@pytest.mark.parametrize("method", ["pca", "tsne"])
@pytest.mark.parametrize("first", ["setosa", "virginica"])
def test_every_axis_points_away_from_the_first_group_whatever_its_place(
    iris: FeatureTable, method: str, first: str
) -> None:
    renamed = ["G2" if group == first else f"G10 {group}" for group in iris.rows["group"]]
    table = embed(feature_table(-iris.vectors["L0"], renamed), method)
    assert (places(table)[np.array(renamed) == "G2"].mean(axis=0) < 0).all()


def test_a_mirrored_network_gives_the_same_map(iris: FeatureTable) -> None:
    # PCA of the negative vectors has the same axes, each with either sign.
    mirrored = embed(with_vectors(iris, -iris.vectors["L0"]), "pca")
    np.testing.assert_allclose(places(mirrored), places(embed(iris, "pca")), atol=1e-9)


def test_more_vectors_than_the_limit_are_mapped_by_interpolation_and_it_says_so(
    iris: FeatureTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(t_sne, "_STEPS", (30, 70))
    exact = embed(iris, "tsne")
    monkeypatch.setattr(t_sne, "EXACT_LIMIT", 148)
    quick = embed(iris, "tsne")
    assert [exact.panels[0]["repulsion"], quick.panels[0]["repulsion"]] == ["exact", "interpolated"]
    assert exact.panels[0]["neighbours"] == "all"
    assert quick.panels[0]["neighbours"] == "45, approximate (Annoy)"
    # Both find the same neighbours.
    assert quick.panels[0]["trustworthiness"] == pytest.approx(
        exact.panels[0]["trustworthiness"], abs=0.01
    )
    monkeypatch.setattr(t_sne, "_STEPS", (5, 5))
    one, again = (places(embed(iris, "tsne")) for _ in range(2))
    np.testing.assert_array_equal(one, again)


@pytest.mark.parametrize("method", ALL)
def test_constant_features_are_refused(iris: FeatureTable, method: str) -> None:
    with pytest.raises(FeatvizError, match="net, layer L0: the features are constant: all 150"):
        embed(with_vectors(iris, np.full((150, 4), 0.3)), method)


def test_features_that_are_not_finite_are_refused_and_counted(iris: FeatureTable) -> None:
    vectors = iris.vectors["L0"].copy()
    vectors[[3, 5], [1, 2]] = np.nan, np.inf
    with pytest.raises(FeatvizError, match="2 of 150 vectors hold NaN or infinite"):
        embed(with_vectors(iris, vectors), "pca")


def test_no_sketches_are_refused(iris: FeatureTable) -> None:
    none = FeatureTable(iris.rows[:0], {"L0": iris.vectors["L0"][:0]}, iris.metadata)
    with pytest.raises(FeatvizError, match="no sketches"):
        embed(none, "pca")


def test_unknown_methods_and_layers_are_refused_with_what_there_is(iris: FeatureTable) -> None:
    with pytest.raises(FeatvizError, match=r"unknown method 'lda'; there are pca, tsne"):
        embed(iris, "lda")
    with pytest.raises(FeatvizError, match=r"unknown layer 'L7'.* L0"):
        embed(iris, "pca", ["L7"])


def test_a_table_of_several_points_is_refused(iris: FeatureTable) -> None:
    twice = iris.rows.assign(point_x=[170, 200] * 75)
    with pytest.raises(FeatvizError, match=r"2 points: \(170, 250\), \(200, 250\)"):
        embed(replace(iris, rows=twice), "pca")


def test_group_distances_are_means_of_pairs_group_by_group(rng: np.random.Generator) -> None:
    vectors, groups = rng.normal(size=(9, 3)), list("aaaabbccc")
    norm = np.linalg.norm
    within, between = [], []
    for one in "abc":
        for other in "abc":
            pairs = [
                norm(vectors[i] - vectors[j])
                for i in range(9)
                for j in range(9)
                if i != j and groups[i] == one and groups[j] == other
            ]
            (within if one == other else between).append(np.mean(pairs))
    given_within, given_between, scale = group_distances(vectors, groups)
    assert given_within == pytest.approx(np.mean(within))
    assert given_between == pytest.approx(np.mean(between))
    assert scale == pytest.approx(np.sqrt(vectors.var(axis=0).sum()))


def test_group_distances_that_do_not_exist_are_none(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(3, 2))
    assert group_distances(vectors, ["a", "b", "c"])[0] is None
    assert group_distances(vectors, ["a", "a", "a"])[1] is None


def test_joined_embeddings_keep_their_panels_apart(iris: FeatureTable) -> None:
    other = replace(iris, metadata={**iris.metadata, "checkpoint": "other"})
    other = with_vectors(other, iris.vectors["L0"] * 2)
    first, second = embed(iris, "pca"), embed(other, "pca")
    table = join([first, second])
    assert table.checkpoints == ("net", "other")
    pd.testing.assert_frame_equal(table.panel("other", "L0").frame, second.frame)
    assert table.panel("net", "L0").panels == first.panels
    with pytest.raises(FeatvizError, match="no panel 'third L0'; there are net L0, other L0"):
        table.panel("third", "L0")


def test_what_does_not_belong_together_is_not_joined(iris: FeatureTable) -> None:
    with pytest.raises(FeatvizError, match="'net', layer L0, is given more than once"):
        join([embed(iris, "pca"), embed(iris, "pca")])
    with pytest.raises(FeatvizError, match="method pca and tsne"):
        join([embed(iris, "pca"), embed(iris, "tsne")])
    with pytest.raises(FeatvizError, match="no embeddings"):
        join([])


def test_an_embedding_survives_its_file(iris: FeatureTable, tmp_path: Path) -> None:
    table = embed(iris, "tsne", seed=4)
    write_embedding(table, tmp_path / "map.parquet")
    again = read_embedding(tmp_path / "map.parquet")
    pd.testing.assert_frame_equal(again.frame, table.frame, check_dtype=False)
    assert again.metadata == table.metadata
    raw = pq.read_table(tmp_path / "map.parquet")
    assert tuple(raw.column_names) == EMBEDDING_COLUMNS
    assert json.loads(raw.schema.metadata[b"featviz"])["seed"] == 4


def test_files_that_are_not_embeddings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "map.parquet"
    with pytest.raises(FeatvizError, match="no such embedding"):
        read_embedding(path)
    path.write_bytes(b"PAR1 but no more")
    with pytest.raises(FeatvizError, match="not a readable parquet file"):
        read_embedding(path)
    pq.write_table(pa.table({"sketch": ["a"]}, metadata={"featviz": "{}"}), path)
    with pytest.raises(FeatvizError, match="missing column group, checkpoint"):
        read_embedding(path)


def test_a_fitted_projection_puts_its_own_vectors_where_the_map_has_them(
    rng: np.random.Generator,
) -> None:
    vectors = np.repeat(rng.normal(size=(30, 12)), [1, 2] * 15, axis=0).astype(np.float32)
    groups = ["G1"] * 20 + ["G2"] * 25
    table = FeatureTable(
        rows=pd.DataFrame(
            {
                "sketch": [str(n) for n in range(45)],
                "group": groups,
                "point_x": 1,
                "point_y": 2,
            }
        ),
        vectors={"L0": vectors},
        metadata={},
    )
    shown = embed(table, "pca").frame[["x", "y"]].to_numpy()
    projection = fit_projection(vectors, groups)
    assert np.allclose(projection(vectors), shown, atol=1e-9)
    # Others are projected, not fitted: the mean of two lies halfway between their places.
    between = projection((vectors[:1] + vectors[-1:]) / 2)
    assert np.allclose(between, (shown[0] + shown[-1]) / 2, atol=1e-5)
    assert np.allclose(projection.axes @ projection.axes.T, np.eye(2))
    flat = fit_projection(np.array([[0.0], [1.0], [3.0]]), ["a", "a", "b"])
    assert np.allclose(flat(np.array([[3.0]]))[0, 1], 0)


def test_distances_of_too_many_sketches_are_those_of_a_sample_and_it_says_so(
    iris: FeatureTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = embed(iris, "pca").panels[0]
    monkeypatch.setattr(mapping, "_DISTANCE_LIMIT", 100)
    sampled = embed(iris, "pca").panels[0]
    assert "distances_sampled" not in whole
    assert sampled["distances_sampled"] == 100
    for key in ("within_group_distance", "between_group_distance", "scale"):
        assert sampled[key] == pytest.approx(whole[key], rel=0.15)
        assert sampled[key] == pytest.approx(embed(reordered(iris), "pca").panels[0][key])


def test_pca_of_many_vectors_is_that_of_few(
    iris: FeatureTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = places(embed(iris, "pca"))
    monkeypatch.setattr(projection, "_MANY", 100)
    np.testing.assert_allclose(places(embed(iris, "pca")), expected, atol=1e-6)
