"""Paths of exported sketches: safe everywhere, one for each, the given ones where they serve."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featviz.studio.file_names import FileNames, problem_of, safe_name

names = st.text(st.characters(exclude_categories=()), max_size=300)


@given(names)
def test_a_safe_name_is_one_that_every_system_takes(name: str) -> None:
    safe = safe_name(name)
    assert safe == safe.strip() and not safe.startswith(".") and not safe.endswith(".")
    assert not set(safe) & set('/\\:*?"<>|') and safe.isascii() <= safe.isprintable()
    assert 0 < len(safe.encode("utf-8")) <= 255
    assert safe.split(".")[0].lower() not in ("con", "nul", "aux", "prn", "com1", "lpt9")
    # What is safe stays as it is.
    assert safe_name(safe) == safe and problem_of(safe) is None


@pytest.mark.parametrize("name", ["G8", "微笑 smiles", "jo's", "a.b-c_d", "001.svg", "e\u0301"])
def test_ordinary_names_stay(name: str) -> None:
    assert safe_name(name) == name


@given(st.lists(st.lists(names, max_size=4), max_size=8))
def test_no_two_sketches_get_one_file_and_none_leaves_the_folder(paths: list[list[str]]) -> None:
    taken = FileNames("index.csv", "history.jsonl")
    given_out = [taken.take("/".join(path) + ".svg", f"id-{n}") for n, path in enumerate(paths)]
    keys = {path.casefold() for path in given_out} | {"index.csv", "history.jsonl"}
    assert len(keys) == len(paths) + 2
    # No file stands where another one needs a folder.
    folders = {
        str(folder).casefold() for path in given_out for folder in PurePosixPath(path).parents
    }
    assert not keys & folders
    for path in given_out:
        assert path.endswith(".svg") and ".." not in PurePosixPath(path).parts
        assert not path.startswith("/") and len(path.encode()) < 4096


def test_files_of_one_path_but_for_case_or_accents_are_told_apart() -> None:
    taken = FileNames("index.csv")
    assert taken.take("Mouth/001.svg", "a" * 36) == "Mouth/001.svg"
    assert taken.take("mouth/001.svg", "b" * 36) == "mouth/001-bbbbbbbb.svg"
    assert taken.take("INDEX.csv/001.svg", "c") == "INDEX.csv_/001.svg"
    assert taken.take("\u00e9/1.svg", "d") != taken.take("e\u0301/1.svg", "e").replace(
        "e\u0301", "\u00e9"
    )
