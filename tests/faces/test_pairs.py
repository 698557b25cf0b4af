import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featviz.base.errors import FeatvizError
from featviz.faces.pairs import PairSet, read_pairs, read_photo, split_of, write_pairs


def test_pairs_come_back_as_they_were_written(tmp_path, rng):
    landmarks = rng.random((3, 68, 2), dtype=np.float32) * 512
    pairs = PairSet(
        tmp_path, ("a.jpg", "b.jpg", "c.jpg"), landmarks, ("train", "test", "train"), 512
    )
    write_pairs(pairs)
    again = read_pairs(tmp_path)
    assert (again.names, again.splits, again.size) == (pairs.names, pairs.splits, 512)
    assert np.array_equal(again.landmarks, landmarks)
    assert again.split("train").names == ("a.jpg", "c.jpg")
    assert np.array_equal(again.split("test").landmarks, landmarks[1:2])


def test_the_fingerprint_changes_with_names_splits_and_landmarks(pairs):
    moved = pairs.landmarks.copy()
    moved[0, 0, 0] += 1
    others = [
        PairSet(pairs.folder, pairs.names, moved, pairs.splits, pairs.size),
        PairSet(pairs.folder, pairs.names[::-1], pairs.landmarks, pairs.splits, pairs.size),
        PairSet(pairs.folder, pairs.names, pairs.landmarks, ("test",) * len(pairs), pairs.size),
    ]
    prints = {p.fingerprint() for p in [pairs, *others]}
    assert len(prints) == 4


def test_the_split_depends_on_the_name_alone_and_keeps_about_its_share():
    splits = [split_of(f"{i:06d}.jpg") for i in range(4000)]
    assert splits == [split_of(f"{i:06d}.jpg") for i in range(4000)]
    assert 0.07 < splits.count("test") / 4000 < 0.13


def test_a_folder_without_landmarks_names_the_command_that_makes_them(tmp_path):
    with pytest.raises(FeatvizError, match="featviz faces sample"):
        read_pairs(tmp_path)


def test_a_file_that_is_no_landmark_table_is_an_error(tmp_path):
    (tmp_path / "landmarks.parquet").write_bytes(b"nothing")
    with pytest.raises(FeatvizError, match=r"not a (landmark table|readable parquet file)"):
        read_pairs(tmp_path)
    pq.write_table(pa.table({"photo": ["a"]}), tmp_path / "landmarks.parquet")
    with pytest.raises(FeatvizError, match=r"not a (landmark table|readable parquet file)"):
        read_pairs(tmp_path)


def columns_of(names=("a.jpg", "b.jpg"), splits=("train", "test"), numbers=None):
    flat = np.arange(136.0 * len(names), dtype=np.float32) if numbers is None else numbers
    lists = flat if isinstance(flat, pa.Array) else pa.FixedSizeListArray.from_arrays(flat, 136)
    return {"photo": list(names), "split": list(splits), "landmarks": lists}


def with_value(value):
    numbers = np.arange(272.0, dtype=np.float32)
    numbers[140] = value
    return numbers


BROKEN_BYTES = pa.Array.from_buffers(
    pa.string(), 2, [None, pa.py_buffer(np.int32([0, 1, 2]).tobytes()), pa.py_buffer(b"\xff\xfe")]
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"photo": ["a.jpg", None]}, "row 1 (from 0) has no photo; expected text"),
        ({"photo": ["a.jpg", "a.jpg"]}, "1 rows are there more than once, such as photo a.jpg"),
        ({"photo": ["a.jpg", "../../b.jpg"]}, "a photo '../../b.jpg'; expected a path inside"),
        ({"photo": ["a.jpg", "/etc/b.jpg"]}, "a photo '/etc/b.jpg'"),
        ({"photo": BROKEN_BYTES}, "not a readable parquet file"),
        ({"split": [1.5, 2.5]}, "splits ['1.5', '2.5']; expected train, test"),
        ({"split": ["train", "dev"]}, "splits ['dev']"),
        ({"landmarks": ["x", "y"]}, "not a landmark table"),
        ({"landmarks": [["x"], ["y"]]}, "not a landmark table"),
        ({"landmarks": [None, [1.0] * 136]}, "landmarks has no vector in row 0"),
        (
            {"landmarks": [[1.0] * 135, [1.0] * 137]},
            "landmarks has vectors of length 135 and 137; expected one",
        ),
        ({"landmarks": [[1.0] * 134] * 2}, "a photo has 134 numbers in 'landmarks'; expected 136"),
        ({"landmarks": [[1.0] * 136, [1.0] * 135 + [None]]}, "vectors with empty entries"),
        (columns_of(numbers=with_value(np.nan)), "landmarks holds NaN or infinity in row 1"),
        (columns_of(numbers=with_value(np.inf)), "landmarks holds NaN or infinity in row 1"),
        ({"size": "0"}, "photos of 0 px"),
        ({"size": "many"}, "not a landmark table"),
        ({"size": b"\xff"}, "not a landmark table"),
    ],
)
def test_landmarks_of_other_content_are_refused_in_one_line(changes, message, tmp_path):
    metadata = {"size": changes.get("size", "512")}
    columns = columns_of() | {name: of for name, of in changes.items() if name != "size"}
    pq.write_table(pa.table(columns, metadata=metadata), tmp_path / "landmarks.parquet")
    with pytest.raises(FeatvizError, match=re.escape(message)) as caught:
        read_pairs(tmp_path)
    assert "\n" not in str(caught.value)


def test_landmarks_in_lists_of_any_kind_are_read(tmp_path):
    expected = np.arange(272).reshape(2, 68, 2)
    for kind in (pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.int16(), 136)):
        lists = pa.array(expected.reshape(2, 136).tolist(), kind)
        table = pa.table(columns_of(numbers=lists), metadata={"size": "512"})
        pq.write_table(table, tmp_path / "landmarks.parquet")
        assert np.array_equal(read_pairs(tmp_path).landmarks, expected)


def test_an_unreadable_photo_is_an_error_of_one_line(tmp_path, pairs):
    with pytest.raises(FeatvizError, match="no such photo"):
        read_photo(tmp_path / "none.jpg")
    whole = (pairs.folder / "photos" / pairs.names[0]).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FeatvizError, match="not a readable image") as caught:
        read_photo(tmp_path / "cut.jpg")
    assert "\n" not in str(caught.value)


def test_an_unknown_split_is_refused(pairs):
    with pytest.raises(FeatvizError, match="'validation'; there are train, test"):
        pairs.split("validation")
