import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from featviz.base.errors import FeatvizError
from featviz.extraction import extract
from featviz.extraction.sparse import UnsuitedError, make_plan, try_plan
from tests.extraction.sparse.dense import sketch


class Standardised(nn.Conv2d):
    def _conv_forward(self, x, weight, bias):
        return super()._conv_forward(x, weight - weight.mean((1, 2, 3), keepdim=True), bias)


class Louder(nn.InstanceNorm2d):
    def _apply_instance_norm(self, x):
        return 3 * super()._apply_instance_norm(x)


class Chain(nn.Sequential):
    """Modules one after the other; after the first the map is changed behind PyTorch's back."""

    def forward(self, x):
        x = self[0](x)
        x.data.mul_(2)
        return self[1](x)


class Rounded(nn.Sequential):
    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return super().forward(x)


def replaced():
    """As libraries do that move or quantise weights: the object's own forward."""
    convolution = nn.Conv2d(3, 4, 3)
    forward = convolution.forward
    convolution.forward = lambda x: 2 * forward(x)
    return convolution


DECEIVERS = {
    "override": lambda: nn.Sequential(Standardised(3, 4, 3), nn.ReLU()),
    "norm": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), Louder(4)),
    "replaced": lambda: nn.Sequential(replaced(), nn.ReLU()),
    "data": lambda: Chain(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)),
    "autocast": lambda: Rounded(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)),
}


@pytest.mark.parametrize("kind", DECEIVERS)
def test_a_model_that_does_more_than_its_modules_show_is_left_to_the_dense_engine(kind):
    torch.manual_seed(0)
    model = DECEIVERS[kind]().train()
    image = sketch(0, 256, 240)
    tables = [
        extract(model, [image], [(9, 9)], ["1"], engine=engine) for engine in ("auto", "dense")
    ]
    assert tables[0].metadata["engine"] == "dense"
    assert "on a trial image layer '1'" in tables[0].metadata["engine_reason"]
    assert np.array_equal(tables[0].vectors["1"], tables[1].vectors["1"])
    with pytest.raises(FeatvizError, match="cannot compute this: on a trial image") as caught:
        extract(model, [image], [(9, 9)], ["1"], engine="sparse")
    assert "\n" not in str(caught.value)
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("size", [(512, 512), (9, 70), (20, 5)])
def test_a_model_that_does_what_it_shows_passes_at_any_size(dtype, size):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.ReflectionPad2d(3),
        parametrizations.spectral_norm(nn.Conv2d(3, 6, 7)),
        nn.InstanceNorm2d(6, affine=True),
        nn.LeakyReLU(inplace=True),
        nn.Dropout(),
        nn.Conv2d(6, 5, 3, 2, 1),
        nn.BatchNorm2d(5),
    ).to(dtype)
    try_plan(model, make_plan(model, ["6", "2", "5"], size), "activation")


def test_what_is_too_large_for_the_small_trial_is_tried_at_its_own_size():
    class Large(nn.Conv2d):
        def _conv_forward(self, x, weight, bias):
            return 2 * super()._conv_forward(x, weight, bias)

    plan = make_plan(model := nn.Sequential(nn.Conv2d(3, 2, 70)), ["0"], (80, 90))
    try_plan(model, plan, "activation")
    plan = make_plan(model := nn.Sequential(Large(3, 2, 70)), ["0"], (80, 90))
    with pytest.raises(UnsuitedError, match="on a trial image"):
        try_plan(model, plan, "activation")
