import pytest
import torch
from torch import nn
from torch.nn import functional as F

from featviz.base.errors import FeatvizError
from featviz.generators.networks.generators import FrontEnd, GeneratorArchitecture, GlobalGenerator
from featviz.probing import activations
from featviz.probing.activations import (
    evaluating,
    find_layers,
    record_activations,
    require_finite_weights,
    truncated_forward,
)
from featviz.probing.device import exactly


def generator(variant="baseline", norm="instance"):
    torch.manual_seed(0)
    architecture = GeneratorArchitecture(variant, width=4, residual_blocks=1, norm=norm)
    return GlobalGenerator(architecture).eval()


def image(size=32, channels=3, seed=0):
    return torch.randn(1, channels, size, size, generator=torch.Generator().manual_seed(seed))


def hooks_of(model):
    return [
        hook
        for module in model.modules()
        for hooks in (module._forward_hooks, module._forward_pre_hooks)
        for hook in hooks
    ]


class Raises(nn.Module):
    def forward(self, x):
        raise RuntimeError("the forward has failed")


def test_hooks_are_gone_after_the_block_even_if_the_forward_raises():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), Raises())
    with (
        pytest.raises(RuntimeError, match="has failed"),
        record_activations(model, ["0", "1"]) as activations,
    ):
        assert len(hooks_of(model)) == 4
        model(image())
    assert hooks_of(model) == []
    assert activations["1"].shape == (1, 4, 30, 30)


def test_hooks_are_gone_when_a_layer_turns_out_unknown():
    model = generator()
    with pytest.raises(FeatvizError), record_activations(model, ["L0", "L9"]):
        pass
    assert hooks_of(model) == []


def test_what_was_recorded_is_not_changed_by_a_later_module_that_works_in_place():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Threshold(1e9, 0, inplace=True)
    )
    with torch.no_grad(), record_activations(model, ["0", "1"]) as activations:
        model(image())
    before = F.conv2d(image(), model[0].weight, model[0].bias)
    assert torch.equal(activations["0"], before)
    assert (activations["0"] < 0).any()
    assert torch.equal(activations["1"], before.clamp(min=0))


@pytest.mark.parametrize("norm", ["instance", "instance-affine"])
@pytest.mark.parametrize("variant", ["baseline", "modified", "no-norm"])
def test_the_stages_of_a_block_are_conv_then_norm_then_relu(variant, norm):
    model = generator(variant, norm)
    recorded = {}
    for stage in ("conv", "norm", "activation"):
        with torch.no_grad(), record_activations(model, ["L0", "L1"], stage) as activations:
            model(image())
        recorded[stage] = dict(activations)
    for layer in ("L0", "L1"):
        block = model.get_submodule(f"front_end.{layer}")
        if layer == "L0":
            padded = F.pad(image(), (3, 3, 3, 3), mode="reflect")
            conv = F.conv2d(padded, block.conv.weight, block.conv.bias)
        else:
            below = recorded["activation"]["L0"]
            conv = F.conv2d(below, block.conv.weight, block.conv.bias, stride=2, padding=1)
        normalised = conv
        if variant == "baseline":
            mean = conv.mean((2, 3), keepdim=True)
            deviation = (conv.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
            normalised = (conv - mean) / deviation
        torch.testing.assert_close(recorded["conv"][layer], conv)
        torch.testing.assert_close(recorded["norm"][layer], normalised, atol=1e-4, rtol=1e-4)
        assert torch.equal(recorded["activation"][layer], recorded["norm"][layer].clamp(min=0))


def test_each_forward_replaces_what_the_one_before_recorded():
    model = generator()
    with torch.no_grad(), record_activations(model, ["L1"]) as activations:
        model(image(seed=1))
        first = activations["L1"]
        model(image(seed=2))
        assert not torch.equal(first, activations["L1"])
        model(image(seed=1))
        assert torch.equal(first, activations["L1"])


def test_recorded_activations_stay_attached_to_the_graph():
    model = generator()
    with record_activations(model, ["L1"]) as activations:
        model(image())
    activations["L1"].sum().backward()
    assert model.front_end.L0.conv.weight.grad.abs().sum() > 0
    assert model.front_end.L2.conv.weight.grad is None


class SharedActivation(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
        self.shared = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.shared(self.second(self.shared(self.first(x))))


def test_a_module_that_runs_twice_in_one_forward_is_refused_by_name():
    model = SharedActivation()
    with (
        pytest.raises(FeatvizError, match=r"layer 'shared' \(ReLU\) runs more than once"),
        record_activations(model, ["shared"]),
    ):
        model(image())
    assert hooks_of(model) == []


def test_each_run_of_a_module_is_read_by_its_number():
    model, given = SharedActivation().eval(), image()
    seen = []
    handle = model.shared.register_forward_hook(lambda _, __, output: seen.append(output.clone()))
    model(given)
    handle.remove()
    for names in (["shared#1", "shared#2"], ["shared#2", "second"], ["shared#1"]):
        with torch.no_grad(), record_activations(model, names) as activations:
            model(given)
            model(given)  # runs are counted anew in each forward
        with torch.no_grad(), truncated_forward(model, names) as forward:
            assert forward(given).keys() == set(names)
        for number in (1, 2):
            if f"shared#{number}" in names:
                assert torch.equal(activations[f"shared#{number}"], seen[number - 1])
    assert not torch.equal(*(map_.mean() for map_ in seen))


def test_a_run_that_does_not_come_is_told_with_how_many_there_are():
    model = SharedActivation()
    for layer, told in (
        ("shared", r"runs more than once .* choose a run, 'shared#1'"),
        ("shared#3", "'shared#3' is no run: it runs 2 times"),
    ):
        with pytest.raises(FeatvizError, match=told), record_activations(model, [layer]):
            model(image())
    for unknown in ("shared#0", "shared#", "shared#-1", "other#1"):
        with pytest.raises(FeatvizError, match="unknown layer"):
            find_layers(model, [unknown])


def test_a_module_may_have_a_name_that_looks_like_a_run():
    model = nn.Sequential()
    model.add_module("relu#2", nn.ReLU())
    with record_activations(model, ["relu#2"]) as activations:
        model(image())
    assert torch.equal(activations["relu#2"], image().relu())


def test_running_the_whole_model_again_is_not_running_a_layer_twice():
    model = SharedActivation()
    with record_activations(model, ["second"]) as activations:
        for seed in range(3):
            model(image(seed=seed))
    assert activations["second"].shape == (1, 4, 28, 28)


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Sequential(nn.Conv2d(3, 4, 3))
        self.right = nn.Sequential(nn.Conv2d(3, 4, 3))
        self.unused = nn.Conv2d(3, 4, 3)
        self.pair = Pair()

    def forward(self, x):
        return self.pair(self.right(x), self.left(x))[0]


class Pair(nn.Module):
    def forward(self, *tensors):
        return tensors


def test_a_layer_goes_by_its_qualified_name_or_any_unique_ending():
    model = generator()
    block = model.front_end.L0
    assert find_layers(model, ["front_end.L0"])["front_end.L0"] is block
    assert find_layers(model, ["L0"])["L0"] is block
    assert find_layers(model, ["L0.conv"])["L0.conv"] is block.conv
    assert find_layers(model.front_end, ["L0"])["L0"] is block


@pytest.mark.parametrize(
    ("model", "layer", "message"),
    [
        (generator(), "L7", "unknown layer 'L7'; this generator has L0, L1, L2, L3, L4"),
        (
            FrontEnd(GeneratorArchitecture(width=2)),
            "L7",
            "unknown layer 'L7'; this model has L0, L1, L2, L3, L4",
        ),
        (generator(), "", "unknown layer ''; this generator has L0, L1, L2, L3, L4"),
        (Branches(), "0", r"layer '0' is ambiguous; it may be left\.0, right\.0"),
        (Branches(), "relu", r"unknown layer 'relu'; this model has left\.0, right\.0, unused"),
        (
            nn.Sequential(*[nn.Conv2d(1, 1, 1) for _ in range(40)]),
            "x",
            "10, 11 and 28 more",
        ),
    ],
)
def test_an_unknown_or_ambiguous_layer_gives_one_line_with_what_there_is(model, layer, message):
    with pytest.raises(FeatvizError, match=message) as caught:
        find_layers(model, [layer])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("layers", "stage", "message"),
    [
        (["left"], "norm", "layer 'left' has no part 'norm'; it has 0"),
        (["left.0"], "conv", "layer 'left.0' has no part 'conv'; it has no parts"),
        (["left"], "relu", "unknown stage 'relu'; there are activation, norm, conv"),
        ([], "activation", "no layer given; this model has left.0"),
    ],
)
def test_a_stage_that_a_layer_lacks_is_refused(layers, stage, message):
    with pytest.raises(FeatvizError, match=message):
        find_layers(Branches(), layers, stage)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("unused", "layer 'unused' takes no part in the forward"),
        ("pair", r"layer 'pair' \(Pair\) gives a tuple, not a tensor"),
    ],
)
def test_a_layer_without_one_tensor_to_record_is_refused(layer, message):
    model = Branches()
    for run in (record_activations, truncated_forward):
        with pytest.raises(FeatvizError, match=message), run(model, [layer]) as result:
            (result if run is truncated_forward else model)(image())
    assert hooks_of(model) == []


def test_a_truncated_forward_computes_nothing_behind_the_last_layer_and_agrees_exactly():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3), Raises())
    with torch.no_grad(), truncated_forward(model, ["2", "0"]) as forward:
        for seed in range(2):
            activations = forward(image(seed=seed))
            first = F.conv2d(image(seed=seed), model[0].weight, model[0].bias)
            assert torch.equal(activations["0"], first)
            second = F.conv2d(first.clamp(min=0), model[2].weight, model[2].bias)
            assert torch.equal(activations["2"], second)
    assert hooks_of(model) == []


def test_a_truncated_forward_does_not_need_the_order_of_the_layers():
    model = Branches()
    calls = []
    model.pair.register_forward_hook(lambda *_: calls.append("pair"))
    with truncated_forward(model, ["left", "right"]) as forward:
        assert set(forward(image())) == {"left", "right"}
    with truncated_forward(model, ["right"]) as forward:
        model.left.register_forward_hook(lambda *_: calls.append("left"))
        forward(image())
    assert calls == []


def test_a_model_that_swallows_exceptions_does_not_swallow_the_end():
    class Careful(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 1, 3)
            self.after = []

        def forward(self, x):
            try:
                x = self.conv(x)
            except Exception:
                self.after.append("swallowed")
            self.after.append("went on")
            return x

    model = Careful()
    with truncated_forward(model, ["conv"]) as forward:
        forward(image())
    assert model.after == []


def test_weights_are_refused_exactly_if_one_is_not_finite_also_where_their_sum_overflows():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    require_finite_weights(model, "m")
    model[0].weight.data.fill_(torch.finfo(torch.float32).max)
    require_finite_weights(model, "m")
    model[0].weight.data[1, 1, 1, 1] = -torch.inf
    with pytest.raises(FeatvizError, match=r"m: weight '0\.weight' holds NaN or infinity in 1 of"):
        require_finite_weights(model, "m")
    model[0].weight.data.fill_(0)
    model[1].running_var[2] = torch.nan
    with pytest.raises(FeatvizError, match=r"m: weight '1\.running_var'"):
        require_finite_weights(model, "m")


def test_evaluation_ends_with_every_modules_own_training_flag():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    model[1].eval()
    with pytest.raises(RuntimeError), evaluating(model):
        assert not any(module.training for module in model.modules())
        raise RuntimeError
    assert [module.training for module in model.modules()] == [True, True, False]


def test_networks_are_asked_for_the_same_numbers_every_time_where_they_compute(monkeypatch):
    asked = []
    monkeypatch.setattr(
        activations, "exactly", lambda device: asked.append(device) or exactly(device)
    )
    with evaluating(nn.Linear(2, 2, device="meta")), evaluating(nn.ReLU()):
        assert asked == [torch.device("meta")]
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32
    with exactly(torch.device("cuda")):
        assert torch.backends.cudnn.deterministic and not torch.backends.cudnn.allow_tf32
    assert before == (torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32)


def test_a_name_in_place_of_a_list_of_names_is_told():
    with pytest.raises(FeatvizError, match=r"layers are the text 'L0'; expected a list, \['L0'\]"):
        find_layers(generator(), "L0")


def test_uint8_into_a_model_of_floats_is_told_with_what_to_give():
    model = nn.Sequential(nn.Conv2d(3, 4, 3))
    pixels = (image() * 20).to(torch.uint8)
    told = "cannot run on uint8; give float images, such as encode_image"
    with pytest.raises(FeatvizError, match=told), record_activations(model, ["0"]):
        model(pixels)
    assert hooks_of(model) == []
    with pytest.raises(FeatvizError, match=told), truncated_forward(model, ["0"]) as forward:
        forward(pixels)
    with pytest.raises(RuntimeError, match="channels") as caught, record_activations(model, ["0"]):
        model(image(channels=5))
    assert not isinstance(caught.value, FeatvizError)
    scaled = nn.Sequential(Scaled(), nn.Conv2d(3, 4, 3))
    with record_activations(scaled, ["1"]) as activations:
        scaled(pixels)
    assert activations["1"].shape == (1, 4, 30, 30)


class Scaled(nn.Module):
    def forward(self, pixels):
        return pixels / 255


def test_a_compiled_module_is_told_with_what_to_give():
    model = nn.Sequential(nn.Conv2d(3, 4, 3))
    compiled = torch.compile(model, backend="eager")
    with pytest.raises(FeatvizError, match=r"a compiled module .* give .* its \._orig_mod"):
        find_layers(compiled, ["0"])
    assert find_layers(compiled._orig_mod, ["0"]) == {"0": model[0]}
    model.compile(backend="eager")
    with pytest.raises(FeatvizError, match=r"a Sequential whose \.compile\(\) was called"):
        find_layers(model, ["0"])
