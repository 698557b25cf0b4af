import json

import pandas as pd

from featviz.base.feature_table import describe_features, read_features
from featviz.extraction import Settings, extract_checkpoints, manifest
from featviz.extraction.manifest import MANIFEST, derive_manifest, read_manifest, update_manifest
from featviz.generators.checkpoint_files import load_generator
from featviz.sketches.sketch_set import read_sketches
from tests.extraction.small import POINT, SIZE, write_checkpoints, write_sketches


def made(tmp_path):
    checkpoints = write_checkpoints(tmp_path / "run", 2)
    sketches = read_sketches(write_sketches(tmp_path / "drawn"), SIZE)
    out = tmp_path / "out"
    list(extract_checkpoints(checkpoints, sketches, out, Settings((POINT,))))
    return checkpoints, out


def test_the_manifest_tells_what_came_from_what(tmp_path):
    checkpoints, out = made(tmp_path)
    tables = json.loads((out / MANIFEST).read_text())["tables"]
    assert list(tables) == ["n0", "n1"]
    for path, entry in zip(checkpoints, tables.values(), strict=True):
        assert entry["source"] == str(path)
        assert entry["digest"] == load_generator(path).digest
        assert entry["rows"] == len(read_features(out / entry["file"])) == 6
        assert entry["points"] == [list(POINT)]
        assert entry["layers"] == ["L0", "L1", "L2", "L3", "L4"]
        assert entry["seconds"] > 0
        assert entry["step"] == int(path.stem[1:])
        assert None not in entry.values()


def test_a_lost_or_damaged_manifest_is_made_again_from_the_tables_but_for_the_seconds(tmp_path):
    _, out = made(tmp_path)
    before = read_manifest(out)
    for damage in ("", "{", '{"tables": []}', None):
        if damage is None:
            (out / MANIFEST).unlink()
        else:
            (out / MANIFEST).write_text(damage)
        update_manifest(out)
        assert read_manifest(out) == {
            name: {**entry, "seconds": None} for name, entry in before.items()
        }


def test_the_manifest_follows_the_folder_and_other_files_are_no_part_of_it(tmp_path):
    _, out = made(tmp_path)
    seconds = read_manifest(out)["n1"]["seconds"]
    (out / "n0.parquet").rename(out / "moved.parquet")
    pd.DataFrame({"x": [1]}).to_parquet(out / "other.parquet")
    (out / ".n1.0123abcd.tmp.parquet").write_bytes(b"")
    (out / ".manifest.0123abcd.tmp.json").write_bytes(b"")  # of a call that was killed
    update_manifest(out)
    assert not (out / ".manifest.0123abcd.tmp.json").exists()
    assert list(derive_manifest(out)) == list(read_manifest(out)) == ["moved", "n1"]
    assert read_manifest(out)["n1"]["seconds"] == seconds


def test_only_tables_that_have_changed_are_read_again(tmp_path, monkeypatch):
    _, out = made(tmp_path)
    before, read = read_manifest(out), []

    def describe(path):
        read.append(path.name)
        return describe_features(path)

    monkeypatch.setattr(manifest, "describe_features", describe)
    update_manifest(out, "n0", 1.5)
    assert read == []
    assert read_manifest(out) == {**before, "n0": {**before["n0"], "seconds": 1.5}}
    # A table that another program puts in the place of one is noticed, whatever is asked for.
    (out / "n1.parquet").replace(out / "n0.parquet")
    update_manifest(out, "n2")
    assert read == ["n0.parquet"]
    assert read_manifest(out)["n0"]["digest"] == before["n1"]["digest"]
