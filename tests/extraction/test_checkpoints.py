import json

import numpy as np
import pytest

from featviz.base.errors import FeatvizError
from featviz.base.feature_table import read_features
from featviz.cli import main
from featviz.extraction import Settings, extract, extract_checkpoints
from featviz.extraction import jobs as module
from featviz.extraction.manifest import MANIFEST
from featviz.extraction.sparse import layout as layout_module
from featviz.extraction.vectors import FRONT_END_LAYERS
from featviz.sketches.sketch_set import SketchSet, read_sketches
from tests.extraction.small import POINT, SIZE, write_checkpoint, write_checkpoints
from tests.extraction.small import arguments as command
from tests.extraction.small import write_sketches as write

SETTINGS = Settings(points=(POINT,))


@pytest.fixture
def sketches(tmp_path):
    return read_sketches(write(tmp_path / "drawn"), SIZE)


@pytest.fixture
def checkpoints(tmp_path):
    return write_checkpoints(tmp_path / "run", 3)


def extract_all(checkpoints, sketches, out, settings=SETTINGS, overwrite=False):
    return list(extract_checkpoints(checkpoints, sketches, out, settings, overwrite))


def test_every_sketch_is_rasterised_once_for_all_checkpoints(
    tmp_path, sketches, checkpoints, monkeypatch
):
    asked = []
    read = SketchSet.image
    monkeypatch.setattr(SketchSet, "image", lambda s, n: asked.append(n) or read(s, n))
    extract_all(checkpoints, sketches, tmp_path / "out")
    assert asked == list(range(len(sketches)))


def test_a_table_is_on_disk_before_the_next_one_is_begun(tmp_path, sketches, checkpoints):
    for number, result in enumerate(
        extract_checkpoints(checkpoints, sketches, tmp_path / "out", SETTINGS), start=1
    ):
        tables = sorted((tmp_path / "out").glob("[!.]*.parquet"))
        assert len(tables) == number
        assert len(read_features(result.path)) == len(sketches)
        assert len(json.loads((tmp_path / "out" / MANIFEST).read_text())["tables"]) == number


def test_a_call_that_was_stopped_goes_on_with_the_missing_tables_only(
    tmp_path, sketches, checkpoints, monkeypatch
):
    whole = [result.path for result in extract_all(checkpoints, sketches, tmp_path / "whole")]
    stopped = extract_checkpoints(checkpoints, sketches, tmp_path / "out", SETTINGS)
    first = next(stopped)
    stopped.close()
    before = first.path.stat().st_mtime_ns
    extracted = []
    monkeypatch.setattr(
        module, "extract", lambda *args, **more: extracted.append(1) or extract(*args, **more)
    )
    results = extract_all(checkpoints, sketches, tmp_path / "out")
    assert [result.kept for result in results] == [True, False, False]
    assert len(extracted) == 2
    assert first.path.stat().st_mtime_ns == before
    for expected, result in zip(whole, results, strict=True):
        assert result.path.read_bytes() == expected.read_bytes()


def test_when_all_tables_are_there_no_sketch_is_decoded(
    tmp_path, sketches, checkpoints, monkeypatch
):
    extract_all(checkpoints, sketches, tmp_path / "out")
    monkeypatch.setattr(SketchSet, "image", lambda *_: pytest.fail("a sketch was read"))
    assert all(result.kept for result in extract_all(checkpoints, sketches, tmp_path / "out"))


def redrawn(sketches):
    path = sketches.folder / sketches.index["file"].iloc[2]
    path.write_bytes((sketches.folder / sketches.index["file"].iloc[0]).read_bytes())
    return sketches


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s, c: (s, c, Settings(points=((21, 30),))), "has points (20, 30); asked for (21"),
        (lambda s, c: (s, c, Settings((POINT,), ("L0", "L1"))), "has layers L0 L1 L2 L3 L4; asked"),
        (lambda s, c: (s, c, Settings((POINT,), stage="conv")), "has stage activation; asked for"),
        (lambda s, c: (s, [write_checkpoint(c[0], seed=9)], SETTINGS), "another checkpoint file"),
        (lambda s, c: (s.of_groups("G1"), c, SETTINGS), "another set of sketches"),
        (lambda s, c: (redrawn(s), c, SETTINGS), "another set of sketches"),
    ],
)
def test_a_table_made_otherwise_is_neither_kept_nor_replaced_without_a_word(
    tmp_path, sketches, checkpoints, change, words
):
    out = tmp_path / "out"
    (made,) = extract_all(checkpoints[:1], sketches, out)
    before = made.path.read_bytes()
    sketches, asked, settings = change(sketches, checkpoints[:1])
    with pytest.raises(FeatvizError) as caught:
        extract_all([*asked, checkpoints[1]], sketches, out, settings)
    assert words in str(caught.value)
    assert "--overwrite" in str(caught.value)
    assert made.path.read_bytes() == before
    # It is told before any other table is made.
    assert not (out / "n1.parquet").exists()

    (result,) = extract_all(asked, sketches, out, settings, overwrite=True)
    assert not result.kept
    (fresh,) = extract_all(asked, sketches, tmp_path / "fresh", settings)
    assert result.path.read_bytes() == fresh.path.read_bytes() != before


def test_overwriting_keeps_what_is_as_asked(tmp_path, sketches, checkpoints):
    extract_all(checkpoints, sketches, tmp_path / "out")
    write_checkpoint(checkpoints[1], seed=9)
    results = extract_all(checkpoints, sketches, tmp_path / "out", overwrite=True)
    assert [result.kept for result in results] == [True, False, True]


def test_a_file_that_is_no_table_is_not_taken_for_one(tmp_path, sketches, checkpoints):
    out = tmp_path / "out"
    out.mkdir()
    (out / "n0.parquet").write_bytes(b"half of some")
    with pytest.raises(FeatvizError, match=r"not a readable parquet file.*--overwrite"):
        extract_all(checkpoints, sketches, out)
    assert (out / "n0.parquet").read_bytes() == b"half of some"
    extract_all(checkpoints, sketches, out, overwrite=True)
    assert len(read_features(out / "n0.parquet")) == len(sketches)


def test_an_engine_of_choice_is_part_of_what_is_asked(tmp_path, sketches, checkpoints):
    extract_all(checkpoints[:1], sketches, tmp_path, Settings((POINT,), engine="dense"))
    kept = extract_all(checkpoints[:1], sketches, tmp_path, Settings((POINT,), engine="auto"))
    assert kept[0].kept
    with pytest.raises(FeatvizError, match="has engine dense; asked for sparse"):
        extract_all(checkpoints[:1], sketches, tmp_path, Settings((POINT,), engine="sparse"))


def test_checkpoints_of_one_shape_share_the_work_on_the_sketches(
    tmp_path, sketches, checkpoints, monkeypatch
):
    calls = []
    once = layout_module.distinct_windows
    monkeypatch.setattr(
        layout_module, "distinct_windows", lambda *given: calls.append(1) or once(*given)
    )
    settings = Settings((POINT,), engine="sparse")
    for checkpoint in checkpoints[:2]:
        extract_all([checkpoint], sketches, tmp_path / "one", settings)
    assert len(calls) > 2 * len(FRONT_END_LAYERS) * len(sketches)
    calls.clear()
    extract_all(checkpoints[:2], sketches, tmp_path / "both", settings)
    # Each of the two is also tried on noise beforehand.
    assert len(calls) == len(FRONT_END_LAYERS) * (len(sketches) + 2)
    for name in ("n0.parquet", "n1.parquet"):
        alone, shared = (read_features(tmp_path / f / name) for f in ("one", "both"))
        for layer in alone.layers:
            assert np.array_equal(alone.vectors[layer], shared.vectors[layer])


def spoil(sketches, *numbers):
    for number in numbers:
        path = sketches.folder / sketches.index["file"].iloc[number]
        path.write_bytes(path.read_bytes()[:40])


def test_unreadable_sketches_are_all_named_and_nothing_is_written(tmp_path, sketches, checkpoints):
    spoil(sketches, 1)
    with pytest.raises(FeatvizError, match=r"G1/002.png: not a readable image.*--skip-bad"):
        extract_all(checkpoints, sketches, tmp_path / "out")
    spoil(sketches, 4)
    with pytest.raises(FeatvizError, match=r"2 of 6 sketches cannot be read \(G1/002, G2/003\)"):
        extract_all(checkpoints, sketches, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_by_choice_unreadable_sketches_are_left_out_counted_and_recorded(
    tmp_path, checkpoints, capsys
):
    folder = write(tmp_path / "many", count=300)
    sketches = read_sketches(folder, SIZE)
    sketches.index.to_csv(folder / "index.csv", index=False)
    (whole,) = extract_all(checkpoints[:1], sketches, tmp_path / "whole")
    spoil(sketches, 3)
    (folder / sketches.index["file"].iloc[230]).unlink()
    names = sketches.index["sketch"].iloc[[3, 230]].tolist()
    main([*command(checkpoints[:1], folder, tmp_path / "out"), "--skip-bad"])
    said = capsys.readouterr()
    assert "298 sketches" in said.out
    assert f"2 of 300 sketches could not be read and are left out: {', '.join(names)}" in said.err
    table, complete = read_features(tmp_path / "out" / "n0.parquet"), read_features(whole.path)
    assert table.metadata["skipped"] == names
    left = ~complete.rows["sketch"].isin(names).to_numpy()
    for layer in table.layers:
        assert np.array_equal(table.vectors[layer], complete.vectors[layer][left])
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert manifest["tables"]["n0"]["skipped"] == names
    # Who wants all sketches is not given a table that lacks some.
    with pytest.raises(FeatvizError, match="leaves out 2 sketches"):
        extract_all(checkpoints[:1], sketches, tmp_path / "out")


def test_if_no_sketch_can_be_read_even_skipping_is_an_error(tmp_path, sketches, checkpoints):
    spoil(sketches, *range(len(sketches)))
    with pytest.raises(FeatvizError, match="6 of 6 sketches cannot be read"):
        extract_all(checkpoints, sketches, tmp_path / "out", Settings((POINT,), skip_bad=True))
