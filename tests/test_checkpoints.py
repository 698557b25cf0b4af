import json
import os
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from featviz import checkpoints
from featviz.checkpoints import (
    export_front_end,
    export_pix2pixhd,
    load_discriminator,
    load_generator,
    read_metadata,
    save_network,
    shipped_checkpoints,
)
from featviz.errors import FeatvizError
from featviz.networks.discriminators import DiscriminatorArchitecture, MultiScaleDiscriminator
from featviz.networks.generators import FrontEnd, GeneratorArchitecture, build_generator


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return build_generator(GeneratorArchitecture("modified", width=4, residual_blocks=1))


@pytest.fixture
def run_folder(tmp_path, generator):
    folder = tmp_path / "my-run"
    details = {"step": 7, "seed": 3}
    save_network(generator, folder / "generator.safetensors", "generator", details, torch.float32)
    return folder


def test_a_saved_generator_comes_back_with_its_description(run_folder, generator):
    loaded = load_generator(run_folder)
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(loaded.generator(x), generator.eval()(x))
    assert loaded.name == "my-run"
    assert loaded.metadata["variant"] == "modified"
    assert (loaded.metadata["step"], loaded.metadata["seed"]) == (7, 3)
    assert not loaded.generator.training


def test_loading_leaves_the_random_state_alone(run_folder):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_generator(run_folder)
    assert torch.equal(torch.rand(3), expected)


def test_bfloat16_storage_halves_the_file_and_loads_as_float32(tmp_path, generator, run_folder):
    path = tmp_path / "half.safetensors"
    save_network(generator, path, "generator", {}, torch.bfloat16)
    assert path.stat().st_size < 0.55 * (run_folder / "generator.safetensors").stat().st_size
    weight = load_generator(path).generator.front_end.L0.conv.weight
    expected = generator.front_end.L0.conv.weight.to(torch.bfloat16).float()
    assert weight.dtype == torch.float32
    assert torch.equal(weight, expected)


def test_a_front_end_alone_gives_the_same_activations_as_in_its_generator(
    tmp_path, run_folder, generator
):
    export_front_end(run_folder, tmp_path / "front.safetensors", torch.float32)
    front_end = load_generator(tmp_path / "front.safetensors")
    assert isinstance(front_end.generator, FrontEnd)
    assert front_end.metadata["step"] == 7
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(front_end.generator(x), generator.eval().front_end(x))


def test_a_discriminator_comes_back_and_is_not_taken_for_a_generator(tmp_path):
    network = MultiScaleDiscriminator(DiscriminatorArchitecture(width=2, scales=2))
    path = tmp_path / "discriminator.safetensors"
    save_network(network, path, "discriminator", {}, torch.float32)
    state = load_discriminator(path).state_dict()
    assert all(torch.equal(state[key], value) for key, value in network.state_dict().items())
    with pytest.raises(FeatvizError, match="holds a discriminator; expected a generator"):
        load_generator(path)


@pytest.mark.parametrize("name", shipped_checkpoints())
def test_every_shipped_checkpoint_loads_and_was_trained(name):
    loaded = load_generator(name)
    assert loaded.metadata["step"] > 0
    assert loaded.metadata["data"]["pairs"] >= 3000
    weights = torch.cat([p.flatten() for p in loaded.generator.parameters() if p.ndim == 4])
    # Fresh weights have a standard deviation of 0.02 in every layer.
    assert torch.isfinite(weights).all()
    first = loaded.generator.get_submodule(
        "L0" if isinstance(loaded.generator, FrontEnd) else "front_end.L0"
    )
    assert abs(float(first.conv.weight.std()) - 0.02) > 1e-4
    assert float(first.conv.bias.abs().max()) > 0


def test_a_missing_checkpoint_is_an_error_that_lists_the_shipped_ones(tmp_path):
    with pytest.raises(FeatvizError, match=r"no checkpoint 'nope': .* shipped ones are"):
        load_generator("nope")
    with pytest.raises(FeatvizError, match=r"no generator\.safetensors"):
        load_generator(tmp_path)


@pytest.mark.parametrize("keep", [0, 5, 100, 5000])
def test_a_truncated_checkpoint_is_an_error_of_one_line(tmp_path, run_folder, keep):
    path = tmp_path / "cut.safetensors"
    path.write_bytes((run_folder / "generator.safetensors").read_bytes()[:keep])
    with pytest.raises(FeatvizError, match="cannot read this safetensors") as caught:
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


def test_a_full_disk_leaves_the_old_checkpoint_in_place(run_folder, generator, monkeypatch):
    path = run_folder / "generator.safetensors"
    before = path.read_bytes()

    def no_space(tensors, temporary, metadata):
        temporary.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", no_space)
    with pytest.raises(OSError, match="No space left"):
        save_network(generator, path, "generator", {}, torch.float32)
    assert path.read_bytes() == before
    assert [p.name for p in run_folder.iterdir()] == ["generator.safetensors"]


def test_a_front_end_cannot_be_exported_to_pix2pixhd(tmp_path):
    front_end = FrontEnd(GeneratorArchitecture(width=2))
    with pytest.raises(FeatvizError, match="no place for a FrontEnd alone"):
        export_pix2pixhd(front_end, tmp_path / "x.pth")
