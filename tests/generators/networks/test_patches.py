"""pytorch-CycleGAN-and-pix2pix's discriminator, written plainly, and its files."""

import pytest
import torch
from torch import nn

from featviz.base.errors import FeatvizError
from featviz.cli import main
from featviz.generators.checkpoint_files import load_discriminator, load_generator, save_network
from featviz.generators.networks.discriminators import (
    DiscriminatorArchitecture,
    MultiScaleDiscriminator,
)


class PlainPatches(nn.Module):
    """C64-C128-C256-C512-1 of 4x4 convolutions; names and biases as there."""

    def __init__(self, width, norm=nn.BatchNorm2d):
        super().__init__()
        layers = [nn.Conv2d(6, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for wide, stride in ((width, 2), (2 * width, 2), (4 * width, 1)):
            has_bias = norm is nn.InstanceNorm2d
            layers += [
                nn.Conv2d(wide, 2 * wide, 4, stride, 1, bias=has_bias),
                norm(2 * wide),
                nn.LeakyReLU(0.2),
            ]
        self.model = nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1))

    def forward(self, pair):
        return self.model(pair)


@pytest.fixture
def pair():
    torch.manual_seed(1)
    return torch.randn(1, 6, 48, 64, dtype=torch.float64)


@pytest.mark.parametrize(
    ("norm", "mode", "variant", "read"),
    [
        (nn.BatchNorm2d, "eval", "baseline", "batch-affine"),
        (nn.BatchNorm2d, "train", "batch-of-one", "instance-affine"),
        (nn.InstanceNorm2d, "eval", "baseline", "instance"),
    ],
)
def test_a_file_is_read_and_written_so_that_either_gives_the_same_scores(
    tmp_path, pair, norm, mode, variant, read
):
    torch.manual_seed(0)
    plain = PlainPatches(2, norm)
    plain(pair.float() * 3 + 1)
    torch.save(plain.state_dict(), tmp_path / "latest_net_D.pth")
    for parameter in plain.parameters():
        parameter.requires_grad_(False)
    theirs = getattr(plain.double(), mode)()(pair)
    path = tmp_path / "mine.safetensors"
    words = ["convert", str(tmp_path / "latest_net_D.pth"), str(path), "--discriminator"]
    main([*words, "--variant", variant])
    network = load_discriminator(path)
    assert network.architecture == DiscriminatorArchitecture(6, 2, 3, 1, read, 1)
    (maps,) = network.double()(pair)
    torch.testing.assert_close(maps[-1], theirs)
    main(["convert", str(path), str(tmp_path / "again.pth"), "--discriminator"])
    other = PlainPatches(2, norm)
    other.load_state_dict(torch.load(tmp_path / "again.pth"))
    torch.testing.assert_close(getattr(other.double(), mode)()(pair), theirs)


def test_what_a_bias_in_front_of_a_norm_did_is_kept_where_the_file_has_no_place_for_it(
    tmp_path, pair
):
    torch.manual_seed(0)
    network = MultiScaleDiscriminator(
        DiscriminatorArchitecture(6, 2, 3, 1, "batch-affine", 1)
    ).eval()
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.copy_(torch.rand_like(tensor))
    save_network(network, tmp_path / "d.safetensors", "discriminator", {}, torch.float32)
    main(["convert", str(tmp_path / "d.safetensors"), str(tmp_path / "d.pth"), "--discriminator"])
    plain = PlainPatches(2).eval()
    plain.load_state_dict(torch.load(tmp_path / "d.pth"))
    torch.testing.assert_close(plain.double()(pair), network.double()(pair)[0][-1])


def test_files_that_do_not_fit_are_refused_in_a_line(tmp_path):
    path = tmp_path / "latest_net_D.pth"
    torch.save(PlainPatches(2).state_dict(), path)
    with pytest.raises(FeatvizError, match=r"has met no batch .* as variant batch-of-one"):
        load_discriminator(path)
    with pytest.raises(FeatvizError, match="holds a discriminator; expected a generator"):
        load_generator(path)
    state = PlainPatches(2, nn.InstanceNorm2d).state_dict()
    torch.save(state, path)
    with pytest.raises(FeatvizError, match="has no batch norm that variant batch-of-one"):
        load_discriminator(path, "batch-of-one")
    torch.save(state | {"model.20.weight": state["model.2.weight"]}, path)
    with pytest.raises(FeatvizError, match=r"'model\.20\.weight' has no place in a PatchGAN of 3"):
        load_discriminator(path)
    torch.save({key: state[key] for key in state if key != "model.5.weight"}, path)
    with pytest.raises(FeatvizError, match=r"latest_net_D\.pth: "):
        load_discriminator(path)
    wide = MultiScaleDiscriminator(DiscriminatorArchitecture(6, 2, 3, 1, "region", 1))
    save_network(wide, tmp_path / "d.safetensors", "discriminator", {}, torch.float32)
    with pytest.raises(SystemExit):
        main(["convert", str(tmp_path / "d.safetensors"), str(path), "--discriminator"])
