"""`featviz layers`: what it prints of a checkpoint and of somebody else's network."""

import json
import sys
from pathlib import Path

import pytest
import torch

from featviz import cli
from featviz.generators.checkpoint import open_checkpoint
from featviz.probing.receptive_field import trace_geometry
from tests.commands.own_code import importable
from tests.extraction.small import write_checkpoint

CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.first = nn.Conv2d(1, width, 5, stride=2, padding=2)
        self.relu = nn.ReLU()
        self.norm = nn.InstanceNorm2d(width)
        self.head = nn.Linear(width, 2)
        self.idle = nn.Identity()

    def forward(self, image, scale):
        maps = self.relu(self.norm(self.relu(self.first(image) * scale)))
        return {"score": self.head(maps.mean((2, 3))), "maps": maps}
"""


@pytest.fixture
def code(tmp_path, monkeypatch):
    with importable("own_nets", CODE, tmp_path, monkeypatch) as name:
        yield f"{name}:Net"


def printed(capsys, *words):
    cli.main(["layers", *words])
    return capsys.readouterr().out


def test_a_network_of_ones_own_is_listed_with_what_its_layers_see(code, capsys):
    words = [code, "--model-args", "width=6", "--input", "scale=2", "--size", "40", "24"]
    out = printed(capsys, *words)
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in out.splitlines()}
    assert list(rows) == ["layer", "first", "relu#1", "norm", "relu#2", "head", "idle"]
    assert rows["first"] == "Conv2d 20x12 6 5x5 px no 1"
    assert rows["relu#1"] == "ReLU 20x12 6 5x5 px no 2"
    assert rows["relu#2"] == "ReLU 20x12 6 5x5 px yes 2"
    assert rows["head"].startswith("Linear - - ? yes 1 ")
    assert rows["idle"] == "Identity - - - - 0 it takes no part in the forward"
    told = json.loads(printed(capsys, *words, "--json"))
    assert told["size"] == [40, 24]
    first, *_, idle = told["layers"]
    assert first == {
        "name": "first", "kind": "Conv2d", "runs": 1, "shape": [1, 6, 12, 20],
        "map_size": [20, 12], "receptive_field": [5, 5], "sees_whole_map": False, "reason": None,
        "arrangement": {"kind": "NCHW", "before": 0, "behind": 0},
    }  # fmt: skip
    assert (idle["shape"], idle["map_size"], idle["sees_whole_map"]) == (None, None, None)


def test_a_checkpoint_is_listed_at_the_size_of_its_training(tmp_path, capsys):
    path = write_checkpoint(tmp_path / "net.safetensors")
    told = json.loads(printed(capsys, str(path), "--json"))
    assert told["size"] == [512, 512]
    found = {layer["name"]: layer for layer in told["layers"]}
    model = open_checkpoint(path).generator
    assert found.keys() == {name for name, _ in model.named_modules() if name}
    for name, geometry in trace_geometry(model, ["L0", "L4"], (512, 512)).items():
        assert found[name]["map_size"] == list(geometry.map_size)
        assert found[name]["receptive_field"] == list(geometry.extent)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["own_nets:Net"], "'scale'; give it with --input NAME=VALUE, in Python with call="),
        (["own_nets:Net", "--input", "scale"], "--input takes name=value; got 'scale'"),
        (["own_nets:Net", "--input", "scale=1", "--output", "x"], "no output 'x'; there are score"),
        (["own_nets:Net", "--size", "0", "4"], "expected a size of at least 1 px"),
        (["net.safetensors", "--random-weights", "1"], "'net.safetensors' is a checkpoint of feat"),
        (["nothing"], "no checkpoint 'nothing': no such file, and the shipped ones are augmented"),
        (["own_nets.Net"], "a network of your own is MODULE:NAME, which layers, cert"),
        (["own_nets:Net", "--weights", "no.pth", "--input", "scale=1"], "no.pth: no such file of"),
    ],
)
def test_bad_input_is_one_line(code, capsys, words, told):
    write_checkpoint(Path("net.safetensors"))
    with pytest.raises(SystemExit) as ended:
        cli.main(["layers", *words])
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert error.count("\n") == 1
    assert told in error


def test_weights_of_a_file_are_those_that_run(code, capsys):
    sys.path.insert(0, ".")
    from own_nets import Net

    torch.save({"model": Net().state_dict()}, "net.pth")
    words = [code, "--weights", "net.pth", "--input", "scale=1"]
    cli.main(["layers", *words])
    assert "has its weights inside 'model'; read from there" in capsys.readouterr().err
