"""Photos as they come: which there are, their groups, their pixels."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featviz.base.errors import FeatvizError, FeatvizWarning
from featviz.sketches.photo_set import read_photos


def pixels(seed, height=6, width=10, channels=3):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (height, width, channels)[: 2 if channels == 1 else 3], np.uint8)


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def labels(photos):
    return photos.index[["sketch", "group"]].values.tolist()


def test_a_flat_folder_is_one_group_in_natural_order_with_the_pixels_of_its_files(tmp_path):
    for number in (10, 2):
        write(tmp_path / "cats" / f"p{number}.png", pixels(number))
    write(tmp_path / "cats" / "p3.bmp", pixels(3, channels=1))
    photos = read_photos(tmp_path / "cats")
    assert labels(photos) == [["p2", "cats"], ["p3", "cats"], ["p10", "cats"]]
    images = list(photos.images())
    assert np.array_equal(images[0], pixels(2))
    assert np.array_equal(images[1], np.repeat(pixels(3, channels=1)[:, :, None], 3, axis=2))
    assert len(photos) == 3


def test_folders_are_groups(tmp_path):
    for name in ("b/1.png", "a/1.png", "a/2.jpg"):
        write(tmp_path / name, pixels(1))
    assert labels(read_photos(tmp_path)) == [["a/1", "a"], ["a/2", "a"], ["b/1", "b"]]


def test_an_index_tells_names_and_any_of_its_columns_groups(tmp_path):
    for name in ("x.png", "deep/y.png"):
        write(tmp_path / name, pixels(1))
    index = tmp_path / "index.csv"
    index.write_text("file,age,group,sketch\nx.png,old,g,first\ndeep/y.png,young,h,\n")
    assert labels(read_photos(tmp_path)) == [["first", "g"], ["deep/y", "h"]]
    by_age = read_photos(tmp_path, group_column="age")
    assert labels(by_age) == [["first", "old"], ["deep/y", "young"]]
    index.write_text("file\nx.png\n")
    assert labels(read_photos(tmp_path)) == [["x", tmp_path.name]]


def test_photos_are_scaled_if_asked_and_of_one_size_otherwise(tmp_path):
    write(tmp_path / "a.png", np.full((4, 8, 3), 90, np.uint8))
    write(tmp_path / "b.png", np.full((6, 6, 3), 91, np.uint8))
    for image, value in zip(read_photos(tmp_path, (12, 7)).images(), (90, 91), strict=True):
        assert image.shape == (7, 12, 3)
        assert (image == value).all()
    with pytest.raises(FeatvizError, match=r"b\.png is 6x6; expected 8x4 as a\.png is \(--resize"):
        list(read_photos(tmp_path).images())


def test_what_is_no_photo_is_left_out_and_told(tmp_path):
    write(tmp_path / "a.png", pixels(1))
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.warns(FeatvizWarning, match=r"holds 1 that are no photos, such as notes\.txt; lef"):
        assert labels(read_photos(tmp_path)) == [["a", tmp_path.name]]


@pytest.mark.parametrize(
    ("index", "told"),
    [
        ("file,kind\na.png,x\n", "lacks the columns colour; it has file, kind"),
        ("file,colour\n../out.png,x\n", "lies outside"),
        ("file,colour\na.png,x\na.png,y\n", "has two photos named 'a'"),
        ("file,colour\n", "holds no photos"),
        (None, "has no index.csv, whose column 'colour' would group it"),
    ],
)
def test_an_index_that_cannot_be_used_is_told(tmp_path, index, told):
    write(tmp_path / "a.png", pixels(1))
    if index is not None:
        (tmp_path / "index.csv").write_text(index)
    with pytest.raises(FeatvizError, match=told):
        read_photos(tmp_path, group_column="colour")


def test_folders_that_cannot_be_used_are_told(tmp_path):
    with pytest.raises(FeatvizError, match="nowhere does not exist; expected a folder of photos"):
        read_photos(Path("nowhere"))
    write(tmp_path / "a.png", pixels(1))
    write(tmp_path / "g" / "a.png", pixels(1))
    with pytest.raises(FeatvizError, match=r"by themselves \(a\.png\) and in folders \(g\)"):
        read_photos(tmp_path)
    (tmp_path / "g" / "a.png").unlink()
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(FeatvizError, match=r"photo a\.png: not a readable image"):
        list(read_photos(tmp_path).images())


def bases(photos):
    return dict(photos.index[["sketch", "base"]].values)


def test_the_base_of_a_group_is_named_or_called_base_or_its_first(tmp_path):
    for name in ("g/1.png", "g/2.png", "h/1.png", "h/base.png"):
        write(tmp_path / name, pixels(1))
    first = {"g/1": "g/1", "g/2": "g/1", "h/1": "h/base", "h/base": "h/base"}
    assert bases(read_photos(tmp_path)) == first
    assert bases(read_photos(tmp_path, base="1")) == {**first, "h/1": "h/1", "h/base": "h/1"}
    with pytest.raises(FeatvizError, match="group 'h' has no photos called '2'; there are h/1, h/"):
        read_photos(tmp_path, base="2")
    rows = "file,base\ng/1.png,h/1\nh/1.png,\n"
    (tmp_path / "index.csv").write_text(rows)
    assert bases(read_photos(tmp_path)) == {"g/1": "h/1", "h/1": ""}
    (tmp_path / "index.csv").write_text(rows.replace("h/1\n", "x\n", 1))
    with pytest.raises(FeatvizError, match="the base 'x' is no photo of it"):
        read_photos(tmp_path)
