import math

import numpy as np
import torch

from featviz.analysis.leakage.change import relative_change


def test_a_change_is_the_length_of_the_difference_in_typical_lengths(rng):
    base, other = rng.normal(size=(2, 5, 4, 6)).astype(np.float32)
    lengths = np.array([[np.linalg.norm(base[:, y, x]) for x in range(6)] for y in range(4)])
    typical = math.sqrt((lengths**2).mean())
    expected = np.linalg.norm((other - base).astype(float), axis=0) / typical
    found = relative_change("L0", torch.from_numpy(other)[None], torch.from_numpy(base)[None])
    assert np.allclose(found, expected, rtol=1e-5)


def test_a_change_is_the_same_in_any_unit_and_for_any_number_of_equal_channels(rng):
    base, other = (torch.from_numpy(rng.normal(size=(1, 3, 4, 4))) for _ in range(2))
    expected = relative_change("L0", other, base)
    assert np.allclose(relative_change("L0", 1000 * other, 1000 * base), expected)
    assert np.allclose(
        relative_change("L0", other.repeat(1, 4, 1, 1), base.repeat(1, 4, 1, 1)), expected
    )


def test_only_equality_to_the_last_bit_is_no_change():
    base = torch.full((1, 2, 3, 3), 1e-20)
    base[0, 0, 0, 0] = 1
    other = base.clone()
    other[0, 1, 2, 2] = torch.nextafter(other[0, 1, 2, 2], torch.tensor(1.0))
    found = relative_change("L0", other, base)
    assert found[2, 2] > 0
    assert (found > 0).sum() == 1


def test_in_a_dead_layer_any_change_is_infinite_and_none_is_0():
    base = torch.zeros(1, 2, 2, 2)
    other = base.clone()
    other[0, 1, 0, 1] = 1e-3
    assert relative_change("L0", other, base).tolist() == [[0, np.inf], [0, 0]]


def test_a_change_of_the_image_is_a_share_of_black_to_white():
    black, white = -torch.ones(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
    assert (relative_change("image", white, black) == 1).all()
    grey = black.clone()
    grey[0, 0] += 2 / 255
    assert np.allclose(relative_change("image", grey, black), 1 / 255 / 3)
