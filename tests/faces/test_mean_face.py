from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featviz.base.errors import FeatvizError
from featviz.faces.mean_face import mean_face, write_mean_face
from featviz.faces.pairs import PairSet
from featviz.sketches.drawing import rasterize


def test_the_mean_of_one_face_is_its_contour(pairs: PairSet) -> None:
    np.testing.assert_array_equal(
        mean_face(pairs.landmarks[:1], pairs.size), rasterize(pairs.contour(0)) / 255
    )


def test_ink_is_the_share_of_faces_with_ink_there(pairs: PairSet) -> None:
    faces = [rasterize(pairs.contour(i)) == 0 for i in range(len(pairs))]
    np.testing.assert_allclose(
        1 - mean_face(pairs.landmarks, pairs.size), np.mean(faces, axis=0), atol=1e-12
    )


def test_faces_of_a_small_photo_fill_the_canvas(pairs: PairSet) -> None:
    small = (pairs.landmarks + 0.5) / 2 - 0.5
    np.testing.assert_allclose(
        mean_face(small, pairs.size // 2), mean_face(pairs.landmarks, pairs.size), atol=0.5
    )
    assert mean_face(small, pairs.size // 2).shape == (512, 512)


def test_a_mean_face_of_nobody_is_refused() -> None:
    with pytest.raises(FeatvizError, match="at least one face"):
        mean_face(np.zeros((0, 68, 2)))


def test_a_written_mean_face_is_a_grey_png(pairs: PairSet, tmp_path: Path) -> None:
    mean = mean_face(pairs.landmarks, pairs.size)
    write_mean_face(mean, tmp_path / "mean.png")
    with Image.open(tmp_path / "mean.png") as image:
        assert image.mode == "L"
        np.testing.assert_allclose(np.asarray(image) / 255, mean, atol=0.5 / 255 + 1e-9)
    with pytest.raises(FeatvizError, match=r"ending in \.png"):
        write_mean_face(mean, tmp_path / "mean.jpg")
