"""What the panels show, against the vectors themselves."""

from collections import defaultdict

import numpy as np
import pandas as pd
import pytest

from featviz.analysis.embedding import embed
from featviz.base.feature_table import FeatureTable, read_features
from featviz.report import Contents
from featviz.report.maps import map_panels, method_caption, usable_perplexity
from tests.report.conftest import Study


def table_of(vectors: dict[str, np.ndarray], groups: list[str]) -> FeatureTable:
    count = len(groups)
    rows = pd.DataFrame(
        {
            "sketch": [f"{group}/{i}" for i, group in enumerate(groups)],
            "group": groups,
            "point_x": [3] * count,
            "point_y": [4] * count,
        }
    )
    arrays = {layer: values.astype(np.float32) for layer, values in vectors.items()}
    return FeatureTable(rows, arrays, {"checkpoint": "mine"})


def numbers_of(table: FeatureTable) -> dict[str, int]:
    return {name: i for i, name in enumerate(table.rows["sketch"])}


def test_ties_are_the_sketches_whose_vectors_have_the_same_bytes(
    study: Study, contents: Contents
) -> None:
    number = {sketch.name: i for i, sketch in enumerate(contents.sketches)}
    found_any = False
    for row, path in zip(contents.rows, study.features, strict=True):
        table = read_features(path)
        for panel in row.panels:
            members = defaultdict(set)
            for name, vector in zip(
                table.rows["sketch"], table.vectors[panel.layer] + 0.0, strict=True
            ):
                members[vector.tobytes()].add(number[name])
            expected = {frozenset(tied) for tied in members.values() if len(tied) > 1}
            for drawn in panel.maps.values():
                assert {frozenset(tie.members) for tie in drawn.ties} == expected
                for tie in drawn.ties:
                    assert {(drawn.x[i], drawn.y[i]) for i in tie.members} == {(tie.x, tie.y)}
            found_any |= bool(expected)
    assert found_any


def test_coordinates_are_those_of_embed_in_units_of_the_scale(
    study: Study, contents: Contents
) -> None:
    number = {sketch.name: i for i, sketch in enumerate(contents.sketches)}
    embedding = embed(read_features(study.features[0]), "pca", ["L3"])
    drawn = contents.rows[0].panels[2].maps["pca"]
    at = [number[name] for name in embedding.frame["sketch"]]
    scale = embedding.panels[0]["scale"]
    np.testing.assert_allclose(drawn.x[at] * scale, embedding.frame["x"])
    np.testing.assert_allclose(drawn.y[at] * scale, embedding.frame["y"])


def test_all_points_lie_in_the_square_that_is_shown(contents: Contents) -> None:
    for row in contents.rows:
        for panel in row.panels:
            for drawn in panel.maps.values():
                for values, centre in ((drawn.x, drawn.centre[0]), (drawn.y, drawn.centre[1])):
                    assert np.abs(values - centre).max() < drawn.half_width


def test_what_moved_is_the_distance_to_the_base_and_0_only_for_equal_vectors() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(8, 5))
    vectors[3] = vectors[0]
    table = table_of({"L": vectors}, list("AAAABBBB"))
    names = list(table.rows["sketch"])
    bases = {names[1]: names[0], names[3]: names[0], names[0]: names[0], names[7]: "elsewhere"}
    (panel,), _ = map_panels(table, ["pca"], numbers_of(table), bases)
    exact = table.vectors["L"].astype(np.float64)
    spread = np.sqrt(np.mean(np.sum((exact - exact.mean(0)) ** 2, axis=1)))
    assert panel.moved[1] == pytest.approx(np.linalg.norm(exact[1] - exact[0]) / spread)
    assert panel.moved[3] == 0
    assert np.isnan(panel.moved[[0, 2, 7]]).all()


def test_a_constant_layer_leaves_a_problem_and_the_others_their_maps() -> None:
    rng = np.random.default_rng(0)
    table = table_of({"A": np.ones((9, 4)), "B": rng.normal(size=(9, 4))}, list("AAABBBCCC"))
    panels, found = map_panels(table, ["pca", "tsne"], numbers_of(table), {})
    assert "constant" in panels[0].maps["pca"].problem
    assert not panels[1].maps["pca"].problem
    assert not panels[1].maps["tsne"].problem
    assert set(found) == {"pca", "tsne"}


def test_a_sketch_of_another_table_has_no_place() -> None:
    rng = np.random.default_rng(0)
    table = table_of({"A": rng.normal(size=(6, 4))}, list("AAABBB"))
    numbers = {"other": 0, **{name: i + 1 for i, name in enumerate(table.rows["sketch"])}}
    (panel,), _ = map_panels(table, ["pca"], numbers, {})
    assert np.isnan(panel.maps["pca"].x[0])
    assert np.isfinite(panel.maps["pca"].x[1:]).all()


def test_groups_in_one_point_are_drawn_around_one_another() -> None:
    vectors = np.array([[0, 0], [0, 0], [0, 0], [1, 0], [0, 2]])
    table = table_of({"A": vectors}, ["A", "B", "B", "C", "C"])
    (panel,), _ = map_panels(table, ["pca"], numbers_of(table), {})
    sizes = panel.maps["pca"].sizes
    assert sizes[0] > sizes[1] == sizes[2] == sizes[3] == sizes[4] == 1


@pytest.mark.parametrize(("sketches", "largest"), [(200, 15), (24, 7), (7, 2), (3, 2)])
def test_perplexity_is_lowered_to_what_the_sketches_allow(sketches: int, largest: float) -> None:
    assert usable_perplexity(15, sketches) == largest


def test_geometry_that_is_not_known_is_left_out() -> None:
    rng = np.random.default_rng(0)
    table = table_of({"A": rng.normal(size=(6, 4))}, list("AAABBB"))
    table.metadata.update(receptive_field_boxes={"A": None}, receptive_fields={"A": None})
    (panel,), _ = map_panels(table, ["pca"], numbers_of(table), {})
    assert panel.box is None
    assert panel.extent == ""
    assert panel.sees_whole_map is None
    table.metadata["sees_whole_map"] = {"A": False}
    (panel,), _ = map_panels(table, ["pca"], numbers_of(table), {})
    assert panel.sees_whole_map is False


def test_maps_made_differently_have_a_caption_each() -> None:
    rng = np.random.default_rng(0)
    found = []
    for name, count in (("small", 10), ("large", 40), ("larger", 40)):
        table = table_of({"A": rng.normal(size=(count, 4))}, ["A", "B"] * (count // 2))
        table.metadata["checkpoint"] = name
        found.append(map_panels(table, ["tsne"], numbers_of(table), {}, perplexity=4)[1]["tsne"])
    text = method_caption(found)
    assert text.count("perplexity 3,") == text.count("perplexity 4,") == 1
    assert "Checkpoints: small." in text
    assert "Checkpoints: large, larger." in text
