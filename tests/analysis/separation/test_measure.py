import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_iris
from sklearn.metrics import silhouette_score

from featviz.analysis.separation import distance_matrix, distances_of_groups, holm
from featviz.analysis.separation.groups import parse_merge, regroup
from featviz.analysis.separation.measure import measure_structure
from featviz.analysis.separation.summary import structure_summary
from featviz.analysis.separation.table import STRUCTURE_COLUMNS, TESTS
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable


def feature_table(groups, layers: dict[str, NDArray], **metadata) -> FeatureTable:
    rows = pd.DataFrame(
        {
            "sketch": [f"s{i:03d}" for i in range(len(groups))],
            "group": list(groups),
            "point_x": 170,
            "point_y": 250,
        }
    )
    vectors = {layer: np.asarray(v, dtype=np.float32) for layer, v in layers.items()}
    described = {"checkpoint": "net", "variant": "baseline", "digest": "0123456789", **metadata}
    return FeatureTable(rows, vectors, described)


@pytest.fixture(scope="module")
def iris() -> FeatureTable:
    data = load_iris()
    names = [str(data.target_names[kind]) for kind in data.target]
    return feature_table(names, {"L0": data.data, "L1": data.data[:, :2]}, step=500)


def test_a_table_holds_what_the_functions_measure(iris) -> None:
    table = measure_structure([iris], permutations=99)
    vectors, groups = iris.vectors["L1"].astype(float), iris.rows["group"].to_numpy()
    assert list(table.rows.columns) == list(STRUCTURE_COLUMNS)
    assert table.layers == ("L0", "L1")
    overall = {"layer": "L1", "group": "all", "metric": "euclidean"}
    assert table.value(**overall, measure="silhouette") == pytest.approx(
        silhouette_score(vectors, groups)
    )
    for name, one in distances_of_groups(distance_matrix(vectors), groups).items():
        of_group = overall | {"group": name}
        assert table.value(**of_group, measure="ratio") == pytest.approx(one.ratio)
        assert table.value(**of_group, measure="within") == pytest.approx(one.within)
    scale = table.value(layer="L1", measure="scale", group="all", metric="")
    assert scale == pytest.approx(np.sqrt(vectors.var(axis=0).sum()))
    assert table.value(**overall, measure="relative within") == pytest.approx(
        table.value(**overall, measure="within") / scale
    )
    distinct = table.row(layer="L0", measure="distinct", group="all", metric="")
    assert (distinct["value"], distinct["count"], distinct["step"]) == (149, 150, 500)


def test_each_layer_and_metric_is_tested_and_all_tests_are_corrected_together(iris) -> None:
    table = measure_structure([iris], permutations=99)
    tests = table.rows[table.rows["measure"].isin(TESTS)]
    assert len(tests) == 2 * 2 * 3
    assert (tests["p_value"] > 0).all() and tests["effect"].between(0, 1).all()
    np.testing.assert_allclose(tests["p_holm"], holm(tests["p_value"]))
    assert table.rows.loc[~table.rows["measure"].isin(TESTS), "p_value"].isna().all()
    assert not measure_structure([iris], permutations=0).rows["measure"].isin(TESTS).any()


def test_layers_of_another_scale_compare(iris) -> None:
    vectors = iris.vectors["L0"]
    table = measure_structure(
        [feature_table(iris.rows["group"], {"L0": vectors, "L1": 100 * vectors})], permutations=19
    )
    unlike = {"within", "between", "scale", "norm", "energy"}
    rows = table.rows[~table.rows["measure"].isin(unlike)]
    first, second = (rows[rows["layer"] == layer]["value"].to_numpy() for layer in ("L0", "L1"))
    np.testing.assert_allclose(first, second, rtol=1e-4)


def test_merged_groups_are_one(iris) -> None:
    merged = measure_structure([iris], merge={"virginica": "versicolor"}, permutations=9)
    assert merged.groups == ("setosa", "versicolor")
    assert (
        merged.row(layer="L0", group="versicolor", measure="purity", metric="cosine")["count"]
        == 100
    )
    assert merged.metadata["merge"] == {"virginica": "versicolor"}
    by_hand = regroup(iris, {"virginica": "versicolor"})
    pd.testing.assert_frame_equal(measure_structure([by_hand], permutations=9).rows, merged.rows)


def test_what_cannot_be_measured_is_nan_and_says_why() -> None:
    constant = feature_table("aabc", {"L0": np.ones((4, 3))})
    table = measure_structure([constant], permutations=9)
    place = {"layer": "L0", "metric": "euclidean"}
    ratio = table.row(**place, group="all", measure="ratio")
    assert np.isnan(ratio["value"]) and ratio["remark"] == "all vectors are identical"
    assert table.value(**place, group="a", measure="within") == 0
    assert table.row(**place, group="b", measure="within")["remark"] == "one sketch"
    assert table.row(**place, group="b", measure="purity")["remark"] == "one sketch"
    for name in TESTS:
        test = table.row(**place, group="all", measure=name)
        assert np.isnan(test["value"]) and np.isnan(test["p_holm"]) and test["remark"]
    alone = measure_structure([feature_table("aaa", {"L0": np.eye(3)})], permutations=9)
    for measure in ("between", "ratio", "silhouette"):
        assert alone.row(**place, group="all", measure=measure)["remark"] == "one group"
    assert alone.value(**place, group="all", measure="purity") == 1
    # All that is NaN has a remark, and the other way round.
    for rows in (table.rows, alone.rows):
        assert (rows["value"].isna() == (rows["remark"] != "")).all()


def test_features_that_are_not_finite_are_refused_naming_the_layer() -> None:
    broken = np.ones((4, 3))
    broken[2, 1] = np.nan
    with pytest.raises(FeatvizError, match="net, layer L0: 1 of 4 vectors hold NaN"):
        measure_structure([feature_table("aabb", {"L0": broken})])


def test_wrong_input_is_refused(iris) -> None:
    with pytest.raises(FeatvizError, match="at least one feature table"):
        measure_structure([])
    with pytest.raises(FeatvizError, match="'net' is given more than once"):
        measure_structure([iris, iris])
    with pytest.raises(FeatvizError, match="unknown layer 'L7'"):
        measure_structure([iris], ["L7"])
    with pytest.raises(FeatvizError, match="0 or more permutations; got -1"):
        measure_structure([iris], permutations=-1)
    with pytest.raises(FeatvizError, match="unknown group 'rose'; this table has setosa"):
        measure_structure([iris], merge={"rose": "setosa"})
    with pytest.raises(FeatvizError, match="setosa into virginica, which is merged into"):
        regroup(iris, {"setosa": "virginica", "virginica": "versicolor"})
    two_points = feature_table("ab", {"L0": np.eye(2)})
    two_points.rows["point_x"] = [170, 171]
    with pytest.raises(FeatvizError, match=r"2 points: \(170, 250\), \(171, 250\); expected one"):
        measure_structure([two_points])


def test_merges_are_read_as_typed() -> None:
    assert parse_merge(["G11=G8", "G10=G9"]) == {"G11": "G8", "G10": "G9"}
    with pytest.raises(FeatvizError, match="expected GROUP=GROUP, such as G11=G8; got 'G11'"):
        parse_merge(["G11"])
    with pytest.raises(FeatvizError, match="G11 is merged twice, into G8 and G9"):
        parse_merge(["G11=G8", "G11=G9"])


def test_the_summary_shows_zero_only_for_exactly_zero(iris) -> None:
    vectors = np.array([[0, 0.0], [0, 0], [1, 1], [1, 1 + 1e-5]])
    text = structure_summary(
        measure_structure([feature_table("aabb", {"L0": vectors})], permutations=9)
    )
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if "|" in line}
    assert "| 0 (1) |" in " ".join(lines["a"].split())
    assert "e-06 (2) |" in " ".join(lines["b"].split())
    assert len({len(line) for line in lines.values() if "ratio" in line or "(1)" in line}) == 1


def test_the_summary_tells_if_no_test_can_show_anything(iris) -> None:
    few, enough = (structure_summary(measure_structure([iris], permutations=n)) for n in (19, 999))
    assert "no corrected p below" in few and "no corrected p below" not in enough
    tests = few.split("corrected for all ")[1].split(" tests")[0]
    assert f"below {min(int(tests) / 20, 1):.2g} at best" in few
