"""Patched forwards against forwards that are written out by hand."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from featviz.base.errors import FeatvizError
from featviz.editing import patch_activations, patch_region
from featviz.probing.activations import record_activations


class Network(nn.Module):
    """Two convolutions, the second of stride 2, and one ReLU that runs twice."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(4, 5, 3, stride=2, padding=1)

    def forward(self, x):
        return self.relu(self.second(self.relu(self.first(x))))


class Tokens(nn.Module):
    """Patches of 8 pixels as tokens behind a class token, mixed by attention."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 6, 8, stride=8)
        self.named = nn.Parameter(torch.randn(1, 1, 6))
        self.embedding = nn.Identity()
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = self.embedding(torch.cat([self.named.expand(len(x), -1, -1), tokens], dim=1))
        return self.attention(tokens, tokens, tokens)[0]


@pytest.fixture
def images():
    return torch.rand(2, 3, 32, 32).unbind()


@pytest.fixture
def region():
    region = np.zeros((32, 32), dtype=bool)
    region[8:20, 4:18] = True
    return region


def test_a_region_of_one_layer_is_the_source_s_and_the_rest_the_image_s(images, region):
    model, (image, source) = Network(), images
    found = patch_region(model, image, source, ["first"], region)
    with torch.no_grad():
        # A convolution of stride 1 has a cell for each pixel.
        mixed = torch.where(torch.from_numpy(region), model.first(source), model.first(image))
        assert torch.equal(found[0], model.second(mixed.relu()).relu())


def test_outside_is_what_inside_is_the_other_way_round(images, region):
    model, (image, source) = Network(), images
    outside = patch_region(model, image, source, ["first"], region, side="outside")
    assert torch.equal(outside, patch_region(model, source, image, ["first"], region))
    assert not torch.equal(outside, patch_region(model, image, source, ["first"], region))


def test_a_region_of_everything_at_any_layer_is_the_source(images):
    model, (image, source) = Network(), images
    with torch.no_grad():
        expected = model(source[None])
    everywhere = np.ones((32, 32), dtype=bool)
    for layer in ("first", "second", "relu#1", "relu#2"):
        assert torch.equal(patch_region(model, image, source, [layer], everywhere), expected)
        found = patch_region(model, image, source, [layer], ~everywhere, side="outside")
        assert torch.equal(found, expected)


@pytest.fixture
def centres():
    """Pixels on which cells of the map of half the size are centred, a region and its cells."""
    cells = np.zeros((16, 16), dtype=bool)
    cells[4:10, 2:9] = True
    pixels = np.zeros((32, 32), dtype=bool)
    pixels[::2, ::2] = cells
    return pixels, torch.from_numpy(cells)


def test_of_a_smaller_map_the_cells_that_stand_for_the_region_are_patched(images, centres):
    model, (image, source), (region, cells) = Network(), images, centres
    found = patch_region(model, image, source, ["relu#2"], region)[0]
    with torch.no_grad():
        own, other = (model(each[None])[0] for each in (image, source))
    assert torch.equal(found, torch.where(cells, other, own))


def test_layers_are_patched_in_the_order_of_the_forward(images, centres):
    model, (image, source), (region, cells) = Network(), images, centres
    both = patch_region(model, image, source, ["relu#2", "first"], region)
    with torch.no_grad():
        first = torch.where(torch.from_numpy(region), model.first(source), model.first(image))
        own, other = model.second(first.relu()).relu(), model(source[None])[0]
    assert torch.equal(both[0], torch.where(cells, other, own))


@pytest.mark.parametrize("side", ["inside", "outside"])
def test_tokens_of_a_region_are_patched_and_the_class_token_is_outside(images, region, side):
    model, (image, source) = Tokens().eval(), images
    found = patch_region(model, image, source, ["embedding"], region, side)
    patches = region.reshape(4, 8, 4, 8).any(axis=(1, 3)).ravel()
    inside = torch.tensor([False, *patches])[:, None]
    with torch.no_grad():
        own, other = (
            torch.cat([model.named[0], model.patches(each[None]).flatten(2)[0].T])
            for each in (image, source)
        )
        chosen = inside if side == "inside" else ~inside
        tokens = torch.where(chosen, other, own)[None]
        expected = model.attention(tokens, tokens, tokens)[0]
    assert torch.allclose(found, expected, atol=1e-6)


def test_a_forward_goes_on_from_given_activations(images):
    model, (image, source) = Network(), images
    with torch.no_grad(), record_activations(model, ["first"]) as activations:
        expected = model(source[None])
    given = {"first": activations["first"]}
    with torch.no_grad(), patch_activations(model, given):
        assert torch.equal(model(image[None]), expected)
        # In place operations behind the layer have not spoiled what was given.
        assert torch.equal(model(image[None]), expected)
    assert not torch.equal(model(image[None]), expected)


def test_the_model_is_as_it_was_also_after_an_error(images):
    model, (image, _) = Network(), images
    before = model(image[None])
    with (
        pytest.raises(FeatvizError, match="cannot put"),
        patch_activations(model, {"first": torch.zeros(1, 4, 8, 8)}),
    ):
        model(image[None])
    assert torch.equal(model(image[None]), before)
    assert not any(module._forward_hooks for module in model.modules())


def test_what_cannot_be_patched_says_why(images, region):
    model, (image, source) = Network(), images
    with pytest.raises(FeatvizError, match="unknown layer 'third'"):
        patch_region(model, image, source, ["third"], region)
    with pytest.raises(FeatvizError, match="expected one size"):
        patch_region(model, image, source[:, :16], ["first"], region)
    with pytest.raises(FeatvizError, match="expected one size and bool"):
        patch_region(model, image, source, ["first"], region.astype(int))
    with pytest.raises(FeatvizError, match="no side 'beside'"):
        patch_region(model, image, source, ["first"], region, "beside")
    mixed = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4))
    with pytest.raises(FeatvizError, match="layer '1' cannot be patched"):
        patch_region(mixed, image, source, ["1"], region)


def test_an_edit_s_own_activations_in_its_area_alone_are_what_keeping_one_layer_gives(
    images, region
):
    """Of a network without norms, a kept map is the base's, patched outside of the area."""
    from featviz.editing import edit

    model, (base, other) = Network(), images
    edited = torch.where(torch.from_numpy(region), other, base)
    kept = edit(model, base, edited, area=region, keep=["first"])
    assert torch.equal(patch_region(model, edited, base, ["first"], region, "outside"), kept.image)
    assert F.mse_loss(kept.image, kept.base_image) > 0
