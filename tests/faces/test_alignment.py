import numpy as np
import pytest
from PIL import Image

from featviz.base.errors import FeatvizError
from featviz.faces.alignment import align, crop_square


def landmarks_of(left_eye, right_eye, mouth_left, mouth_right):
    points = np.zeros((68, 2))
    points[36:42], points[42:48] = left_eye, right_eye
    points[48], points[54] = mouth_left, mouth_right
    return points


def test_the_crop_of_an_upright_face_by_hand():
    # eyes 100 apart, mouth 110 below: x' = (100, 0), y' = (0, -110),
    # side = max(400, 396) = 400, centre = eyes + (0, 11).
    points = landmarks_of((200, 300), (300, 300), (220, 410), (280, 410))
    expected = [(50, 111), (50, 511), (450, 511), (450, 111)]
    np.testing.assert_allclose(crop_square(points), expected, atol=1e-9)


def test_a_long_face_is_cropped_by_its_height():
    points = landmarks_of((200, 300), (300, 300), (220, 500), (280, 500))
    quad = crop_square(points)
    assert np.hypot(*(quad[3] - quad[0])) == pytest.approx(3.6 * 200)


@pytest.mark.parametrize("degrees", [-40, 15, 90, 180])
def test_the_crop_turns_with_the_face(degrees):
    points = landmarks_of((200, 300), (300, 310), (220, 410), (285, 415))
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(
        crop_square(points @ turn.T + 7), crop_square(points) @ turn.T + 7, atol=1e-9
    )


@pytest.mark.parametrize("size", [64, 200])
def test_a_turned_and_scaled_picture_is_aligned_to_the_same_crop(size):
    # A smooth picture whose colours tell the place: align() must put eyes where the crop says.
    y, x = np.mgrid[:600, :700]
    photo = np.stack([x * 255 / 700, y * 255 / 600, np.full_like(x, 128)], -1).astype(np.uint8)
    points = landmarks_of((300, 260), (380, 300), (290, 350), (350, 380))
    aligned = align(photo, points, size).astype(float)
    quad = crop_square(points)
    for u, v in [(0.5, 0.5), (0.2, 0.3), (0.7, 0.8)]:
        place = quad[0] + u * (quad[3] - quad[0]) + v * (quad[1] - quad[0])
        got = aligned[int(v * size), int(u * size)]
        np.testing.assert_allclose(got[:2], place * (255 / 700, 255 / 600), atol=4)


def test_where_the_crop_leaves_the_photo_the_photo_is_mirrored():
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
    photo = np.asarray(Image.fromarray(small).resize((200, 200), Image.Resampling.BICUBIC))
    points = landmarks_of((10, 80), (60, 80), (20, 140), (50, 140))
    padded = np.pad(photo, ((200, 200), (200, 200), (0, 0)), mode="symmetric")
    difference = align(photo, points, 64).astype(int) - align(padded, points + 200, 64)
    assert np.abs(difference).max() <= 1


def test_landmarks_without_extent_are_refused():
    with pytest.raises(FeatvizError, match="span no face"):
        crop_square(np.full((68, 2), 5.0))
