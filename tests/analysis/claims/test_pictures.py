import numpy as np
import pytest

from featviz.analysis.claims.deformation import deform
from featviz.analysis.claims.pictures import detail, forehead, light_error, open_mouth, patches


@pytest.fixture
def photo(pairs):
    return pairs.photo(0, 512)


def test_light_of_the_photo_itself_is_without_error(photo):
    assert light_error(photo, photo) == 0


def test_light_error_is_the_shift_of_a_brighter_image_and_the_loss_of_a_flat_one():
    rng = np.random.default_rng(0)
    grey = np.repeat(rng.integers(50, 150, (64, 64, 1)), 3, axis=2).astype(np.uint8)
    assert light_error(grey + 20, grey) == pytest.approx(20)
    flat = np.full_like(grey, round(float(grey.mean())))
    assert light_error(flat, grey) == pytest.approx(grey.astype(float).std(), rel=0.01)


def test_patches_are_the_share_of_blocks_with_a_blue_green_cast(photo):
    assert patches(photo, photo) == 0
    grey = np.full((512, 512, 3), 120, np.uint8)
    cast = grey.copy()
    cast[:128, :, 0] -= 40  # less red in the upper quarter
    assert patches(cast, grey) == 0.25
    cast[:128, :, 0] += 20  # as much as no one calls a patch
    assert patches(cast, grey) == 0
    assert patches(grey, cast) == 0  # red is no blue-green


def test_detail_within_a_mask_does_not_see_beyond_it():
    image = np.zeros((20, 20, 3), np.uint8)
    image[:, 10:] = np.arange(20)[:, None, None] % 2 * 100
    mask = np.zeros((20, 20), bool)
    mask[:, :10] = True
    assert detail(image, mask) == 0
    assert detail(image, ~mask) == pytest.approx(100 / 2)  # along one of two directions
    assert np.isnan(detail(image, np.zeros((20, 20), bool)))


def test_a_closed_mouth_has_no_teeth_and_an_open_one_has_them_between_its_lips(pairs):
    points = pairs.landmarks[0].copy()
    points[60:68, 1] = 350
    points[60:68, 0] = [200, 220, 256, 290, 312, 290, 256, 220]
    assert open_mouth(points, 512, 512) is None
    points[61:64, 1] -= 10
    points[65:68, 1] += 10
    for size in (512, 128):
        mask = open_mouth(points, 512, size)
        rows, columns = np.nonzero(mask)
        unit = size / 512
        assert rows.min() >= 339 * unit - 1 and rows.max() <= 361 * unit + 1
        assert columns.min() >= 199 * unit - 1 and columns.max() <= 313 * unit + 1
        assert mask.sum() == pytest.approx(20 * 90 * unit**2, rel=0.2)


@pytest.mark.parametrize("size", [128, 512])
def test_the_forehead_lies_above_the_brows_inside_the_picture(pairs, size):
    for points in pairs.landmarks:
        mask = forehead(points, 512, size)
        assert mask.sum() == (size / 4) ** 2
        brows = points[17:27].mean(axis=0) * size / 512
        assert np.nonzero(mask)[0].mean() < brows[1]


def test_a_deformation_scales_with_the_photo(pairs):
    points = pairs.landmarks[0]
    small = deform(points / 2, 1.0, size=256)
    np.testing.assert_allclose(small, deform(points, 1.0) / 2, atol=1e-3)
    np.testing.assert_allclose(deform(points, 0.0), points, atol=1e-4)
