import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featviz.errors import FeatvizError
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
