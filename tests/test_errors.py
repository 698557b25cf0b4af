import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from featviz.errors import printable


@given(st.text(st.characters(codec=None)))
def test_nothing_printable_says_moves_the_cursor_or_turns_the_line(text):
    shown = printable(text)
    assert all(c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs") for c in shown)
    assert not any(unicodedata.bidirectional(c) in ("RLO", "LRO", "RLI") for c in shown)
    shown.encode()


def test_a_name_that_would_colour_the_terminal_is_told_letter_by_letter():
    assert printable("\x1b[31mred\x07") == r"\x1b[31mred\x07"
    assert printable("a\u202eb") == r"a\u202eb"


def test_letters_of_all_scripts_stay_as_they_are():
    text = "头发 é नमस्ते می‌خواهم\tx\n"
    assert printable(text) == text
