"""Values for files that are almost right."""

from hypothesis import strategies as st

words = st.sampled_from(["", "a", "G1", "all", "L0", "größe", "\x1b[1m", "$x$", "0"])
numbers = st.sampled_from([0, 1, -1, 3, 4, 2**31, 2**63, 0.5, 1e300, True])
json_values = st.recursive(
    st.none() | words | numbers,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


def mostly(right: st.SearchStrategy, wrong: st.SearchStrategy = json_values) -> st.SearchStrategy:
    """What is right nine times in ten, so that the rest of the file is looked at too."""
    return st.integers(0, 9).flatmap(lambda dice: wrong if dice == 9 else right)
