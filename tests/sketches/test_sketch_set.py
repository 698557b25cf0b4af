"""Reading any set; what the shipped one guarantees is in `test_shipped.py`."""

import tracemalloc
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from featviz.base.errors import FeatvizError, FeatvizWarning, printed_warnings
from featviz.sketches.drawing import INK, Drawing, rasterize, write_svg
from featviz.sketches.sketch_set import SketchSet, read_sketch, read_sketches
from tests.sketches.sets import drawing_of, indexed_set, png

SHIPPED = Path(__file__).parents[2] / "sketches"


@cache
def shipped() -> SketchSet:
    return read_sketches(SHIPPED)


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
    with pytest.warns(FeatvizWarning, match=r"^sketch G/ramp\.png has shades, as a photo"):
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


# Sizes.


@pytest.mark.parametrize("size", [32, 64, 200])
def test_drawings_fit_any_size_with_lines_as_wide_as_ever(size: int, tmp_path) -> None:
    indexed_set(tmp_path, [("a", "G", "a.svg"), ("b", "G", "b.svg")])
    fitted = read_sketches(tmp_path, size)
    factor = size / 64
    # A line of 2 px between two points, by distances to it in NumPy.
    start, end = ((np.array(p) + 0.5) * factor - 0.5 for p in ((5, 5), (50, 20)))
    y, x = np.mgrid[:size, :size]
    along = np.clip(
        ((x - start[0]) * (end - start)[0] + (y - start[1]) * (end - start)[1])
        / ((end - start) ** 2).sum(),
        0,
        1,
    )
    far = np.hypot(x - start[0] - along * (end - start)[0], y - start[1] - along * (end - start)[1])
    image = fitted.image(0)
    assert ((image == INK) == (far < 1))[np.abs(far - 1) > 1e-4].all()
    assert fitted.drawing(0).size == size
    np.testing.assert_array_equal(rasterize(fitted.drawing(0)), image)
    np.testing.assert_array_equal(read_sketches(tmp_path, 64).at(size).image(1), fitted.image(1))
    np.testing.assert_array_equal(read_sketch(tmp_path / "a.svg", size), image)


def test_a_set_at_another_size_refuses_its_pixels_and_keeps_the_rest(tmp_path) -> None:
    folder = indexed_set(tmp_path, [("a", "G", "a.svg")])
    png(folder, "b.png", np.full((64, 64), 255, np.uint8))
    with (folder / "index.csv").open("a") as file:
        file.write("b,H,b.png\n")
    whole = read_sketches(folder, 64)
    smaller = whole.of_groups("G", "H").at(32)
    assert (whole.size, smaller.size, smaller.groups) == (64, 32, ("G", "H"))
    assert smaller.image(0).shape == (32, 32)
    assert (whole.image(1) == 255).all()
    with pytest.raises(FeatvizError, match=r"b\.png is 64x64; expected 32x32 .* pass --size 64"):
        smaller.image(1)


# What is odd, but read.


def warned(folder: Path) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        list(read_sketches(folder, 64).images())
    return [str(one.message) for one in caught if issubclass(one.category, FeatvizWarning)]


def test_lines_that_leave_no_ink_are_a_warning(tmp_path) -> None:
    line = rasterize(drawing_of((8, 8), (50, 40))) == INK
    png(tmp_path, "G/pale.png", np.where(line, 200, 255).astype(np.uint8))
    white = np.where(line, 255, 0).astype(np.uint8)
    png(tmp_path, "G/white.png", np.dstack([np.full((64, 64, 3), 255, np.uint8), white]))
    write_svg(drawing_of((90, 90), (100, 95)), tmp_path / "G" / "outside.svg")
    dark = "is taken for blank: nothing in it is darker than mid grey on white paper; expected dark"
    assert [message[: len("sketch G/white.png " + dark)] for message in warned(tmp_path)] == [
        "sketch G/outside.svg has lines, but none of them on its canvas",
        f"sketch G/pale.png {dark} ",
        f"sketch G/white.png {dark}",
    ]


def test_what_is_blank_and_what_is_drawn_is_no_warning(tmp_path) -> None:
    for name in ("blank.png", "blank.jpg"):
        png(tmp_path, f"G/{Path(name).suffix[1:]}-{name}", np.full((64, 64), 255, np.uint8))
    png(tmp_path, "G/clear.png", np.zeros((64, 64, 4), np.uint8))
    png(tmp_path, "G/line.jpg", rasterize(drawing_of((8, 8), (50, 40))), quality=60)
    write_svg(Drawing((), 64), tmp_path / "G" / "empty.svg")
    assert warned(tmp_path) == []


def test_the_densest_sketches_with_smooth_edges_are_not_taken_for_photos(tmp_path) -> None:
    # Dark lines of 6 px at 2048, made four times smaller with all shades in between.
    few = shipped().of_groups("G1", "G2").at(2048)
    inked = sorted(range(len(few)), key=lambda k: -len(few.drawing(k).strokes))[:2]
    for k in inked:
        fine = Image.fromarray(rasterize(few.drawing(k), 6.0))
        (tmp_path / "G").mkdir(exist_ok=True)
        fine.resize((512, 512), Image.Resampling.BOX).save(tmp_path / "G" / f"{k}.png")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert (read_sketch(tmp_path / "G" / f"{k}.png") == INK).mean() > 0.01


def test_photos_are_not_made_two_colours_without_a_word(tmp_path) -> None:
    pictures = {"astronaut": skimage.data.astronaut(), "camera": skimage.data.camera()}
    for name, picture in pictures.items():
        light = np.maximum(picture, 100) if name == "astronaut" else 128 + picture // 2
        path = png(tmp_path, f"{name}.png", light)
        with pytest.warns(FeatvizWarning, match="has shades, as a photo: more than 10%"):
            read_sketch(path)


def test_a_command_tells_the_first_of_a_kind_and_counts_the_others(tmp_path, capsys) -> None:
    pale = np.full((64, 64), 255, np.uint8)
    pale[5] = 200
    paths = [png(tmp_path, f"{n}.png", pale) for n in range(9)]
    with printed_warnings():
        for path in [*paths, paths[0], paths[3]]:
            read_sketch(path, 64, path.stem)
        first = capsys.readouterr().err
        assert first.startswith("featviz: warning: 0 is taken for blank: nothing")
    rest = capsys.readouterr().err
    assert rest.startswith("featviz: warning: 8 more (1, 2, 3, 4, 5, ...): each is taken for blank")
    assert first.count("\n") == rest.count("\n") == 1


# Bad input.


def test_what_is_quoted_and_what_is_blank_in_an_index(tmp_path) -> None:
    folder = indexed_set(tmp_path / "set", [("a", "G", "a.svg"), ("b", "G", "b.svg")])
    lines = ["\ufeffgroup,sketch,note,file", '"hair, ""long""",a,,a.svg', "", "  ", "NA,b,x,b.svg"]
    (folder / "index.csv").write_bytes("\r\n".join(lines).encode())
    read = read_sketches(folder, 64)
    assert read.groups == ('hair, "long"', "NA")
    assert read.index[["sketch", "file"]].to_numpy().tolist() == [["a", "a.svg"], ["b", "b.svg"]]


def test_only_drawings_have_strokes(tmp_path) -> None:
    png(tmp_path, "G/a.png", np.full((64, 64), 255, np.uint8))
    with pytest.raises(FeatvizError, match=r"sketch G/a\.png is made of pixels"):
        read_sketches(tmp_path, 64).drawing(0)
