"""Checkpoint files that are refused, in one line."""

import json
import os
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from featviz.base.errors import FeatvizError
from featviz.generators import checkpoint_files as checkpoints
from featviz.generators.checkpoint_files import (
    convert,
    export_pix2pixhd,
    load_discriminator,
    load_generator,
    save_network,
)
from featviz.generators.weights import read_metadata


@pytest.mark.parametrize("keep", [0, 5, 100, 5000])
def test_a_truncated_checkpoint_is_an_error_of_one_line(tmp_path, run_folder, keep):
    path = tmp_path / "cut.safetensors"
    path.write_bytes((run_folder / "generator.safetensors").read_bytes()[:keep])
    with pytest.raises(FeatvizError, match=r"cannot read this safetensors|is empty") as caught:
        load_generator(path)
    assert "\n" not in str(caught.value)


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    for name, write in (("a.pth", torch.save), ("b.pth", _plain_pickle)):
        write({"model.1.weight": Evil()}, tmp_path / name)
        with pytest.raises(FeatvizError, match=r"could run code|not a readable"):
            load_generator(tmp_path / name)
        assert not (tmp_path / "ran").exists()


def _plain_pickle(value, path):
    path.write_bytes(pickle.dumps(value))


@pytest.mark.parametrize("change", ["drop", "add", "reshape"])
def test_weights_that_do_not_fit_the_architecture_are_refused(tmp_path, run_folder, change):
    source = run_folder / "generator.safetensors"
    tensors = load_file(source)
    key = "front_end.L1.conv.weight"
    if change == "drop":
        del tensors[key]
    elif change == "add":
        tensors["more"] = torch.zeros(1)
    else:
        tensors[key] = torch.zeros(1)
    path = tmp_path / "changed.safetensors"
    save_file(tensors, path, {"featviz": json.dumps(read_metadata(source))})
    with pytest.raises(FeatvizError, match="do not fit its architecture"):
        load_generator(path)


def test_a_safetensors_file_of_someone_else_is_an_error_that_says_so(tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(FeatvizError, match="without featviz's description"):
        load_generator(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[1, 2]",
        "{}",
        '{"kind": "generator"}',
        '{"kind": "generator", "architecture": []}',
        '{"kind": "generator", "architecture": {"width": 2.0}}',
        '{"kind": "generator", "architecture": {"width": -1}}',
        '{"kind": "generator", "architecture": {"depth": 3}}',
        '{"kind": "generator", "architecture": {"variant": "odd"}}',
        '{"kind": "generator", "architecture": {"width": 1000000}}',
        '{"kind": "generator", "architecture": {"residual_blocks": 1000000000}}',
        '{"kind": "generator", "architecture": {"enhancers": 1000000000}}',
        '{"kind": "generator", "architecture": {"downsamplings": 60}}',
        '{"kind": "discriminator", "architecture": {"scales": 1000000000}}',
        '{"kind": "discriminator", "architecture": {"layers": 1000000000}}',
        '{"kind": "generator", "architecture": {"norm": ["instance"]}}',
        '{"kind": "generator", "architecture": {}, "step": [7]}',
        '{"kind": "generator", "architecture": {}, "step": NaN}',
        '{"kind": "generator", "architecture": {}, "data": "faces"}',
        '{"kind": "generator", "architecture": {}, "sketch_size": 1000000000}',
        '{"kind": "generator", "architecture": {}, "conditions": {"boundaries": "yes"}}',
        "[" * 100_000,
        '{"kind":' * 100_000,
    ],
)
def test_a_description_that_makes_no_sense_is_an_error_of_one_line(tmp_path, text):
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors", {"featviz": text})
    for load in (load_generator, load_discriminator):
        with pytest.raises(FeatvizError, match=r"x\.safetensors") as caught:
            load(tmp_path / "x.safetensors")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"model.1.weight": torch.zeros(4)},
        {"model.1.weight": torch.zeros(4, 3, 7, 7)},
        {"model.1.weight": torch.zeros(4, 3, 7, 7), "model.4.weight": torch.zeros(2)},
        {"scale1_layer0.0.weight": torch.zeros(1)},
        {"layer0.0.weight": torch.zeros(1)},
        [1, 2],
        {"model.1.weight": 3},
        {"epoch": 3, "state_dict": {"model.1.weight": torch.zeros(4, 3, 7, 7)}},
        {"model.1.weight": torch.zeros(4, 3, 7, 7).to_sparse()},
        {"model.1.weight": torch.zeros(1).expand(1 << 20, 1 << 20, 7, 7)},
    ],
)
def test_a_pth_of_something_else_is_an_error_of_one_line(tmp_path, state):
    torch.save(state, tmp_path / "x.pth")
    for load in (load_generator, load_discriminator):
        with pytest.raises(FeatvizError) as caught:
            load(tmp_path / "x.pth")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x80\x02.", b"\x80\x02" + bytes(range(200)), b"PK\x03"])
def test_bytes_that_are_no_pth_are_an_error_of_one_line(tmp_path, content):
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(FeatvizError, match=r"x\.pth") as caught:
        load_generator(tmp_path / "x.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
        (b"\n <!DOCTYPE html><html><title>Quota exceeded</title></html>", "a web page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "a web page"),
        (b"hello world\n", "text, which begins 'hello world'"),
        (b"a,b\n1,2\n", "text, which begins 'a,b 1,2'"),
        (("权重" * 40).encode(), "text, which begins '权重权重"),
    ],
)
@pytest.mark.parametrize("ending", ["pth", "pt", "safetensors"])
def test_a_text_file_in_place_of_a_checkpoint_is_called_what_it_is(
    tmp_path, content, words, ending
):
    path = tmp_path / f"net.{ending}"
    path.write_bytes(content)
    with pytest.raises(FeatvizError, match=rf"net\.{ending} is no checkpoint but {words}"):
        load_generator(path)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1j])
@pytest.mark.parametrize("ending", ["safetensors", "pth"])
def test_weights_that_are_no_finite_real_numbers_are_refused_by_name_wherever_they_are_read(
    tmp_path, generator, bad, ending
):
    path = tmp_path / f"bad.{ending}"
    state = generator.state_dict()
    key = "front_end.L1.conv.weight"
    if ending == "pth":
        export_pix2pixhd(generator, path)
        state, key = torch.load(path), "model.4.weight"
    dtype = torch.complex64 if isinstance(bad, complex) else torch.float64
    state[key] = state[key].to(dtype).index_fill(0, torch.tensor(1), bad)
    if ending == "pth":
        torch.save(state, path)
    else:
        save_network(generator, path, "generator", {}, torch.float32)
        save_file(state, path, {"featviz": json.dumps(read_metadata(path))})
    with pytest.raises(
        FeatvizError, match=rf"bad\.{ending}: weight '{key}' (holds NaN|is torch.c)"
    ):
        load_generator(path)
    with pytest.raises(FeatvizError, match=key):
        convert(path, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_a_description_of_more_than_the_file_holds_is_refused_before_it_is_built(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(checkpoints, "build", lambda _: pytest.fail("was built"))
    text = '{"kind": "generator", "architecture": {"residual_blocks": 1000000000}}'
    save_file({"x": torch.zeros(3)}, tmp_path / "x.safetensors", {"featviz": text})
    with pytest.raises(FeatvizError, match="has residual_blocks 1000000000, but the file holds 1"):
        load_generator(tmp_path / "x.safetensors")
