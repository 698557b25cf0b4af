import numpy as np
import pytest

from featviz.extraction.rasters import read_rasters
from featviz.sketches.sketch_set import read_sketches
from tests.extraction.small import SIZE, write_sketches


@pytest.fixture
def sketches(tmp_path):
    return read_sketches(write_sketches(tmp_path, count=5), SIZE)


@pytest.mark.parametrize("memory", [0, 200, 1 << 20])
def test_images_are_the_same_whether_they_fit_into_memory_or_not(sketches, memory):
    rasters = read_rasters(sketches, memory=memory)
    assert (rasters.packed is None) == (memory < 1000)
    images, expected = list(rasters.images()), list(sketches.images())
    assert len(images) == len(rasters) == len(expected)
    for image, other in zip(images, expected, strict=True):
        assert image.dtype == np.uint8
        assert np.array_equal(image, other)


def test_line_drawings_of_512_pixels_take_less_than_a_fortieth_of_their_pixels():
    sketches = read_sketches("sketches").of_groups("G6")
    packed = read_rasters(sketches).packed
    assert packed is not None
    assert max(map(len, packed)) < 512 * 512 / 40
