import numpy as np
import pytest
import torch

from featviz.base.errors import FeatvizError
from featviz.sketches.tensors import (
    Normalisation,
    decode_image,
    decode_photo,
    encode_image,
    encode_photo,
)


def test_paper_is_plus_one_and_ink_minus_one_in_three_equal_channels():
    sketch = np.array([[255, 0], [0, 255]], dtype=np.uint8)
    tensor = encode_image(sketch)
    assert tensor.shape == (3, 2, 2)
    assert all(torch.equal(c, torch.tensor([[1.0, -1.0], [-1.0, 1.0]])) for c in tensor)


def test_a_photo_keeps_its_channels_and_range():
    photo = np.zeros((2, 3, 3), dtype=np.uint8)
    photo[1, 2] = (255, 0, 51)
    tensor = encode_image(photo)
    assert tensor.shape == (3, 2, 3)
    torch.testing.assert_close(tensor[:, 1, 2], torch.tensor([1.0, -1.0, -0.6]))


def test_a_tensor_of_bytes_has_its_channels_first_as_data_sets_give_it(rng):
    photo = rng.integers(0, 256, (5, 7, 3), np.uint8)
    channels_first = torch.from_numpy(photo).permute(2, 0, 1)
    assert torch.equal(encode_image(channels_first), encode_image(photo))
    assert torch.equal(encode_image(channels_first[:1]), encode_image(photo[..., 0]))
    assert torch.equal(encode_image(torch.from_numpy(photo)), encode_image(photo))


def test_every_pixel_value_survives_the_way_there_and_back():
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    again = decode_image(encode_image(pixels))
    assert np.array_equal(again, np.repeat(pixels[:, :, None], 3, axis=2))


def test_photos_are_scaled_as_their_normalisation_says():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10
    told = Normalisation((0.1, 0.2, 0.3), (0.5, 0.25, 2.0), "given")
    scaled = encode_photo(image, 3, told)
    for channel, (mean, std) in enumerate(zip(told.mean, told.std, strict=True)):
        expected = (image[:, :, channel] / 255 - mean) / std
        np.testing.assert_allclose(scaled[channel].numpy(), expected, rtol=1e-5, atol=1e-6)
    ends = encode_photo(np.array([[0, 255]], np.uint8), 2, Normalisation())
    assert ends.tolist() == [[[-1, 1]]] * 2
    grey = encode_photo(np.full((2, 4, 3), 51, np.uint8), 1, Normalisation((0.0,), (1.0,)))
    assert grey.shape == (1, 2, 4)
    assert grey.flatten().tolist() == pytest.approx([0.2] * 8)


@pytest.mark.parametrize(
    ("mean", "std", "told"),
    [
        ((0.5,) * 2, (0.5,) * 2, r"2 means and stds \(given\) do not fit a network of 3 channels"),
        ((0.5,), (0.5,) * 3, "one mean and one std a channel; got 1 and 3"),
        ((0.5,), (0.0,), "expected a std above 0; got 0"),
        ((float("nan"),), (1.0,), "are not all finite numbers"),
    ],
)
def test_a_normalisation_that_cannot_be_is_told(mean, std, told):
    with pytest.raises(FeatvizError, match=told):
        encode_photo(np.zeros((2, 4, 3), np.uint8), 3, Normalisation(mean, std, "given"))
    with pytest.raises(FeatvizError, match="a photo has 3 channels and the network takes 4"):
        encode_photo(np.zeros((2, 4, 3), np.uint8), 4, Normalisation())


@pytest.mark.parametrize("normalisation", [
    Normalisation(), Normalisation((0.0,), (1.0,)), Normalisation((0.1, 0.2, 0.3), (0.5, 0.25, 2)),
])  # fmt: skip
def test_every_value_of_a_photo_survives_the_way_there_and_back(normalisation):
    photo = np.arange(256, dtype=np.uint8).reshape(16, 16, 1) + np.array([0, 85, 170], np.uint8)
    assert np.array_equal(decode_photo(encode_photo(photo, 3, normalisation), normalisation), photo)


def test_what_is_no_photo_is_not_shown_as_one():
    with pytest.raises(
        FeatvizError, match=r"expected an image of 1 or 3 channels; got \(4, 2, 2\)"
    ):
        decode_photo(torch.zeros(4, 2, 2), Normalisation())
    with pytest.raises(FeatvizError, match=r"3 means and stds .* do not fit a net"):
        decode_photo(torch.zeros(1, 2, 2), Normalisation((0.1,) * 3, (1.0,) * 3))
