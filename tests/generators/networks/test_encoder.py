import numpy as np
import pytest
import torch

from featviz.base.errors import FeatvizError
from featviz.generators.networks.encoder import (
    EncoderArchitecture,
    FeatureEncoder,
    instance_means,
    paint_instances,
)


@pytest.fixture
def instances(rng):
    """Two maps with 4 of 5 instances; the second lacks instance 2 too."""
    maps = rng.integers(0, 4, (2, 6, 7)).astype(np.uint8)
    maps[1][maps[1] == 2] = 0
    return torch.from_numpy(maps)


def test_means_are_those_of_each_instance_and_zero_where_there_is_none(rng, instances):
    maps = torch.from_numpy(rng.normal(size=(2, 3, 6, 7)).astype(np.float32))
    means = instance_means(maps, instances, 5)
    assert means.shape == (2, 5, 3)
    for image in range(2):
        for instance in range(5):
            of_it = maps[image][:, instances[image] == instance]
            expected = of_it.mean(dim=1) if of_it.numel() else torch.zeros(3)
            torch.testing.assert_close(means[image, instance], expected)


def test_painting_gives_every_pixel_the_vector_of_its_instance(instances):
    vectors = torch.randn(2, 5, 3)
    painted = paint_instances(vectors, instances)
    assert painted.shape == (2, 3, 6, 7)
    for image in range(2):
        for y in range(6):
            for x in range(7):
                expected = vectors[image, int(instances[image, y, x])]
                assert torch.equal(painted[image, :, y, x], expected)


def test_means_keep_their_digits_under_autocast():
    # 1 + 2 ** -9 is no bfloat16, and the sum of 4096 such numbers even less so.
    maps = torch.full((1, 1, 64, 64), 1 + 2**-9)
    with torch.autocast("cpu", torch.bfloat16):
        means = instance_means(maps, torch.zeros(1, 64, 64, dtype=torch.uint8), 1)
        painted = paint_instances(means, torch.zeros(1, 64, 64, dtype=torch.uint8))
    assert means.item() == 1 + 2**-9
    assert (painted == means).all()


def test_a_photo_becomes_one_vector_an_instance_and_all_weights_learn():
    torch.manual_seed(0)
    architecture = EncoderArchitecture(appearance_channels=2, width=4, instances=5)
    encoder = FeatureEncoder(architecture)
    vectors = encoder(torch.rand(3, 3, 32, 32), torch.randint(0, 5, (3, 32, 32)).byte())
    assert vectors.shape == (3, 5, 2)
    assert vectors.abs().max() <= 1
    vectors.square().sum().backward()
    assert all(p.grad is not None for p in encoder.parameters())
    assert all(p.grad.any() for name, p in encoder.named_parameters() if name.endswith("weight"))


def test_an_encoder_of_nothing_is_refused():
    with pytest.raises(FeatvizError, match="appearance_channels must be a whole number, 1 or more"):
        EncoderArchitecture(appearance_channels=0)
