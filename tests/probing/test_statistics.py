import copy

import pytest
import torch
from torch import nn

from featviz.analysis.leakage import hold_statistics, record_statistics
from featviz.analysis.leakage.single import edit_changes, edit_reach
from featviz.base.errors import FeatvizError
from featviz.generators.checkpoint_files import load_generator, shipped_checkpoints
from featviz.probing.activations import record_activations
from featviz.probing.statistics import instance_norms
from featviz.sketches.tensors import encode_image


class FixedAffine(nn.Module):
    """A scale and a shift for each channel, and nothing else."""

    def __init__(self, scale, shift):
        super().__init__()
        self.scale, self.shift = scale[:, None, None], shift[:, None, None]

    def forward(self, maps):
        return maps * self.scale + self.shift


def frozen(model, base):
    """The same network with its norms replaced by what they do to the base, computed apart."""
    model = copy.deepcopy(model)
    for name, norm in list(model.named_modules()):
        if not isinstance(norm, nn.InstanceNorm2d):
            continue
        seen = []
        handle = norm.register_forward_pre_hook(lambda _, given, seen=seen: seen.append(given[0]))
        model(base)
        handle.remove()
        pixels = seen[0][0].flatten(1).double()
        scale = (pixels.var(dim=1, unbiased=False) + norm.eps).rsqrt()
        shift = -pixels.mean(dim=1) * scale
        if norm.affine:
            scale, shift = scale * norm.weight, shift * norm.weight + norm.bias
        # Its input does not change when it is replaced, so the next norm's statistics do not.
        model.set_submodule(name, FixedAffine(scale.float(), shift.float()))
    return model


def hooks_of(model):
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
    return sum(len(getattr(module, kind)) for module in model.modules() for kind in kinds)


@pytest.mark.parametrize("norm", ["instance", "instance-affine"])
@pytest.mark.parametrize("variant", ["baseline", "modified", "no-norm"])
def test_a_network_with_all_statistics_held_is_one_with_fixed_scales_and_shifts(
    make, edit, variant, norm
):
    model = make(variant, norm)
    base, edited = edit
    with hold_statistics(model, record_statistics(model, base)):
        held = model(edited)
    assert torch.allclose(held, frozen(model, base)(edited), atol=1e-4)
    assert not torch.allclose(held, model(edited), atol=1e-3)


def test_the_base_itself_comes_out_as_without_holding(make, edit):
    model, base = make(), edit[0]
    with hold_statistics(model, record_statistics(model, base)):
        held = model(base)
    assert torch.allclose(held, model(base), atol=1e-4)


def test_holding_two_parts_at_once_is_holding_both(make, edit):
    model, (base, edited) = make(), edit
    statistics = record_statistics(model, base)
    with hold_statistics(model, statistics, ["front_end"]):
        with hold_statistics(model, statistics, ["residual"]):
            nested = model(edited)
        only_one = model(edited)
    with hold_statistics(model, statistics, ["residual", "front_end"]) as names:
        together = model(edited)
    assert torch.equal(nested, together)
    assert not torch.allclose(nested, only_one, atol=1e-4)
    assert set(names) == {name for name in statistics if not name.startswith("back_end")}
    with hold_statistics(model, statistics, ["front_end", "residual", "back_end"]):
        parts = model(edited)
    with hold_statistics(model, statistics):
        assert torch.equal(model(edited), parts)


def test_statistics_are_those_of_the_maps_that_the_norms_are_given(make, edit):
    model = make("modified")
    statistics = record_statistics(model, edit[0])
    assert "front_end.L1.norm" not in statistics
    assert len(statistics) == 3 + 2 * 2 + 4
    with record_activations(model, ["L2"], stage="conv") as maps:
        model(edit[0])
    found = statistics["front_end.L2.norm"]
    pixels = maps["L2"][0].flatten(1).numpy().astype("float64")
    assert found.mean.numpy() == pytest.approx(pixels.mean(axis=1), rel=1e-5, abs=1e-7)
    assert found.variance.numpy() == pytest.approx(pixels.var(axis=1), rel=1e-5)


def test_held_norms_are_what_others_record(make, edit):
    model, (base, edited) = make(), edit
    statistics = record_statistics(model, base)
    name = "front_end.L0.norm"
    with (
        record_activations(model, ["L0"], stage="conv") as convolved,
        record_activations(model, [name]) as normed,
        hold_statistics(model, statistics, [name]),
    ):
        model(edited)
    mean, variance = (
        part[:, None, None] for part in (statistics[name].mean, statistics[name].variance)
    )
    expected = (convolved["L0"] - mean) / torch.sqrt(variance + 1e-5)
    assert torch.allclose(normed[name], expected, atol=1e-4)


def test_hooks_are_gone_after_the_block_however_it_ends(make, edit):
    model, base = make(), edit[0]
    before, image = hooks_of(model), model(edit[1])
    statistics = record_statistics(model, base)
    assert hooks_of(model) == before
    with hold_statistics(model, statistics):
        assert hooks_of(model) == before + len(statistics)
    with pytest.raises(FeatvizError), hold_statistics(model, statistics):
        model(torch.zeros(1, 3, 100, 100))
    with pytest.raises(FeatvizError):
        record_statistics(model, torch.zeros(1, 3, 100, 100))
    assert hooks_of(model) == before
    assert torch.equal(model(edit[1]), image)


def test_the_training_flags_come_back(make, edit):
    model = make().train()
    record_statistics(model, edit[0])
    assert all(module.training for module in model.modules())


def test_any_module_with_instance_norms_will_do(rng):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 5, 3, padding=1), nn.InstanceNorm2d(5, affine=True), nn.Tanh(),
        nn.Conv2d(5, 2, 3, padding=1), nn.InstanceNorm2d(2),
    )  # fmt: skip
    base = torch.from_numpy(rng.normal(size=(1, 1, 12, 17))).float()
    edited = base.clone()
    edited[..., 5, 6] += 3
    free = edit_changes(model, base, edited, ["image"])["image"]
    held = edit_changes(model, base, edited, ["image"], "all")["image"]
    box = edit_reach(model, base, edited, ["image"])["image"]
    assert (free > 0).all()
    assert (held > 0).sum() == box.sum() == 25
    assert (held[3:8, 4:9] > 0).all()


@pytest.mark.parametrize("name", shipped_checkpoints())
def test_with_all_statistics_held_nothing_changes_out_of_reach_to_the_last_bit(name, edit):
    loaded = load_generator(name)
    layers = ["L0", "L1", "L2", "L3", "L4"]
    if loaded.metadata["kind"] == "generator":
        layers.append("image")
    reached = edit_reach(loaded.generator, *edit, layers)
    for layer, change in edit_changes(loaded.generator, *edit, layers, mode="all").items():
        assert (change[~reached[layer]] == 0).all(), layer
        assert (change[reached[layer]] > 0).any(), layer


@pytest.mark.parametrize("name", ["baseline", "modified"])
def test_at_full_size_the_image_too_stays_as_it_was_out_of_reach(name, shipped):
    model = load_generator(name).generator
    numbers = (list(shipped.index["sketch"]).index(sketch) for sketch in ("G8/001", "G8/009"))
    base, edited = (encode_image(shipped.image(number))[None] for number in numbers)
    outside = ~edit_reach(model, base, edited, ["image"])["image"]
    change = edit_changes(model, base, edited, ["image"], "all")["image"]
    assert 0.01 < outside.mean() < 0.5
    assert (change[outside] == 0).all()
    assert (change[~outside] > 0).mean() > 0.3


@pytest.mark.parametrize("norm", ["instance", "instance-affine"])
@pytest.mark.parametrize("variant", ["baseline", "modified", "no-norm"])
def test_with_all_statistics_held_random_networks_keep_edits_in_reach(make, rng, variant, norm):
    model = make(variant, norm, residual_blocks=1, downsamplings=2)
    for _ in range(5):
        base = torch.from_numpy(rng.choice([-1.0, 1.0], size=(1, 3, 64, 96))).float()
        edited = base.clone()
        y, x = rng.integers(0, 64), rng.integers(0, 96)
        edited[..., y : y + 3, x : x + 2] *= -1
        layers = ["L0", "L1", "L2", "R0", "U0", "image"]
        reached = edit_reach(model, base, edited, layers)
        assert not reached["image"].all()
        for layer, change in edit_changes(model, base, edited, layers, mode="all").items():
            assert (change[~reached[layer]] == 0).all(), layer


def test_a_local_enhancer_with_all_held_keeps_edits_in_reach(make, edit):
    model = make(enhancers=1, enhancer_blocks=1, downsamplings=1, residual_blocks=1)
    layers = ["L0", "L1", "E0", "E1", "image"]
    reached = edit_reach(model, *edit, layers)
    assert not reached["image"].all()
    held = edit_changes(model, *edit, layers, mode="all")
    free = edit_changes(model, *edit, layers)
    for layer in layers:
        assert (held[layer][~reached[layer]] == 0).all(), layer
        assert (free[layer][~reached[layer]] > 0).any(), layer


def test_without_norm_nothing_leaks_even_if_free(make, edit):
    for variant, bare in (("baseline", 0), ("modified", 2), ("no-norm", 5)):
        model = make(variant)
        layers = [f"L{number}" for number in range(5)]
        reached = edit_reach(model, *edit, layers)
        changes = edit_changes(model, *edit, layers)
        for number, layer in enumerate(layers):
            outside = changes[layer][~reached[layer]]
            assert (outside == 0).all() == (number < bare), (variant, layer)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.bfloat16, 0.02), (torch.float16, 0.003)]
)
@pytest.mark.parametrize("affine", [False, True])
def test_statistics_are_held_in_any_precision(dtype, tolerance, affine, rng):
    torch.manual_seed(0)
    norm = nn.InstanceNorm2d(5, affine=affine)
    model = nn.Sequential(nn.Conv2d(1, 5, 3, padding=1), norm, nn.Tanh()).requires_grad_(False)
    if affine:
        norm.weight.uniform_(0.5, 2)
        norm.bias.normal_()
    model.to(dtype)
    base = torch.from_numpy(rng.normal(size=(1, 1, 40, 40)))
    edited = base.clone()
    edited[..., 3:6, 6] += 3
    with hold_statistics(model, record_statistics(model, base)):
        held = model(edited.to(dtype))
    assert held.dtype == dtype
    # The same by hand, in float64, of the maps as they are in this precision.
    before, after = (model[0](each.to(dtype)).double() for each in (base, edited))
    mean = before.mean((2, 3), keepdim=True)
    variance = ((before - mean) ** 2).mean((2, 3), keepdim=True)
    expected = (after - mean) / (variance + norm.eps).sqrt()
    if affine:
        expected = expected * norm.weight.double().view(1, -1, 1, 1)
        expected = expected + norm.bias.double().view(1, -1, 1, 1)
    assert torch.allclose(held.double(), expected.tanh(), atol=tolerance)
    change = edit_changes(model, base, edited, ["2", "image"], "all")
    assert all((each > 0).sum() == 15 for each in change.values())


def test_a_norm_that_is_given_no_maps_of_one_image_is_refused():
    class Pieces(nn.Module):
        def __init__(self, *shape):
            super().__init__()
            self.shape, self.norm = shape, nn.InstanceNorm2d(2)

        def forward(self, x):
            return self.norm(x.reshape(self.shape)).reshape(x.shape)

    image = torch.rand(1, 2, 8, 8)
    for shape in ((2, 8, 8), (4, 2, 4, 4)):
        message = rf"norm 'norm' is given \({', '.join(map(str, shape))}\); .* \(1, C, H, W\)"
        with pytest.raises(FeatvizError, match=message):
            record_statistics(Pieces(*shape), image)


class Tokens(nn.Module):
    """Patches as a row of vectors (1, L, C), as a grid (1, h, w, C), and as maps again."""

    def __init__(self, channels=16):
        super().__init__()
        self.patches = nn.Conv2d(1, channels, 4, stride=4)
        self.row, self.grid, self.maps = nn.Identity(), nn.LayerNorm(channels), nn.Identity()

    def forward(self, x):
        maps = self.patches(x)
        row = self.row(maps.flatten(2).transpose(1, 2))
        grid = self.grid(row.view(1, *maps.shape[2:], -1))
        return self.maps(grid.permute(0, 3, 1, 2))


def test_an_edit_changes_the_token_that_stands_for_it_in_whichever_dimensions_maps_lie(rng):
    model = Tokens()
    base = torch.from_numpy(rng.normal(size=(1, 1, 32, 48))).float()
    edited = base.clone()
    edited[..., 4:8, 8:12] += 1
    # Of as many channels as cells the shape tells nothing, but the way there does.
    square = edit_changes(Tokens(8), base[..., :32], edited[..., :32], ["maps"])["maps"]
    assert [tuple(cell) for cell in torch.from_numpy(square).nonzero().tolist()] == [(1, 2)]
    found = edit_changes(model, base, edited, ["patches", "row", "grid", "maps", "image"])
    for change in found.values():
        assert [tuple(cell) for cell in torch.from_numpy(change).nonzero().tolist()] == [(1, 2)]
    for name, reached in edit_reach(model, base, edited, ["row", "grid", "maps"]).items():
        assert (reached == (found[name] > 0)).all(), name


def test_a_layer_without_norms_is_refused_with_those_that_have_some(make, edit):
    model = make("modified")
    statistics = record_statistics(model, edit[0])
    message = r"layer 'L0' has no instance norm .* are front_end\.L2\.norm, .*, back_end\.U3\.norm$"
    with pytest.raises(FeatvizError, match=message), hold_statistics(model, statistics, ["L0"]):
        pass
    with pytest.raises(FeatvizError, match="unknown layer 'L9'"):
        instance_norms(model, ["L9"])
    plain = nn.Sequential(nn.Conv2d(1, 1, 3), nn.BatchNorm2d(1))
    with pytest.raises(FeatvizError, match="no instance norm"), hold_statistics(plain, {}):
        pass
    assert instance_norms(plain) == {}
    with pytest.raises(FeatvizError, match="norms of this model are none"):
        instance_norms(plain, ["0"])


def test_running_statistics_are_no_statistics_of_an_image():
    norm = nn.InstanceNorm2d(3, track_running_stats=True)
    assert instance_norms(nn.Sequential(norm)) == {}


def test_statistics_that_are_missing_or_ambiguous_are_told(make, edit):
    model = make()
    statistics = record_statistics(model, edit[0])
    del statistics["front_end.L0.norm"]
    with (
        pytest.raises(FeatvizError, match=r"of norm 'front_end\.L0\.norm'"),
        hold_statistics(model, statistics, ["front_end"]),
    ):
        pass
    norm = nn.InstanceNorm2d(1)
    twice = nn.Sequential(nn.Conv2d(1, 1, 3), norm, nn.ReLU(), norm)
    with pytest.raises(FeatvizError, match="norm '1' runs more than once"):
        record_statistics(twice, torch.rand(1, 1, 8, 8))
    with pytest.raises(FeatvizError, match=r"one image .*got \(2, 3, 64, 64\)"):
        record_statistics(model, torch.zeros(2, 3, 64, 64))
