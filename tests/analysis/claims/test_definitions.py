"""The fixed definitions are complete, and the study's groups are as they say."""

import pandas as pd
import pytest

from featviz.analysis.claims import feature_claims as features
from featviz.analysis.claims import image_claims as images
from featviz.analysis.claims import system_claims as systems
from featviz.analysis.claims.conventions import ALPHA, CONFIDENCE, ONE_PERCENT, THESE_FACES
from featviz.analysis.claims.definitions import DEFINITIONS, SAYS, definitions_of
from featviz.analysis.claims.study import STUDY, Study
from featviz.analysis.evaluation.locality import SEEN
from featviz.base.errors import FeatvizError


def test_all_claims_are_defined_and_every_part_is_measured():
    assert list(SAYS) == [f"C{number}" for number in range(1, 22)]
    parts = [(one.claim, one.part) for one in DEFINITIONS]
    finders = [*features.FEATURE_FINDERS, *images.IMAGE_FINDERS, *systems.SYSTEM_FINDERS]
    assert parts == sorted(finders, key=lambda part: list(SAYS).index(part[0]))
    for name in SAYS:
        assert any(one.decides for one in definitions_of(name))


def test_every_part_has_its_words_and_every_threshold_its_reason():
    for one in DEFINITIONS:
        assert one.says and one.statistic and one.reason, one
        if not one.decides:
            assert "Does not decide" in one.reason


def test_a_wrongly_failed_claim_is_as_rare_as_a_wrong_one_that_holds():
    most = max(sum(one.decides for one in definitions_of(name)) for name in SAYS)
    assert most * (1 - CONFIDENCE) <= ALPHA + 1e-9


def test_what_has_a_test_is_a_sample_and_what_exchanges_edits_is_about_these_faces():
    for one in DEFINITIONS:
        assert one.sample or not one.test, one
        assert (one.scope == THESE_FACES) or "edit by edit" not in one.test, one


def test_nothing_is_one_per_cent_of_the_range_wherever_it_is_asked():
    assert ONE_PERCENT == SEEN == 255 / 100
    assert STUDY.kinds == {"mouth": ("G8", "G10"), "nose": ("G9", "G11")}


def test_the_studys_groups_are_those_of_the_sketches(request):
    index = pd.read_csv(request.config.rootpath / "sketches" / "index.csv", dtype=str)
    assert sorted(STUDY.unchanged + STUDY.changed) == sorted(set(index["group"]))
    eyes = index["edited_part"].fillna("").str.contains("eye$|eye |doodle", regex=True)
    assert set(index["group"][eyes]) == set(STUDY.changed)
    # Those that stay together are made from the same bases.
    base_group = index["base"].fillna("").str.split("/").str[0]
    for unit in STUDY.together:
        assert set(base_group[index["group"].isin(unit)]) == {unit[0]}


def test_units_join_what_stays_together_in_order():
    assert STUDY.units == (("G1",), ("G2",), ("G3",), ("G4",), ("G8", "G11"), ("G9", "G10"))
    assert STUDY.unit_of("G11") == "G8+G11" and STUDY.unit_of("G5") == "G5"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"changed": ("G1",)}, "group 'G1' cannot be both unchanged and changed"),
        ({"together": (("G1", "G5"),)}, "group 'G5' is told to stay together"),
        ({"together": (("G1", "G2"), ("G2", "G3"))}, "one set of groups only"),
        ({"deep": ()}, "one or more deep layers; given none"),
    ],
)
def test_groups_that_play_no_sensible_part_are_refused(given, told):
    with pytest.raises(FeatvizError, match=told):
        Study(**given)
