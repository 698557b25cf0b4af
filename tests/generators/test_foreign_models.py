"""A word that says MODEL, whoever's it is, and in one line what is wrong with it."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from featviz.base.errors import FeatvizError, FeatvizWarning
from featviz.generators.foreign_models import (
    IMAGES_HERE,
    is_model_word,
    literal_inputs,
    literals,
    model_name,
    open_model,
)
from tests.commands.own_code import importable

CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=4, norm="none"):
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width) if norm == "batch" else nn.Identity()

    def forward(self, picture, step=1):
        return self.norm(self.first(picture)) * step

def build(**settings):
    return Net(**settings)

def broken():
    raise RuntimeError("no weights today")

ready = Net(2)
NUMBER = 3
"""


@pytest.fixture
def code(tmp_path, monkeypatch):
    """The user's folder, with a module of a name that no other test has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"nets_{tmp_path.name.replace('-', '_')}"
    Path(f"{name}.py").write_text(CODE)
    yield name
    sys.modules.pop(name, None)


def state_of(code, **settings):
    torch.manual_seed(5)
    return open_model(f"{code}:Net", arguments=settings).module.state_dict()


def test_a_function_a_class_and_an_object_of_the_users_code_are_networks(code):
    for what in ("build", "Net"):
        model = open_model(f"{code}:{what}", arguments={"width": 6}, random_weights=1)
        assert model.module.first.out_channels == 6
        assert model.name == what
        assert not any(weight.requires_grad for weight in model.module.parameters())
        torch.manual_seed(1)
        alike = sys.modules[code].Net(6)
        assert torch.equal(model.module.first.weight, alike.first.weight)
    assert open_model(f"{code}:ready").module is sys.modules[code].ready


def test_a_seed_makes_the_same_weights_each_time_and_leaves_the_callers_numbers(code):
    torch.manual_seed(3)
    first = open_model(f"{code}:Net", random_weights=7)
    again = open_model(f"{code}:Net", random_weights=7)
    other = open_model(f"{code}:Net", random_weights=8)
    assert first.digest() == again.digest() != other.digest()
    drawn = torch.rand(3)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(3))


@pytest.mark.parametrize("form", ["safetensors", "plain", "state_dict", "params_ema", "two deep"])
def test_weights_are_read_from_wherever_training_code_puts_them(code, form, recwarn):
    state = state_of(code, norm="batch")
    assert state["norm.num_batches_tracked"].dtype == torch.int64
    path = Path("net.safetensors" if form == "safetensors" else "net.pth")
    if form == "safetensors":
        save_file(state, path)
    elif form == "plain":
        torch.save(state, path)
    elif form == "two deep":
        torch.save({"epoch": 3, "state_dict": {"opt": {}, "generator": state, "n": 1}}, path)
    else:
        torch.save({"epoch": 3, form: state, "optimizer": {"lr": 0.1}}, path)
    found = open_model(f"{code}:Net", path, {"norm": "batch"}).module.state_dict()
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)
    said = [str(warning.message) for warning in recwarn if warning.category is FeatvizWarning]
    inside = {"two deep": "state_dict.generator"}.get(form, form)
    wanted = [f"net.pth has its weights inside '{inside}'; read from there"]
    assert said == (wanted if form not in ("safetensors", "plain") else [])


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_prefixes_of_wrappers_are_left_out_and_said(code, prefix):
    state = state_of(code)
    save_file({prefix + name: tensor for name, tensor in state.items()}, Path("net.safetensors"))
    with pytest.warns(FeatvizWarning, match=f"named with '{prefix}' in front"):
        found = open_model(f"{code}:Net", Path("net.safetensors"))
    assert torch.equal(found.module.first.weight, state["first.weight"])


def test_weights_of_half_precision_are_those_of_the_file_and_the_network_stays_as_it_is(code):
    state = {name: tensor.bfloat16() for name, tensor in state_of(code).items()}
    save_file(state, Path("net.safetensors"))
    weight = open_model(f"{code}:Net", Path("net.safetensors")).module.first.weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight, state["first.weight"].float())


def test_counters_that_old_files_lack_are_not_missed(code):
    state = state_of(code, norm="batch")
    del state["norm.num_batches_tracked"]
    save_file(state, Path("net.safetensors"))
    found = open_model(f"{code}:Net", Path("net.safetensors"), {"norm": "batch"})
    assert torch.equal(found.module.norm.running_var, state["norm.running_var"])


class _Evil:
    def __reduce__(self):
        return (open, ("ran", "w"))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (lambda state: state | {"more": torch.zeros(1)}, r"1 unexpected \(such as 'more'\)"),
        (
            lambda state: {name + "_": tensor for name, tensor in state.items()},
            r"do not fit '\w+:Net': 2 missing \(such as 'first.bias', 'first.weight'\), 2 unexp",
        ),
        (lambda state: state | {"first.bias": torch.zeros(9)}, "1 of another shape"),
        (lambda state: state | {"first.bias": torch.full((4,), torch.nan)}, "holds NaN"),
        (lambda state: {"weights": state, "epoch": 1}, "by itself or as one of state_dict, model"),
        (lambda state: [state], "expected a state dict"),
        (lambda state: {"state_dict": {**state, "x": _Evil()}}, "reading it could run code"),
    ],
)
def test_weights_that_do_not_fit_are_told_in_one_line(code, state, message):
    torch.save(state(state_of(code)), "net.pth")
    with pytest.raises(FeatvizError, match=message) as caught:
        open_model(f"{code}:Net", Path("net.pth"))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("net.pth: ")
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("no_such_module:Net", "no module 'no_such_module' in the current folder or on Python's"),
        ("no.such:Net", "no module 'no' in the current folder"),
        ("absent.py:Net", r"on Python's path; a module is named without .py: absent:Net"),
        ("diffusers:autoencoderkl", "no class of models 'autoencoderkl'; there is AutoencoderKL"),
        ("CODE:Nett", r"has no 'Nett'; it has Net, build, broken, ready"),
        ("CODE:NUMBER", "gives a int; expected a torch.nn.Module, or a function or class"),
        ("CODE:broken", r"calling CODE:broken failed: RuntimeError: no weights today \(CODE.py, l"),
        ("failing:Net", r"importing failing failed: ModuleNotFoundError: .*einsteinops.*line 1\)"),
        ("syntax:Net", r"importing syntax failed: SyntaxError: .*syntax.py, line 1"),
        ("Net", "expected package.module:function, timm:NAME"),
        ("timm:", "timm:: its weights are not told"),
        ("timm:resnet18", "timm:resnet18: its weights are not told; give --weights FILE, or"),
        ("diffusers:no/where", "diffusers:no/where: no such folder, and no name of a class"),
    ],
)
def test_a_word_that_is_no_network_is_told_in_one_line(code, word, message):
    Path("failing.py").write_text("import einsteinops\n")
    Path("syntax.py").write_text("def (\n")
    with pytest.raises(FeatvizError, match=message.replace("CODE", code)) as caught:
        open_model(word.replace("CODE", code), random_weights=0 if "kl" in word else None)
    assert "\n" not in str(caught.value)


def test_whether_weights_were_drawn_is_recorded(code):
    drawn = open_model(f"{code}:Net")
    seeded = open_model(f"{code}:Net", random_weights=1)
    # What was made when the module was imported is drawn no more.
    ready = open_model(f"{code}:ready")
    found = [each.details["drawn_weights"] for each in (drawn, seeded, ready)]
    assert found == [True, False, False]


def test_wrong_arguments_are_told_with_the_call(code):
    with pytest.raises(FeatvizError, match=r"calling \w+:Net failed: TypeError: .*depth"):
        open_model(f"{code}:Net", arguments={"depth": 3})
    with pytest.raises(FeatvizError, match="a network already; leave out --model-args"):
        open_model(f"{code}:ready", arguments={"width": 3})


def test_a_file_of_that_name_is_no_word(code):
    assert is_model_word("a.b:c.d")
    assert not any(map(is_model_word, ("baseline", "runs/mine", "C:\\net.pth", "a/b:c", "x.pth")))
    Path("a:b").write_text("a file")
    assert not is_model_word("a:b")


def test_names_of_results_are_names_of_files():
    names = {
        "nets.unet:UNet.small": "UNet.small",
        "timm:resnet50.a1_in1k": "resnet50.a1_in1k",
        "diffusers:models/sd/vae/": "vae",
        "transformers:ViTModel": "ViTModel",
    }
    assert {word: model_name(word) for word in names} == names


def test_values_are_python_literals_or_text():
    words = ["a=3", "b=(1, 2)", "c=instance", "d='x=y'", "e=None"]
    assert literals(words, "--x") == {"a": 3, "b": (1, 2), "c": "instance", "d": "x=y", "e": None}
    for wrong in ("a", "=3", "a b=3"):
        with pytest.raises(FeatvizError, match="--x takes name=value; got"):
            literals([wrong], "--x")
    with pytest.raises(FeatvizError, match="--x gives 'a' twice"):
        literals(["a=1", "a=2"], "--x")


def test_inputs_beside_the_image_reach_the_network(code, tmp_path):
    model = open_model(f"{code}:Net", random_weights=1)
    image = torch.randn(1, 3, 8, 8)
    plain = model.module(image)
    assert torch.equal(model.with_inputs({"step": 3})(image), plain * 3)
    (tmp_path / "steps.npy").write_bytes(b"no array")
    inputs = literal_inputs(["step=[2.0]", "picture=image"])
    assert inputs["picture"] is IMAGES_HERE
    assert torch.equal(model.with_inputs(inputs)(image), plain * 2)
    with pytest.raises(FeatvizError, match=r"--input step=steps\.npy: no tensor"):
        literal_inputs(["step=steps.npy"])


NOT_READABLE = """
import torch
from torch import nn


def net():
    return nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU())

def scripted():
    return torch.jit.script(net())

def compiled():
    return torch.compile(net())

def called():
    model = net()
    model.compile()
    return model

def exported():
    return torch.export.export(net(), (torch.zeros(1, 3, 8, 8),))

def unlifted():
    return exported().module()

def traced():
    return torch.fx.symbolic_trace(net())
"""


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "scripted",
            "'odd_nets:scripted': .*scripted module .* give the nn.Module that it was mad",
        ),
        ("compiled", "'odd_nets:compiled': .*compiled module .* its ._orig_mod"),
        (
            "called",
            "'odd_nets:called': a Sequential whose .compile.. was called .* give a copy tha",
        ),
        (
            "exported",
            "'odd_nets:exported': an exported program .* give the nn.Module that it was e",
        ),
        (
            "unlifted",
            "'odd_nets:unlifted': an exported module .* give the nn.Module that it was ex",
        ),
    ],
)
def test_what_has_no_layers_to_read_is_told_with_the_way_out(tmp_path, monkeypatch, name, told):
    with importable("odd_nets", NOT_READABLE, tmp_path, monkeypatch):
        with pytest.raises(FeatvizError, match=told):
            open_model(f"odd_nets:{name}")
        assert [key for key, _ in open_model("odd_nets:traced").module.named_children()]
