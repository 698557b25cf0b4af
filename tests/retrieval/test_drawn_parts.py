import numpy as np
import pytest
from PIL import Image

from featviz.base.errors import FeatvizError
from featviz.retrieval.drawn_parts import parts_by_name, parts_by_place, read_parts
from featviz.retrieval.shapes import SEARCHED_PARTS, chamfer
from featviz.sketches.drawing import Drawing, Stroke, rasterize, write_svg


@pytest.mark.parametrize("size", [512, 256])
def test_lines_of_a_contour_are_of_the_part_that_they_lie_at(database, faces, size):
    drawing = faces.contour(0, size)
    by_name = parts_by_name(drawing)
    by_place = parts_by_place(rasterize(drawing), database.mean)
    assert set(by_name) == set(by_place) == set(SEARCHED_PARTS)
    for part in SEARCHED_PARTS:
        assert chamfer(by_name[part], by_place[part][None])[0] < 3.5, part


def test_lines_far_from_all_parts_are_of_none(database):
    hair = Drawing((Stroke("hair", np.array([[100.0, 20], [400, 20]])),))
    assert parts_by_place(rasterize(hair), database.mean) == {}
    assert parts_by_place(np.full((512, 512), 255, np.uint8), database.mean) == {}


def test_a_sketch_without_named_parts_is_refused_by_name_and_read_by_place(
    database, faces, tmp_path
):
    drawing = faces.contour(0, 512)
    unnamed = Drawing(tuple(Stroke("unnamed", stroke.points) for stroke in drawing.strokes))
    write_svg(unnamed, tmp_path / "unnamed.svg")
    Image.fromarray(rasterize(drawing)).save(tmp_path / "pixels.png")
    for name, told in (("unnamed.svg", "no part of a face by name"), ("pixels.png", "of pixels")):
        with pytest.raises(FeatvizError, match=f"{told}.*--parts place"):
            read_parts(tmp_path / name, "name", database.mean)
        parts, image = read_parts(tmp_path / name, "place", database.mean)
        assert set(parts) == set(SEARCHED_PARTS) and (image == rasterize(drawing)).all()
