"""What the commands share, tried over all commands that have it."""

import dataclasses

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


@pytest.mark.parametrize("command", ["plot", "structure", "similarity", "trajectory"])
def test_no_table_is_told_alike(command, capsys):
    assert "expected at least one feature table" in refused(capsys, command)


def test_what_is_said_cannot_command_the_terminal(capsys):
    say("a\x1b[2Jb", 3)
    assert capsys.readouterr().out == "a\\x1b[2Jb\n3\n"
