import numpy as np
import torch

from featviz.sketches.tensors import decode_image, encode_image


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


def test_every_pixel_value_survives_the_way_there_and_back():
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    again = decode_image(encode_image(pixels))
    assert np.array_equal(again, np.repeat(pixels[:, :, None], 3, axis=2))
