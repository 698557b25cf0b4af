"""What is printed of other people's names and errors."""

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featviz.cli import main
from featviz.errors import one_line, printable

TEXTS = st.text(st.characters(exclude_categories=()))


@settings(deadline=None)
@given(TEXTS)
def test_what_is_printed_is_one_line_that_a_terminal_only_shows(text: str) -> None:
    shown = printable(text)
    # What a terminal acts upon: C0 and C1, and what turns the direction of writing.
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", shown)
    assert len(shown.splitlines()) <= 1
    shown.encode("utf-8")
    assert printable(shown) == shown


@settings(deadline=None)
@given(st.text(st.characters(categories=["L", "M", "N", "P", "S"])))
def test_ordinary_text_is_printed_as_it_is(text: str) -> None:
    assert printable(f"{text} 微笑") == f"{text} 微笑".strip()


def test_control_characters_stay_to_be_read() -> None:
    assert printable("a\x1b]0;name\x07\tb\n") == "a\\x1b]0;name\\x07 b"
    assert one_line(ValueError("\x9b2J" + "x" * 300)) == "\\x9b2J" + "x" * 194
    assert unicodedata.category("\u202e") == "Cf" and printable("\u202e") == "\\u202e"


def test_no_name_given_to_a_command_reaches_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["sketches", "export", "\x1b[2J.db", "out"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said and "\\x1b[2J.db" in said
