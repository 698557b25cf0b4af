"""`featviz certify`: what it prints, draws and exits with."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from featviz import cli
from featviz.generators.model_libraries import LIBRARIES, Found
from featviz.probing.certificate import certify
from featviz.probing.certificate_plot import certificate_figure, telling_layers
from featviz.sketches.tensors import Normalisation
from tests.commands.own_code import importable

CODE = """
from torch import nn

def plain():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 5, padding=2))

def normed():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.InstanceNorm2d(4), nn.Conv2d(4, 3, 1))
"""


@pytest.fixture
def code(tmp_path, monkeypatch):
    with importable("certified_nets", CODE, tmp_path, monkeypatch) as name:
        yield name


def printed(capsys, *words):
    """What it prints, and its exit status."""
    status = 0
    try:
        cli.main(["certify", *words, "--random-weights", "0", "--size", "40", "32"])
    except SystemExit as stop:
        status = stop.code
    return capsys.readouterr(), status


def test_a_bounded_network_exits_with_0(code, capsys):
    told, status = printed(capsys, f"{code}:plain")
    assert status == 0
    # 1 px of the 3x3 kernel and 2 of the 5x5 one.
    assert "bounded: an edit reaches 3 px\n" in told.out
    assert "6 edits: nothing changed beyond, to the last bit; the furthest change seen is 3 px" in (
        told.out
    )
    rows = {line.split()[0]: line.split()[1:] for line in told.out.splitlines() if line}
    assert rows["0"] == ["Conv2d", "40x32", "1", "px", "1", "px", "yes"]
    assert rows["output"] == ["40x32", "3", "px", "3", "px", "yes"]


def test_an_unbounded_one_exits_with_1_and_names_the_way(code, capsys):
    told, status = printed(capsys, f"{code}:normed", "--json")
    assert status == 1
    told = json.loads(told.out)
    assert told["says"].startswith("unbounded: through instance norm in 1 place (1)")
    assert told["output"]["verdict"] == "unbounded" and told["output"]["beyond"] > 0
    assert [layer["verdict"] for layer in told["layers"]] == ["bounded", "unbounded", "unbounded"]


def test_photos_are_edited_too_and_must_have_the_size(code, capsys):
    rng = np.random.default_rng(0)
    Path("photos").mkdir()
    Image.fromarray(rng.integers(0, 256, (32, 40, 3), np.uint8)).save("photos/one.png")
    told, status = printed(capsys, f"{code}:plain", "--images", "photos")
    assert status == 0 and "9 edits: nothing changed beyond" in told.out
    Path("small").mkdir()
    Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save("small/one.png")
    told, status = printed(capsys, f"{code}:plain", "--images", "small")
    assert status == 2
    assert told.err.count("\n") == 1 and "a photo is 32x32, the image 40x32" in told.err


def test_photos_are_scaled_as_the_model_or_the_caller_says(code, capsys, monkeypatch):
    Path("photos").mkdir()
    Image.new("RGB", (20, 16), (51, 51, 51)).save("photos/one.png")
    given = []

    def seen(module, size, channels, images, **options):
        given.extend(images)
        return certify(module, size, channels, images, **options)

    told = Found(torch.nn.Conv2d(3, 3, 1), Normalisation((0.1,), (0.5,), "by the model"))
    monkeypatch.setitem(LIBRARIES, "timm", lambda *_: told)
    monkeypatch.setattr("featviz.probing.certificate.certify", seen)
    for words in (["timm:x"], ["timm:x", "--mean", "0", "--std", "1"], [f"{code}:plain"]):
        printed(capsys, *words, "--images", "photos", "--resize", "40", "32")
    assert [each.shape for each in given] == [(1, 3, 32, 40)] * 3
    assert [float(each.mean()) for each in given] == pytest.approx([0.2, 0.2, -0.6])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--edits", "0"], "at least 1 channel and 1 edit"),
        (["--out", "reach.txt"], "reach.txt"),
        (["--threads", "0"], "at least 1 thread"),
    ],
)
def test_bad_options_are_one_line(code, capsys, words, said):
    told, status = printed(capsys, f"{code}:plain", *words)
    assert status == 2
    assert told.err.count("\n") == 1 and said in told.err


def test_the_picture_shows_what_was_traced_and_what_was_seen(code, capsys):
    printed(capsys, f"{code}:normed", "--out", "reach.png")
    with Image.open("reach.png") as image:
        assert image.width > 400
    import certified_nets

    certificate = certify(certified_nets.normed(), (40, 32))
    assert [layer.layer for layer in telling_layers(certificate.layers)] == ["0", "1"]
    ax = certificate_figure(certificate, "normed").axes[0]
    bars = [bar.get_width() for bar in ax.patches]
    # Layer 0 reaches one pixel; 1 and the output everything, and one by windows alone.
    assert bars == [1, 40, 1, 40, 1]
    dots = [line.get_xdata()[0] for line in ax.lines]
    rows = [certificate.layers[0], certificate.layers[1], certificate.output]
    assert dots == [max(row.measured) for row in rows]


def test_of_many_layers_some_are_drawn_spread_from_first_to_last():
    from dataclasses import replace

    from torch import nn

    layer = certify(nn.Sequential(nn.Conv2d(3, 3, 3)), (16, 16)).layers[0]
    layers = [replace(layer, layer=str(n), reach=(n, n)) for n in range(500)]
    told = [each.layer for each in telling_layers(layers, 6)]
    assert told == ["0", "100", "200", "299", "399", "499"]
