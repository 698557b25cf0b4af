import numpy as np
import pytest
from PIL import Image

from featviz.base.errors import FeatvizError
from featviz.faces.hair_region import person_region
from featviz.faces.person import PERSON_SIZE, find_person


def test_a_person_is_where_the_face_is_and_not_in_the_corners_above(pairs):
    for index in range(len(pairs)):
        mask = find_person(pairs.photo(index))
        assert mask.shape == (PERSON_SIZE, PERSON_SIZE) and 0 <= mask.min() <= mask.max() <= 1
        columns, rows = np.rint(pairs.landmarks[index] / pairs.size * PERSON_SIZE).astype(int).T
        assert mask[rows, columns].mean() > 0.95
        corners = mask[:8, [*range(8), *range(-8, 0)]]
        assert min(corners[:, :8].mean(), corners[:, 8:].mean()) < 0.5


def test_a_photo_mirrored_has_its_mask_mirrored(pairs):
    photo = pairs.photo(0)
    masks = find_person(photo) > 0.5, find_person(photo[:, ::-1])[:, ::-1] > 0.5
    assert (masks[0] == masks[1]).mean() > 0.97


def test_a_photo_without_a_person_is_refused_in_one_line(pairs):
    meadow = np.full((256, 256, 3), (90, 160, 60), np.uint8)
    with pytest.raises(FeatvizError, match="no person found around its face"):
        person_region(find_person(meadow), pairs.landmarks[0] / 2)


def test_a_piece_without_the_face_is_no_part_of_the_person():
    landmarks = np.zeros((68, 2))
    turn = np.linspace(0, np.pi, 17)
    landmarks[:17] = np.stack([128 - 40 * np.cos(turn), 128 + 60 * np.sin(turn)], axis=1)
    landmarks[17:27] = np.stack([np.linspace(95, 160, 10), np.full(10, 110)], axis=1)
    mask = Image.new("L", (256, 256))
    pixels = np.array(mask)
    pixels[40:220, 60:200] = 1
    pixels[150:160, 100:110] = 0  # a hole
    pixels[40:220, 220:250] = 1  # somebody else
    region = person_region(pixels, landmarks)
    assert region[40:220, 60:200].all()
    assert region.sum() == 180 * 140


def test_a_photo_that_is_not_square_is_refused():
    with pytest.raises(FeatvizError, match="square photos; got 20x10 pixels"):
        find_person(np.zeros((10, 20, 3), np.uint8))
