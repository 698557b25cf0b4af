from itertools import permutations

from featviz.base.ordering import natural_key


def test_numbers_count_and_come_before_words_of_any_case() -> None:
    names = ["G10", "G2", "beard", "Ears", "G1", "2", "10", "G1/002", "G1/010"]
    assert sorted(names, key=natural_key) == [
        *("2", "10", "beard", "Ears", "G1", "G1/002", "G1/010", "G2", "G10"),
    ]


def test_names_that_differ_only_in_zeros_or_case_have_one_order() -> None:
    names = ["g1", "G1", "G01", "g01"]
    assert len({tuple(sorted(p, key=natural_key)) for p in permutations(names)}) == 1


def test_digits_that_are_no_decimal_numbers_are_letters() -> None:
    assert sorted(["x²", "x2", "x10", "x①", ""], key=natural_key)[:3] == ["", "x2", "x10"]
