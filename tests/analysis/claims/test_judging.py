import pytest

from featviz.analysis.claims.claim import Finding
from featviz.analysis.claims.definitions import DEFINITIONS
from featviz.analysis.claims.judging import assign_roles, draw_verdicts, judge
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable
from tests.analysis.claims.worlds import BASELINE, MODIFIED

TESTED = [(one.claim, one.part) for one in DEFINITIONS if one.test]


def judged(findings):
    return draw_verdicts(findings, {})


def test_the_more_tests_the_smaller_a_p_has_to_be():
    good = Finding(0.5, p_value=0.01)
    alone = judged({("C7", "relative"): good})
    assert alone["C7"].part("relative").p_adjusted == 0.01
    assert alone["C7"].verdict == "holds"
    # Ten more tests that find nothing.
    others = {name: Finding(0.0, p_value=0.9) for name in TESTED if name[0] in {"C11", "C12"}}
    others |= {name: Finding(0.0, p_value=0.9) for name in TESTED if name[0] == "C5"}
    among = judged({("C7", "relative"): good, **others})
    part = among["C7"].part("relative")
    assert part.p_adjusted == pytest.approx(0.01 * (1 + len(others)))
    assert part.verdict == "cannot be judged" and "not told from chance" in part.why


def test_a_small_p_does_not_make_up_for_a_small_effect():
    claims = judged({("C7", "relative"): Finding(0.09, p_value=0.0001)})
    assert claims["C7"].verdict == "does not hold"
    assert "0.09 is not at least 0.1" in claims["C7"].why


def test_one_deciding_part_that_fails_fails_the_claim_and_the_verdict_names_it():
    findings = {
        ("C13", "stronger"): Finding(0.4, p_value=0.001),
        ("C13", "nowhere else"): Finding(7.0),
        ("C13", "more local"): Finding(missing="no images"),
        ("C13", "eyes"): Finding(0.4, p_value=0.001),
    }
    claim = judged(findings)["C13"]
    assert claim.verdict == "does not hold"
    assert claim.why == "nowhere else: 7 is not at most 2.55; holds: stronger, eyes"


def test_a_part_that_does_not_decide_is_told_beside_the_verdict():
    findings = {
        ("C10", "moved"): Finding(0.1, p_value=0.4),
        ("C10", "loss"): Finding(0.9, p_value=0.001),
    }
    claim = judged(findings)["C10"]
    assert claim.verdict == "does not hold"
    assert "beside it, loss: holds (0.9 is at least 0.5)" in claim.why


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
