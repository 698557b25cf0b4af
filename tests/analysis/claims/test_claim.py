import json
import re

import pytest

from featviz.analysis.claims import judge, read_claims, write_claims
from featviz.analysis.claims.definitions import DEFINITIONS
from featviz.base.errors import FeatvizError
from tests.analysis.claims.worlds import BASELINE, MODIFIED


@pytest.fixture(scope="module")
def claims():
    return judge([BASELINE.table(), MODIFIED.table()], permutations=99)


def test_claims_come_back_from_json_as_they_were(tmp_path, claims):
    write_claims(claims, tmp_path / "claims.json")
    assert read_claims(tmp_path / "claims.json") == claims


def test_the_file_tells_definitions_and_provenance_to_whoever_reads_json(tmp_path, claims):
    write_claims(claims, tmp_path / "claims.json")
    text = (tmp_path / "claims.json").read_text()
    assert not re.search(r"\b(NaN|Infinity)\b", text)
    content = json.loads(text)
    assert content["metadata"]["tables"]["baseline"]["checkpoint"] == "baseline"
    assert content["metadata"]["permutations"] == 99
    (c4,) = (entry for entry in content["claims"] if entry["claim"] == "C4")
    relative = next(part for part in c4["parts"] if part["part"] == "relative")
    assert relative["threshold"] == 0.1 and relative["bound"] == "at least"
    assert relative["reason"] and relative["test"] and relative["p_adjusted"] <= 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("no json", "no JSON"),
        ("[]", "expected claims of featviz"),
        ('{"format": "featviz claims 0"}', "format 'featviz claims 1'"),
        (
            '{"format": "featviz claims 1", "claims": [{}], "metadata": {}}',
            "claims.0.claim: field required",
        ),
    ],
)
def test_a_file_of_something_else_is_refused_by_name(tmp_path, content, told):
    path = tmp_path / "odd.json"
    path.write_text(content)
    with pytest.raises(FeatvizError, match=rf"odd.json: .*{told}"):
        read_claims(path)


def test_a_missing_file_names_the_command_that_writes_it(tmp_path):
    with pytest.raises(FeatvizError, match=r"none.json: no such file; `featviz claims"):
        read_claims(tmp_path / "none.json")


def test_claims_and_parts_are_found_by_name(claims):
    assert claims["C7"].part("absolute").definition.decides is False
    with pytest.raises(FeatvizError, match="unknown claim 'C22'; there are C1, "):
        claims["C22"]
    with pytest.raises(FeatvizError, match="unknown part 'x' of C7; there are relative, absolute"):
        claims["C7"].part("x")


def test_the_threshold_itself_meets_it():
    for definition in DEFINITIONS:
        assert definition.met_by(definition.threshold)
        side = 1 if definition.bound == "at least" else -1
        assert definition.met_by(definition.threshold + side)
        assert not definition.met_by(definition.threshold - side)
