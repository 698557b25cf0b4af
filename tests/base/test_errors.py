"""What is printed of other people's names and errors."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featviz.base.errors import (
    FeatvizError,
    ending_in_one_line,
    needing,
    one_line,
    printable,
    reason,
)
from featviz.cli import main

TEXTS = st.text(st.characters(exclude_categories=()))
# What a terminal acts upon: C0 and C1, and what turns the direction of writing.
ACTED_UPON = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]"


@given(TEXTS)
def test_what_is_printed_is_only_shown_by_a_terminal(text):
    shown = printable(text)
    assert not re.search(ACTED_UPON, shown)
    shown.encode("utf-8")
    assert printable(shown) == shown


@given(TEXTS)
def test_an_error_of_somebody_else_is_told_in_one_line(text):
    assert len(one_line(ValueError(text)).splitlines()) <= 1


@given(st.text(st.characters(categories=["L", "M", "N", "P", "S"])))
def test_ordinary_text_is_printed_as_it_is(text):
    assert printable(f"{text} 微笑\t می‌خواهم\n") == f"{text} 微笑\t می‌خواهم\n"


def test_control_characters_stay_to_be_read():
    assert printable("a\x1b]0;name\x07 b") == "a\\x1b]0;name\\x07 b"
    assert printable("a\u202eb") == "a\\u202eb"
    assert one_line(ValueError("\x9b2J" + "x" * 300)) == "\\x9b2J" + "x" * 194


def test_no_name_given_to_a_command_reaches_the_terminal(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["sketches", "export", "\x1b[2J.db", "out"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said and "\\x1b[2J.db" in said


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyError(104), "KeyError: 104"),
        (IndexError("pop from empty list"), "IndexError: pop from empty list"),
        (EOFError(), "EOFError"),
        (ValueError("no\nnumber"), "no number"),
    ],
)
def test_a_reason_is_never_a_bare_key_or_nothing(error, told):
    assert reason(error) == told


def test_of_an_import_that_fails_the_package_and_the_extra_are_told(tmp_path, monkeypatch):
    with pytest.raises(FeatvizError) as gone, needing("drawing", "draw"):
        import no_such_package.inside  # noqa: F401
    assert str(gone.value) == "drawing needs no_such_package; pip install 'featviz[draw]'"

    (tmp_path / "broken.py").write_text("from math import no_such_function")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(FeatvizError, match=r"^drawing needs math \(cannot import name"):  # noqa: SIM117
        with needing("drawing", "draw"):
            import broken  # noqa: F401

    with pytest.raises(ImportError, match="no_such_room"), needing("drawing", "draw"):
        from featviz.base import no_such_room  # noqa: F401


@pytest.mark.parametrize("error", [FeatvizError("no\nsuch thing"), OSError(28, "disk is full")])
def test_bad_input_ends_a_program_with_2_and_one_line(error, capsys):
    with pytest.raises(SystemExit) as ended, ending_in_one_line("some.program"):
        raise error
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("some.program: error: ") and said.count("\n") == 1
    with pytest.raises(KeyError), ending_in_one_line("some.program"):
        raise KeyError("a defect of ours")
