import numpy as np
import pytest

from featviz.base.errors import FeatvizError
from featviz.faces.augmentation import Augmentation, bend_outline, move_landmarks


def test_a_shift_is_in_pixels_of_a_512_canvas_at_every_size():
    points = np.array([[10, 20], [30, 40]], np.float32)
    np.testing.assert_allclose(
        move_landmarks(points, 512, (25, -8), 0), points + np.array([25, -8])
    )
    np.testing.assert_allclose(
        move_landmarks(points, 256, (25, -8), 0), points + np.array([12.5, -4])
    )


def test_a_quarter_turn_is_clockwise_about_the_middle():
    # Right of the middle comes below it: y points down.
    middle = 255.5
    moved = move_landmarks(np.array([[middle + 100, middle]], np.float32), 512, (0, 0), 90)
    np.testing.assert_allclose(moved, [[middle, middle + 100]], atol=1e-4)


def test_a_turn_keeps_all_distances(pairs):
    before = pairs.landmarks[0]
    after = move_landmarks(before, pairs.size, (7, 3), 5.5)
    distances = [np.linalg.norm(p[:, None] - p[None], axis=-1) for p in (before, after)]
    np.testing.assert_allclose(*distances, atol=1e-3)


def test_moves_fill_the_limits_and_never_leave_them():
    random = np.random.default_rng(0)
    point = np.full((1, 2), 255.5, np.float32)  # the middle, which no turn moves
    moved = np.concatenate([Augmentation(25, 7).move(point, 512, random) for _ in range(2000)])
    offsets = moved - 255.5
    assert np.abs(offsets).max() <= 25
    assert np.abs(offsets).max(axis=0).min() > 24
    assert abs(offsets.mean()) < 1.0
    right = np.array([[355.5, 255.5]], np.float32)
    turned = [Augmentation(0, 7).move(right, 512, random)[0] - 255.5 for _ in range(2000)]
    angles = np.degrees([np.arctan2(y, x) for x, y in turned])
    assert 6.9 < angles.max() <= 7.0
    assert -7.0 <= angles.min() < -6.9


def test_the_same_random_state_gives_the_same_move(pairs):
    a, b = (Augmentation().move(pairs.landmarks[1], 512, np.random.default_rng(3)) for _ in "ab")
    np.testing.assert_array_equal(a, b)


def test_a_bent_outline_moves_the_jaw_alone_smoothly_and_as_far_as_was_asked(pairs):
    before, random = pairs.landmarks[0], np.random.default_rng(0)
    for pixels in (4, 25):
        moved = bend_outline(before, pairs.size, pixels, random) - before
        assert not moved[17:].any()
        unit = pixels * pairs.size / 512
        assert moved[:17].std() == pytest.approx(unit, rel=1e-3)
        # Of noise that is not smooth, neighbours would be 1.4 deviations apart.
        assert np.diff(moved[:17], axis=0).std() < 0.6 * unit
    limits = Augmentation(0, 0, outline=12)
    bends = np.stack([limits.move(before, 512, random) - before for _ in range(300)])
    far = bends[:, :17].std(axis=(1, 2))
    assert 11 < far.max() <= 12.001
    assert far.min() < 1
    assert np.abs(bends[:, 17:]).max() < 1e-3


@pytest.mark.parametrize(
    "limits", [(-1, 0), (0, -1), (np.nan, 0), (0, np.inf), (0, 0, -1), (0, 0, np.nan)]
)
def test_senseless_limits_are_refused(limits):
    with pytest.raises(FeatvizError, match="must be 0 or more"):
        Augmentation(*limits)
