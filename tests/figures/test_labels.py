import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featviz.figures.labels import shortened, text_width


@settings(max_examples=50)
@given(st.text("abcWi_頭", min_size=20, max_size=300), st.floats(0.5, 3))
def test_a_shortened_name_fits_and_keeps_both_of_its_ends(name, inches):
    shown = shortened(name, inches, 8)
    assert text_width(shown, 8) <= inches
    if shown != name:
        front, back = shown.split("…")
        assert name.startswith(front) and name.endswith(back)
        assert 0 <= len(front) - len(back) <= 1


@pytest.mark.parametrize("name", ["G1", "from $5 to $9"])
def test_a_name_that_fits_stays_as_it_is(name):
    assert shortened(name, 2.0, 8) == name
