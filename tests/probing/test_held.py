"""Statistics found by what is done, against forwards that hold them by hand."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from featviz.base.errors import FeatvizError
from featviz.probing.certificate import certify
from featviz.probing.held import hold_map_statistics, record_map_statistics
from featviz.probing.statistics import hold_statistics, record_statistics

CHANNELS = 6


def of(x, dims):
    mean = x.mean(dims, keepdim=True)
    return mean, ((x - mean) ** 2).mean(dims, keepdim=True)


def fixed(x, base, dims, eps=1e-5):
    """x, normalised with the mean and variance of base over some dimensions."""
    mean, variance = of(base, dims)
    return (x - mean) / (variance + eps).sqrt()


def in_groups(x):
    return x.unflatten(1, (2, CHANNELS // 2))


class Custom(nn.Module):
    """An instance norm of a class of its own, with a scale and shift."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(0.5, 2, CHANNELS))
        self.bias = nn.Parameter(torch.linspace(-1, 1, CHANNELS))

    def forward(self, x):
        return F.instance_norm(x, weight=self.weight, bias=self.bias)


class By(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def affine(module, x):
    weight, bias = module.weight.to(x.dtype), module.bias.to(x.dtype)
    if weight.ndim == 1:
        weight, bias = weight.view(1, -1, 1, 1), bias.view(1, -1, 1, 1)
    return x * weight + bias


def style(x):
    weight = torch.linspace(0.5, 1.5, CHANNELS, dtype=x.dtype, device=x.device)
    return F.batch_norm(x, None, None, weight, None, training=True)


def adaptive(x):
    """AdaIN's `calc_mean_std`: positions in a row first."""
    flat = x.flatten(2)
    mean, std = flat.mean(2)[..., None, None], (flat.var(2) + 1e-5).sqrt()[..., None, None]
    return (x - mean) / std


def squeezed(x):
    return x * F.adaptive_avg_pool2d(x, 1).sigmoid() + F.adaptive_max_pool2d(x, 1)


SCALES = torch.linspace(0.5, 1.5, CHANNELS).view(1, -1, 1, 1)
# A norm, and the same by hand: of a module, an input and the base's input.
NORMS = {
    "instance norm of another class": (Custom, lambda m, x, b: affine(m, fixed(x, b, (2, 3)))),
    "group norm": (
        lambda: nn.GroupNorm(2, CHANNELS),
        lambda m, x, b: affine(m, fixed(in_groups(x), in_groups(b), (2, 3, 4)).flatten(1, 2)),
    ),
    "layer norm over maps": (
        lambda: nn.LayerNorm([CHANNELS, 12, 16]),
        lambda m, x, b: affine(m, fixed(x, b, (1, 2, 3))),
    ),
    "batch norm without running statistics": (
        lambda: nn.BatchNorm2d(CHANNELS, track_running_stats=False),
        lambda m, x, b: affine(m, fixed(x, b, (2, 3))),
    ),
    "batch norm of a style": (
        lambda: By(style),
        lambda m, x, b: fixed(x, b, (2, 3)) * SCALES.to(x.dtype),
    ),
    "mean and deviation by hand": (
        lambda: By(lambda x: (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), keepdim=True)),
        lambda m, x, b: (x - b.mean((2, 3), keepdim=True)) / b.std((2, 3), keepdim=True),
    ),
    "var_mean": (
        lambda: By(lambda x: x * torch.var_mean(x, (1, 2, 3))[0] + torch.var_mean(x)[1]),
        lambda m, x, b: x * b.var() + b.mean(),
    ),
    "positions in a row": (
        lambda: By(adaptive),
        lambda m, x, b: (
            (x - b.mean((2, 3), keepdim=True))
            / (b.flatten(2).var(2) + 1e-5).sqrt()[..., None, None]
        ),
    ),
    "pooled to one cell": (
        lambda: By(squeezed),
        lambda m, x, b: x * b.mean((2, 3), keepdim=True).sigmoid() + b.amax((2, 3), keepdim=True),
    ),
}


def parts(name):
    make, by_hand = NORMS[name]
    torch.manual_seed(0)
    first, last = nn.Conv2d(3, CHANNELS, 3, padding=1), nn.Conv2d(CHANNELS, 2, 3, padding=1)
    norm = make()
    if isinstance(norm, nn.GroupNorm | nn.LayerNorm | nn.BatchNorm2d):
        nn.init.uniform_(norm.weight, 0.5, 2)
        nn.init.normal_(norm.bias)
    return nn.Sequential(first, norm, nn.Tanh(), last).eval().requires_grad_(False), by_hand


@pytest.fixture
def images(rng):
    base = torch.from_numpy(rng.normal(size=(1, 3, 12, 16)))
    edited = base.clone()
    edited[..., 2:4, 3:5] += 8
    return base, edited


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4), (torch.bfloat16, 0.1)]
)
@pytest.mark.parametrize("name", NORMS)
def test_held_statistics_are_the_bases_as_a_forward_by_hand_has_them(
    name, dtype, tolerance, images
):
    model, by_hand = parts(name)
    model.to(dtype)
    base, edited = (image.to(dtype) for image in images)
    recorded = record_map_statistics(model, base)
    assert recorded.free == ()
    with hold_map_statistics(model, recorded) as ways:
        held = model(edited)
        again = model(edited)
    assert {way.module for way in ways} == {"1"}
    first, norm, act, last = model
    before, after = first(base).double(), first(edited).double()
    expected = last(act(by_hand(norm, after, before).to(dtype)))
    assert held.dtype == dtype
    assert torch.equal(held, again)
    assert torch.allclose(held.double(), expected.double(), atol=tolerance)
    free = model(edited)
    assert not torch.allclose(free.double(), held.double(), atol=tolerance)


@pytest.mark.parametrize("name", NORMS)
def test_with_all_held_an_edit_stays_in_its_reach_to_the_last_bit(name, images):
    model, _ = parts(name)
    base, edited = (image.float() for image in images)
    assert certify(model.float(), (16, 12)).output.verdict == "unbounded"
    with hold_map_statistics(model, record_map_statistics(model, base)):
        changed = (model(base) != model(edited)).any(1)[0].numpy()
    reached = np.zeros((12, 16), dtype=bool)
    reached[0:6, 1:7] = True
    assert (changed == reached).all()


def test_our_generators_with_all_held_are_as_with_their_instance_norms_held(make, edit):
    model, (base, edited) = make(), edit
    recorded = record_map_statistics(model, base)
    assert len(recorded.ways) == len(record_statistics(model, base))
    with hold_map_statistics(model, recorded):
        by_operation = model(edited)
    with hold_statistics(model, record_statistics(model, base)):
        by_name = model(edited)
    assert recorded.norms.keys() == record_statistics(model, base).keys()
    assert torch.allclose(by_operation, by_name, atol=1e-4)
    assert recorded.free == ()


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.heads = nn.GroupNorm(2, 4), nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x):
        row = self.norm(x).flatten(2).transpose(1, 2)
        return x + self.heads(row, row, row)[0].transpose(1, 2).reshape(x.shape)


def test_what_stays_free_is_named_and_only_that():
    recorded = record_map_statistics(Attending(), torch.rand(1, 4, 8, 8))
    assert [tuple(way) for way in recorded.ways] == [("norm", "group norm")]
    assert [tuple(way) for way in recorded.free] == [("heads", "attention")]
    plain = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Softmax2d())
    recorded = record_map_statistics(plain, torch.rand(1, 4, 8, 8))
    assert recorded.ways == recorded.free == ()


def test_some_can_be_held_and_the_model_is_as_it_was_however_the_block_ends(images):
    base, edited = (image.float() for image in images)
    model = nn.Sequential(nn.InstanceNorm2d(3), nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4))
    recorded, free = record_map_statistics(model, base), model(edited)
    first = recorded.ways[0]
    assert first == ("0", "instance norm")
    with hold_map_statistics(model, recorded, [first]) as ways:
        some = model(edited)
    with hold_statistics(model, record_statistics(model, base)):
        assert torch.allclose(some, model(edited), atol=1e-5)
    assert ways == (first,)
    with pytest.raises(RuntimeError), hold_map_statistics(model, recorded):
        model(torch.zeros(1, 7, 12, 16))
    assert torch.equal(model(edited), free)
    with (
        pytest.raises(FeatvizError, match="no statistics are given of group norm in '7'"),
        hold_map_statistics(model, recorded, [first._replace(module="7", kind="group norm")]),
    ):
        pass


def choosing(x):
    value = x[0, 0, 0, 0].item()
    if value > 0:
        return F.instance_norm(x)
    return x - x.mean((2, 3), keepdim=True) * 2 if value < 0 else x


@pytest.mark.parametrize(("value", "what"), [(-1, "is 'sub'"), (0, "does not run")])
def test_a_model_that_runs_another_way_is_refused(value, what):
    image, model = torch.ones(1, 3, 8, 8), By(choosing)
    recorded = record_map_statistics(model, image)
    message = f"in '' {what}, and in the base it is 'native_batch_norm'; statistics can be held"
    with (
        pytest.raises(FeatvizError, match=message),
        hold_map_statistics(model, recorded),
    ):
        model(image * value)
    with pytest.raises(FeatvizError, match=r"of one image \(1, C, H, W\); got \(2, 3, 8, 8\)"):
        record_map_statistics(model, image.repeat(2, 1, 1, 1))


def heads_of(module, x):
    """Queries, keys and values (heads, places, channels) of multi-head attention, by hand."""
    parts = F.linear(x[0], module.in_proj_weight, module.in_proj_bias).chunk(3, dim=-1)
    return [part.unflatten(1, (module.num_heads, -1)).transpose(0, 1) for part in parts]


def weights_of(queries, keys):
    return (queries @ keys.transpose(1, 2) / queries.shape[-1] ** 0.5).softmax(-1)


class ByHand(nn.Module):
    """Self-attention over a map written out, with a softmax of its own, and one over channels."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Conv2d(4, 4, 1) for _ in range(3))
        self.softmax = nn.Softmax(dim=-1)
        self.classes = nn.Softmax2d()

    def parts(self, x):
        return [part(x).flatten(2).transpose(1, 2) for part in (self.query, self.key, self.value)]

    def forward(self, x):
        queries, keys, values = self.parts(x)
        weights = self.softmax(queries @ keys.transpose(1, 2))
        return self.classes(x + (weights @ values).transpose(1, 2).reshape(x.shape))


class Fused(ByHand):
    def forward(self, x):
        found = F.scaled_dot_product_attention(*self.parts(x), scale=1.0)
        return self.classes(x + found.transpose(1, 2).reshape(x.shape))


@pytest.mark.parametrize("network", [ByHand, Fused])
def test_held_attention_weighs_the_edit_s_values_as_the_base_does(network):
    model = network().eval()
    base, edited = torch.randn(2, 1, 4, 6, 8)
    recorded = record_map_statistics(model, base, attention=True)
    with torch.no_grad():
        queries, keys, _ = model.parts(base)
        weights = (queries @ keys.transpose(1, 2)).softmax(-1)
        values = (weights @ model.parts(edited)[2]).transpose(1, 2).reshape(edited.shape)
        # The softmax over channels is no attention: it stays the edit's own.
        expected = (edited + values).softmax(1)
        free = model(edited)
        with hold_map_statistics(model, recorded) as ways:
            assert torch.allclose(model(edited), expected, atol=1e-6)
            assert torch.allclose(model(base), network.forward(model, base), atol=1e-6)
    assert [way.kind for way in ways] == ["attention"]
    assert not torch.allclose(free, expected, atol=1e-3)
    assert torch.equal(model(edited), free)


@pytest.mark.parametrize("fast", [True, False])
def test_attention_of_torch_s_own_heads_is_held(fast):
    torch.backends.mha.set_fastpath_enabled(fast)
    model = Attending().eval()
    base, edited = torch.randn(2, 1, 4, 6, 8)
    recorded = record_map_statistics(model, base, attention=True)
    row, other = (model.norm(x).flatten(2).transpose(1, 2) for x in (base, edited))
    with torch.no_grad():
        found = weights_of(*heads_of(model.heads, row)[:2]) @ heads_of(model.heads, other)[2]
        found = model.heads.out_proj(found.transpose(0, 1).flatten(1)).T.reshape(edited.shape)
        attention = next(way for way in recorded.free if way.kind == "attention")
        with hold_map_statistics(model, recorded, [attention]) as ways:
            assert torch.allclose(model(edited), edited + found, atol=1e-5)
    assert ways == (attention,)
    assert torch.backends.mha.get_fastpath_enabled() == fast
    torch.backends.mha.set_fastpath_enabled(True)


def test_held_attention_still_lets_places_see_each_other_and_is_told_as_free():
    model = ByHand().eval()
    base = torch.randn(1, 4, 6, 8)
    recorded = record_map_statistics(model, base, attention=True)
    assert [way.kind for way in recorded.free] == ["attention"]
    edited = base.clone()
    edited[..., 0, 0] += 1
    with torch.no_grad(), hold_map_statistics(model, recorded):
        assert (model(edited) != model(base))[..., -1, -1].any()


def test_without_being_asked_for_attention_is_not_recorded():
    recorded = record_map_statistics(Attending(), torch.rand(1, 4, 8, 8))
    assert recorded.attention == ()
