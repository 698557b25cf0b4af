import json
import resource
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable, read_features, write_features


def make_table(sketches=6, points=((170, 250), (342, 250)), seed=0):
    generator = np.random.default_rng(seed)
    rows = pd.DataFrame(
        [
            (f"G{1 + i % 3}/{i:03}", f"G{1 + i % 3}", x, y)
            for i in range(sketches)
            for x, y in points
        ],
        columns=["sketch", "group", "point_x", "point_y"],
    )
    vectors = {
        layer: generator.normal(size=(len(rows), channels)).astype(np.float32)
        for layer, channels in (("L0", 3), ("L1", 6))
    }
    metadata = {
        "checkpoint": "größe",
        "points": [list(point) for point in points],
        "positions": {"L0": [[170, 250], [342, 250]], "L1": [[85, 125], [171, 125]]},
        "receptive_fields": {"L0": 7, "L1": None},
    }
    return FeatureTable(rows, vectors, metadata)


def test_a_written_table_is_read_back_bit_for_bit(tmp_path):
    table = make_table()
    table.vectors["L0"][0, 0] = np.float32(-0.0)
    table.vectors["L0"][1, 0] = np.finfo(np.float32).tiny
    write_features(table, tmp_path / "new" / "t.parquet")
    again = read_features(tmp_path / "new" / "t.parquet")
    assert again.rows.to_dict("list") == table.rows.to_dict("list")
    assert again.layers == ("L0", "L1")
    for layer in table.layers:
        assert again.vectors[layer].dtype == np.float32
        assert again.vectors[layer].tobytes() == table.vectors[layer].tobytes()
    assert again.metadata == table.metadata
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["t.parquet"]


def test_pandas_opens_the_file_without_us(tmp_path):
    table = make_table()
    write_features(table, tmp_path / "t.parquet")
    frame = pd.read_parquet(tmp_path / "t.parquet")
    assert list(frame.columns) == ["sketch", "group", "point_x", "point_y", "L0", "L1"]
    assert {len(row) for row in frame["L0"]} == {3}
    assert {len(row) for row in frame["L1"]} == {6}
    assert np.array_equal(np.stack(frame["L1"]), table.vectors["L1"])


def test_the_file_has_fixed_size_float32_lists_and_json_metadata(tmp_path):
    write_features(make_table(), tmp_path / "t.parquet")
    schema = pq.read_schema(tmp_path / "t.parquet")
    assert schema.field("L1").type == pa.list_(pa.float32(), 6)
    assert schema.field("point_x").type == pa.int32()
    assert json.loads(schema.metadata[b"featviz"])["checkpoint"] == "größe"


def test_a_table_of_one_row_and_one_of_none_survive_the_disk(tmp_path):
    table = make_table()
    for rows in (1, 0):
        small = FeatureTable(
            table.rows.iloc[:rows], {"L0": table.vectors["L0"][:rows]}, table.metadata
        )
        write_features(small, tmp_path / "t.parquet")
        assert read_features(tmp_path / "t.parquet").vectors["L0"].shape == (rows, 3)


def test_select_keeps_rows_vectors_and_metadata_in_step():
    table = make_table()
    part = table.select(layers=["L1"], groups=["G1", "G3"], points=[(342, 250)])
    assert part.layers == ("L1",)
    assert part.groups == ("G1", "G3")
    assert part.points == ((342, 250),)
    wanted = table.rows["group"].isin(["G1", "G3"]) & (table.rows["point_x"] == 342)
    assert np.array_equal(part.vectors["L1"], table.vectors["L1"][wanted.to_numpy()])
    assert part.rows["sketch"].tolist() == table.rows["sketch"][wanted].tolist()
    assert part.metadata["points"] == [[342, 250]]
    assert part.metadata["positions"] == {"L1": [[171, 125]]}
    assert part.metadata["receptive_fields"] == {"L1": None}
    assert table.metadata["positions"]["L0"] == [[170, 250], [342, 250]]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"layers": ["L7"]}, "unknown layer 'L7'; this table has L0, L1"),
        ({"groups": ["G9"]}, "unknown group 'G9'; this table has G1, G2, G3"),
        ({"points": [(1, 2)]}, r"unknown point \(1, 2\); this table has \(170, 250\)"),
        ({"points": [(170.9, 250)]}, r"point \(170.9, 250\) is no pair of whole numbers"),
    ],
)
def test_select_says_what_there_is(wanted, message):
    with pytest.raises(FeatvizError, match=message):
        make_table().select(**wanted)


@pytest.mark.parametrize(
    "vectors",
    [
        {},
        {"L0": np.zeros((5, 3), np.float32)},
        {"L0": np.zeros((12, 3), np.float64)},
        {"L0": np.zeros(12, np.float32)},
        {"group": np.zeros((12, 3), np.float32)},
    ],
)
def test_vectors_that_do_not_fit_the_rows_are_refused(vectors):
    with pytest.raises(FeatvizError):
        FeatureTable(make_table().rows, vectors, {})


def bad_files(folder):
    frame = pd.DataFrame({"a": [1]})
    frame.to_parquet(folder / "foreign.parquet")
    (folder / "text.parquet").write_text("sketch,group\n")
    write_features(make_table(), folder / "good.parquet")
    whole = (folder / "good.parquet").read_bytes()
    (folder / "truncated.parquet").write_bytes(whole[: len(whole) // 2])
    arrow = pq.read_table(folder / "good.parquet")
    pq.write_table(arrow.drop_columns(["point_x"]), folder / "column.parquet")
    pq.write_table(arrow.drop_columns(["L0", "L1"]), folder / "layers.parquet")
    pq.write_table(arrow.replace_schema_metadata({b"featviz": b"{"}), folder / "json.parquet")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "no such feature table"),
        ("foreign", "no 'featviz' metadata"),
        ("text", "not a readable parquet file"),
        ("truncated", "not a readable parquet file"),
        ("column", "missing column point_x"),
        ("layers", "at least one layer"),
        ("json", "line 1 column"),
    ],
)
def test_a_file_that_is_no_feature_table_gives_one_line_naming_it(tmp_path, name, message):
    bad_files(tmp_path)
    with pytest.raises(FeatvizError, match=message) as caught:
        read_features(tmp_path / f"{name}.parquet")
    assert f"{name}.parquet" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_metadata_that_json_cannot_hold_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "t.parquet"
    write_features(make_table(), path)
    before = path.read_bytes()
    broken = FeatureTable(make_table().rows, make_table().vectors, {"loss": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        write_features(broken, path)
    assert path.read_bytes() == before


@contextmanager
def full_disk():
    """No file may grow beyond 100 bytes; the kernel refuses the rest, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        # Before pytest tells of the test, which may go to a file too.
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "t.parquet"
    write_features(make_table(), path)
    before = path.read_bytes()
    with full_disk(), pytest.raises(OSError, match="File too large"):
        write_features(make_table(seed=1), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
