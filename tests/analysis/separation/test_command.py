import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from featviz.base.feature_table import write_features
from featviz.cli import main

from .test_measure import feature_table


@pytest.fixture
def folder(tmp_path, monkeypatch, rng) -> Path:
    monkeypatch.chdir(tmp_path)
    groups = [name for name in ("G8", "G9", "G10", "G11") for _ in range(5)]
    for name in ("one", "two"):
        layers = {"L0": rng.normal(size=(20, 4)), "L1": rng.normal(size=(20, 8))}
        write_features(
            feature_table(groups, layers, checkpoint=name, step=40), Path(f"{name}.parquet")
        )
    return tmp_path


def test_the_command_prints_and_writes_the_same_numbers(folder, capsys) -> None:
    for out in ("s.csv", "s.parquet", "s.md"):
        main(["structure", "one.parquet", "two.parquet", "--permutations", "49", "--out", out])
    printed = capsys.readouterr().out
    assert Path("s.md").read_text() in printed
    assert "**one** (baseline, step 40, sha256 01234567)" in printed
    frame, text = pd.read_csv("s.csv"), pd.read_parquet("s.parquet")
    assert list(frame["checkpoint"].unique()) == ["one", "two"]
    np.testing.assert_allclose(frame["value"], text["value"])
    assert set(frame["permutations"]) == {49} and set(frame["digest"]) == {123456789}
    metadata = json.loads(pq.read_schema("s.parquet").metadata[b"featviz"])
    assert metadata["permutations"] == 49 and metadata["checkpoints"]["two"] == "0123456789"
    assert metadata["points"] == {"one": [170, 250], "two": [170, 250]}


def test_layers_and_merges_can_be_chosen(folder, capsys) -> None:
    command = ["structure", "one.parquet", "--layers", "L1", "--merge", "G11=G8", "G10=G9"]
    main([*command, "--permutations", "9", "--out", "s.csv"])
    frame = pd.read_csv("s.csv")
    assert set(frame["layer"]) == {"L1"} and set(frame["group"]) == {"all", "G8", "G9"}
    assert "G11 counted as G8, G10 counted as G9" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "s.txt"], "expected a name ending in .csv, .parquet, .md"),
        (["--merge", "G8"], "expected GROUP=GROUP"),
        (["--layers", "L9"], "unknown layer 'L9'"),
        (["--point", "1", "2"], "unknown point (1, 2)"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(folder, capsys, arguments, message) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["structure", "one.parquet", *arguments])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert sorted(path.name for path in folder.iterdir()) == ["one.parquet", "two.parquet"]
