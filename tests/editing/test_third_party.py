"""Edits that stay in networks of other people, none of which knows of featviz."""

import pytest
import torch
from torch import nn

from featviz.editing import edit


class _Decoder(nn.Module):
    """Only the decoder of an autoencoder: what an edit of its latent image changes."""

    def __init__(self, autoencoder):
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, latent):
        return self.autoencoder.decode(latent)


class _Spade(nn.Module):
    """SPADE's generator of a map of labels, at one latent vector."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.register_buffer("latent", torch.randn(1, 16))

    def forward(self, labels):
        return self.network.decoder(labels, self.latent)


class _Painter(nn.Module):
    """An image from the tokens of a ViT with a class token, each a patch of 8 x 8 pixels."""

    def __init__(self):
        # Takes seconds, which who runs other tests need not wait.
        from transformers import ViTConfig, ViTModel

        super().__init__()
        sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
        config = ViTConfig(**sizes, intermediate_size=32, image_size=(40, 56), patch_size=8)
        self.vit, self.last = ViTModel(config, add_pooling_layer=False), nn.Linear(16, 3 * 64)

    def forward(self, image):
        tokens = self.vit(image).last_hidden_state[:, 1:]
        maps = self.last(tokens).transpose(1, 2).reshape(1, -1, 5, 7)
        return nn.functional.pixel_shuffle(maps, 8)


def _cyclegan():
    """CycleGAN's ResNet generator as its paper's appendix has it, with fewer filters and blocks."""

    class Block(nn.Module):
        def __init__(self, width):
            super().__init__()
            layers = []
            for _ in range(2):
                layers += [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3)]
                layers += [nn.InstanceNorm2d(width), nn.ReLU(True)]
            self.layers = nn.Sequential(*layers[:-1])

        def forward(self, x):
            return x + self.layers(x)

    def normalized(convolution, width):
        return convolution, nn.InstanceNorm2d(width), nn.ReLU(True)

    def up(inputs, outputs):
        convolution = nn.ConvTranspose2d(inputs, outputs, 3, 2, padding=1, output_padding=1)
        return normalized(convolution, outputs)

    return nn.Sequential(
        nn.ReflectionPad2d(3), *normalized(nn.Conv2d(3, 6, 7), 6),
        *normalized(nn.Conv2d(6, 12, 3, 2, padding=1), 12),
        *normalized(nn.Conv2d(12, 24, 3, 2, padding=1), 24),
        Block(24), Block(24), *up(24, 12), *up(12, 6),
        nn.ReflectionPad2d(3), nn.Conv2d(6, 3, 7), nn.Tanh(),
    )  # fmt: skip


def _network(name):
    """A network with random weights, and the shape (C, H, W) of what it takes."""
    from monai.networks import nets

    torch.manual_seed(0)
    if name == "ViT":
        return _Painter(), (3, 40, 56)
    if name == "CycleGAN":
        return _cyclegan(), (3, 64, 64)
    if name.startswith("U-Net"):
        norm = name.partition(", ")[2]
        return nets.UNet(2, 3, 3, (8, 16, 32), (2, 2), num_res_units=1, norm=norm), (3, 64, 64)
    if name == "SPADE":
        network = nets.SPADENet(2, 3, 3, 3, [64, 64], z_dim=16, channels=[8, 16, 32])
        return _Spade(network), (3, 64, 64)
    # Group norms and attention, neither of which can be held.
    sizes = {"channels": (16, 32), "num_res_blocks": (1, 1), "attention_levels": (False, True)}
    autoencoder = nets.AutoencoderKL(2, 3, 3, **sizes, latent_channels=4, norm_num_groups=8)
    return _Decoder(autoencoder), (4, 16, 16)


NETWORKS = ["ViT", "CycleGAN", "U-Net, instance", "U-Net, batch", "SPADE", "VAE decoder"]


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    model, shape = _network(request.param)
    torch.manual_seed(1)
    base = torch.randn(shape)
    edited = base.clone()
    _, height, width = shape
    edited[:, height // 4 : height // 2, width // 2 : width // 2 + width // 8] += 1
    return model.eval().requires_grad_(False), base, edited


def _differing(image, base):
    return (image != base)[0].any(dim=0).numpy()


@pytest.mark.parametrize("statistics", ["base", "edit", "composite", 0.5])
@pytest.mark.parametrize("keep", ["layers", "trunk"])
def test_exactly_the_pixels_that_are_told_to_be_reached_change(network, keep, statistics):
    model, base, edited = network
    found = edit(model, base, edited, keep=keep, statistics=statistics)
    assert (found.reach == _differing(found.image, found.base_image)).all()
    assert found.reach.any()


def test_far_less_changes_than_of_the_network_by_itself(network):
    model, base, edited = network
    found = edit(model, base, edited)
    free = _differing(model(edited[None]), model(base[None]))
    assert 2 * found.reach.mean() < free.mean()


def test_the_base_is_the_networks_own_image_and_comes_back_to_the_last_bit(network):
    model, base, edited = network
    there = edit(model, base, edited)
    assert torch.equal(there.base_image, model(base[None]))
    assert torch.equal(edit(model, there.base, base).image, there.base_image)


def test_an_edit_leaves_nothing_behind_in_the_network(network):
    model, base, edited = network
    before = model(edited[None])
    first = edit(model, base, edited)
    edit(model, first, base, keep="trunk", statistics="composite")
    assert torch.equal(model(edited[None]), before)
    assert torch.equal(edit(model, base, edited).image, first.image)


def test_what_lies_outside_of_all_edits_of_a_chain_never_moves(network):
    model, base, edited = network
    first = edit(model, base, edited)
    other = edited.clone()
    other[:, -2:, :2] -= 1
    second = edit(model, first, other)
    back = edit(model, edit(model, second, edited), base)
    untouched = ~(first.reach | second.reach | back.reach)
    assert untouched.mean() > 0.3
    assert not (_differing(back.image, first.base_image) & untouched).any()
    # Each step starts from the face before, which only its own edit changes.
    assert (_differing(second.image, first.image) == second.reach).all()
