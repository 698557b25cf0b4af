"""What the commands share, tried over all commands that have it."""

import dataclasses
from pathlib import Path

import pytest

from featviz.cli import COMMANDS, main
from featviz.commands.shared import RENAMED, say, with_present_words


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(map(str, arguments)))
    assert ended.value.code == 2
    return capsys.readouterr().err


def options_of(command):
    return {field.name for field in dataclasses.fields(COMMANDS[command])}


@pytest.mark.parametrize("command", RENAMED)
def test_old_words_lead_to_options_that_are_there_and_are_none_themselves(command):
    words = {f"--{name.replace('_', '-')}" for name in options_of(command)}
    assert set(RENAMED[command].values()) <= words
    assert words.isdisjoint(RENAMED[command])


def test_old_words_are_read_in_every_spelling_and_told(capsys):
    old = ["claims", "a.parquet", "--edits_per_group=3", "--json", "c.json", "--markdown", "c.md"]
    new = ["claims", "a.parquet", "--edits=3", "--out", "c.json", "--out", "c.md"]
    assert with_present_words(old) == new
    assert capsys.readouterr().err.splitlines() == [
        "featviz: warning: --edits_per_group is called --edits now",
        "featviz: warning: --json is called --out now",
        "featviz: warning: --markdown is called --out now",
    ]
    assert with_present_words(new) == new
    assert capsys.readouterr().err == ""


def test_words_of_one_command_stay_what_they_are_in_another():
    assert with_present_words(["plot", "--json", "x"]) == ["plot", "--json", "x"]


@pytest.mark.parametrize("command", ["leakage", "evaluate", "claims"])
def test_edits_are_asked_for_alike(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sketches").mkdir()
    assert "edits" in options_of(command)
    images = ("--images",) if command == "claims" else ("baseline",)
    measures = ("--measures", "locality") if command == "evaluate" else ()
    said = refused(capsys, command, *images, "--edits", 0, *measures)
    assert "expected at least 1 edit a group, or all; got 0" in said


@pytest.mark.parametrize("command", [n for n in COMMANDS if n in ("leakage", "evaluate", "train")])
def test_no_threads_are_refused_alike(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sketches").mkdir()
    first = ("--out", "run") if command == "train" else ("baseline",)
    said = refused(capsys, command, *first, "--threads", 0)
    assert said == "featviz: error: expected at least 1 thread; got 0\n"


@pytest.mark.parametrize("command", ["extract", "leakage", "evaluate"])
def test_a_missing_sketch_folder_is_told_alike(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    measures = ("--measures", "locality") if command == "evaluate" else ()
    said = refused(capsys, command, "baseline", *measures)
    assert "there is no folder 'sketches' here; name yours with --sketches FOLDER" in said


@pytest.mark.parametrize("command", ["extract", "leakage", "evaluate"])
def test_a_missing_checkpoint_is_told_before_anything_else_is_missed(
    command, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    said = refused(capsys, command, "baseline", "nope")
    assert "no checkpoint 'nope': no such file, and the shipped ones are" in said


FOLDERS = {
    ("extract", "baseline"): "--out",
    ("leakage", "baseline"): "--out",
    ("generate", "baseline", "sketch.svg"): "--out",
    ("edit", "baseline", "base.svg", "edit.svg"): "--out",
    ("train",): "--out",
    ("faces", "sample", "--count", "2"): "--out",
    ("faces", "import", "photos"): "--out",
    ("faces", "contours"): "--out",
    ("export", "table.parquet"): "--out",
}
FILES = {
    ("evaluate", "baseline"): ("--out", "numbers.csv"),
    ("evaluate", "baseline", "--measures", "quality"): ("--plot", "figure.png"),
    ("claims", "table.parquet"): ("--out", "claims.json"),
    ("certify", "baseline"): ("--out", "reach.png"),
    ("convert", "baseline"): (None, "net.pth"),
    ("faces", "mean-face"): ("--out", "mean.png"),
    ("plot", "table.parquet"): ("--out", "figure.svg"),
    ("plot", "table.parquet", "--seed", "1"): ("--save-embedding", "embedding.parquet"),
    ("report", "table.parquet"): ("--out", "report.html"),
    ("similarity", "table.parquet"): ("--out", "figure.pdf"),
    ("similarity", "table.parquet", "--measure", "cka"): ("--save-table", "table.csv"),
    ("structure", "table.parquet"): ("--out", "structure.md"),
    ("trajectory", "table.parquet"): ("--out", "figure.png"),
    ("trajectory", "table.parquet", "--claims"): ("--save-claims", "claims.csv"),
    ("trajectory", "table.parquet", "--merge", "A=B"): ("--save-table", "table.csv"),
}
"""What each command writes, by a call of it whose input is missing."""


def test_every_place_to_write_to_is_known_here():
    tried = {words[0] for words in (*FOLDERS, *FILES)}
    assert tried == {name for name in COMMANDS if "out" in options_of(name)} | {"faces"}


@pytest.mark.parametrize("words", FOLDERS)
@pytest.mark.parametrize("place", ["taken", "taken/below"])
def test_a_file_in_place_of_a_folder_is_told_before_any_work(
    words, place, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("taken").write_text("mine")
    said = refused(capsys, *words, FOLDERS[words], place)
    assert said == "featviz: error: taken is a file; expected a folder, there or a new one\n"
    assert Path("taken").read_text() == "mine"


@pytest.mark.parametrize("words", FILES)
def test_a_folder_in_place_of_a_file_is_told_before_any_work(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    option, name = FILES[words]
    (tmp_path / name).mkdir()
    said = refused(capsys, *words, *filter(None, [option]), name)
    assert said == f"featviz: error: {name} is a folder; expected a file\n"
    Path("taken").write_text("mine")
    said = refused(capsys, *words, *filter(None, [option]), f"taken/{name}")
    assert said == "featviz: error: taken is a file; expected a folder, there or a new one\n"


def test_a_folder_in_place_of_a_table_of_leakage_is_told_before_any_work(
    capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("leakage/baseline-maps.npz").mkdir(parents=True)
    said = refused(capsys, "leakage", "modified", "baseline")
    assert said == "featviz: error: leakage/baseline-maps.npz is a folder; expected a file\n"


@pytest.mark.parametrize("command", ["plot", "structure", "similarity", "trajectory"])
def test_no_table_is_told_alike(command, capsys):
    assert "expected at least one feature table" in refused(capsys, command)


def test_what_is_said_cannot_command_the_terminal(capsys):
    say("a\x1b[2Jb", 3)
    assert capsys.readouterr().out == "a\\x1b[2Jb\n3\n"
