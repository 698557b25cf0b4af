"""`featviz evaluate` as a user meets it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from featviz import cli
from featviz.faces.landmarks import _load_models
from featviz.faces.pairs import write_pairs
from featviz.generators.checkpoint_files import convert


@pytest.fixture
def here(tmp_path, monkeypatch, held_out, checkpoint, request):
    """A folder with a checkpoint, six held-out pairs and a few edits."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(checkpoint, tmp_path / "net.safetensors")
    shutil.copytree(held_out.folder / "photos", tmp_path / "faces" / "photos")
    write_pairs(replace(held_out, folder=tmp_path / "faces"))
    shipped = request.config.rootpath / "sketches"
    index = pd.read_csv(shipped / "index.csv").query("group == 'G9'").head(4)
    (tmp_path / "edits" / "G9").mkdir(parents=True)
    for file in index["file"]:
        shutil.copy(shipped / file, tmp_path / "edits" / file)
    index.to_csv(tmp_path / "edits" / "index.csv", index=False)
    return tmp_path


OPTIONS = ["--data", "faces", "--sketches", "edits", "--lpips-size", "32", "--moved-count", "3"]


def run(capsys, *arguments):
    try:
        cli.main(["evaluate", *arguments])
        code = 0
    except SystemExit as leaving:
        code = leaving.code
    out, err = capsys.readouterr()
    return code, out, err


def test_it_prints_tables_and_writes_numbers_and_a_figure(capsys, here):
    options = [*OPTIONS, "--out", "numbers.json", "--plot", "figure.png"]
    code, out, err = run(capsys, "net.safetensors", *options)
    assert (code, err) == (0, "")
    for words in ("Quality on 6 held-out pairs", "Edit locality on edits", "on 3 pairs"):
        assert words in out
    content = json.loads(Path("numbers.json").read_text())
    assert content["metadata"]["data"]["pairs"] == 6
    assert {entry["checkpoint"] for entry in content["rows"]} == {"net"}
    assert Image.open("figure.png").width > 1000


def test_local_editing_takes_sketches_alone_and_tells_every_way(capsys, here):
    options = ["--sketches", "edits", "--lpips-size", "32", "--edits", "2", "--margin", "20"]
    options += ["--keep", "layers", "--statistics", "base", "0.5", "--out", "numbers.parquet"]
    code, out, err = run(capsys, "net.safetensors", "--local", *options)
    assert (code, err) == (0, "")
    assert "Local editing on edits" in out and "Quality" not in out
    rows = pd.read_parquet("numbers.parquet")
    ways = ["free", "held", "layers base", "layers 0.5"]
    assert [way for way in rows["way"].unique() if way != "unedited"] == ways
    assert set(rows["part"]) == {"local"}


def test_local_editing_without_weights_or_dlib_leaves_out_what_takes_them(
    capsys, here, monkeypatch
):
    monkeypatch.setenv("FEATVIZ_CACHE", str(here / "empty"))
    # A process finds the models once.
    _load_models.cache_clear()
    options = ["--sketches", "edits", "--edits", "1", "--out", "numbers.csv"]
    code, _, err = run(capsys, "net.safetensors", "--local", *options)
    assert code == 0
    lines = err.splitlines()
    assert lines[0].startswith("skipped LPIPS and kernel distance of local editing: asset 'lpips'")
    assert lines[1].startswith("skipped landmarks of local editing: ")
    assert len(lines) == 2
    measures = set(pd.read_csv("numbers.csv")["measure"])
    assert measures == {"inside", "outside", "outside / inside", "eyes", "seam"}


def test_a_photo_that_cannot_be_read_is_named_and_the_others_count(capsys, here, held_out):
    Path(f"faces/photos/{held_out.names[0]}").write_bytes(b"no photo")
    options = [*OPTIONS, "--measures", "quality"]
    code, out, err = run(capsys, "net.safetensors", *options)
    assert code == 0
    assert "Quality on 5 held-out pairs" in out
    assert err.startswith("skipped ") and held_out.names[0] in err


def test_bad_input_is_one_line_and_writes_nothing(capsys, here):
    convert("net.safetensors", Path("front.safetensors"), front_end=True)
    before = sorted(here.rglob("*"))
    for arguments, words in (
        (["front.safetensors", *OPTIONS], "front end alone, which generates nothing"),
        (["gone", *OPTIONS], "no checkpoint 'gone'"),
        (OPTIONS, "no checkpoint given; the shipped ones"),
        (["net.safetensors"], "data/faces has no landmarks.parquet"),
        (["net.safetensors", "--data", "faces"], "there is no folder 'sketches' here"),
        (["net.safetensors", *OPTIONS, "--out", "x.txt"], "cannot write an evaluation to x.txt"),
        (["net.safetensors", *OPTIONS, "--plot", "x.txt"], "cannot write a figure to x.txt"),
        (["net.safetensors", *OPTIONS, "--count", "1"], "count must be a whole number, 3 or more"),
        (["net.safetensors", *OPTIONS, "--size", "100"], "multiples of 16; got 100"),
        (["net.safetensors", *OPTIONS, "--threads", "0"], "at least 1 thread"),
        (["net.safetensors", "--local"], "there is no folder 'sketches' here"),
        (["net.safetensors", "--local", "--statistics", "1.5"], "share of the edit's statistics"),
        (["net.safetensors", "--local", "--keep", "trunk", "trunk"], "keep has one of its values"),
    ):
        code, out, err = run(capsys, *arguments)
        assert (code, out) == (2, ""), arguments
        assert err.startswith("featviz: error: ") and err.count("\n") == 1
        assert words in err
    assert sorted(here.rglob("*")) == before


def test_without_the_weights_the_command_that_gets_them_is_named(capsys, here, monkeypatch):
    monkeypatch.setenv("FEATVIZ_CACHE", str(here / "empty"))
    code, _, err = run(capsys, "net.safetensors", *OPTIONS)
    assert code == 2
    assert "featviz assets get lpips" in err
    # Edit locality needs neither photos nor weights.
    options = ["--sketches", "edits", "--measures", "locality"]
    assert run(capsys, "net.safetensors", *options)[0] == 0
