"""Photos in the public domain: the astronaut of scikit-image, Grace Hopper of matplotlib."""

import os
import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import skimage.data
from PIL import Image

from featviz.base.errors import FeatvizError
from featviz.faces import landmarks
from featviz.faces.importing import import_photos, prepare_photo
from featviz.faces.landmarks import LEFT_EYE_CORNER, find_landmarks
from featviz.faces.pairs import read_pairs, split_of

HOPPER = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    (folder / "sub").mkdir()
    Image.fromarray(skimage.data.astronaut()).save(folder / "astronaut.png")
    shutil.copy(HOPPER, folder / "sub" / "hopper.jpg")
    Image.fromarray(skimage.data.coffee()).save(folder / "coffee.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("not a photo, not even by name")
    return folder


@pytest.fixture(scope="module")
def imported(photos, tmp_path_factory):
    return import_photos(photos, tmp_path_factory.mktemp("pairs"))


def test_both_faces_are_found_and_every_other_photo_is_listed_with_its_reason(imported):
    pairs, skipped = imported
    assert pairs.names == ("astronaut.jpg", "sub__hopper.jpg")
    assert len(skipped) == 2
    assert skipped[0].startswith("broken.jpg: not a readable image")
    assert skipped[1] == "coffee.png: no face found"


def test_aligned_faces_have_their_eye_corner_where_the_study_reads(imported):
    pairs, _ = imported
    corners = pairs.landmarks[:, LEFT_EYE_CORNER]
    assert np.abs(corners - (168, 245)).max() < 12


def test_what_was_imported_reads_back(imported):
    pairs, _ = imported
    again = read_pairs(pairs.folder)
    assert again.names == pairs.names
    assert again.fingerprint() == pairs.fingerprint()
    assert again.photo(0).shape == (512, 512, 3)


def test_a_face_that_lies_on_its_side_is_set_upright():
    turned = np.rot90(skimage.data.astronaut()[:300, 80:380])
    if find_landmarks(turned) is None:
        # The detector knows upright faces only; a tilt of 20 degrees it does see.
        turned = np.asarray(Image.fromarray(skimage.data.astronaut()).rotate(20, expand=True))
    _, points = prepare_photo(turned, 256)
    left, right = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    assert abs(left[1] - right[1]) < 4


def test_photos_that_are_aligned_already_are_only_resized(imported):
    pairs, _ = imported
    photo = pairs.photo(0)
    same, points = prepare_photo(photo, 512, keep_alignment=True)
    assert np.array_equal(same, photo)
    assert np.abs(points - pairs.landmarks[0]).max() < 4
    with pytest.raises(FeatvizError, match="512x300 is not square"):
        prepare_photo(photo[:300], 256, keep_alignment=True)


def test_a_photo_without_a_face_is_refused():
    with pytest.raises(FeatvizError, match="no face found"):
        prepare_photo(skimage.data.coffee(), 512)


def test_a_missing_landmark_model_is_said_at_once_and_blamed_on_no_photo(
    photos, tmp_path, monkeypatch
):
    monkeypatch.setenv("FEATVIZ_CACHE", str(tmp_path))
    landmarks._load_models.cache_clear()
    with pytest.raises(FeatvizError, match="featviz assets get face-landmarks"):
        import_photos(photos, tmp_path / "out")
    monkeypatch.undo()
    landmarks._load_models.cache_clear()
    with pytest.raises(FeatvizError, match=r"size must be at least 128.* got 0, 0.1, 1"):
        import_photos(photos, tmp_path / "out", size=0)
    assert not (tmp_path / "out").exists()


def test_a_photo_of_absurd_size_is_skipped_like_any_unreadable_one(tmp_path):
    Image.new("L", (20_000, 10_000)).save(tmp_path / "huge.png")
    Image.fromarray(skimage.data.astronaut()).save(tmp_path / "astronaut.png")
    pairs, skipped = import_photos(tmp_path, tmp_path / "out")
    assert pairs.names == ("astronaut.jpg",)
    assert len(skipped) == 1
    assert skipped[0].startswith("huge.png: not a readable image")


def test_photos_that_other_programs_choke_on_are_imported_or_skipped_one_by_one(tmp_path):
    face, source = skimage.data.astronaut(), tmp_path / "photos"
    source.mkdir()
    Image.fromarray(face).save(source / "a.png")
    # A person cut out: what is transparent hides a colour.
    seen = np.zeros((512, 512), np.uint8)
    seen[:300, 100:350] = 255
    shown = np.where(seen[..., None], face, (0, 255, 0))
    Image.fromarray(np.dstack([shown, seen]).astype(np.uint8)).save(source / "cut.png")
    os.mkfifo(source / "pipe.jpg")
    (source / "folder.jpg").mkdir()
    (source / "circle.jpg").symlink_to(source / "circle.jpg")
    shutil.copy(source / "a.png", os.fsencode(source) + b"/caf\xe9.png")
    pairs, skipped = import_photos(source, tmp_path / "out", size=256)
    assert pairs.names == ("a.jpg", "cut.jpg")
    green = (pairs.photo(1).astype(int) @ (-1, 1, -1) > 120).mean()
    assert green < 0.01
    assert [line.partition(" (")[0] for line in skipped] == [
        "caf\\xe9.png: its name is not UTF-8",
        "circle.jpg: not a readable image",
        "folder.jpg: is a folder; expected a file",
        "pipe.jpg: is a pipe or a device; expected a file",
    ]


def test_a_folder_without_usable_photos_is_an_error(tmp_path):
    with pytest.raises(FeatvizError, match="no such folder"):
        import_photos(tmp_path / "missing", tmp_path / "out")
    with pytest.raises(FeatvizError, match="holds no photos"):
        import_photos(tmp_path, tmp_path / "out")
    Image.fromarray(skimage.data.coffee()).save(tmp_path / "coffee.png")
    with pytest.raises(FeatvizError, match=r"none of the 1 photos .* no face found"):
        import_photos(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_call_that_was_stopped_continues_and_ends_with_the_same_pairs(photos, imported, tmp_path):
    pairs, skipped = imported
    source = tmp_path / photos.name
    source.mkdir()
    shutil.copy(photos / "astronaut.png", source)
    first, _ = import_photos(source, tmp_path / "out")
    assert first.names == ("astronaut.jpg",)
    stamp = (tmp_path / "out" / "photos" / "astronaut.jpg").stat().st_mtime_ns
    shutil.copytree(photos, source, dirs_exist_ok=True)
    again, said = import_photos(source, tmp_path / "out", workers=2)
    assert again.names == pairs.names
    assert again.fingerprint() == pairs.fingerprint()
    assert [line.split(" (")[0] for line in said] == [line.split(" (")[0] for line in skipped]
    assert (tmp_path / "out" / "photos" / "astronaut.jpg").stat().st_mtime_ns == stamp


def test_photos_of_another_folder_are_not_mixed_in(photos, imported, tmp_path):
    pairs, _ = imported
    with pytest.raises(FeatvizError, match=r"another origin \('photos of .*, aligned, "):
        import_photos(photos, pairs.folder, keep_alignment=True)
    with pytest.raises(FeatvizError, match="of 512 px; this call asks for 256 px"):
        import_photos(photos, pairs.folder, size=256)


def test_the_test_share_is_that_of_the_names():
    names = [f"{index:05d}.jpg" for index in range(4000)]
    held_out = sum(split_of(name, 0.25) == "test" for name in names) / len(names)
    assert held_out == pytest.approx(0.25, abs=0.03)


def test_a_data_set_inside_the_folder_of_photos_is_not_imported_again(tmp_path):
    Image.fromarray(skimage.data.astronaut()).save(tmp_path / "astronaut.png")
    for _ in range(2):
        pairs, skipped = import_photos(tmp_path, tmp_path / "out")
        assert (pairs.names, skipped) == (("astronaut.jpg",), [])


def test_photos_are_never_written_over_themselves(tmp_path):
    original = tmp_path / "photos" / "astronaut.jpg"
    original.parent.mkdir()
    Image.fromarray(skimage.data.astronaut()).save(original)
    before = original.read_bytes()
    with pytest.raises(FeatvizError, match=r"over those in .*photos; expected another --out"):
        import_photos(tmp_path / "photos", tmp_path)
    assert original.read_bytes() == before
