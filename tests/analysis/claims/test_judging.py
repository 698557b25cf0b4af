from dataclasses import replace

import numpy as np
import pytest

from featviz.analysis.claims.claim import Claims, Finding
from featviz.analysis.claims.definitions import DEFINITIONS
from featviz.analysis.claims.judging import assign_roles, draw_verdicts, judge
from featviz.analysis.claims.table import markdown_table
from featviz.analysis.separation import holm
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable
from tests.analysis.claims.worlds import BASELINE, MODIFIED, crossed_table

FAMILY = ("C4", "C5", "C7", "C8", "C9", "C15")
SURE = {"low": 0.0, "high": 0.05}
"""Bounds that lie below every threshold of a tenth."""


def judged(findings):
    return draw_verdicts(findings, {})


def test_a_claims_p_is_the_largest_of_its_deciding_parts():
    findings = {
        ("C13", "stronger"): Finding(0.4, p_value=0.001),
        ("C13", "eyes stay"): Finding(1.0),
        ("C13", "nowhere else"): Finding(0.001),
        ("C13", "more local"): Finding(0.4, p_value=0.02),
        ("C13", "eyes"): Finding(0.4, p_value=0.0001),
    }
    claims = judged(findings)
    (of_images,) = (count for kind, count in claims.metadata["tests"].items() if kind == "images")
    adjusted = [claims["C13"].part(name).p_adjusted for name in ("stronger", "more local", "eyes")]
    assert adjusted == pytest.approx([of_images * p for p in (0.001, 0.02, 0.0001)])
    assert claims["C13"].verdict == "cannot be judged"
    assert claims["C13"].why.startswith("0.4 is at least 0.1, but not told from chance (p = 0.14")


def test_p_is_corrected_for_the_claims_of_its_kind_and_not_for_their_parts():
    p = {"C4": 0.001, "C5": 0.003, "C7": 0.01, "C8": 0.02, "C9": 0.0001, "C15": 0.5}
    deciding = [one for one in DEFINITIONS if one.decides and one.test]
    findings = {
        (one.claim, one.part): Finding(one.threshold, p_value=p[one.claim])
        for one in deciding
        if one.claim in FAMILY
    }
    claims = judged(findings)
    for name, expected in zip(FAMILY, holm([p[name] for name in FAMILY]), strict=True):
        parts = [part for part in claims[name].parts if part.p_adjusted is not None]
        assert [part.p_adjusted for part in parts] == pytest.approx([expected] * len(parts))
    assert claims.metadata["tests"]["vectors"] == len(FAMILY)


def test_a_part_that_does_not_decide_has_no_share_in_the_correction():
    alone = {("C7", "relative"): Finding(0.5, p_value=0.005)}
    beside = alone | {("C7", "absolute"): Finding(0.5, p_value=0.9)}
    for findings in (alone, beside):
        part = judged(findings)["C7"].part("relative")
        assert part.p_adjusted == pytest.approx(0.005 * len(FAMILY)) and part.verdict == "holds"
    assert judged(beside)["C7"].verdict == "holds"
    beside = judged(beside)["C7"].part("absolute")
    assert beside.p_adjusted is None and beside.verdict == "cannot be judged"


@pytest.mark.parametrize("p_of_images", [0.0001, 0.9])
def test_asking_for_images_changes_no_verdict_on_vectors_and_the_other_way_round(p_of_images):
    """Holm goes step by step, so that small p of other claims would make the rest smaller too."""
    of_vectors = {
        ("C7", "relative"): Finding(0.5, p_value=0.008),
        ("C9", "crossed"): Finding(1.0, p_value=0.003),
    }
    of_images = {
        (one.claim, one.part): Finding(one.threshold, p_value=p_of_images if one.test else None)
        for one in DEFINITIONS
        if one.claim in {"C10", "C11", "C12", "C13", "C14", "C16", "C17", "C18"}
    }
    both = judged(of_vectors | of_images)
    for some in (judged(of_vectors), judged(of_images)):
        for claim in some.claims:
            if any(part.finding.value is not None for part in claim.parts):
                assert both[claim.name] == claim


def test_a_small_p_does_not_make_up_for_a_small_effect():
    claims = judged({("C7", "relative"): Finding(0.04, p_value=0.0001, **SURE)})
    assert claims["C7"].verdict == "does not hold"
    assert "0.04 is not at least 0.1" in claims["C7"].why


def test_a_statistic_whose_bound_reaches_the_threshold_cannot_be_judged():
    """As C14's `follows`, 0.092 for 0.1."""
    reaching = Finding(0.092, p_value=0.002, low=0.07, high=0.114)
    part = judged({("C14", "follows"): reaching})["C14"].part("follows")
    assert part.verdict == "cannot be judged"
    assert part.why == "0.092 is not at least 0.1, but up to 0.114 may be true"
    part = judged({("C14", "follows"): replace(reaching, high=0.0999)})["C14"].part("follows")
    assert part.verdict == "does not hold"
    # An upper limit is missed upwards, so that the lower bound counts.
    for low, verdict in ((2.6, "does not hold"), (2.5, "cannot be judged")):
        finding = Finding(2.9, low=low, high=3.2)
        assert judged({("C13", "eyes stay"): finding})["C13"].part("eyes stay").verdict == verdict


def test_without_a_bound_only_what_is_no_sample_does_not_hold():
    unknown = Finding(0.0, p_value=0.9, low=-np.inf, high=np.inf)
    for finding in (unknown, Finding(0.0, p_value=0.9)):
        part = judged({("C7", "relative"): finding})["C7"].part("relative")
        assert part.verdict == "cannot be judged" and "unknown" in part.why
    assert judged({("C7", "relative"): unknown})["C7"].part("relative").finding.high is None
    # Equal vectors are equal: nothing about them is uncertain.
    assert judged({("C1", "identical"): Finding(2)})["C1"].verdict == "does not hold"


def test_one_deciding_part_that_fails_fails_the_claim_and_the_verdict_names_it():
    findings = {
        ("C13", "stronger"): Finding(0.4, p_value=0.001),
        ("C13", "eyes stay"): Finding(7.0, low=5.0, high=9.0),
        ("C13", "nowhere else"): Finding(0.001),
        ("C13", "more local"): Finding(missing="no images"),
        ("C13", "eyes"): Finding(0.4, p_value=0.001),
    }
    claim = judged(findings)["C13"]
    assert claim.verdict == "does not hold"
    assert claim.why == "eyes stay: 7 is not at most 2.55; holds: stronger, nowhere else, eyes"


def test_a_part_that_does_not_decide_is_told_beside_the_verdict():
    findings = {
        ("C10", "moved"): Finding(0.1, p_value=0.4, low=-0.1, high=0.3),
        ("C10", "loss"): Finding(0.9, p_value=0.001),
    }
    claim = judged(findings)["C10"]
    assert claim.verdict == "does not hold"
    assert "beside it, loss: holds (0.9 is at least 0.5)" in claim.why


def test_a_verdict_on_edits_of_a_few_faces_says_that_it_is_about_these_faces_only():
    claims = judged({("C7", "relative"): Finding(0.5, p_value=0.001)})
    assert claims["C7"].verdict == "holds" and claims["C7"].scope == "these faces only"
    assert claims["C4"].scope == claims["C11"].scope == ""
    metadata = {"correction": "Holm", "permutations": 9, "seed": 0, "alpha": 0.05}
    told = Claims(claims.claims, claims.metadata | metadata | {"confidence": 0.99, "tables": {}})
    (line,) = (line for line in markdown_table(told).splitlines() if "**C7**" in line)
    assert line.endswith("| **holds** (these faces only) |")


def test_an_infinite_statistic_is_no_number_to_judge():
    claim = judged({("C10", "moved"): Finding(float("inf"), p_value=0.001)})["C10"]
    assert claim.verdict == "cannot be judged" and claim.part("moved").finding.value is None


def test_tables_tell_their_roles_by_variant():
    baseline, modified = BASELINE.table(), MODIFIED.table()
    assert assign_roles([modified, baseline]) == {"baseline": baseline, "modified": modified}


@pytest.mark.parametrize(
    ("variants", "told"),
    [
        (("baseline", "no-norm"), "no-norm is of variant 'no-norm'.*--baseline FILE"),
        (("modified", None), "a model is of variant None.*--modified FILE"),
        (("modified", "modified"), "two feature tables are of variant modified"),
    ],
)
def test_tables_that_do_not_are_refused_and_the_option_named(variants, told):
    table = MODIFIED.table()
    tables = [
        FeatureTable(table.rows, table.vectors, {"variant": variant, "checkpoint": variant})
        for variant in variants
    ]
    with pytest.raises(FeatvizError, match=told):
        judge(tables)


def test_tables_of_other_sketches_or_groups_are_refused():
    fewer = BASELINE.but(members=6).table()
    with pytest.raises(FeatvizError, match=r"do not hold the same sketches; only one .* G1"):
        judge([fewer, MODIFIED.table()])
    other = BASELINE.table()
    other.rows.loc[0, "group"] = "G2"
    with pytest.raises(FeatvizError, match="sketch G1/0 is of group G2 in the table of baseline"):
        judge([other, MODIFIED.table()])


def test_a_table_of_two_points_is_refused():
    table = MODIFIED.table()
    table.rows.loc[:5, "point_x"] = 300
    with pytest.raises(FeatvizError, match="judged at one point; the table of modified has 2"):
        judge([table])


def test_tables_read_at_other_points_or_stages_are_refused():
    moved = BASELINE.table()
    moved.rows["point_x"] = 300
    with pytest.raises(FeatvizError, match=r"other points: \(300, 250\) and \(170, 250\)"):
        judge([moved, MODIFIED.table()])
    tables = [world.table() for world in (BASELINE, MODIFIED)]
    for table, stage in zip(tables, ("conv", "activation"), strict=True):
        table.metadata["stage"] = stage
    with pytest.raises(FeatvizError, match="other stages: conv and activation"):
        judge(tables)


def test_a_sketch_that_a_table_holds_twice_is_refused():
    table = MODIFIED.table()
    table.rows.loc[1, "sketch"] = "G1/0"
    with pytest.raises(FeatvizError, match="modified holds sketch G1/0 more than once"):
        judge([table])


def test_a_role_that_tables_do_not_play_is_refused():
    with pytest.raises(FeatvizError, match=r"unknown role 'no-norm'.*baseline, modified"):
        judge({"no-norm": MODIFIED.table()})


def test_a_crossed_table_of_other_weights_or_without_a_pair_of_eyes_is_refused():
    modified, crossed = MODIFIED.table(), crossed_table(1.0, 0.3)
    modified.metadata["digest"], crossed.metadata["digest"] = "a", "b"
    with pytest.raises(FeatvizError, match="crossed table is of other weights"):
        judge([modified], crossed=crossed)
    some = crossed_table(1.0, 0.3)
    some.rows.loc[3, "sketch"] = "F0/E9"
    with pytest.raises(FeatvizError, match=r"C9, crossed: .*5 faces and 7 pairs.* and not F0/E3"):
        judge([MODIFIED.table()], crossed=some)
