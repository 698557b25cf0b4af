"""Neighbours and movements, against the vectors themselves."""

import numpy as np

from featviz.base.feature_table import FeatureTable
from featviz.report.contents import PanelRow
from featviz.report.maps import map_panels
from featviz.report.neighbours import SHOWN_NEIGHBOURS, movements, nearest
from tests.report.test_maps import numbers_of, table_of


def test_neighbours_are_the_nearest_other_vectors_and_equal_ones_count_once() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(12, 5)).astype(np.float32)
    vectors[[3, 7]] = vectors[0]
    vectors[8] = -0.0 * vectors[9]
    vectors[9] = 0.0
    table = table_of({"L": vectors}, list("A" * 12))
    exact = vectors.astype(float)
    unit = np.sqrt(((exact - exact.mean(axis=0)) ** 2).sum(axis=1).mean())
    found = nearest(table, "L", numbers_of(table))
    for at in range(12):
        far = np.linalg.norm(exact - exact[at], axis=1) / unit
        others = [i for i in np.argsort(far) if far[i] > 0 and i not in (3, 7, 9)]
        assert [i for i, _ in found[at]] == others[:SHOWN_NEIGHBOURS]
        np.testing.assert_allclose([d for _, d in found[at]], far[others[:SHOWN_NEIGHBOURS]])
    assert nearest(table_of({"L": np.ones((3, 2))}, list("AAA")), "L", numbers_of(table)) == [
        () for _ in range(12)
    ]


def rows_of(tables: list[FeatureTable], numbers: dict[str, int]) -> list[PanelRow]:
    panels = [map_panels(table, ["pca"], numbers, {})[0] for table in tables]
    return [PanelRow(str(i), table.metadata, (3, 4), panels[i]) for i, table in enumerate(tables)]


def test_a_turn_moves_nobody_and_who_is_carried_off_moved_most() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(30, 4))
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    carried = vectors.copy()
    carried[5] += 3
    table = table_of({"L0": vectors, "L1": 3 * vectors @ turn + 1}, list("A" * 30))
    other = table_of({"L0": carried, "L9": vectors}, list("A" * 30))
    # The other table lacks a sketch, whose movement is not known.
    other = FeatureTable(other.rows[:29], {k: v[:29] for k, v in other.vectors.items()}, {})
    numbers = numbers_of(table)
    found = movements([table, other], rows_of([table, other], numbers), numbers)
    assert [(move.one, move.other) for move in found] == [
        ((0, 0), (0, 1)),
        ((0, 0), (1, 0)),
        ((1, 0), (1, 1)),
    ]
    turned, carried_off, _ = (move.far for move in found)
    np.testing.assert_allclose(turned, 0, atol=1e-5)
    assert np.nanargmax(carried_off) == 5
    assert np.isnan(carried_off).tolist() == [False] * 29 + [True]
