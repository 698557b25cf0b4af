import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from featviz.base.errors import FeatvizError
from featviz.sketches import images
from featviz.sketches.images import holds_one_colour, read_image

RNG = np.random.default_rng(3)
SHADES = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (24, 1))
COLOURS = RNG.integers(0, 256, (24, 32, 3), dtype=np.uint8)


def saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


def chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png_of(values: np.ndarray, colour_type: int, *before: bytes) -> bytes:
    """A PNG of 16 bits a channel, written by hand: Pillow writes none of colours."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            *before,
            chunk(b"IDAT", zlib.compress(rows)),
            chunk(b"IEND", b""),
        ]
    )


def refusal(path: Path, **options) -> str:
    with pytest.raises(FeatvizError) as caught:
        read_image(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_set_upright(orientation: int, tmp_path) -> None:
    # How a camera that was held so stores the picture: the inverse of EXIF's table, in NumPy.
    stored = {
        1: COLOURS,
        2: COLOURS[:, ::-1],
        3: COLOURS[::-1, ::-1],
        4: COLOURS[::-1],
        5: COLOURS.transpose(1, 0, 2),
        6: np.rot90(COLOURS),
        7: np.rot90(COLOURS, 2).transpose(1, 0, 2),
        8: np.rot90(COLOURS, -1),
    }[orientation]
    tag = Image.Exif()
    tag[0x112] = orientation
    path = saved(tmp_path / "a.png", Image.fromarray(np.ascontiguousarray(stored)), exif=tag)
    np.testing.assert_array_equal(read_image(path), COLOURS)
    path = saved(tmp_path / "a.tif", Image.fromarray(np.ascontiguousarray(stored)), exif=tag)
    np.testing.assert_array_equal(read_image(path), COLOURS)


def test_a_malformed_tag_beside_the_orientation_does_not_keep_a_photo_from_being_read(
    tmp_path,
) -> None:
    # ImageWidth as the fraction 7/2, which cannot be written back as a whole number.
    entries = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + struct.pack("<HHII", 0x0100, 5, 1, 38)
    tags = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2) + entries + b"\0\0\0\0"
    tags += struct.pack("<II", 7, 2)
    file = io.BytesIO()
    Image.fromarray(np.rot90(SHADES)).save(file, "JPEG", quality=100)
    data = file.getvalue()
    for name, exif in (
        ("fraction", tags),
        ("cut", tags[:21]),
        ("noise", b"Exif\0\0" + b"\xff" * 9),
    ):
        path = tmp_path / f"{name}.jpg"
        path.write_bytes(
            data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
        )
        read = read_image(path)
        assert read.shape == (24, 32, 3) if name == "fraction" else (32, 24, 3)
    assert np.abs(read_image(tmp_path / "fraction.jpg")[..., 0].astype(int) - SHADES).max() < 8


def test_sixteen_bits_are_scaled(tmp_path) -> None:
    wide = SHADES.astype(np.uint16) * 257
    grey = np.repeat(SHADES[..., None], 3, axis=2)
    (tmp_path / "grey.png").write_bytes(png_of(wide, 0))
    (tmp_path / "colour.png").write_bytes(png_of(COLOURS.astype(np.uint16) * 257, 2))
    saved(tmp_path / "grey.tif", Image.fromarray(wide))
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png"), grey)
    np.testing.assert_array_equal(read_image(tmp_path / "grey.tif"), grey)
    np.testing.assert_array_equal(read_image(tmp_path / "colour.png"), COLOURS)


@pytest.mark.parametrize("kind", ["RGBA", "LA", "palette", "grey 16", "colour 16", "grey 8"])
def test_what_is_transparent_is_white_whatever_it_hides(kind: str, tmp_path) -> None:
    path = tmp_path / "a.png"
    clear = np.zeros(SHADES.shape, bool)
    clear[:, 8] = True  # the shade 64, and nothing else has it
    alpha = np.where(clear, 0, 255).astype(np.uint8)
    if kind == "RGBA":
        saved(path, Image.fromarray(np.dstack([SHADES, SHADES, SHADES, alpha])))
    elif kind == "LA":
        saved(path, Image.fromarray(np.dstack([SHADES, alpha]), "LA"))
    elif kind == "palette":
        image = Image.fromarray(SHADES).convert("P")
        saved(path, image, transparency=int(np.asarray(image)[0, 8]))
    elif kind == "grey 8":
        saved(path, Image.fromarray(SHADES), transparency=64)
    else:
        hidden = struct.pack(">H", 64 * 257)
        values = SHADES.astype(np.uint16) * 257
        if kind == "grey 16":
            path.write_bytes(png_of(values, 0, chunk(b"tRNS", hidden)))
        else:
            colours = np.repeat(values[..., None], 3, axis=2)
            path.write_bytes(png_of(colours, 2, chunk(b"tRNS", hidden * 3)))
    expected = np.where(clear, 255, SHADES)
    np.testing.assert_array_equal(read_image(path), np.repeat(expected[..., None], 3, axis=2))


def test_half_transparent_ink_is_mixed_with_white(tmp_path) -> None:
    path = saved(tmp_path / "a.png", Image.new("RGBA", (4, 4), (0, 0, 200, 51)))
    assert np.abs(read_image(path)[0, 0].astype(int) - (204, 204, 244)).max() <= 1


def test_printing_inks_are_read_as_colours(tmp_path) -> None:
    path = saved(tmp_path / "a.jpg", Image.new("CMYK", (8, 8), (0, 255, 255, 0)), quality=100)
    assert np.abs(read_image(path)[4, 4].astype(int) - (255, 0, 0)).max() < 4


def test_several_pictures_in_one_file_are_refused_but_not_what_a_phone_adds(tmp_path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("white", "black", "red")]
    for name in ("a.png", "a.webp", "a.tif", "a.gif"):
        saved(tmp_path / name, frames[0], save_all=True, append_images=frames[1:])
        assert refusal(tmp_path / name).endswith("holds 3 pictures (frames or pages); expected one")
    saved(tmp_path / "a.jpg", frames[0], format="MPO", save_all=True, append_images=frames[1:])
    assert (read_image(tmp_path / "a.jpg") == 255).all()


def test_numbers_that_are_no_colours_are_refused(tmp_path) -> None:
    saved(tmp_path / "a.tif", Image.fromarray(np.full((4, 4), 0.5, np.float32)))
    assert "holds fractions, no colours" in refusal(tmp_path / "a.tif")
    saved(tmp_path / "b.tif", Image.fromarray(np.full((4, 4), 70_000, np.int32)))
    assert "32 bits; expected 8 or 16" in refusal(tmp_path / "b.tif")


def test_what_is_no_file_is_refused_at_once(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    assert refusal(tmp_path / "pipe.png").endswith("is a pipe or a device; expected a file")
    assert refusal(tmp_path / "folder.png").endswith("is a folder; expected a file")
    assert refusal(tmp_path / "none.png", what="photo").endswith("none.png: no such photo")
    assert "not a readable image" in refusal(Path("zero\0byte.png"))


def test_an_enormous_image_is_refused_before_it_is_decoded(tmp_path, monkeypatch) -> None:
    path = saved(tmp_path / "a.png", Image.new("1", (9000, 8000)))
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("decoded"))
    assert f"9000x8000 are more than {images.LARGEST_IMAGE} pixels" in refusal(path)
    assert "is 9000x8000; expected 64x64" in refusal(path, size=64)


def test_the_refusal_of_a_size_names_the_ways_out_that_there_are(tmp_path) -> None:
    square = saved(tmp_path / "a.png", Image.new("L", (48, 48), 255))
    assert refusal(square, name="sketch a", size=64) == (
        "sketch a is 48x48; expected 64x64 (resize it, or pass --size 48; "
        "only SVG drawings fit any size)"
    )
    wide = saved(tmp_path / "b.png", Image.new("L", (50, 48), 255))
    assert refusal(wide, name="sketch b", size=64) == (
        "sketch b is 50x48; expected 64x64 (resize it; only SVG drawings fit any size)"
    )


def test_the_largest_transparent_image_takes_less_than_1_gb(tmp_path) -> None:
    path = saved(tmp_path / "a.png", Image.new("LA", (8192, 8192), (0, 9)), compress_level=1)
    script = (
        "import re, sys; from pathlib import Path; from featviz.sketches.images import read_image;"
        "assert (read_image(sys.argv[1])[::999, ::999] == 246).all();"
        # Not getrusage: that of a process begins with what its parent had.
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    command = [sys.executable, "-c", script, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(result.stdout) * 1024 < 1e9


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_page_of_one_colour_is_told_from_one_with_a_pixel(mode: str, tmp_path) -> None:
    page = Image.new(mode, (8, 8))
    assert holds_one_colour(saved(tmp_path / "a.png", page))
    page.putpixel((3, 5), (1,) * len(page.getbands()) if len(page.getbands()) > 1 else 1)
    assert not holds_one_colour(saved(tmp_path / "b.png", page))


def whole_files() -> list[bytes]:
    """Small files of every kind, some with tags, palettes, transparency and several frames."""
    tag = Image.Exif()
    tag[0x112] = 6
    tag[0x10F] = "a maker"
    ways = [
        ("PNG", "P", {"transparency": 3}),
        ("PNG", "LA", {"exif": tag}),
        ("PNG", "I;16", {}),
        ("JPEG", "RGB", {"exif": tag}),
        ("JPEG", "CMYK", {"progressive": True}),
        ("WEBP", "RGBA", {"exif": tag}),
        ("BMP", "RGB", {}),
        ("TIFF", "RGB", {"compression": "tiff_lzw", "exif": tag}),
        ("TIFF", "I;16", {}),
        ("GIF", "P", {"save_all": True, "append_images": [Image.new("P", (12, 9), 4)]}),
    ]
    files = []
    for kind, mode, options in ways:
        file = io.BytesIO()
        Image.fromarray(COLOURS[:9, :12]).convert("L").convert(
            {"I;16": "I", "LA": "LA", "P": "P", "CMYK": "RGB"}.get(mode, mode)
        ).convert(mode).save(file, kind, **options)
        files.append(file.getvalue())
    return files


WHOLE = whole_files()


@st.composite
def broken_files(draw: st.DrawFn) -> bytes:
    """A file with bytes changed, cut away, doubled or put in, mostly where its header is."""
    data = bytearray(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(1, 6))):
        most = len(data) - 1 if draw(st.booleans()) else min(len(data) - 1, 120)
        at = draw(st.integers(0, max(most, 0)))
        match draw(st.sampled_from(["change", "extreme", "cut", "double", "insert"])):
            case "change":
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "extreme":
                data[at : at + 4] = draw(st.sampled_from([b"\0" * 4, b"\xff" * 4, b"\x7f\xff" * 2]))
            case "cut":
                del data[at:]
            case "double":
                data[at:at] = data[at : at + draw(st.integers(1, 40))]
            case "insert":
                data[at:at] = draw(st.binary(max_size=12))
        if not data:
            break
    if data[:4] == b"\x89PNG" and draw(st.booleans()):
        data = mended(data)
    return bytes(data)


def mended(data: bytearray) -> bytearray:
    """A PNG whose chunks have the right checksums, so that what is in them is looked at."""
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if at + 12 + length > len(data):
            break
        body = data[at + 4 : at + 8 + length]
        data[at + 8 + length : at + 12 + length] = struct.pack(">I", zlib.crc32(body))
        at += 12 + length
    return data


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(max_examples=500)
@given(data=broken_files())
def test_a_broken_image_is_read_or_refused_in_one_line(data: bytes, tmp_path_factory) -> None:
    path = tmp_path_factory.getbasetemp() / "broken.png"
    path.write_bytes(data)
    try:
        read = read_image(path)
    except FeatvizError as error:
        assert "\n" not in str(error)
    else:
        assert read.dtype == np.uint8 and read.shape[2] == 3 and read.shape[0] * read.shape[1] > 0
