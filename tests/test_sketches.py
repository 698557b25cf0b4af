"""Reading any set; what the shipped one guarantees is in `test_sketches_shipped.py`."""

import tracemalloc
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from featviz.drawing import INK, Drawing, Stroke, rasterize, write_svg
from featviz.errors import FeatvizError
from featviz.sketches import SketchSet, read_sketches

SHIPPED = Path(__file__).parent.parent / "sketches"


@cache
def shipped() -> SketchSet:
    return read_sketches(SHIPPED)


def drawing_of(*points: tuple[float, float], size: int = 64) -> Drawing:
    return Drawing((Stroke("line", np.array(points, dtype=float)),), size)


def indexed_set(folder: Path, rows: list[tuple[str, str, str]]) -> Path:
    folder.mkdir(exist_ok=True)
    for k, (_, _, file) in enumerate(rows):
        write_svg(drawing_of((5, 5 + k), (50, 20)), folder / file)
    pd.DataFrame(rows, columns=["sketch", "group", "file"]).to_csv(
        folder / "index.csv", index=False
    )
    return folder


def png(folder: Path, name: str, image: np.ndarray, **options) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)
    return path


def error_of(folder: Path, size: int = 64) -> str:
    with pytest.raises(FeatvizError) as error:
        list(read_sketches(folder, size).images())
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_folder_of_png_groups_holds_the_same_images_as_the_drawings(tmp_path) -> None:
    few = shipped().of_groups("G6", "G10", "G11", "G7")
    for file, image in zip(few.index["file"], few.images(), strict=True):
        png(tmp_path, Path(file).with_suffix(".png").as_posix(), image)
    read = read_sketches(tmp_path)
    assert read.groups == ("G6", "G7", "G10", "G11")
    ids = list(few.index["sketch"])
    assert sorted(read.index["sketch"]) == sorted(ids)
    for name, image in zip(read.index["sketch"], read.images(), strict=True):
        np.testing.assert_array_equal(image, few.image(ids.index(name)))


def test_groups_and_sketches_are_in_natural_order(tmp_path) -> None:
    blank = np.full((64, 64), 255, np.uint8)
    for name in ("G10/2.png", "G2/10.png", "G2/9.png", "G1/1.png", "other/a.png"):
        png(tmp_path, name, blank)
    (tmp_path / ".DS_Store").write_text("")
    (tmp_path / "G2" / ".hidden").write_text("")
    read = read_sketches(tmp_path, 64)
    assert list(read.index["sketch"]) == ["G1/1", "G2/9", "G2/10", "G10/2", "other/a"]
    assert read.groups == ("G1", "G2", "G10", "other")


def test_a_sketch_called_base_is_the_base_of_its_group(tmp_path) -> None:
    for name in ("A/1.png", "A/base.png", "B/1.png", "B/database.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (8, 8), 255).save(tmp_path / name)
    index = read_sketches(tmp_path, size=8).index
    assert dict(zip(index["sketch"], index["base"], strict=True)) == {
        "A/1": "A/base",
        "A/base": "A/base",
        "B/1": "",
        "B/database": "",
    }


def test_grey_pixels_become_ink_below_mid_grey(tmp_path) -> None:
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8)[::-1], (64, 1))
    png(tmp_path, "G/ramp.png", ramp)
    image = read_sketches(tmp_path, 64).image(0)
    np.testing.assert_array_equal(image == INK, ramp < 128)
    assert set(np.unique(image)) == {0, 255}


def test_transparent_pixels_lie_on_white(tmp_path) -> None:
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[10:12, :, 3] = 255
    rgba[20:22, :, 3] = 100
    png(tmp_path, "G/line.png", rgba)
    image = read_sketches(tmp_path, 64).image(0)
    assert np.flatnonzero((image == INK).all(axis=1)).tolist() == [10, 11]


def test_palette_and_16_bit_images_are_read_as_they_look(tmp_path) -> None:
    line = np.full((64, 64), 255, np.uint8)
    line[30:32] = 40
    Image.fromarray(line).convert("P").save(png(tmp_path, "G/8.png", line).with_name("p.png"))
    Image.fromarray(line.astype(np.uint16) * 257).save(tmp_path / "G" / "16.png")
    pictures = list(read_sketches(tmp_path, 64).images())
    assert len(pictures) == 3
    for image in pictures:
        np.testing.assert_array_equal(image == INK, line == 40)


def test_jpeg_noise_leaves_the_strokes(tmp_path) -> None:
    image = rasterize(drawing_of((8, 8), (50, 40)))
    png(tmp_path, "G/line.jpg", image, quality=95)
    assert (read_sketches(tmp_path, 64).image(0) != image).mean() < 0.01


def test_a_blank_sketch_is_allowed(tmp_path) -> None:
    png(tmp_path, "G/blank.png", np.full((64, 64), 255, np.uint8))
    assert (read_sketches(tmp_path, 64).image(0) == 255).all()


def test_an_index_may_leave_out_base_and_part_and_mix_kinds(tmp_path) -> None:
    folder = indexed_set(tmp_path / "set", [("b", "two", "b.svg"), ("a", "one", "sub/a.svg")])
    png(folder, "c.png", rasterize(drawing_of((3, 3), (60, 60))))
    with (folder / "index.csv").open("a") as file:
        file.write("c,two,c.png\n")
    read = read_sketches(folder, 64)
    assert list(read.index["sketch"]) == ["b", "a", "c"]
    assert list(read.index.columns) == ["sketch", "group", "file", "base", "edited_part"]
    assert (read.index[["base", "edited_part"]] == "").all(axis=None)
    assert read.groups == ("two", "one")
    np.testing.assert_array_equal(read.image(2), rasterize(drawing_of((3, 3), (60, 60))))


def test_ids_that_look_like_numbers_stay_text(tmp_path) -> None:
    folder = indexed_set(tmp_path / "set", [("001", "01", "a.svg"), ("NA", "null", "b.svg")])
    read = read_sketches(folder, 64)
    assert list(read.index["sketch"]) == ["001", "NA"]
    assert read.groups == ("01", "null")


def test_some_groups_of_a_set_keep_their_order() -> None:
    some = shipped().of_groups("G11", "G8")
    assert some.groups == ("G8", "G11")
    assert len(some) == 45
    with pytest.raises(FeatvizError, match=r"unknown group 'G12'; there are G1, G2, .*G11"):
        shipped().of_groups("G1", "G12")


def test_a_sketch_is_found_by_its_id() -> None:
    number = shipped().number("G8/003")
    assert shipped().index["sketch"].iloc[number] == "G8/003"
    with pytest.raises(FeatvizError, match=r"no sketch 'G8/99' in .* G1/001, G1/002, G1/003"):
        shipped().number("G8/99")


def test_memory_stays_flat_while_images_are_read(tmp_path) -> None:
    blank = np.full((512, 512), 255, np.uint8)
    for group, count in (("few", 3), ("many", 40)):
        for k in range(count):
            png(tmp_path, f"{group}/{k}.png", blank)
    read = read_sketches(tmp_path)

    def peak(group: str) -> int:
        tracemalloc.start()
        for _image in read.of_groups(group).images():
            pass
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak("few")  # what Pillow loads at its first use is not the images' memory
    assert peak("many") < peak("few") + blank.nbytes


# Bad input.


def test_a_missing_folder_is_named(tmp_path) -> None:
    assert f"{tmp_path / 'none'} does not exist" in error_of(tmp_path / "none")
    (tmp_path / "file").write_text("")
    assert "is not a folder" in error_of(tmp_path / "file")


def test_an_empty_set_is_refused(tmp_path) -> None:
    assert "holds no sketches; expected index.csv or folders of .svg, .png" in error_of(tmp_path)
    (tmp_path / "G1").mkdir()
    assert "holds no sketches" in error_of(tmp_path)
    (tmp_path / "index.csv").write_text("sketch,group,file\n")
    assert "holds no sketches" in error_of(tmp_path)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("sketch,group\na,G\n", "lacks the columns file; it has sketch, group"),
        ("", "index.csv is not a table"),
        ('sketch,group,file\n"a,G', "index.csv is not a table"),
        ("sketch,group,file\na,G,a.svg\na,G,b.svg\n", "two sketches named 'a'"),
        ("sketch,group,file\na,G,none.svg\n", "none.svg: no such drawing"),
        ("sketch,group,file\na,G,../a.svg\n", "sketch ../a.svg lies outside"),
        ("sketch,group,file\na,G,/etc/hosts.svg\n", "sketch /etc/hosts.svg lies outside"),
        ("sketch,group,file\na,G,a.txt\n", "expected .svg, .png, .jpg, .jpeg"),
        ("sketch,group,file\na,,a.svg\n", "sketch 1 has an empty 'group'"),
        ("sketch,group,file\na,G\n", "sketch 1 has an empty 'file'"),
        ("sketch,group,file,base\na,G,a.svg,z\n", "the base 'z' of sketch 'a' is not a sketch"),
    ],
)
def test_a_bad_index_is_refused(index: str, message: str, tmp_path) -> None:
    folder = indexed_set(tmp_path / "set", [("a", "G", "a.svg"), ("b", "G", "b.svg")])
    write_svg(drawing_of((1, 1)), tmp_path / "a.svg")
    (folder / "index.csv").write_text(index)
    assert message in error_of(folder)


def test_a_link_that_leads_outside_is_refused(tmp_path) -> None:
    folder = indexed_set(tmp_path / "set", [("a", "G", "a.svg")])
    (folder / "a.svg").rename(tmp_path / "outside.svg")
    (folder / "a.svg").symlink_to(tmp_path / "outside.svg")
    assert "lies outside" in error_of(folder)


def test_a_wrong_size_says_both_sizes(tmp_path) -> None:
    png(tmp_path / "pixels", "G8/003.png", np.full((512, 500), 255, np.uint8))
    assert error_of(tmp_path / "pixels", 512) == (
        "sketch G8/003.png is 500x512; expected 512x512 (resize it, or pass --size)"
    )
    folder = indexed_set(tmp_path / "set", [("a", "G", "a.svg")])
    assert "sketch a.svg is 64x64; expected 512x512" in error_of(folder, 512)
    with pytest.raises(FeatvizError, match="at least 1 px; got 0"):
        read_sketches(folder, 0)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_a_corrupt_image_is_named(content: bytes, tmp_path) -> None:
    (tmp_path / "G").mkdir()
    (tmp_path / "G" / "bad.png").write_bytes(content)
    assert "sketch G/bad.png is not a readable image" in error_of(tmp_path)


def test_a_truncated_image_is_named(tmp_path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    path = png(tmp_path, "G/cut.png", noise)
    path.write_bytes(path.read_bytes()[:1500])
    assert "sketch G/cut.png is not a readable image" in error_of(tmp_path)


def test_a_corrupt_drawing_is_named(tmp_path) -> None:
    folder = indexed_set(tmp_path / "set", [("a", "G", "a.svg")])
    (folder / "a.svg").write_text("<svg")
    assert "a.svg: not an SVG drawing" in error_of(folder)


def test_a_file_that_vanished_is_named(tmp_path) -> None:
    read = read_sketches(png(tmp_path, "G/a.png", np.full((8, 8), 255, np.uint8)).parents[1], 8)
    (tmp_path / "G" / "a.png").unlink()
    with pytest.raises(FeatvizError, match=r"G/a\.png"):
        read.image(0)


def test_light_lines_on_a_dark_ground_are_refused(tmp_path) -> None:
    png(tmp_path, "G/inverted.png", 255 - rasterize(drawing_of((3, 3), (60, 60))))
    assert "expected dark lines on white paper" in error_of(tmp_path)


def test_other_files_among_the_sketches_are_not_passed_over(tmp_path) -> None:
    png(tmp_path, "G/a.png", np.full((64, 64), 255, np.uint8))
    (tmp_path / "G" / "notes.txt").write_text("")
    assert "sketch G/notes.txt is no drawing" in error_of(tmp_path)
    (tmp_path / "G" / "notes.txt").unlink()
    png(tmp_path, "loose.png", np.full((64, 64), 255, np.uint8))
    assert "loose.png is in no group" in error_of(tmp_path)


def test_the_same_name_with_two_endings_is_refused(tmp_path) -> None:
    blank = np.full((64, 64), 255, np.uint8)
    png(tmp_path, "G/a.png", blank)
    png(tmp_path, "G/a.jpg", blank)
    assert "two sketches named 'G/a'" in error_of(tmp_path)


def test_only_drawings_have_strokes(tmp_path) -> None:
    png(tmp_path, "G/a.png", np.full((64, 64), 255, np.uint8))
    with pytest.raises(FeatvizError, match=r"sketch G/a\.png is made of pixels"):
        read_sketches(tmp_path, 64).drawing(0)
