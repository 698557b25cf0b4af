"""`featviz claims` as a user meets it."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from featviz import cli
from featviz.analysis.claims import read_claims
from featviz.base.feature_table import write_features
from featviz.extraction import extract_checkpoints
from featviz.sketches.sketch_set import read_sketches
from tests.analysis.claims.worlds import BASELINE, MODIFIED, crossed_table

MEMBERS = 3


@pytest.fixture(scope="module")
def few(request, tmp_path_factory):
    """A folder with a few of the shipped sketches of every group."""
    shipped = request.config.rootpath / "sketches"
    index = pd.read_csv(shipped / "index.csv", dtype=str).groupby("group").head(MEMBERS)
    folder = tmp_path_factory.mktemp("few") / "sketches"
    for file in index["file"]:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(shipped / file, folder / file)
    index.to_csv(folder / "index.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def shipped(few, tmp_path_factory):
    """Feature tables of the shipped generators over a few sketches of every group."""
    folder = tmp_path_factory.mktemp("features")
    list(extract_checkpoints(["baseline", "modified"], read_sketches(few), folder))
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in, with made-up tables."""
    monkeypatch.chdir(tmp_path)
    write_features(BASELINE.table(), Path("b.parquet"))
    write_features(MODIFIED.table(), Path("m.parquet"))
    return tmp_path


def run(capsys, *arguments):
    try:
        cli.main(["claims", *map(str, arguments)])
        code = 0
    except SystemExit as leaving:
        code = leaving.code
    out, err = capsys.readouterr()
    return code, out, err


def test_shipped_generators_have_one_vector_per_pair_of_eyes_where_modified_lacks_the_norm(
    capsys, shipped, few, tmp_path
):
    code, out, err = run(
        capsys,
        shipped / "baseline.parquet",
        shipped / "modified.parquet",
        "--sketches",
        few,
        "--out",
        tmp_path / "claims.json",
        "--permutations",
        99,
    )
    assert (code, err) == (0, "")
    claims = read_claims(tmp_path / "claims.json")
    for name in ("C1", "C2", "C3"):
        assert claims[name].verdict == "holds", claims[name].why
        assert f"{name} holds: " in out
    assert claims["C6"].part("points").verdict == "holds"
    assert claims["C10"].why == "not asked for: --images"
    assert claims.metadata["tables"]["baseline"]["rows"] == 11 * MEMBERS
    # The other way round nothing is identical: the claims are about the networks, not the code.
    tables = [shipped / f"{name}.parquet" for name in ("modified", "baseline")]
    options = ["--baseline", tables[0], "--modified", tables[1], "--permutations", 99]
    code, out, err = run(capsys, *options)
    assert code == 0
    for name in ("C1", "C2", "C3", "C6"):
        assert f"{name} does not hold: " in out


def test_json_and_markdown_tell_the_same(capsys, here):
    code, out, err = run(
        capsys, "b.parquet", "m.parquet", "--out", "c.json", "--out", "c.md",
        "--permutations", 999,
    )  # fmt: skip
    assert (code, err) == (0, "")
    claims, lines = read_claims(Path("c.json")), Path("c.md").read_text().splitlines()
    for claim in claims.claims:
        assert any(claim.name in line and f"**{claim.verdict}**" in line for line in lines)
    rows = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1
    assert len(rows) == 2 + len(claims.claims) + sum(len(claim.parts) for claim in claims.claims)
    assert "c.json\nc.md\n" in out


def test_own_groups_and_layers_are_told_on_the_command_line(capsys, here):
    code, out, _ = run(
        capsys, "--modified", "m.parquet", "--unchanged", "G1", "G9", "G10", "--changed", "G6",
        "--merge", "G10=G9", "--shallow", "L0", "--deep", "L2", "L3", "--permutations", 99,
        "--out", "c.json",
    )  # fmt: skip
    assert code == 0 and "C1 holds: " in out and "C2 cannot be judged: " in out
    found = read_claims(Path("c.json"))
    assert set(found["C3"].part("points").finding.details) == {"G1 L0", "G9+G10 L0"}
    assert found.metadata["study"]["together"] == [["G9", "G10"]]


def test_a_crossed_table_lets_c9_be_judged(capsys, here):
    write_features(crossed_table(1.0, 0.3), Path("crossed.parquet"))
    for options in (["m.parquet"], []):
        code, out, _ = run(capsys, *options, "--crossed", "crossed.parquet", "--permutations", 999)
        assert code == 0 and "C9 holds (these faces only): " in out
        assert "crossed: modified, 30 vectors a layer" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "claims takes feature tables, --images, --systems, or several"),
        (["none.parquet"], "none.parquet: no such feature table"),
        (["m.parquet", "m.parquet"], "two feature tables are of variant modified"),
        (["m.parquet", "--modified", "b.parquet"], "two feature tables of modified"),
        (["m.parquet", "--point", "1", "2"], "unknown point (1, 2); this table has (170, 250)"),
        (["m.parquet", "--permutations", "0"], "expected at least 1 permutation; got 0"),
        (["m.parquet", "--sketches", "nowhere"], "nowhere: no such folder of sketches"),
        (["m.parquet", "--changed", "G1"], "group 'G1' cannot be both unchanged and changed"),
        (["m.parquet", "--unchanged", "G1", "G99"], "--unchanged: there is no group 'G99' in"),
        (["m.parquet", "--deep", "L2", "L9"], "there is no layer 'L9' in the feature table of mod"),
        (["m.parquet", "--merge", "G11"], "expected GROUP=GROUP"),
        (["--images", "--generators", "M1", "baseline"], "unknown role 'M1'"),
        (["--images", "--generators", "baseline", "nothing"], "no checkpoint 'nothing'"),
        (["--images", "--data", "nowhere"], "nowhere has no landmarks.parquet"),
        (
            ["m.parquet", "--crossed", "b.parquet"],
            "the crossed table is of other weights (baseline)",
        ),
        (["m.parquet", "--local"], "--local asks C13 of other images; give it with --images"),
        (["--images", "--count", "0"], "count must be a whole number, 3 or more; got 0"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(capsys, here, arguments, told):
    code, out, err = run(capsys, *arguments, "--out", "c.json")
    assert code == 2 and out == ""
    assert err.startswith("featviz: error: ") and told in err and err.count("\n") == 1
    assert not Path("c.json").exists()


def test_without_pairs_and_sketches_images_are_named_as_missing(capsys, here):
    code, out, err = run(capsys, "--images", "--generators", "modified", "modified")
    assert code == 0
    assert "no images of pairs: no pairs: --data FOLDER" in err
    assert "no images of edits: no sketches: --sketches FOLDER" in err
    assert "C13 cannot be judged" in out and "no sketches: --sketches FOLDER" in out
