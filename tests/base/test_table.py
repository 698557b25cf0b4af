import json
import math
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featviz.analysis.embedding import EmbeddingTable, embed
from featviz.analysis.evaluation.table import EvaluationTable
from featviz.analysis.leakage import LeakageTable
from featviz.analysis.separation.measure import measure_structure
from featviz.analysis.separation.table import StructureTable
from featviz.analysis.similarity import SimilarityTable, compare
from featviz.analysis.trajectory import TrajectoryTable, measure_trajectory
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable, read_features, write_features
from featviz.base.table import Table
from tests.analysis.evaluation.conftest import made_up_table
from tests.analysis.leakage.test_table import table as leakage_table


@dataclass(frozen=True, eq=False)
class Heights(Table):
    noun: ClassVar = "height table"
    columns: ClassVar = {
        "name": "text",
        "age": "whole",
        "height": "number",
        "step": "whole or none",
    }
    key: ClassVar = ("name",)


def heights(**changes):
    columns = {"name": ["a", "b"], "age": [1, 2], "height": [0.5, math.nan], "step": [7, None]}
    return Heights(pd.DataFrame(columns | changes), {"seed": 1})


def test_a_new_kind_of_table_inherits_types_and_its_file(tmp_path):
    heights().write(tmp_path / "h.parquet")
    again = Heights.read(tmp_path / "h.parquet")
    pd.testing.assert_frame_equal(again.rows, heights().rows)
    assert again.metadata == {"seed": 1}
    assert again.values(age=2)["name"].tolist() == ["b"]
    assert again.row(step=7)["name"] == "a"
    with pytest.raises(FeatvizError, match="2 rows meet"):
        again.row()


def test_a_notebook_shows_rows_and_no_name_of_others_is_markup_in_it():
    class Seen(HTMLParser):
        def __init__(self):
            super().__init__()
            self.tags, self.text = set(), ""

        def handle_starttag(self, tag, attrs):
            self.tags.add(tag)

        def handle_data(self, data):
            self.text += data

    evil = ["<script>alert(1)</script>", "</td><img src=x onerror=alert(2)>"]
    shown = heights(name=evil)
    marked = Heights(shown.rows.assign(**{"<b>bold</b>": ["&amp;", "<i>"]}), {})
    names = {"sketch": evil, "group": ["<u>", "g"], "point_x": [1, 1], "point_y": [1, 1]}
    vectors = {"<a href=x>": np.zeros((2, 3), np.float32)}
    features = FeatureTable(rows=pd.DataFrame(names), vectors=vectors, metadata={})
    for table, told in ((marked, "<b>bold</b>"), (features, "channels of <a href=x>: 3")):
        seen = Seen()
        seen.feed(table._repr_html_())
        assert seen.tags <= {"div", "style", "p", "table", "thead", "tbody", "tr", "th", "td"}
        for text in (*evil, told, table.noun):
            assert text in seen.text
    # Of many rows the first and the last.
    many = heights(**{name: list(range(500)) for name in ("name", "age", "height", "step")})
    assert len(many._repr_html_()) < 5000 and "<td>499</td>" in many._repr_html_()


@pytest.mark.parametrize(
    ("column", "values", "names"),
    [
        ("name", [1, 2], ["1", "2"]),
        ("name", [1.0, 2.5], ["1", "2.5"]),
        ("name", [True, False], ["True", "False"]),
        ("name", pd.Categorical(["x", "y"]), ["x", "y"]),
        ("age", [3.0, 4.0], [3, 4]),
        ("age", pd.array([3, 4], "UInt8"), [3, 4]),
        ("height", np.float32([0.5, 2]), [0.5, 2]),
        ("height", [1, 2], [1, 2]),
    ],
)
def test_columns_that_mean_the_same_get_their_type(column, values, names):
    assert heights(**{column: values}).rows[column].tolist() == names


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": ["a", None]}, r"row 1 \(from 0\) has no name; expected text"),
        ({"name": [1.0, math.nan]}, r"row 1 \(from 0\) has no name"),
        ({"name": [b"a", b"b"]}, "column 'name' holds bytes; expected text"),
        ({"name": ["a", "a"]}, "1 rows are there more than once, such as name a; expected one"),
        ({"age": [1.5, 2]}, r"age of row 0 \(from 0\) is 1.5, no whole number"),
        ({"age": [1, 2**40]}, "age of row 1 .* no whole number"),
        ({"age": [1, math.inf]}, "age of row 1 .* no whole number"),
        ({"age": ["1", "2"]}, "column 'age' holds .*; expected whole numbers"),
        ({"age": [True, False]}, "column 'age' holds bool; expected whole numbers"),
        ({"age": [None, 1]}, r"row 0 \(from 0\) has no age; expected whole"),
        ({"height": ["tall", "small"]}, "column 'height' holds .*; expected numbers"),
    ],
)
def test_columns_that_mean_something_else_are_refused_by_name_and_row(changes, told):
    with pytest.raises(FeatvizError, match=told) as caught:
        heights(**changes)
    assert "\n" not in str(caught.value)


def features(name, step):
    rng = np.random.default_rng(step)
    rows = pd.DataFrame(
        {
            "sketch": [f"s{i}" for i in range(12)],
            "group": ["x", "y"] * 6,
            "point_x": 3,
            "point_y": 4,
        }
    )
    vectors = {layer: rng.normal(size=(12, 5)).astype(np.float32) for layer in ("L0", "L1")}
    return FeatureTable(rows, vectors, {"checkpoint": name, "digest": "ab", "step": step})


def every_kind():
    both = [features("run-1", 1), features("run-2", 2)]
    return [
        measure_structure(both, permutations=9),
        embed(both[0], "pca"),
        made_up_table(),
        leakage_table(),
        compare(both),
        measure_trajectory(both),
    ]


def test_all_kinds_of_table_are_read_back_as_they_were(tmp_path):
    kinds = every_kind()
    assert {type(table) for table in kinds} == {
        StructureTable, EmbeddingTable, EvaluationTable, LeakageTable, SimilarityTable,
        TrajectoryTable,
    }  # fmt: skip
    for table in kinds:
        table.write(tmp_path / "t.parquet")
        again = type(table).read(tmp_path / "t.parquet")
        pd.testing.assert_frame_equal(again.rows, table.rows)
        assert again.metadata == table.metadata
    evaluation = kinds[2]
    evaluation.write(tmp_path / "t.json")
    again = EvaluationTable.read(tmp_path / "t.json")
    pd.testing.assert_frame_equal(again.rows, evaluation.rows)
    assert again.metadata == evaluation.metadata
    with pytest.raises(FeatvizError, match=r"t\.json: not a readable parquet file"):
        StructureTable.read(tmp_path / "t.json")


def test_files_of_version_0_1_0_are_still_read(tmp_path):
    # As that version wrote them: with pandas' own metadata where there was none of featviz.
    path = tmp_path / "old.parquet"
    for table in every_kind():
        if isinstance(table, SimilarityTable | TrajectoryTable):
            table.rows.to_parquet(path, index=False)
        else:
            arrow = pa.Table.from_pandas(table.rows, preserve_index=False)
            text = json.dumps(table.metadata)
            pq.write_table(arrow.replace_schema_metadata({b"featviz": text.encode()}), path)
        pd.testing.assert_frame_equal(type(table).read(path).rows, table.rows)


def test_tables_without_all_pairs_of_panels_hold_no_similarities(tmp_path):
    compare([features("a", 1)]).rows.iloc[1:].to_parquet(tmp_path / "s.parquet")
    with pytest.raises(FeatvizError, match=r"s\.parquet: 3 rows are not all pairs of panels"):
        SimilarityTable.read(tmp_path / "s.parquet")


def changed(path: Path, column: str, values: pa.Array) -> Path:
    write_features(features("a", 1), path)
    arrow = pq.read_table(path)
    pq.write_table(arrow.set_column(arrow.column_names.index(column), column, values), path)
    return path


@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        (
            "sketch",
            pa.array(["s0"] * 12),
            "11 rows are there more than once, such as sketch s0",
        ),
        ("group", pa.array(["x"] * 5 + [None] * 7), r"row 5 \(from 0\) has no group"),
        ("group", pa.array([[1]] * 12), "column 'group' holds list<.*int64>, neither a label"),
        ("point_x", pa.array([0.5] * 12), "point_x of row 0"),
        ("L0", pa.array([[1.0, 2.0]] * 11 + [[1.0]]), "layer L0 has vectors of length 1 and 2"),
        (
            "L0",
            pa.array([[1.0, 2.0]] * 11 + [None]),
            "layer L0 has no vector in row 11",
        ),
        ("L0", pa.array([[1.0, None]] * 12), "layer L0 has vectors with empty entries"),
        ("L0", pa.array([[0.0]] * 3 + [[math.nan]] * 9), "layer L0 holds NaN or infinity in row 3"),
        ("L0", pa.array([[0.1]] * 12), "layer L0 holds float64 numbers that float32 does not hold"),
        ("L0", pa.array([[]] * 12, pa.list_(pa.float32())), "layer L0 has vectors of length 0"),
        ("L0", pa.array([["a"]] * 12), "column 'L0' holds list<.*string>, neither a label nor vec"),
    ],
)
def test_what_would_be_measured_wrongly_is_refused_on_read(tmp_path, column, values, told):
    path = changed(tmp_path / "t.parquet", column, values)
    with pytest.raises(FeatvizError, match=told) as caught:
        read_features(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float32()),
        pa.large_list(pa.float32()),
        pa.list_(pa.float64()),
        pa.list_(pa.float16()),
    ],
)
def test_lists_as_other_programs_write_them_are_layers_if_nothing_is_lost(tmp_path, kind):
    numbers = np.arange(24, dtype=np.float16).reshape(12, 2) / 8
    path = changed(tmp_path / "t.parquet", "L0", pa.array(list(numbers)).cast(kind))
    again = read_features(path)
    assert again.layers == ("L0", "L1")
    assert again.vectors["L0"].dtype == np.float32
    assert np.array_equal(again.vectors["L0"], numbers.astype(np.float32))


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ("null", "metadata: the whole: input should be an object; got None"),
        ("[" * 5000, "metadata: no JSON: recursion limit"),
        ('{"a": 1e999}', "metadata: no JSON: Out of range float"),
        (
            '{"points": [[1, "2"]]}',
            "metadata: points.0.1: input should be a valid integer",
        ),
        ('{"points": 5}', "metadata: points: input should be a valid array"),
        (
            '{"points": [[3, 4]], "positions": {"L0": []}}',
            "positions of layer L0 are 0",
        ),
        ('{"receptive_fields": {"L0": "7"}}', "metadata: receptive_fields.L0"),
        ('{"points": [[1, 1]]}', r"the metadata's points do not hold \(3, 4\) of the rows"),
        ('{"checkpoint": 3}', "metadata: checkpoint: input should be a valid string; got 3"),
        ('{"size": true}', "metadata: size"),
    ],
)
def test_metadata_is_as_documented_or_refused_by_its_first_wrong_place(tmp_path, metadata, told):
    path = tmp_path / "t.parquet"
    write_features(features("a", 1), path)
    pq.write_table(pq.read_table(path).replace_schema_metadata({"featviz": metadata}), path)
    with pytest.raises(FeatvizError, match=told):
        read_features(path)


def test_points_whose_rows_are_gone_leave_the_metadata(tmp_path):
    path = tmp_path / "t.parquet"
    write_features(features("a", 1), path)
    metadata = {"points": [[9, 9], [3, 4]], "positions": {"L0": [[1, 1], [2, 2]], "L1": None}}
    text = {"featviz": json.dumps(metadata)}
    pq.write_table(pq.read_table(path).replace_schema_metadata(text), path)
    kept = read_features(path).metadata
    assert kept == {"points": [[3, 4]], "positions": {"L0": [[2, 2]], "L1": None}}
