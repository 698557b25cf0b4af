import itertools

import pytest
import torch
from torch.nn import functional as F

from featviz.base.errors import FeatvizError
from featviz.generators.networks.discriminators import (
    DiscriminatorArchitecture,
    MultiScaleDiscriminator,
)


@pytest.mark.parametrize("scales", [1, 2, 3, 4])
def test_each_scale_returns_the_map_of_every_layer_and_one_score_a_patch(scales):
    discriminator = MultiScaleDiscriminator(DiscriminatorArchitecture(width=4, scales=scales))
    results = discriminator(torch.rand(2, 6, 128, 128))
    assert len(results) == scales
    for index, maps in enumerate(results):
        size = 128 >> index
        assert [m.shape[1] for m in maps] == [4, 8, 16, 32, 1]
        # 4x4 kernels with padding 2: stride 2 three times, then stride 1 twice.
        side = size // 8 + 1
        assert maps[-1].shape == (2, 1, side + 2, side + 2)


def test_the_study_discriminator_has_five_convolutions_of_4x4():
    discriminator = MultiScaleDiscriminator(DiscriminatorArchitecture())
    for scale in discriminator.scales:
        convs = [m for m in scale.modules() if isinstance(m, torch.nn.Conv2d)]
        assert [conv.kernel_size for conv in convs] == [(4, 4)] * 5
        assert [conv.out_channels for conv in convs] == [64, 128, 256, 512, 1]


def test_a_coarser_scale_sees_the_averaged_pair():
    discriminator = MultiScaleDiscriminator(DiscriminatorArchitecture(width=4, scales=2))
    pair = torch.rand(1, 6, 64, 64)
    kernel = torch.full((6, 1, 3, 3), 1.0)
    total = F.conv2d(pair, kernel, stride=2, padding=1, groups=6)
    count = F.conv2d(torch.ones_like(pair), kernel, stride=2, padding=1, groups=6)
    expected = discriminator.scales[1](total / count)
    for got, want in zip(discriminator(pair)[1], expected, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", [1, 2])
def test_images_are_refused_that_it_cannot_judge_in_training_and_no_others(padding):
    refused = 0
    for size, scales in itertools.product((16, 23, 24, 32, 47, 64), range(1, 8)):
        architecture = DiscriminatorArchitecture(2, 1, scales=scales, padding=padding)
        try:
            MultiScaleDiscriminator(architecture)(torch.rand(1, 2, size, size))
        except (RuntimeError, ValueError):
            refused += 1
            with pytest.raises(FeatvizError, match=f"{size} px are too small for {scales} scales"):
                architecture.require_fitting(size)
        else:
            architecture.require_fitting(size)
    assert 0 < refused < 42
