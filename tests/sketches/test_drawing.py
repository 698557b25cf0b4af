import math
import os

import numpy as np
import pytest

import featviz.sketches.drawing
from featviz.base.errors import FeatvizError
from featviz.sketches.drawing import (
    INK,
    PAPER,
    Drawing,
    Stroke,
    changed_parts,
    from_svg,
    rasterize,
    rasterize_together,
    read_svg,
    to_svg,
    write_svg,
)


def distance_to_strokes(drawing: Drawing) -> np.ndarray:
    """Distance of every pixel centre to the nearest stroke, by complex numbers."""
    y, x = np.mgrid[: drawing.size, : drawing.size]
    pixels = x + 1j * y
    nearest = np.full(pixels.shape, np.inf)
    for stroke in drawing.strokes:
        path = stroke.points[:, 0] + 1j * stroke.points[:, 1]
        for a, b in zip(path, path[1:] if len(path) > 1 else path, strict=False):
            if a == b:
                distance = abs(pixels - a)
            else:
                turned = (pixels - a) / (b - a)
                beside = abs(turned.imag) * abs(b - a)
                ends = np.minimum(abs(pixels - a), abs(pixels - b))
                distance = np.where((turned.real > 0) & (turned.real < 1), beside, ends)
            nearest = np.minimum(nearest, distance)
    return nearest


def random_drawing(seed: int, size: int = 64) -> Drawing:
    rng = np.random.default_rng(seed)
    strokes = [
        Stroke(f"part-{k % 3}", rng.uniform(-12, size + 12, (rng.integers(1, 8), 2)))
        for k in range(6)
    ]
    return Drawing(tuple(strokes), size)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("width", [1.0, 2.0, 5.5])
def test_ink_is_what_lies_within_half_a_width_of_a_stroke(seed: int, width: float) -> None:
    drawing = random_drawing(seed)
    distance = distance_to_strokes(drawing)
    decided = abs(distance - width / 2) > 1e-4
    image = rasterize(drawing, width)
    assert decided.mean() > 0.99
    np.testing.assert_array_equal((image == INK)[decided], (distance < width / 2)[decided])


def test_an_image_has_paper_and_ink_and_nothing_in_between() -> None:
    image = rasterize(random_drawing(1))
    assert image.dtype == np.uint8
    assert set(np.unique(image)) == {INK, PAPER}


@pytest.mark.parametrize("axis", [0, 1])
def test_a_line_through_pixel_centres_is_two_pixels_wide(axis: int) -> None:
    ends = np.array([[4.0, 10.0], [20.0, 10.0]])
    image = rasterize(Drawing((Stroke("line", ends[:, ::-1] if axis else ends),), 32))
    lines = image if axis == 0 else image.T
    assert np.flatnonzero(lines[:, 12] == INK).tolist() == [9, 10]


@pytest.mark.parametrize("offset", [0.1, 0.25, 0.5, 0.75, 0.9])
def test_a_line_between_pixel_centres_is_two_pixels_wide(offset: float) -> None:
    stroke = Stroke("line", np.array([[4.0, 10 + offset], [20.0, 10 + offset]]))
    image = rasterize(Drawing((stroke,), 32))
    assert np.flatnonzero(image[:, 12] == INK).tolist() == [10, 11]


def test_the_picture_does_not_depend_on_the_order_or_direction_of_strokes() -> None:
    drawing = random_drawing(2)
    turned = tuple(Stroke(s.part, s.points[::-1]) for s in reversed(drawing.strokes))
    np.testing.assert_array_equal(rasterize(drawing), rasterize(Drawing(turned, drawing.size)))


def test_a_drawing_is_the_union_of_its_parts() -> None:
    drawing = random_drawing(3)
    parts = [rasterize(Drawing(drawing.part(name), drawing.size)) for name in drawing.parts]
    np.testing.assert_array_equal(rasterize(drawing), np.minimum.reduce(parts))


def test_a_single_point_is_a_dot() -> None:
    image = rasterize(Drawing((Stroke("dot", np.array([[8.4, 5.4]])),), 16))
    inked = {(int(x), int(y)) for y, x in np.argwhere(image == INK)}
    assert inked == {(8, 5), (9, 5), (8, 6), (9, 6)}


def test_strokes_off_the_canvas_leave_no_ink() -> None:
    far = [[-50, -50], [-40, 90]], [[100, -3], [100, 100]], [[-1e9, -1e9], [1e9, -1e9 + 1]]
    strokes = tuple(Stroke("far", np.array(points, dtype=float)) for points in far)
    assert (rasterize(Drawing(strokes, 64)) == PAPER).all()


def test_svg_round_trip_keeps_parts_and_points() -> None:
    drawing = random_drawing(4)
    again = from_svg(to_svg(drawing))
    assert (again.parts, again.size) == (drawing.parts, drawing.size)
    for part in drawing.parts:
        for before, after in zip(drawing.part(part), again.part(part), strict=True):
            np.testing.assert_allclose(after.points, before.points, atol=0.005 + 1e-9)
    assert to_svg(again) == to_svg(drawing)


def test_svg_files_keep_the_picture_of_rounded_points(tmp_path) -> None:
    drawing = random_drawing(5)
    rounded = Drawing(
        tuple(Stroke(s.part, s.points.round(2)) for s in drawing.strokes), drawing.size
    )
    write_svg(rounded, tmp_path / "new" / "drawing.svg")
    read = read_svg(tmp_path / "new" / "drawing.svg")
    np.testing.assert_array_equal(rasterize(read), rasterize(rounded))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["drawing.svg"]


@pytest.mark.parametrize("name", ['a "quoted" part', "a<b>&c", "œil gauche", "it's"])
def test_svg_keeps_any_name_of_a_part(name: str) -> None:
    drawing = Drawing((Stroke(name, np.zeros((2, 2))),))
    assert from_svg(to_svg(drawing)).parts == (name,)


def test_an_empty_drawing_survives_the_round_trip() -> None:
    again = from_svg(to_svg(Drawing((), 64)))
    assert again.strokes == ()
    assert again.size == 64


SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">{body}</svg>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not an SVG drawing"),
        ("<svg", "not an SVG drawing"),
        ("<html/>", "root element is <html>"),
        ("<!DOCTYPE svg [<!ENTITY a 'b'>]>" + SVG.format(box="0 0 8 8", body=""), "document type"),
        (SVG.format(box="0 0 8 9", body=""), "a square; got '0 0 8 9'"),
        (SVG.format(box="", body=""), "expected viewBox"),
        (SVG.format(box="0 0 -8 -8", body=""), "whole, positive canvas size; got '-8'"),
        (SVG.format(box="0 0 0 0", body=""), "whole, positive canvas size"),
        (SVG.format(box="0 0 ² ²", body=""), "expected viewBox '0 0 N N'"),
        (SVG.format(box="0 0 8 8", body='<polyline points="1,2 3"/>'), "points of a polyline"),
        (SVG.format(box="0 0 8 8", body='<polyline points="1,a"/>'), "part 'unnamed': '1,a'"),
        (SVG.format(box="0 0 8 8", body='<polyline points=""/>'), "points of a polyline"),
        (SVG.format(box="0 0 8 8", body='<polyline points="1,nan"/>'), "points of a polyline"),
        (SVG.format(box="0 0 8 8", body='<polyline points="1,inf"/>'), "points of a polyline"),
        (SVG.format(box="0 0 8 8", body='<polyline points="1,1e400"/>'), "points of a polyline"),
        (SVG.format(box="0 0 8 8", body='<polyline points="1_0,1"/>'), "points of a polyline"),
    ],
)
def test_what_is_no_drawing_is_refused_in_one_line_that_names_the_file(
    text: str, message: str, tmp_path
) -> None:
    path = tmp_path / "bad.svg"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FeatvizError) as error:
        read_svg(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_bytes_that_are_no_text_are_refused(tmp_path) -> None:
    path = tmp_path / "bad.svg"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(FeatvizError, match=r"bad\.svg"):
        read_svg(path)


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(FeatvizError, match=r"none\.svg: no such drawing"):
        read_svg(tmp_path / "none.svg")


def test_what_is_no_file_is_refused_before_it_is_opened(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.svg")
    (tmp_path / "folder.svg").mkdir()
    (tmp_path / "endless.svg").symlink_to("/dev/zero")
    device = "a pipe or a device"
    for name, kind in {"pipe": device, "folder": "a folder", "endless": device}.items():
        with pytest.raises(FeatvizError, match=rf"{name}\.svg is {kind}; expected a file"):
            read_svg(tmp_path / f"{name}.svg")


def test_a_file_of_any_size_is_read_no_further_than_the_largest_drawing(tmp_path) -> None:
    path = tmp_path / "huge.svg"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(FeatvizError, match=r"huge\.svg: .* too large; expected at most 2000000"):
        read_svg(path)


def test_long_lines_are_drawn_in_time_that_grows_with_their_length_not_with_the_canvas(
    monkeypatch,
) -> None:
    cells = 0
    whole = featviz.sketches.drawing._ink_windows

    def counted(images, image_of, *segments_and_window) -> None:
        nonlocal cells
        cells += len(image_of) * math.prod(segments_and_window[-1])
        whole(images, image_of, *segments_and_window)

    monkeypatch.setattr(featviz.sketches.drawing, "_ink_windows", counted)
    points = np.array([[0.0, 0.0], [511.0, 400.0], [300.0, 511.0]])
    rasterize(Drawing((Stroke("long", points),)))
    assert cells < 8 * (512 + 512)


def test_lines_that_are_too_long_to_be_drawn_are_refused() -> None:
    def across(times: int) -> str:
        points = "0,0 511,511 " * times
        return SVG.format(box="0 0 512 512", body=f'<polyline points="{points}"/>')

    assert len(from_svg(across(10_000)).strokes[0].points) == 20_000
    with pytest.raises(FeatvizError, match="px long together; expected at most"):
        from_svg(across(40_000))


def test_a_dot_survives_its_file_and_older_files_keep_theirs() -> None:
    dot = Drawing((Stroke("dot", np.array([[8.4, 5.4]])),), 16)
    text = to_svg(dot)
    assert 'points="8.4,5.4 8.4,5.4"' in text
    for written in (text, text.replace("8.4,5.4 8.4,5.4", "8.4,5.4")):
        (stroke,) = from_svg(written).strokes
        assert stroke.part == "dot"
        np.testing.assert_array_equal(stroke.points, [[8.4, 5.4]])


@pytest.mark.parametrize("size", [32, 64, 100, 256])
def test_scaling_maps_the_edges_of_the_canvas_to_its_edges(size: int) -> None:
    corners = np.array([[-0.5, -0.5], [63.5, -0.5], [63.5, 63.5], [31.5, 31.5]])
    scaled = Drawing((Stroke("frame", corners),), 64).scaled(size)
    assert scaled.size == size
    expected = [[-0.5, -0.5], [size - 0.5, -0.5], [size - 0.5] * 2, [size / 2 - 0.5] * 2]
    np.testing.assert_allclose(scaled.strokes[0].points, expected)


def test_scaling_there_and_back_changes_nothing() -> None:
    drawing = random_drawing(6)
    again = drawing.scaled(173).scaled(drawing.size)
    for before, after in zip(drawing.strokes, again.strokes, strict=True):
        np.testing.assert_allclose(after.points, before.points)


@pytest.mark.parametrize("size", [32, 64, 256])
def test_lines_stay_two_pixels_wide_at_every_size(size: int) -> None:
    drawing = Drawing((Stroke("line", np.array([[10.0, 20.3], [50.0, 20.3]])),), 64)
    column = rasterize(drawing.scaled(size))[:, size // 2]
    assert (column == INK).sum() == 2


def test_with_part_replaces_that_part_alone() -> None:
    drawing = random_drawing(7)
    new = Stroke("part-1", np.array([[1.0, 1.0], [9.0, 9.0]]))
    changed = drawing.with_part("part-1", [new])
    assert changed.part("part-1") == (new,)
    assert changed.part("part-0") == drawing.part("part-0")
    assert changed.part("part-2") == drawing.part("part-2")
    assert drawing.part("part-1") != (new,)


@pytest.mark.parametrize("shape", [(0, 2), (3,), (3, 3), (2, 2, 2)])
def test_a_stroke_needs_points_in_the_plane(shape: tuple[int, ...]) -> None:
    with pytest.raises(FeatvizError, match=r"expected|takes points of shape \(n, 2\)"):
        Stroke("bad", np.zeros(shape))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_stroke_needs_finite_points(value: float) -> None:
    with pytest.raises(FeatvizError, match="part 'bad' has a point that is not finite"):
        Stroke("bad", np.array([[0.0, value]]))


def test_a_stroke_keeps_its_own_points() -> None:
    points = np.zeros((2, 2))
    stroke = Stroke("line", points)
    points[:] = 7
    assert (stroke.points == 0).all()
    with pytest.raises(ValueError, match="read-only"):
        stroke.points[0, 0] = 1


def test_groups_nested_beyond_reason_are_refused() -> None:
    depth = 5000
    inside = "<g>" * depth + "</g>" * depth
    with pytest.raises(FeatvizError, match="nested too deep"):
        from_svg(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">{inside}</svg>')


def test_changed_parts_are_those_whose_strokes_differ_in_any_order() -> None:
    mouth, nose, brow = (
        Stroke(part, np.array([[1.0, 2.0], [3.0, number]]))
        for number, part in enumerate(("mouth", "nose", "brow"))
    )
    more = Stroke("mouth", np.array([[5.0, 6.0]]))
    before = Drawing((mouth, nose, more))
    assert changed_parts(before, Drawing((more, nose, mouth))) == ()
    assert changed_parts(before, Drawing((mouth, nose))) == ("mouth",)
    assert changed_parts(before, Drawing((mouth, more, more, nose))) == ("mouth",)
    assert changed_parts(before, Drawing((mouth, more, brow))) == ("brow", "nose")
    zero = Drawing((Stroke("nose", np.array([[0.0, 1.0]])),))
    assert changed_parts(zero, Drawing((Stroke("nose", np.array([[-0.0, 1.0]])),))) == ()


def test_drawings_together_are_each_as_by_itself(rng: np.random.Generator) -> None:
    drawings = [
        Drawing(
            tuple(
                Stroke("part", rng.uniform(-20, 84, (count, 2)))
                for count in rng.integers(1, 6, size=strokes)
            ),
            64,
        )
        for strokes in (3, 0, 1, 7)
    ]
    images = rasterize_together(drawings)
    assert images.shape == (4, 64, 64) and images.dtype == np.uint8
    for image, drawing in zip(images, drawings, strict=True):
        assert np.array_equal(image == INK, distance_to_strokes(drawing) < 1)
