"""Cascaded refinement networks beside one that is written plainly, from the paper, in float64."""

import pytest
import torch
from torch.nn import functional as F

from featviz.base.errors import FeatvizError
from featviz.generators.checkpoint_files import convert, load_generator, save_network
from featviz.generators.networks.architectures import build
from featviz.generators.networks.crn import CrnArchitecture, modules_for
from tests.probing.geometry import geometries_as_reached


def small(levels=4, width=2, norm="layer-affine"):
    """One whose norms are not trivial."""
    torch.manual_seed(1)
    network = build(CrnArchitecture(levels, width, norm))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.double().eval()


def plain_image(weights, sketch, levels):
    """Section 3: from the coarsest module on, each one's two layers written out."""
    features = None
    for level in range(levels):
        side = sketch.shape[-1] >> (levels - 1 - level)
        given = F.adaptive_avg_pool2d(sketch, side)
        if features is not None:
            larger = F.interpolate(features, (side, side), mode="bilinear", align_corners=False)
            given = torch.cat([larger, given], 1)
        for half in ("first", "second"):
            name = f"refinement.M{level}.{half}"
            given = F.conv2d(given, weights[f"{name}.conv.weight"], padding=1)
            axes = (1, 2, 3)
            centred = given - given.mean(axes, keepdim=True)
            given = centred / (centred.square().mean(axes, keepdim=True) + 1e-5).sqrt()
            scale, shift = (weights[f"{name}.norm.{leaf}"] for leaf in ("weight", "bias"))
            given = given * scale[:, None, None] + shift[:, None, None]
            given = torch.where(given > 0, given, 0.2 * given)
        features = given
    return F.conv2d(features, weights["output.conv.weight"], weights["output.conv.bias"])


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_images_and_gradients_are_those_of_the_plain_network(order):
    network = small()
    sketch = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    plain = {key: value.clone().requires_grad_() for key, value in network.state_dict().items()}
    expected = plain_image(plain, sketch, 4)
    expected.square().sum().backward()
    network.to(memory_format=order)
    image = network(sketch.contiguous(memory_format=order))
    image.square().sum().backward()
    torch.testing.assert_close(image, expected, rtol=1e-10, atol=1e-12)
    for key, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.grad, plain[key].grad, rtol=1e-8, atol=1e-9)


def test_the_first_map_is_4x4_at_sizes_that_are_powers_of_two():
    for size, levels in ((4, 1), (8, 2), (256, 7), (512, 8)):
        assert modules_for(size) == levels
        assert size >> (levels - 1) == 4
    assert CrnArchitecture().channels == (1024, 1024, 1024, 1024, 1024, 512, 512, 128)


def test_cells_of_every_module_lie_where_single_pixels_reach_them():
    size, levels = 64, 3
    # Layer norm would let every pixel reach every cell.
    network = small(levels, norm="batch-affine")
    layers = ["M0", "M1", "M2", "output"]
    for layer, geometry in geometries_as_reached(network, layers, size).items():
        cells = geometry.map_size[0]
        for point in range(size):
            assert geometry.position((point, point)) == (point * cells // size,) * 2, layer


def test_a_saved_network_comes_back_and_has_no_place_in_other_code_bases(tmp_path):
    network, path = small().float(), tmp_path / "crn.safetensors"
    save_network(network, path, "generator", {}, torch.float32)
    loaded = load_generator(path)
    assert loaded.architecture == network.architecture
    sketch = torch.randn(1, 3, 16, 16)
    assert torch.equal(loaded.generator(sketch), network(sketch))
    with pytest.raises(FeatvizError, match="no place for a Crn"):
        convert(path, tmp_path / "crn.pth")
    with pytest.raises(FeatvizError, match="no front end of its own"):
        convert(path, tmp_path / "front.safetensors", front_end=True)
    for side in (8, 20):
        with pytest.raises(FeatvizError, match="at least 16 and multiples of 8"):
            network(torch.zeros(1, 3, side, 16))
    with pytest.raises(FeatvizError, match="levels"):
        CrnArchitecture(levels=0)
