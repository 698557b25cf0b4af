"""U-Nets beside one that is written plainly, from the paper, in float64."""

import pytest
import torch
from torch import nn

from benchmarks.plain_networks import PlainUnet
from featviz.base.errors import FeatvizError
from featviz.generators.checkpoint_files import export_pix2pix, load_generator
from featviz.generators.networks.architectures import build
from featviz.generators.networks.pix2pix import from_pix2pix
from featviz.generators.networks.unet import UnetArchitecture
from tests.probing.geometry import geometries_as_reached

NORMS = {"batch-affine": nn.BatchNorm2d, "instance": nn.InstanceNorm2d}


def settled_unet(*given, **settings):
    """A plain U-Net in float64 whose weights, norms and statistics are not trivial."""
    torch.manual_seed(1)
    network = PlainUnet(*given, **settings).double()
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            moved = 0.1 * torch.randn_like(tensor).abs() if tensor.is_floating_point() else 7
            tensor.add_(moved)
    return network


@pytest.fixture
def sketch(rng):
    return torch.from_numpy(rng.standard_normal((2, 3, 64, 64)))


def saved(network, path, **changes):
    state = {
        key: value.float() if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }
    torch.save(state | changes, path)
    return path


@pytest.mark.parametrize(("norm", "levels"), [("batch-affine", 6), ("instance", 5)])
def test_a_file_of_pix2pix_gives_the_images_of_its_network_in_evaluation(
    tmp_path, sketch, norm, levels
):
    plain = settled_unet(levels, 4, NORMS[norm])
    loaded = load_generator(saved(plain, tmp_path / "latest_net_G.pth"))
    assert loaded.generator.architecture == UnetArchitecture(levels, 4, norm)
    expected = plain.float().double().eval()(sketch)
    torch.testing.assert_close(loaded.generator.double()(sketch), expected, rtol=1e-6, atol=1e-6)


def test_a_batch_of_one_gives_the_images_of_its_network_as_pix2pix_tests_it(tmp_path, sketch):
    plain = settled_unet(5, 4)
    path = saved(plain, tmp_path / "latest_net_G.pth")
    loaded = load_generator(path, "batch-of-one").generator.double()
    kept = load_generator(path).generator.double()
    plain.float().double().train()
    for image in sketch.split(1):
        expected = plain(image)
        torch.testing.assert_close(loaded(image), expected, rtol=1e-6, atol=1e-6)
        assert (kept(image) - expected).abs().max() > 0.01


@pytest.mark.parametrize("norm", NORMS)
def test_training_has_the_values_gradients_and_noise_of_the_plain_network(sketch, norm):
    plain = settled_unet(6, 3, NORMS[norm], dropouts=3).train()
    architecture = UnetArchitecture(6, 3, norm)
    network = build(architecture).double().train()
    weights = from_pix2pix(plain.state_dict(), architecture)
    network.load_state_dict(weights)
    found = []
    for each in (plain, network):
        torch.manual_seed(4)
        image = each(sketch)
        image.square().sum().backward()
        found.append((image, each))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-10, atol=1e-12)
    wanted = from_pix2pix({k: p.grad for k, p in plain.named_parameters()}, architecture)
    for key, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.grad, wanted[key], rtol=1e-8, atol=1e-9)
    # What batches have left in the running statistics is the same too.
    for key, value in from_pix2pix(plain.state_dict(), architecture).items():
        torch.testing.assert_close(network.state_dict()[key], value)
    torch.manual_seed(5)
    assert not torch.equal(network(sketch), found[1][0])
    network.eval()
    assert torch.equal(network(sketch), network(sketch))


@pytest.mark.parametrize("norm", ["batch-affine", "instance", "instance-affine"])
def test_a_written_file_is_taken_by_the_plain_network_and_read_back(tmp_path, sketch, norm):
    torch.manual_seed(2)
    network = build(UnetArchitecture(5, 4, norm)).eval()
    path = tmp_path / "G.pth"
    export_pix2pix(network, path)
    plain = PlainUnet(5, 4, NORMS[norm.replace("instance-", "batch-")])
    plain.load_state_dict(torch.load(path, weights_only=True), strict=True)
    of_one = norm == "instance-affine"
    plain.train(of_one)
    given = sketch[:1].float()
    torch.testing.assert_close(plain(given), network(given), rtol=1e-4, atol=1e-5)
    again = load_generator(path, "batch-of-one" if of_one else None).generator
    assert torch.equal(again(given), network(given))
    if of_one:
        with pytest.raises(FeatvizError, match=r"has met no batch .* variant batch-of-one"):
            load_generator(path)


def test_files_that_are_no_whole_unet_are_errors_of_one_line(tmp_path):
    plain, path = settled_unet(5, 2), tmp_path / "G.pth"
    state = plain.state_dict()
    deep = "model.model.1.model"

    def refused(pattern, variant=None, without=(), **changes):
        kept = {k: v for k, v in state.items() if not k.endswith(tuple(without))}
        torch.save(kept | changes, path)
        with pytest.raises(FeatvizError, match=pattern) as caught:
            load_generator(path, variant)
        assert "\n" not in str(caught.value)

    refused("has met no batch", without=("running_mean", "running_var", "num_batches_tracked"))
    refused("1 missing .*L1.norm.running_var", without=(f"{deep}.2.running_var",))
    refused("'model.model.9.weight' has no place", **{"model.model.9.weight": torch.ones(1)})
    refused("1 of another shape", **{"model.model.3.weight": torch.ones(9, 3, 4, 4)})
    refused(
        "unknown variant 'modified' of a U-Net; there are baseline and batch-of-one", "modified"
    )
    refused("NaN or infinity", **{f"{deep}.1.weight": torch.full((4, 2, 4, 4), torch.nan)})
    saved(settled_unet(5, 2, nn.InstanceNorm2d), path)
    with pytest.raises(FeatvizError, match="no batch norm that variant batch-of-one could be of"):
        load_generator(path, "batch-of-one")


def test_architectures_that_cannot_be_are_refused():
    for changes, words in (
        ({"levels": 1}, "levels"),
        ({"dropout": 1.0}, "dropout must be 0 or more and less than 1"),
        ({"norm": "blur"}, "unknown normalisation 'blur'"),
    ):
        with pytest.raises(FeatvizError, match=words):
            UnetArchitecture(**changes)
    # Its deepest norms have half as many cells as the window needs at 32 px, and enough at 64.
    network = build(UnetArchitecture(5, 2, "window-3")).eval()
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 3, 64, 64)
    for side in (32, 48, 80):
        with pytest.raises(FeatvizError, match="at least 64 and multiples of 32"):
            network(torch.zeros(1, 3, side, 64))


def test_cells_of_encoder_and_decoder_lie_where_single_pixels_reach_them():
    size, levels = 64, 3
    torch.manual_seed(0)
    network = build(UnetArchitecture(levels, 2, "batch-affine")).double().eval()
    layers = ["L0", "L1", "L2", "U0", "U1", "output"]
    for layer, geometry in geometries_as_reached(network, layers, size).items():
        # Each cell stands for the pixels that it covers.
        pitch = size // geometry.map_size[0]
        if layer in ("U0", "U1", "output"):
            for point in range(size):
                assert geometry.position((point, point)) == (point // pitch,) * 2, (layer, point)
