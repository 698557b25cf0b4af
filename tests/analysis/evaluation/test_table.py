import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featviz.analysis.evaluation.table import EVALUATION_COLUMNS, EvaluationTable, write_evaluation
from featviz.base.errors import FeatvizError
from featviz.base.table import write_parquet
from tests.analysis.evaluation.conftest import made_up_table

NUMBERS = ["amount", "value", "standard_error", "count"]
WORDS = [column for column in EVALUATION_COLUMNS if column not in NUMBERS]


def assert_same(rows, again):
    for column in WORDS:
        assert list(again[column].astype(object).fillna("")) == list(rows[column])
    for column in NUMBERS:
        np.testing.assert_allclose(again[column].astype(float), rows[column], rtol=1e-12)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json"])
def test_every_format_gives_the_numbers_back_and_says_where_they_come_from(tmp_path, suffix):
    table, path = made_up_table(), tmp_path / f"numbers{suffix}"
    write_evaluation(table, path)
    match suffix:
        case ".csv":
            again = pd.read_csv(path)
            assert set(again["digest"]) == {"0123456789abcdef"}
            assert set(again["data"]) == {"f"}
            assert set(again["sketches"]) == {"s"}
        case ".parquet":
            again = pd.read_parquet(path)
            text = pq.read_schema(path).metadata[b"featviz"]
            assert json.loads(text) == table.metadata
        case _:
            content = json.loads(path.read_text())
            again = pd.DataFrame(content["rows"])
            assert content["metadata"] == table.metadata
    assert_same(table.rows, again)


@pytest.mark.parametrize("suffix", [".parquet", ".json"])
def test_a_table_of_a_version_without_ways_can_be_read(tmp_path, suffix):
    table, path = made_up_table(parts=["quality", "locality"]), tmp_path / f"numbers{suffix}"
    rows = table.rows.drop(columns="way")
    if suffix == ".json":
        content = {"metadata": table.metadata, "rows": rows.to_dict(orient="records")}
        path.write_text(json.dumps(content).replace("NaN", "null"))
    else:
        write_parquet(pa.Table.from_pandas(rows, preserve_index=False), table.metadata, path)
    again = EvaluationTable.read(path)
    assert set(again.rows["way"]) == {""}
    assert_same(table.rows, again.rows)


def test_an_unknown_format_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(FeatvizError, match=r"expected a name ending in \.csv, \.parquet, \.json"):
        write_evaluation(made_up_table(), tmp_path / "numbers.xlsx")
    assert list(tmp_path.iterdir()) == []
    EvaluationTable.check_ending(tmp_path / "NUMBERS.CSV")


def test_a_number_is_found_by_its_conditions():
    table = made_up_table()
    found = table.estimate(checkpoint="second", part="quality", measure="ssim")
    row = table.rows[(table.rows["checkpoint"] == "second") & (table.rows["measure"] == "ssim")]
    assert found.value == row["value"].iloc[0]
    assert table.estimate(checkpoint="nobody").count == 0
    with pytest.raises(FeatvizError, match="expected one"):
        table.estimate(part="quality")
