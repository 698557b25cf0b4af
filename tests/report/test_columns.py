"""Columns and selections of others, as files have them."""

from pathlib import Path

import numpy as np
import pytest

from featviz.base.errors import FeatvizError
from featviz.report.columns import read_columns, read_selection, table_columns
from tests.report.test_maps import table_of

NAMES = ["A/0", "A/1", "B/2"]


def test_a_column_is_of_numbers_only_where_all_that_is_there_are(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text('note,sketch,size\n"a, b",B/2,3\n007,A/0,\n,C/9,x\n', encoding="utf-8-sig")
    note, size = read_columns(path, NAMES)
    assert (note.name, list(note.values)) == ("note", ["007", None, "a, b"])
    assert (size.name, list(size.values)) == ("size", [None, None, 3.0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,size\nA/0,1\n", "has no column 'sketch'; its columns are name, size"),
        ("sketch,size\nA/0,1\nA/0,2\n", "sketch 'A/0' stands there twice"),
        ("sketch,size\nC/0,1\n", "none of the tables' 3 sketches, such as 'A/0'"),
        ("sketch\nA/0\n", "no column beside 'sketch'"),
        ("", "no table of comma-separated values"),
    ],
)
def test_what_is_no_table_of_columns_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.csv"
    path.write_text(text)
    with pytest.raises(FeatvizError, match=rf"^{path}: .*{message}"):
        read_columns(path, NAMES)


def test_what_tables_say_differently_is_a_column_of_each() -> None:
    tables = []
    for name, loss in (("one", [1.5, 2.0, np.nan]), ("two", [1.5, 3.0, np.nan])):
        table = table_of({"L": np.eye(3)}, list("AAB"))
        rows = table.rows.assign(loss=loss, kind=["x", None, "y"])
        tables.append(type(table)(rows, table.vectors, {"checkpoint": name}))
    found = {column.name: list(column.values) for column in table_columns(tables, NAMES)}
    assert found == {
        "loss (one)": [1.5, 2.0, None],
        "loss (two)": [1.5, 3.0, None],
        "kind": ["x", None, "y"],
    }


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("s.json", '{"sketches": ["B/2", "nobody", "A/0"], "further": 1}'),
        ("s.csv", "group,sketch\nx,B/2\ny,A/0\nz,nobody\n"),
        ("s.txt", "B/2\n\nnobody\nA/0"),
    ],
)
def test_a_selection_is_read_from_each_kind_of_file(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    assert read_selection(tmp_path / file, NAMES) == (["A/0", "B/2"], 1)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("s.json", '{"sketches": "A/0"}', r'expected \{"sketches": \[NAMES\]\}'),
        ("s.json", "[]", "the whole"),
        ("s.csv", "name\nA/0\n", "no column 'sketch'"),
        ("s.txt", "nobody", "selects none of the tables' 3 sketches, such as 'A/0'"),
    ],
)
def test_what_selects_nothing_is_told(tmp_path: Path, file: str, text: str, message: str) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(FeatvizError, match=message):
        read_selection(tmp_path / file, NAMES)
