from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featviz.base.errors import FeatvizError
from featviz.faces import hair as module
from featviz.faces import hair_region
from featviz.faces.augmentation import Augmentation
from featviz.faces.contours import HAIR
from featviz.faces.hair import add_hair, with_hair
from featviz.faces.pairs import read_pairs, write_pairs
from featviz.sketches.drawing import rasterize
from featviz.training.data import PairTensors


@pytest.fixture
def few(pairs, tmp_path):
    """Two real pairs in a folder of their own."""
    (tmp_path / "photos").symlink_to(pairs.folder / "photos")
    two = replace(pairs.taken([0, 1]), folder=tmp_path)
    write_pairs(two)
    return two


@pytest.fixture
def haired(pairs):
    lines = [np.float32([[100, 40], [250, 20], [400, 40]]), np.float32([[200, 60], [210, 90]])]
    return replace(pairs, hair=(tuple(lines), *[()] * (len(pairs) - 1)))


def test_hair_is_found_once_kept_and_drawn(few, monkeypatch):
    found, without = add_hair(few)
    assert without == []
    for index in range(2):
        lines = found.hair[index]
        assert 1 <= len(lines) <= 20
        drawing = found.contour(index)
        assert len(drawing.part(HAIR)) == len(lines)
        # Hair lies above the brows, for the most part, and nowhere in the middle of the face.
        points = np.concatenate(lines)
        assert (points[:, 1] < few.landmarks[index, 17:27, 1].mean()).mean() > 0.2
        middle = few.landmarks[index, 27:36].mean(axis=0)
        assert np.hypot(*(points - middle).T).min() > 60
        bare = few.contour(index)
        assert np.array_equal(rasterize(drawing.with_part(HAIR, ())), rasterize(bare))
    monkeypatch.setattr(module, "find_hair", lambda *_: pytest.fail("found before"))
    again, _ = add_hair(read_pairs(few.folder))
    assert again.fingerprint() == with_hair(few).fingerprint() == found.fingerprint()
    assert found.fingerprint() != few.fingerprint()


def test_a_photo_without_a_person_is_told_in_one_line_and_drawn_without_hair(few, monkeypatch):
    nobody = np.zeros((256, 256), np.float32)
    monkeypatch.setattr(hair_region, "find_person", lambda _: nobody)
    found, without = add_hair(few)
    said = "no person found around its face; drawn without"
    assert without == [f"{name}: {said}" for name in few.names]
    assert found.contour(0).parts == few.contour(0).parts


def test_hair_that_was_not_found_names_the_command(few):
    with pytest.raises(FeatvizError, match=r"no hair.parquet; .* featviz faces contours --hair"):
        with_hair(few)
    table = pa.table({"photo": [few.names[0]], "lines": [[[1.0, 2.0, 3.0, 4.0]]]})
    pq.write_table(table, few.folder / "hair.parquet")
    with pytest.raises(FeatvizError, match=f"lacks 1 photos, such as {few.names[1]}"):
        with_hair(few)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"photo": ["a.jpg"]}, "not a table of hair"),
        ({"photo": ["a.jpg"], "lines": [[[1.0, 2.0, 3.0]]]}, "a line of a.jpg is no list"),
        ({"photo": ["a.jpg"], "lines": [[[1.0, np.nan]]]}, "a line of a.jpg is no list"),
        ({"photo": ["a.jpg"], "lines": [["x"]]}, "not a table of hair"),
        ({"photo": ["a.jpg"], "lines": [None]}, "not a table of hair"),
        ({"photo": ["a.jpg", "a.jpg"], "lines": [[], []]}, "more than once"),
    ],
)
def test_a_table_of_other_content_is_refused_in_one_line(columns, message, few):
    pq.write_table(pa.table(columns), few.folder / "hair.parquet")
    with pytest.raises(FeatvizError, match=message) as caught:
        with_hair(few)
    assert "\n" not in str(caught.value)


def test_augmentation_moves_hair_as_it_moves_the_face_and_bends_only_the_jaw(haired):
    before = haired.points(0)
    turned = Augmentation(25, 7).move(before, haired.size, np.random.default_rng(1))
    # One rigid motion: no distance between any two points changes.
    apart = [np.linalg.norm(p[:, None] - p[None], axis=-1) for p in (before, turned)]
    np.testing.assert_allclose(*apart, atol=2e-3)
    assert np.abs(turned - before).max() > 1
    bent = Augmentation(0, 0, outline=20).move(before, haired.size, np.random.default_rng(1))
    assert np.abs(bent[17:] - before[17:]).max() < 1e-3
    drawn = haired.contour(0, points=turned).part(HAIR)
    np.testing.assert_allclose(np.concatenate([s.points for s in drawn]), turned[68:])
    # Landmarks alone: the hair stays.
    (first, _) = haired.contour(0, points=turned[:68]).part(HAIR)
    np.testing.assert_array_equal(first.points, before[68:71])


def test_training_sees_the_hair_moved_along(haired):
    moved = PairTensors(haired, 64, Augmentation(25, 7), seed=3)[0, 5].sketch
    random = np.random.default_rng((3, 1, 5))
    points = Augmentation(25, 7).move(haired.points(0), haired.size, random)
    expected = rasterize(haired.contour(0, 64, points)) == 0
    np.testing.assert_array_equal(moved[0].numpy() < 0, expected)
    bare = PairTensors(replace(haired, hair=()), 64)[0].sketch
    assert (PairTensors(haired, 64)[0].sketch < bare).sum() > 3 * 20


def test_an_edit_to_learn_locality_from_has_the_hair_where_it_was_moved_to(haired):
    pair = PairTensors(haired, 64, Augmentation(25, 7), seed=3, edits=True)[0, 5]
    differs = (pair.sketch != pair.edited).any(0)
    assert differs.any()
    assert not (differs & pair.kept[0]).any()
    random = np.random.default_rng((3, 1, 5))
    points = Augmentation(25, 7).move(haired.points(0), haired.size, random)
    moved = haired.contour(0, 64, points)
    hair = (rasterize(moved) == 0) & (rasterize(moved.with_part(HAIR, ())) == 255)
    assert hair.sum() > 20
    assert not (differs.numpy() & hair).any()


def test_pairs_that_are_taken_keep_their_own_hair(haired):
    last, first = haired.taken([len(haired) - 1, 0]).hair
    assert (len(last), len(first)) == (0, 2)
