"""Feature tables side by side."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from featviz.analysis.comparable import checkpoint_names, tell_apart
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable, read_features, write_features
from featviz.cli import main


def table(checkpoint: str, seed: int = 0) -> FeatureTable:
    vectors = np.random.default_rng(seed).normal(size=(8, 3)).astype(np.float32)
    rows = pd.DataFrame({"sketch": list("abcdefgh"), "group": list("xxxxyyyy")})
    rows = rows.assign(point_x=1, point_y=2)
    return FeatureTable(rows, {"L0": vectors}, {"checkpoint": checkpoint, "digest": "00"})


@pytest.mark.parametrize(
    ("given", "names"),
    [
        # What is distinct stays.
        ({"a/one": "one", "b/two": "two"}, ["one", "two"]),
        # In one folder by the files.
        ({"a/net": "net", "a/again": "net", "a/x": "other"}, ["net", "again", "other"]),
        # In several by the folders, as many of them as it takes.
        ({"old/net": "net", "new/net": "net"}, ["old-net", "new-net"]),
        ({"p/run/net": "net", "q/run/net": "net"}, ["p-run-net", "q-run-net"]),
        # All steps of a run, also those that the other run has not kept.
        (
            {"a/m-000000": "m-000000", "a/m-000500": "m-000500", "b/m-000000": "m-000000"},
            ["a-m-000000", "a-m-000500", "b-m-000000"],
        ),
        # A third folder is not concerned.
        ({"a/net": "net", "b/net": "net", "c/x": "x"}, ["a-net", "b-net", "x"]),
    ],
)
def test_checkpoints_of_one_name_are_told_apart_by_their_files(given, names):
    tables = [table(checkpoint) for checkpoint in given.values()]
    told = tell_apart(tables, [Path(f"{path}.parquet") for path in given])
    assert checkpoint_names(told) == names
    assert all(t.vectors is before.vectors for t, before in zip(told, tables, strict=True))


def test_one_file_by_two_paths_is_not_two_tables(tmp_path):
    write_features(table("net"), tmp_path / "net.parquet")
    (tmp_path / "link.parquet").symlink_to(tmp_path / "net.parquet")
    paths = [tmp_path / "net.parquet", tmp_path / "link.parquet"]
    with pytest.raises(FeatvizError, match=r"link\.parquet is given more than once"):
        tell_apart([read_features(path) for path in paths], paths)


def test_two_tables_of_one_name_are_measured_side_by_side(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, folder in enumerate(("old", "new")):
        write_features(table("net", number), Path(folder, "net.parquet"))
    paths = ["old/net.parquet", "new/net.parquet"]
    main(["structure", *paths, "--permutations", "0", "--out", "both.csv"])
    found = pd.read_csv("both.csv").groupby("checkpoint")["value"].apply(list)
    for folder in ("old", "new"):
        main(["structure", f"{folder}/net.parquet", "--permutations", "0", "--out", "one.csv"])
        alone = pd.read_csv("one.csv")["value"].tolist()
        assert found[f"{folder}-net"] == pytest.approx(alone, nan_ok=True)
    capsys.readouterr()
