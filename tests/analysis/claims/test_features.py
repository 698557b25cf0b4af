"""C1 to C9 and C15 on made-up tables: each part holds where its words are true, and only there."""

import numpy as np
import pytest

from featviz.analysis.claims import STUDY, judge
from featviz.analysis.claims.study import Study
from tests.analysis.claims.worlds import BASELINE, MODIFIED, crossed_table

FEATURE_CLAIMS = [*(f"C{number}" for number in range(1, 10)), "C15"]
CROSSED = crossed_table(eyes=1.0, faces=0.3)


def verdicts(modified=MODIFIED, baseline=BASELINE, crossed=CROSSED, **options):
    tables = [world.table() for world in (baseline, modified)]
    return judge(tables, crossed=crossed, permutations=199, **options)


@pytest.fixture(scope="module")
def true_world():
    return verdicts()


@pytest.mark.parametrize("name", FEATURE_CLAIMS)
def test_every_claim_holds_where_its_words_are_true(true_world, name):
    claim = true_world[name]
    assert claim.verdict == "holds", claim.why


def one_bit_off(vectors, _everything, _rows):
    vectors = vectors.copy()
    vectors[3, 0] = np.nextafter(vectors[3, 0], np.float32(9))
    return vectors


def all_the_same(vectors, _everything, _rows):
    return np.tile(vectors[:1], (len(vectors), 1))


def one_pair_the_same(vectors, _everything, _rows):
    return np.concatenate([vectors[:1], vectors[:1], vectors[2:]])


def moved_as_one(vectors, _everything, _rows):
    return vectors + np.float32(0.25)


def on_top_of_g1(vectors, everything, rows):
    return np.tile(everything[(rows["group"] == "G1").to_numpy()][0], (len(vectors), 1))


def beside_g1(vectors, everything, rows):
    place = everything[(rows["group"] == "G1").to_numpy()][0]
    return vectors - vectors.mean(axis=0) + place


def shrunk(vectors, _everything, _rows):
    return vectors.mean(axis=0) + np.float32(1e-3) * (vectors - vectors.mean(axis=0))


FALSE_WORLDS = {
    ("C1", "identical"): {"modified": MODIFIED.but(nudges={"L1 G1": one_bit_off})},
    ("C1", "differ"): {"modified": MODIFIED.but(nudges={"L0 G6": all_the_same})},
    ("C2", "differ"): {"baseline": BASELINE.but(nudges={"L3 G7": one_pair_the_same})},
    ("C3", "points"): {"modified": MODIFIED.but(nudges={"L0 G11": moved_as_one})},
    ("C3", "apart"): {"modified": MODIFIED.but(nudges={"L1 G2": on_top_of_g1})},
    ("C3", "spread"): {"modified": MODIFIED.but(nudges={"L0 G5": shrunk})},
    ("C4", "leaves zero"): {"modified": MODIFIED.but(nudges={"L2 G3": all_the_same})},
    ("C4", "relative"): {
        "modified": MODIFIED.but(within=(0, 0, 0.2, 0.2, 0.2), between=(1,) * 5, eyes=None)
    },
    ("C4", "absolute"): {
        "modified": MODIFIED.but(within=(0, 0, 0.2, 0.2, 0.2), changed=(2, 2, 2, 1, 0.5))
    },
    ("C5", "nearer, relative"): {"modified": MODIFIED.but(between=(1, 1, 0.8, 0.9, 1))},
    ("C5", "nearer, absolute"): {
        "modified": MODIFIED.but(between=(1,) * 5, changed=(1, 1, 1, 2, 4), eyes=None)
    },
    ("C5", "borders blur"): {
        "modified": MODIFIED.but(within=(0, 0, 0.1, 0.08, 0.05), between=(1, 1, 1, 0.8, 0.5))
    },
    ("C6", "points"): {"modified": MODIFIED.but(nudges={"L0 G4": one_bit_off})},
    ("C6", "scattered"): {"baseline": BASELINE.but(within=(0.6, 0.05, 0.8, 0.8, 0.8))},
    ("C7", "relative"): {"modified": MODIFIED.but(within=(0, 0, 0.1, 0.2, 0.79))},
    ("C7", "absolute"): {"baseline": BASELINE.but(unit=0.05)},
    ("C8", "tight"): {"modified": MODIFIED.but(within=(0, 0.6, 0.6, 0.8, 0.9))},
    ("C8", "loose"): {"baseline": BASELINE.but(within=(0.1, 0.6, 0.8, 0.8, 0.8))},
    ("C8", "tighter"): {"modified": MODIFIED.but(within=(0, 0.7, 0.7, 0.8, 0.9))},
    ("C9", "crossed"): {"crossed": crossed_table(eyes=0.3, faces=1.0)},
    ("C9", "together"): {"modified": MODIFIED.but(nudges={"L4 G11": beside_g1})},
    ("C15", "weaker"): {"modified": MODIFIED.but(eyes=(2, 2, 1.6, 1.1, 1.1))},
}


@pytest.mark.parametrize("name", FALSE_WORLDS, ids=" ".join)
def test_a_part_does_not_hold_where_its_words_are_false(name):
    claim = verdicts(**FALSE_WORLDS[name])[name[0]]
    part = claim.part(name[1])
    assert part.verdict == "does not hold", part.why
    assert claim.verdict == ("does not hold" if part.definition.decides else "holds")


def test_every_part_of_c1_to_c9_has_a_world_where_it_is_false(true_world):
    parts = {
        (claim.name, part.definition.part)
        for claim in true_world.claims
        if claim.name in FEATURE_CLAIMS
        for part in claim.parts
    }
    assert parts == set(FALSE_WORLDS)


def test_the_unit_of_activations_matters_to_absolute_distances_alone(true_world):
    claims = verdicts(baseline=BASELINE.but(unit=0.05))
    assert claims["C7"].part("absolute").verdict == "does not hold"
    for name in FEATURE_CLAIMS:
        for part, before in zip(claims[name].parts, true_world[name].parts, strict=True):
            if before.definition.part != "absolute":
                assert part.finding.value == pytest.approx(before.finding.value, rel=1e-4)
                assert part.verdict == before.verdict


def test_the_order_of_rows_does_not_matter(true_world):
    table = MODIFIED.table()
    order = np.random.default_rng(3).permutation(len(table))
    shuffled = type(table)(
        table.rows.iloc[order].reset_index(drop=True),
        {layer: vectors[order] for layer, vectors in table.vectors.items()},
        table.metadata,
    )
    tables = {"baseline": BASELINE.table(), "modified": shuffled}
    claims = judge(tables, crossed=CROSSED, permutations=199)
    for name in FEATURE_CLAIMS:
        for part, before in zip(claims[name].parts, true_world[name].parts, strict=True):
            assert part.finding.value == pytest.approx(before.finding.value)


def p_values_of_chance(unevenness, parts, count=20):
    """Worlds in which modified is drawn like baseline, and depth changes nothing."""
    alike = BASELINE.but(within=(0.6,) * 5, between=(1.0,) * 5, members=5, unevenness=unevenness)
    found = {part: [] for part in parts}
    for seed in range(count):
        tables = [
            alike.but(variant=variant, seed=1000 + 2 * seed + i).table()
            for i, variant in enumerate(("baseline", "modified"))
        ]
        claims = judge(tables, permutations=99)
        for name, part in parts:
            one = claims[name].part(part)
            assert one.verdict != "holds", (seed, name, part)
            found[name, part].append(one.finding.p_value)
    return found


def test_depth_that_changes_by_chance_alone_makes_no_claim_hold_whatever_the_faces_do():
    parts = (("C4", "relative"), ("C5", "nearer, relative"), ("C5", "borders blur"))
    for part, p in p_values_of_chance(0.5, parts).items():
        # The least of two steps is above 0 less often than not, so p is large rather than small.
        assert np.mean(p) > 0.3, part
        assert np.mean(np.array(p) <= 0.05) <= 0.2, part


def test_networks_that_differ_by_chance_alone_make_no_claim_of_a_difference_hold():
    for part, p in p_values_of_chance(0.0, (("C7", "relative"), ("C8", "tighter"))).items():
        # The largest p of several layers, none of which differs.
        assert np.mean(p) > 0.5, part
        assert np.mean(np.array(p) <= 0.05) <= 0.15, part


def test_without_a_table_all_that_needs_it_cannot_be_judged_and_says_so():
    claims = judge({"modified": MODIFIED.table()}, permutations=199)
    for name in ("C1", "C3", "C4", "C5"):
        assert claims[name].verdict == "holds"
    assert claims["C9"].why == "no feature table of a crossed set of sketches: --crossed FILE"
    for name in ("C2", "C6", "C7", "C8"):
        assert claims[name].verdict == "cannot be judged"
        assert "no feature table of baseline" in claims[name].why
    assert claims["C6"].part("points").verdict == "holds"
    for name in ("C10", "C14"):
        assert claims[name].why == "not asked for: --images"


def test_missing_groups_and_layers_are_named():
    table = MODIFIED.table().select(layers=["L0", "L1", "L2"])
    groups = [group for group in table.groups if group != "G9"]
    crossed = crossed_table(1.0, 0.3).select(groups=["F0", "F1", "F2"])
    crossed.vectors["L3"] = crossed.vectors.pop("L4")
    claims = judge([table.select(groups=groups)], crossed=crossed, permutations=99)
    assert claims["C1"].part("identical").why == "no sketch of group G9 in modified's table"
    assert claims["C1"].part("differ").verdict == "holds"
    assert claims["C9"].why == "no layer L4 in crossed's table; there are L3"
    assert claims["C9"].verdict == "cannot be judged"


def test_a_dead_layer_is_no_proof_of_locality():
    table = MODIFIED.table()
    for vectors in table.vectors.values():
        vectors[:] = 0
    claims = judge([table, BASELINE.table()], permutations=99)
    assert claims["C1"].part("identical").verdict == "holds"
    assert claims["C1"].verdict == claims["C3"].verdict == "does not hold"
    for name in ("C4", "C5", "C7", "C8", "C9"):
        assert claims[name].verdict != "holds"


def test_own_groups_and_layers_take_the_parts_of_the_studys():
    own = Study(("G1", "G8", "G11"), ("G5",), (("G8", "G11"),), ("G8",), ("L0",), ("L2", "L4"))
    claims = judge([BASELINE.table(), MODIFIED.table()], own, permutations=199)
    assert claims["C1"].verdict == "holds"
    assert set(claims["C1"].part("identical").finding.details) == {"G1 L0", "G8 L0", "G11 L0"}
    # Two units in two layers: four arrangements, so no p below 0.25 can be had.
    relative = claims["C4"].part("relative")
    assert relative.finding.p_value == 0.25
    assert relative.verdict == "cannot be judged" and "not told from chance" in relative.why


def test_bases_tell_which_changed_groups_are_edits_of_the_eyes():
    """Where no base is known the first sketch of each group serves, of doodles too."""
    rows = MODIFIED.table().rows
    given = dict(zip(rows["sketch"], rows["base"], strict=True))
    table = MODIFIED.table()
    table = type(table)(table.rows.drop(columns="base"), table.vectors, table.metadata)
    told, untold = (judge([table], bases=bases, permutations=99) for bases in (given, None))
    with_column = judge([MODIFIED.table()], permutations=99)
    assert told["C15"] == with_column["C15"]
    seen = [c["C15"].part("weaker").finding.details["groups"] for c in (told, untold)]
    assert seen == ["G5 G6", "G5 G6 G7"]
    sources = [claims.metadata["bases"] for claims in (told, untold, with_column)]
    assert sources == ["the sketch set", "the first sketch of each group", "the feature tables"]


def test_the_p_over_bases_has_six_bases_to_flip(true_world):
    details = true_world["C7"].part("relative").finding.details
    assert details["p, bases flipped as one"] == 1 / 2**6
    assert len(STUDY.units) == 6
