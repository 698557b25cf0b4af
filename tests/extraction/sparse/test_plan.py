import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from featviz.base.errors import FeatvizError
from featviz.extraction.sparse import UnsuitedError, make_plan
from featviz.generators.networks.generators import GeneratorArchitecture, build_generator
from featviz.probing.activations import record_activations
from tests.extraction.sparse.dense import dense_vectors, relative_error, sketch, sparse_vectors


class Branch(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3)
        self.change = change

    def forward(self, x):
        x = self.first(x)
        return self.second(self.change(x))


class Tail(nn.Sequential):
    def forward(self, x):
        return super().forward(x) * 2


def test_functions_and_changes_in_place_between_modules_are_noticed():
    changes = [lambda x: x + 1, torch.relu, torch.relu_, lambda x: x.add_(1), lambda x: x[:, :]]
    for change in changes:
        with pytest.raises(UnsuitedError, match="takes something else than the output of Conv2d"):
            make_plan(Branch(change), ["second"], (16, 16))
        make_plan(Branch(change), ["first"], (16, 16))
    assert len(make_plan(Branch(lambda x: x), ["second"], (16, 16)).operations) == 2


REFUSED = [
    (nn.Sequential(nn.Conv2d(3, 6, 3, groups=3)), "0", "a convolution of 3 groups"),
    (nn.Sequential(nn.Conv2d(3, 6, 3), nn.MaxPool2d(2)), "1", r"1 \(MaxPool2d\): expected convol"),
    (nn.Sequential(nn.Conv2d(3, 6, 3), nn.GroupNorm(2, 6)), "1", r"1 \(GroupNorm\): expected"),
    (nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False)), "0", "no running statistics"),
    (nn.Sequential(nn.ZeroPad2d(1), nn.ReLU()), "1", "padding that no convolution follows"),
    (nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(3, 3, 3)), "0", "is padding, here a part of"),
    (nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(3, 3, 3, padding=1)), "1", "that pads by itself"),
    (nn.Sequential(nn.ZeroPad2d(-1), nn.Conv2d(3, 3, 3)), "1", "cuts the map"),
    (nn.Sequential(Tail(nn.Conv2d(3, 4, 3))), "0", r"layer '0' \(Tail\) does more than"),
    (nn.Sequential(nn.Conv2d(3, 4, 3)).half(), "0", "float16"),
    (build_generator(GeneratorArchitecture(width=2, enhancers=1)), "L0", "else than the image"),
]


@pytest.mark.parametrize(("model", "layer", "message"), REFUSED, ids=[m for *_, m in REFUSED])
def test_what_it_cannot_compute_is_refused_with_the_reason(model, layer, message):
    with pytest.raises(UnsuitedError, match=message) as caught:
        make_plan(model, [layer], (64, 64))
    assert "\n" not in str(caught.value)


def test_what_lies_behind_the_last_layer_does_not_matter():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    plan = make_plan(model, ["1", "0"], (16, 16))
    assert dict(plan.targets) == {"0": 1, "1": 2}


def test_hooks_of_others_are_refused_and_none_of_ours_remain():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    with record_activations(model, ["0"]), pytest.raises(UnsuitedError, match="has hooks"):
        make_plan(model, ["1"], (16, 16))
    model.train()
    make_plan(model, ["1"], (16, 16))
    assert model.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_unknown_layers_are_an_error_of_the_caller():
    with pytest.raises(FeatvizError, match="unknown layer '7'") as caught:
        make_plan(nn.Sequential(nn.Conv2d(3, 4, 3)), ["7"], (16, 16))
    assert not isinstance(caught.value, UnsuitedError)


def test_parametrised_weights_and_one_activation_for_all_are_followed():
    torch.manual_seed(0)
    relu = nn.ReLU(inplace=True)
    convolution = parametrizations.weight_norm(nn.Conv2d(4, 5, 3))
    model = nn.Sequential(nn.Conv2d(3, 4, 3), relu, convolution, nn.InstanceNorm2d(5), relu)
    image, cells = sketch(0, 40, 40), {"3": [(0, 0), (7, 9)], "2": [(3, 3)]}
    found = sparse_vectors(model, ["3", "2"], image, cells)
    expected = dense_vectors(model, ["3", "2"], image, cells)
    for layer in cells:
        assert relative_error(found[layer], expected[layer]) < 1e-4
