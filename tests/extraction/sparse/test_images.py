import numpy as np
import torch

from featviz.extraction.sparse.images import has_equal_channels, pixel_map
from featviz.extraction.sparse.windows import BACKGROUND


def check(image, fold=True):
    found = pixel_map(image, fold)
    channels = found.pixels.shape[1]
    back = found.pixels[torch.from_numpy(found.map.numbers.astype(np.int64))].permute(2, 0, 1)
    assert torch.equal(back, image[:channels])
    counts = np.bincount(found.map.numbers.ravel(), minlength=found.map.rows)
    assert np.array_equal(counts, found.map.counts)
    return found


def test_pixels_and_numbers_give_the_image_back():
    random = torch.Generator().manual_seed(0)
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        grey = torch.randint(0, 3, (1, 9, 12), generator=random).to(dtype).expand(3, -1, -1)
        assert check(grey).pixels.shape[1] == 1
        assert check(grey, fold=False).pixels.shape[1] == 3
        colours = torch.randint(0, 3, (3, 9, 12), generator=random).to(dtype)
        assert check(colours).pixels.shape[1] == 3
        assert not has_equal_channels(colours)
        check(torch.ones(2, 5, 5, dtype=dtype))


def test_the_background_of_a_sketch_is_its_paper():
    image = torch.ones(3, 40, 40)
    image[:, 10:12, 3:30] = -1
    found = check(image)
    assert found.map.rows == 3
    assert found.pixels[BACKGROUND].item() == 1
    image[0, 20, 20] = 0.5
    assert check(image).pixels[BACKGROUND].tolist() == [1, 1, 1]
