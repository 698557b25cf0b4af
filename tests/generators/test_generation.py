from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from featviz.base.errors import FeatvizError
from featviz.generators.generation import generate, output_names
from featviz.generators.networks.generators import FrontEnd, GeneratorArchitecture, GlobalGenerator
from featviz.sketches.tensors import decode_image


class Inverse(nn.Module):
    """Paints ink white and paper black."""

    def forward(self, x):
        return -x


def test_what_comes_out_is_what_the_network_computes_in_uint8(rng):
    sketch = rng.choice(np.array([0, 255], np.uint8), (16, 16))
    image = generate(Inverse(), sketch)
    assert image.dtype == np.uint8
    assert np.array_equal(image, np.repeat((255 - sketch)[:, :, None], 3, axis=2))


def test_a_generator_of_one_input_channel_works_too(rng):
    sketch = rng.choice(np.array([0, 255], np.uint8), (32, 32))
    architecture = GeneratorArchitecture(width=2, residual_blocks=0, input_channels=1)
    assert generate(GlobalGenerator(architecture), sketch).shape == (32, 32, 3)


def test_values_beyond_the_range_are_clipped_and_nan_is_refused():
    image = torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0]).expand(3, 1, 5)
    assert decode_image(image)[0, :, 0].tolist() == [0, 0, 128, 255, 255]
    with pytest.raises(FeatvizError, match="NaN"):
        decode_image(torch.full((3, 1, 1), torch.nan))


def test_images_are_named_after_their_sketches_and_apart_if_names_repeat():
    same, other = Path("a/001.svg"), Path("b/001.svg")
    assert output_names([same, Path("a/002.svg")]) == ["001", "002"]
    assert output_names([same, other]) == ["a-001", "b-001"]
    with pytest.raises(FeatvizError, match="2 of the sketches would be written as 'a-001'"):
        output_names([same, Path("x/a/001.png"), other])


def test_a_front_end_is_refused():
    front_end = FrontEnd(GeneratorArchitecture(width=2))
    with pytest.raises(FeatvizError, match="a front end alone generates nothing"):
        generate(front_end, np.full((32, 32), 255, np.uint8))
