"""Sets that are refused: bad folders, indexes, images and drawings."""

import csv
import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featviz.base.errors import FeatvizError
from featviz.base.provenance import fingerprint
from featviz.sketches.drawing import rasterize, write_svg
from featviz.sketches.sketch_set import read_sketches
from tests.sketches.sets import drawing_of, error_of, indexed_set, png


def test_what_is_no_file_is_refused_at_once(tmp_path) -> None:
    (tmp_path / "G").mkdir()
    for name in ("a.svg", "b.png"):
        os.mkfifo(tmp_path / "G" / name)
        assert error_of(tmp_path) == f"sketch G/{name} is a pipe or a device; expected a file"
        fingerprint(read_sketches(tmp_path))
        (tmp_path / "G" / name).unlink()
        (tmp_path / "G" / name).mkdir()
        assert error_of(tmp_path) == f"sketch G/{name} is a folder; expected a file"
        (tmp_path / "G" / name).rmdir()


def test_a_name_that_is_not_utf_8_is_refused(tmp_path) -> None:
    (tmp_path / "G").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/G/caf\xe9.png")).write_bytes(b"")
    message = error_of(tmp_path)
    assert message.endswith(r"caf\xe9.png is not UTF-8; rename it, or its folder")
    message.encode()


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
        ("sketch,group,file\n,,\n", "sketch 1 has an empty 'sketch'"),
        (
            'sketch,group,file\na,"G, 1",a.svg\n\nb,hair, long,b.svg\n',
            "index.csv, line 4, has 4 fields, but there are 3 columns; a field that holds a comma",
        ),
        ("sketch,group,file\na,G,a.svg,,\nb,G,b.svg\n", "line 2, has 5 fields"),
        ("sketch,group,file,file\na,G,a.svg,b.svg\n", "has two columns 'file'"),
        ("sketch,group,file\na,G,a\0.svg\n", "cannot be found"),
        ("\nsketch,group,file\na,G,a.svg\n", "its first line names no columns"),
        ("sketch,group,file,base\na,G,a.svg,z\n", "the base 'z' of sketch 'a' is not a sketch"),
    ],
)
def test_a_bad_index_is_refused(index: str, message: str, tmp_path) -> None:
    folder = indexed_set(tmp_path / "set", [("a", "G", "a.svg"), ("b", "G", "b.svg")])
    write_svg(drawing_of((1, 1)), tmp_path / "a.svg")
    (folder / "index.csv").write_text(index)
    assert message in error_of(folder)


names = st.text("aG/.,\"\n\r\0 \\é\ufeff1;'", max_size=6)


@settings(max_examples=200)
@given(
    header=st.lists(st.sampled_from(["sketch", "group", "file", "base", "x", ""]), max_size=6),
    is_whole=st.booleans(),
    rows=st.lists(st.lists(names | st.sampled_from(["a", "b", "a.svg"]), max_size=6), max_size=4),
    damage=st.none() | st.tuples(st.integers(0, 60), st.binary(max_size=3)),
)
def test_any_index_is_read_or_refused_in_one_line(
    header, is_whole, rows, damage, tmp_path_factory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any-index"
    if not folder.exists():
        indexed_set(folder, [("a", "G", "a.svg"), ("b", "G", "b.svg")])
    text = io.StringIO(newline="")
    columns = ["sketch", "group", "file", *header[:2]] if is_whole else header
    csv.writer(text).writerows([columns, *rows])
    data = bytearray(text.getvalue().encode())
    if damage is not None:
        at, put = damage
        data[at : at + 1] = put
    (folder / "index.csv").write_bytes(data)
    try:
        read = read_sketches(folder, 64)
    except FeatvizError as error:
        assert str(error)
    else:
        if damage is None:
            given = [row for row in rows if "".join(row).strip() or len(row) > 1]
            assert len(read) == len(given)


def test_a_link_that_leads_outside_is_refused(tmp_path) -> None:
    folder = indexed_set(tmp_path / "set", [("a", "G", "a.svg")])
    (folder / "a.svg").rename(tmp_path / "outside.svg")
    (folder / "a.svg").symlink_to(tmp_path / "outside.svg")
    assert "lies outside" in error_of(folder)


def test_a_wrong_size_of_pixels_is_refused_with_the_ways_out(tmp_path) -> None:
    png(tmp_path, "G8/003.png", np.full((500, 500), 255, np.uint8))
    assert error_of(tmp_path, 512) == (
        "sketch G8/003.png is 500x500; expected 512x512 (resize it, or pass --size 500; "
        "only SVG drawings fit any size)"
    )
    for size in (0, -3, 10**6):
        with pytest.raises(FeatvizError, match=f"at least 1 px and at most 8192; got {size}"):
            read_sketches(tmp_path, size)
        with pytest.raises(FeatvizError, match="at most 8192"):
            read_sketches(tmp_path, 500).at(size)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_a_corrupt_image_is_named(content: bytes, tmp_path) -> None:
    (tmp_path / "G").mkdir()
    (tmp_path / "G" / "bad.png").write_bytes(content)
    assert "sketch G/bad.png: not a readable image" in error_of(tmp_path)


def test_a_truncated_image_is_named(tmp_path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    path = png(tmp_path, "G/cut.png", noise)
    path.write_bytes(path.read_bytes()[:1500])
    assert "sketch G/cut.png: not a readable image" in error_of(tmp_path)


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
