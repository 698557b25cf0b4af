from collections import namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from featviz.base.errors import FeatvizError
from featviz.probing.activations import evaluating, record_activations
from featviz.probing.calling import Called, chosen_output
from featviz.probing.receptive_field import trace_geometry


class Timed(nn.Module):
    """Takes a step beside the image and gives a dictionary; it has weights of its own."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.register_buffer("shift", torch.tensor(0.5))

    def forward(self, images, step):
        maps = self.first(images) * step * self.scale + self.shift
        noise = torch.ones_like(maps) if self.training else 0
        return {"score": maps.mean((2, 3)), "maps": maps + noise}


def timed():
    torch.manual_seed(0)
    return Timed()


def test_a_call_gives_what_the_network_gives_to_it_and_layers_keep_their_names():
    model, image = timed().eval(), torch.randn(1, 3, 8, 8)
    called = Called(model, lambda network, images: network(images, step=3))
    assert torch.equal(called(image), model(image, 3)["maps"])
    assert dict(called.named_parameters()).keys() == dict(model.named_parameters()).keys()
    assert called.state_dict().keys() == model.state_dict().keys()
    with torch.no_grad(), record_activations(called, ["first"]) as activations:
        called(image)
    assert torch.equal(activations["first"], model.first(image))


def test_a_called_network_is_followed_without_values_and_keeps_its_own():
    model = timed()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    called = Called(model, lambda network, images: network(images, step=3))
    geometry = trace_geometry(called, ["first"], (16, 8))["first"]
    assert (geometry.map_size, geometry.extent) == ((16, 8), (3, 3))
    assert all(torch.equal(model.state_dict()[name], before[name]) for name in before)


def test_evaluation_mode_reaches_the_network_itself_and_leaves_it():
    model = timed()
    called = Called(model, lambda network, images: network(images, 1))
    assert model.training
    with evaluating(called):
        assert not model.training
        assert not model.first.training
    assert model.training
    model.eval()
    assert not Called(model, lambda network, images: images).training
    assert not model.training


@dataclass
class _Output:
    sample: torch.Tensor
    mean: object


def test_an_output_is_chosen_by_its_place_and_by_itself_the_first_that_is_like_an_image():
    flat, image, other = torch.zeros(1, 5), torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)
    named = namedtuple("Named", "logits picture")(flat, image)
    for output in ((flat, image, other), {"a": flat, "b": [image, other]}, named, image):
        assert chosen_output(output) is image
    assert chosen_output((flat, [flat])) is flat
    assert chosen_output(_Output(flat, (image, other)), "mean.1") is other
    assert chosen_output({"a": flat, "b": [image, other]}, "b.0") is image
    assert chosen_output(named, "picture") is image
    with pytest.raises(FeatvizError, match=r"no output 'c'; there are a, b\.0, b\.1"):
        chosen_output({"a": flat, "b": [image, other]}, "c")
    with pytest.raises(FeatvizError, match="one tensor alone; leave its name out"):
        chosen_output(image, "sample")
    with pytest.raises(FeatvizError, match="gives a dict without any tensor"):
        chosen_output({"a": None})
