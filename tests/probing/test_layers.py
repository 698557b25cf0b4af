"""Which layers there are, against plain hooks, and which of them patterns fit."""

import time

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from featviz.base.errors import FeatvizError
from featviz.probing.layers import locate_layers, survey_layers
from featviz.probing.receptive_field import trace_geometry


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.InstanceNorm2d(width)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.norm(self.conv(x)))


class Residual(Block):
    def forward(self, x):
        return x + super().forward(x)


class Pair(nn.Module):
    def forward(self, x):
        return x, x


class Net(nn.Module):
    """A module that runs twice, one that never does, a head, a tuple, and two blocks."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.relu = nn.ReLU()
        self.blocks = nn.ModuleList([Block(4), Block(4)])
        self.idle = nn.Conv2d(3, 4, 1)
        self.pair = Pair()
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = self.relu(self.stem(x))
        for block in self.blocks:
            x = block(x)
        x = self.relu(F.avg_pool2d(self.pair(x)[0], 2))
        return self.head(x.mean((2, 3)))


def hooked(model, image):
    """(name, output) of every module's every run, by plain hooks."""
    seen = []
    handles = [
        module.register_forward_hook(lambda _, __, out, name=name: seen.append((name, out)))
        for name, module in model.named_modules()
        if name
    ]
    model.eval()(image)
    for handle in handles:
        handle.remove()
    return seen


def test_the_survey_has_every_run_of_every_module_as_plain_hooks_see_it():
    model, image = Net(), torch.randn(1, 3, 16, 24)
    layers = survey_layers(model, (24, 16))
    seen = hooked(model, image)
    names = [name for name, _ in seen]
    assert sorted(layer.name.partition("#")[0] for layer in layers if layer.runs) == sorted(names)
    assert all(layer.runs == names.count(layer.name.partition("#")[0]) for layer in layers)
    found = {layer.name: layer for layer in layers}
    for number in (1, 2):
        run = [out for name, out in seen if name == "relu"][number - 1]
        assert found[f"relu#{number}"].shape == tuple(run.shape)
    for name, output in seen:
        if name not in ("relu", "pair"):
            assert found[name].shape == tuple(output.shape)
    assert [layer.name for layer in layers if layer.runs == 0] == ["idle"]
    assert {layer.name: type(dict(model.named_modules())[layer.name.partition("#")[0]]).__name__
            for layer in layers} == {layer.name: layer.kind for layer in layers}  # fmt: skip


def test_the_survey_tells_geometry_and_says_why_where_there_is_none():
    model = Net()
    found = {layer.name: layer for layer in survey_layers(model, (24, 16))}
    alone = trace_geometry(model, ["stem", "relu#2"], (24, 16))
    for name, geometry in alone.items():
        assert found[name].geometry.map_size == geometry.map_size
        assert found[name].geometry.extent == geometry.extent
    assert found["stem"].geometry.sees_whole_map is False
    assert found["blocks.0.conv"].geometry.sees_whole_map is False
    assert found["blocks.0.norm"].geometry.sees_whole_map is True
    assert found["relu#2"].geometry.sees_whole_map is True
    assert found["stem"].reason == ""
    assert found["pair"].reason == "it gives a tuple, not a tensor"
    assert found["idle"].reason == "it takes no part in the forward"
    assert found["head"].reason
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["blocks.*"], ["blocks.0", "blocks.1"]),
        (["**.norm"], ["blocks.0.norm", "blocks.1.norm"]),
        (["blocks.**.conv"], ["blocks.0.conv", "blocks.1.conv"]),
        (["blocks.?.re*"], ["blocks.0.relu", "blocks.1.relu"]),
        (["rel*"], ["relu#1", "relu#2"]),
        (["*"], ["stem", "relu#1", "relu#2"]),
        (["stem", "blocks.[1]"], ["stem", "blocks.1"]),
        (["st*", "stem"], ["stem"]),
    ],
)
def test_patterns_fit_whole_names_and_give_all_runs_in_the_order_of_the_forward(patterns, names):
    found = locate_layers(Net(), patterns, (24, 16))
    assert list(found.geometries) == names


def test_all_are_the_maps_and_the_others_are_told_with_the_reason():
    model = Net()
    found = locate_layers(model, "all", (24, 16))
    maps = {name for name, output in hooked(model, torch.randn(1, 3, 16, 24))
            if isinstance(output, torch.Tensor) and output.ndim == 4}  # fmt: skip
    assert {name.partition("#")[0] for name in found.geometries} == maps
    assert found.left_out.keys() == {"pair", "head"}


def test_stages_of_patterns_are_those_of_the_layers_that_have_them():
    found = locate_layers(Net(), ["**"], (24, 16), stage="norm")
    assert list(found.geometries) == ["blocks.0", "blocks.1"]


def test_patterns_without_a_fit_are_told():
    for patterns, told in (
        (["down.*"], r"no layer is like 'down\.\*'; this model has stem"),
        (["pa*"], "no layer like pa[*] can be read; the first of 1, 'pair': it gives a tuple"),
        (["blocks.*", "nope"], "unknown layer 'nope'"),
    ):
        with pytest.raises(FeatvizError, match=told):
            locate_layers(Net(), patterns, (24, 16))
    with pytest.raises(FeatvizError, match="cannot run on a 24x16 image of 5 channels"):
        survey_layers(Net(), (24, 16), channels=5)


class Reads(nn.Module):
    """Looks at values, which tensors without values have not."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(x) if float(x.sum()) > -1 else x


def test_a_model_that_looks_at_values_is_surveyed_too():
    (layer,) = survey_layers(Reads(), (24, 16))
    assert (layer.name, layer.runs, layer.shape) == ("conv", 1, (1, 4, 14, 22))


def test_five_hundred_layers_are_surveyed_in_less_than_five_seconds_of_the_processor():
    blocks = (Residual(4) for _ in range(124))
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *blocks, nn.Conv2d(4, 3, 3, padding=1))
    begun = time.process_time()
    found = survey_layers(model, (512, 512))
    assert time.process_time() - begun < 5
    assert len(found) == 498
    # Each convolution sees two pixels more.
    assert [each.geometry.extent[0] for each in found[1::4]] == [2 * n + 3 for n in range(1, 126)]
