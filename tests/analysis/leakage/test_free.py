"""What stays free although all statistics are held: named, and seen in what it does."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from featviz.analysis.leakage import edit_changes
from featviz.analysis.leakage.single import not_held, trace

CHANNELS, SIZE = 8, 24


class AdaptiveNorm(nn.Module):
    """As style transfer writes it: the input's own statistics, a style's scale and shift."""

    def forward(self, x):
        weight = torch.linspace(0.5, 1.5, CHANNELS, dtype=x.dtype, device=x.device)
        return F.batch_norm(x, None, None, weight, None, training=True)


class FunctionalNorm(nn.Module):
    def forward(self, x):
        return F.instance_norm(x)


class NormByHand(nn.Module):
    def forward(self, x):
        return (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), keepdim=True)


class NormOfRows(nn.Module):
    """AdaIN's `calc_mean_std`: positions in a row first."""

    def forward(self, x):
        n, c = x.shape[:2]
        flat = x.view(n, c, -1)
        mean, std = flat.mean(2).view(n, c, 1, 1), (flat.var(2) + 1e-5).sqrt().view(n, c, 1, 1)
        return (x - mean) / std


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = nn.MultiheadAttention(CHANNELS, 2, batch_first=True)

    def forward(self, x):
        tokens = x.flatten(2).transpose(1, 2)
        return x + self.heads(tokens, tokens, tokens)[0].transpose(1, 2).reshape(x.shape)


class NonLocal(nn.Module):
    """A product over all positions, without a softmax."""

    def forward(self, x):
        flat = x.flatten(2)
        return x + (flat @ flat.transpose(1, 2) @ flat).reshape(x.shape) / SIZE**2


class SqueezeAndExcite(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Linear(CHANNELS, CHANNELS)

    def forward(self, x):
        return x * self.scale(F.adaptive_avg_pool2d(x, 1).flatten(1))[:, :, None, None]


class PixelNorm(nn.Module):
    def forward(self, x):
        return x / (x.pow(2).mean(1, keepdim=True) + 1e-8).sqrt()


class NormOfVectors(nn.Module):
    """ConvNeXt's layer norm, over the channels of each position."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(CHANNELS)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


JOINING = {
    "group norm": nn.GroupNorm(2, CHANNELS),
    "layer norm over maps": nn.LayerNorm((CHANNELS, SIZE, SIZE)),
    "adaptive": AdaptiveNorm(),
    "functional": FunctionalNorm(),
    "by hand": NormByHand(),
    "of rows": NormOfRows(),
    "attention": Attention(),
    "non-local": NonLocal(),
    "squeeze": SqueezeAndExcite(),
}
LOCAL = {
    "pixel norm": PixelNorm(),
    "layer norm of vectors": NormOfVectors(),
    "batch norm": nn.BatchNorm2d(CHANNELS),
    "instance norm": nn.InstanceNorm2d(CHANNELS),
    "running instance norm": nn.InstanceNorm2d(CHANNELS, track_running_stats=True),
    "neighbouring channels": nn.LocalResponseNorm(3),
    "softmax of channels": nn.Softmax2d(),
    "pooling": nn.AvgPool2d(3, 1, 1),
}


def around(part):
    """A network with one instance norm that can be held, and a part in the middle."""
    torch.manual_seed(0)
    first, last = nn.Conv2d(1, CHANNELS, 3, padding=1), nn.Conv2d(CHANNELS, 2, 3, padding=1)
    return nn.Sequential(first, nn.InstanceNorm2d(CHANNELS), part, last)


@pytest.mark.parametrize("name", [*JOINING, *LOCAL])
def test_what_is_named_is_what_carries_an_edit_across_the_map_with_all_held(name, rng):
    model = around((JOINING | LOCAL)[name])
    base = torch.from_numpy(rng.normal(size=(1, 1, SIZE, SIZE))).float()
    edited = base.clone()
    edited[..., 1, 1] += 5
    changes = edit_changes(model, base, edited, ["3"], "all")
    arrives = bool((changes["3"][10:, 10:] > 0).any())
    assert arrives == (name in JOINING)
    named = [each.split(" (")[0].split(".")[0] for each in changes.not_held]
    assert named == (["2"] if name in JOINING else [])
    assert edit_changes(model, base, edited, ["3"]).not_held == ()


def free_up_to(model, layers, image):
    return not_held(model, trace(model, layers, image), {})


def test_names_say_where_and_what():
    class Style(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.norm = nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4)

        def forward(self, x):
            return F.instance_norm(self.norm(self.first(x)))

    image = torch.zeros(1, 1, 16, 16)
    assert free_up_to(Style(), ["norm"], image) == ("norm (group norm)",)
    changes = edit_changes(
        nn.Sequential(nn.InstanceNorm2d(1), Style()), image, image, ["image"], "all"
    )
    assert changes.not_held == ("1 (instance norm)", "1.norm (group norm)")


def test_what_lies_behind_the_layers_is_not_named():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.GroupNorm(1, 2), nn.AdaptiveAvgPool2d(1))
    image = torch.zeros(1, 1, 16, 16)
    assert free_up_to(model, ["0"], image) == ()
    assert free_up_to(model, ["1"], image) == ("1 (group norm)",)
    assert free_up_to(model, ["2"], image) == ("1 (group norm)", "2 (statistics over the map)")


def test_a_model_that_looks_at_values_is_watched_too():
    class Looks(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.GroupNorm(1, 2)

        def forward(self, x):
            return self.norm(x) if float(x.flatten()[0]) < 1 else x

    assert "norm (group norm)" in free_up_to(Looks(), ["norm"], torch.zeros(1, 2, 8, 8))


def test_a_norm_that_takes_no_part_is_left_out_and_named(rng):
    model = around(nn.Identity())
    model.add_module("spare", nn.Module())
    model.spare.norm = nn.InstanceNorm2d(3)
    model.spare.forward = lambda x: x
    base = torch.from_numpy(rng.normal(size=(1, 1, SIZE, SIZE))).float()
    edited = base.clone()
    edited[..., 1, 1] += 5
    changes = edit_changes(model, base, edited, ["3"], "all")
    assert changes.not_held == ("spare.norm (takes no part)",)
    assert (changes["3"] > 0).sum() == 16
