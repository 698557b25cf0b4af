from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from featviz.sketches.drawing import Drawing, Stroke, rasterize, read_svg
from featviz.studio.problems import StudioError
from featviz.studio.rasters import RasterCache, png, require_little_work

REPOSITORY = Path(__file__).parents[2] / "sketches"

coordinates = st.floats(-60, 580).map(lambda value: round(value, 2))
strokes = st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=4)


@settings(max_examples=60)
@given(st.lists(strokes, max_size=4))
def test_stroke_by_stroke_gives_the_pixels_of_the_whole_drawing(
    lines: list[list[tuple[float, float]]],
) -> None:
    drawing = Drawing(tuple(Stroke("", np.array(line)) for line in lines))
    flat = [tuple(value for pair in line for value in pair) for line in lines]
    rasters = RasterCache()
    for _ in range(2):
        assert np.array_equal(rasters.picture(flat), rasterize(drawing))


def test_a_drawing_changed_step_by_step_is_always_what_the_rasteriser_makes_of_it() -> None:
    rasters = RasterCache()
    strokes = read_svg(REPOSITORY / "G1" / "004.svg").strokes
    for count in (5, len(strokes), 3, 0, len(strokes)):
        part = strokes[:count]
        picture = rasters.picture(tuple(s.points.ravel().tolist()) for s in part)
        assert np.array_equal(picture, rasterize(Drawing(part)))


def test_a_picture_given_out_is_not_changed_by_the_next_one() -> None:
    rasters = RasterCache()
    first = rasters.picture([(10.0, 10.0, 50.0, 50.0)])
    kept = first.copy()
    rasters.picture([(10.0, 10.0, 50.0, 50.0), (0.0, 90.0, 400.0, 90.0)])
    first[:] = 7
    assert np.array_equal(rasters.picture([(10.0, 10.0, 50.0, 50.0)]), kept)


def test_endless_scribbles_are_refused_and_faces_are_not() -> None:
    for path in sorted((REPOSITORY / "G1").glob("*.svg")):
        require_little_work(tuple(s.points.ravel().tolist()) for s in read_svg(path).strokes)
    across = (-500.0, -500.0, 1000.0, 1000.0)
    require_little_work([across] * 100)
    with pytest.raises(StudioError, match="too long"):
        require_little_work([across * 300])
    # Far away from the canvas there is nothing to do.
    require_little_work([(-500.0, 0.0, -400.0, 500.0) * 3000])


def test_small_pictures_keep_thin_lines_visible() -> None:
    import io

    picture = RasterCache().picture([(20.0, 256.0, 490.0, 256.0)])
    for size in (32, 64, 128, 512):
        small = np.asarray(Image.open(io.BytesIO(png(picture, size))))
        assert small.shape == (size, size)
        assert small.min() < 40 and small.max() == 255
        assert (small < 200).any(axis=1).sum() <= 2
