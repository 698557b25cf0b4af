from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.spatial import procrustes

from featviz.analysis.embedding import (
    EmbeddingTable,
    embed,
    embed_all,
    read_embedding,
    seed_spread,
    spread_all,
    spread_table,
    t_sne,
    write_embedding,
)
from featviz.analysis.embedding.seeds import align_maps, spread, unrelated_spread
from featviz.analysis.embedding.starts import shared_starts
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable
from tests.analysis.embedding.tables import iris_table, places, reordered, with_vectors

pytestmark = pytest.mark.usefixtures("short_descents")

SEEDS = (3, 1, 4, 5)
STARTS = ("pca", "random")


@pytest.fixture(scope="module")
def spreaded(short_descents: None) -> EmbeddingTable:
    return seed_spread(iris_table(), seeds=SEEDS)


def seed_places(table: EmbeddingTable) -> NDArray[np.float64]:
    return np.stack(table.frame["seed_places"]).reshape(len(table.frame), -1, 2)


def test_every_seed_is_the_map_of_embed_with_it(spreaded: EmbeddingTable) -> None:
    maps = [embed(iris_table(), "tsne", seed=seed) for seed in SEEDS]
    facts = spreaded.panels[0]["seeds"]
    for key in ("kl_divergence", "trustworthiness", "continuity"):
        assert facts[key] == [one.panels[0][key] for one in maps]
    for i, one in enumerate(maps):
        # The same shape; where it lies, how it is turned and its size are the reference's.
        assert procrustes(places(one), seed_places(spreaded)[:, i])[2] < 1e-9


def test_the_map_shown_is_that_of_the_median_divergence(spreaded: EmbeddingTable) -> None:
    facts = spreaded.panels[0]["seeds"]
    median = facts["median_seed"]
    shown = SEEDS.index(median)
    assert sorted(facts["kl_divergence"])[1] == facts["kl_divergence"][shown]
    np.testing.assert_allclose(places(spreaded), places(embed(iris_table(), "tsne", seed=median)))
    np.testing.assert_allclose(seed_places(spreaded)[:, shown], places(spreaded))


def test_aligning_undoes_every_movement_and_scaling(rng: np.random.Generator) -> None:
    reference = rng.normal(size=(30, 2))
    turn = np.linalg.qr(rng.normal(size=(2, 2)))[0]
    for mirror in (1, -1):
        moved = 3 * reference @ turn * [1, mirror] + [5, -2]
        np.testing.assert_allclose(align_maps(moved, reference), reference, atol=1e-12)


def test_aligned_maps_are_as_near_as_scipy_turns_them_and_keep_their_size(
    rng: np.random.Generator,
) -> None:
    one, other = rng.normal(size=(2, 30, 2)) + 3
    aligned = align_maps(one, other)
    assert radius(aligned) == pytest.approx(radius(other))
    # SciPy's disparity is of free scale, 1 - s^2 with s the overlap of maps of size 1; of equal
    # sizes it is 2 - 2 s.
    disparity = procrustes(other, one)[2]
    left = ((aligned - other) ** 2).sum() / ((other - other.mean(axis=0)) ** 2).sum()
    assert left == pytest.approx(2 - 2 * np.sqrt(1 - disparity))


def radius(map_: NDArray[np.float64]) -> float:
    return float(np.sqrt(((map_ - map_.mean(axis=0)) ** 2).sum(axis=1).mean()))


def related(agreement: float, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Maps of one arrangement, each in a size and turn of its own, aligned to the first."""
    common = rng.normal(size=(200, 2))
    maps = [
        (agreement * common + np.sqrt(1 - agreement**2) * rng.normal(size=common.shape))
        @ np.linalg.qr(rng.normal(size=(2, 2)))[0]
        * np.exp(rng.normal())
        for _ in range(count)
    ]
    return np.stack([align_maps(one, maps[0]) for one in maps])


def test_the_spread_falls_as_agreement_grows_from_unrelated_to_equal_maps(
    rng: np.random.Generator,
) -> None:
    maps = [related(agreement, 10, rng) for agreement in (0, 0.3, 0.6, 0.9, 0.99, 1)]
    spreads = [spread(aligned, aligned[0]) for aligned in maps]
    assert spreads == sorted(spreads, reverse=True)
    # Independent maps of one size: the mean of S of them has 1 / S of the variance.
    assert spreads[0] == pytest.approx(np.sqrt(0.9), rel=0.03)
    assert spreads[-1] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_the_spread_of_unrelated_maps_does_not_hang_on_how_related_the_given_ones_are(
    count: int, rng: np.random.Generator
) -> None:
    drawn = [related(0, count, rng) for _ in range(20)]
    expected = np.mean([spread(aligned, aligned[0]) for aligned in drawn])
    for agreement in (0, 0.9, 1):
        found = unrelated_spread(related(agreement, count, rng), 0)
        assert found == pytest.approx(expected, rel=0.03)


def test_a_shift_of_every_second_map_by_a_radius_is_a_spread_of_a_half(
    rng: np.random.Generator,
) -> None:
    reference = rng.normal(size=(300, 2))
    shifted = np.stack([reference, reference + np.array([radius(reference), 0])])
    assert spread(shifted, reference) == pytest.approx(0.5)


def test_random_starts_are_unrelated_and_jittered_ones_nearly_one_map(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Hardly moved, maps are their starts; where they end is the vectors' doing.
    monkeypatch.setattr(t_sne, "_STEPS", (1, 1))
    tables = {start: seed_spread(iris_table(), seeds=SEEDS, start=start) for start in STARTS}
    facts = {start: table.panels[0]["seeds"] for start, table in tables.items()}
    assert 0 < facts["pca"]["spread"] < 0.1 * facts["pca"]["spread_unrelated"]
    assert facts["random"]["spread"] > 0.9 * facts["random"]["spread_unrelated"]
    assert tables["random"].metadata["parameters"]["start"] == "random"


def test_the_spread_does_not_depend_on_the_order_of_the_sketches() -> None:
    one, other = (seed_spread(t, seeds=(1, 2)) for t in (iris_table(), reordered(iris_table())))
    assert one.panels == other.panels


def test_the_table_has_a_row_a_panel(spreaded: EmbeddingTable) -> None:
    (row,) = spread_table(spreaded).to_dict("records")
    facts = spreaded.panels[0]["seeds"]
    assert (row["checkpoint"], row["layer"], row["seeds"]) == ("net", "L0", 4)
    assert (row["kl_least"], row["kl_most"]) == (
        min(facts["kl_divergence"]),
        max(facts["kl_divergence"]),
    )
    assert (row["spread"], row["spread_unrelated"]) == (facts["spread"], facts["spread_unrelated"])
    assert row["continuity"] == pytest.approx(np.mean(facts["continuity"]))
    with pytest.raises(FeatvizError, match="made with one seed"):
        spread_table(embed(iris_table(), "pca"))


def test_places_of_the_seeds_survive_their_file(spreaded: EmbeddingTable, tmp_path: Path) -> None:
    write_embedding(spreaded, tmp_path / "map.parquet")
    again = read_embedding(tmp_path / "map.parquet")
    np.testing.assert_array_equal(seed_places(again), seed_places(spreaded))
    assert again.metadata == spreaded.metadata


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "pca"}, "for tsne and sne; got 'pca'"),
        ({"seeds": [1]}, r"2 or more different seeds; got \[1\]"),
        ({"seeds": [1, 1]}, r"2 or more different seeds; got \[1, 1\]"),
        ({"seeds": [-1, 1]}, "between 0 and 4294967295; got -1"),
    ],
)
def test_what_seeds_cannot_be_compared_of_is_refused(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(FeatvizError, match=message):
        seed_spread(iris_table(), **settings)


@pytest.fixture(scope="module")
def two() -> list[FeatureTable]:
    """One network, and another that sees the same flowers through other channels."""
    first = iris_table()
    channels = np.random.default_rng(1).normal(size=(4, 6))
    second = with_vectors(first, first.vectors["L0"] @ channels * 100)
    return [first, replace(second, metadata={**second.metadata, "checkpoint": "other"})]


def test_no_table_leads_a_shared_start(two: list[FeatureTable]) -> None:
    one = embed_all(two, "tsne", share_start=True)
    other = embed_all([reordered(two[1]), two[0]], "tsne", share_start=True)
    for checkpoint in ("net", "other"):
        first, second = (
            t.panel(checkpoint, "L0").frame.sort_values("sketch").reset_index(drop=True)
            for t in (one, other)
        )
        pd.testing.assert_frame_equal(first, second)
    assert one.metadata["parameters"]["start"] == "shared"


def test_panels_from_one_start_lie_alike_without_aligning(
    two: list[FeatureTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    # All the way down: after a short descent they still differ by more.
    monkeypatch.setattr(t_sne, "_STEPS", (250, 500))
    table = embed_all(two, "tsne", share_start=True)
    one, other = (places(table.panel(name, "L0")) for name in ("net", "other"))
    one, other = (p / np.sqrt((p**2).sum(axis=1).mean()) for p in (one, other))
    # 0 for equal maps, 2 for unrelated ones.
    assert ((one - other) ** 2).sum(axis=1).mean() < 0.2


def test_a_shared_start_sees_no_difference_between_a_network_and_its_rotation(
    two: list[FeatureTable], rng: np.random.Generator
) -> None:
    turned = two[0].vectors["L0"] @ np.linalg.qr(rng.normal(size=(4, 4)))[0]
    (one,), (other,) = (
        shared_starts([two[0], with_vectors(two[1], vectors)], ["L0"])
        for vectors in (two[0].vectors["L0"], -5 * turned)
    )
    np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("method", ["mds", "sne"])
def test_equal_tables_from_one_start_give_equal_maps(two: list[FeatureTable], method: str) -> None:
    copy = replace(two[0], metadata={**two[0].metadata, "checkpoint": "copy"})
    table = embed_all([two[0], copy], method, share_start=True)
    np.testing.assert_array_equal(*(places(table.panel(c, "L0")) for c in ("net", "copy")))


def test_seeds_of_a_shared_start_start_from_it(two: list[FeatureTable]) -> None:
    table = spread_all(two, seeds=(0, 1), share_start=True)
    alone = embed_all(two, "tsne", share_start=True, seed=table.panels[1]["seeds"]["median_seed"])
    np.testing.assert_allclose(
        places(table.panel("other", "L0")), places(alone.panel("other", "L0"))
    )


def test_starts_that_cannot_be_shared_are_refused(two: list[FeatureTable]) -> None:
    with pytest.raises(FeatvizError, match="PCA has no start that panels could share"):
        embed_all(two, "pca", share_start=True)
    with pytest.raises(FeatvizError, match="it excludes the start 'random'"):
        embed_all(two, "tsne", share_start=True, start="random")
    few = FeatureTable(two[1].rows[:99], {"L0": two[1].vectors["L0"][:99]}, two[1].metadata)
    with pytest.raises(FeatvizError, match="'net' has 150, 'other' has 99, 99 in common"):
        embed_all([two[0], few], "tsne", share_start=True)
    with pytest.raises(FeatvizError, match="no feature tables"):
        embed_all([], "pca")
