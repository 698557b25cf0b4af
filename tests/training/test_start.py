"""Coarse to fine, and other runs that begin with the weights of one before."""

import dataclasses
import shutil

import pytest
import torch
from safetensors.torch import load_file

from featviz.base.errors import FeatvizError
from featviz.cli import main
from featviz.generators.checkpoint_files import export_pix2pixhd, load_generator
from featviz.training import loop
from featviz.training.loop import train
from featviz.training.presets import preset
from featviz.training.run import start_run
from featviz.training.start import settings_of, take_weights

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def g1(tmp_path_factory, pairs):
    """A run of a global generator at 32 px."""
    folder = tmp_path_factory.mktemp("runs") / "g1"
    config = preset(
        "demo",
        variant="modified",
        size=32,
        width=8,
        residual_blocks=1,
        discriminator_width=2,
        discriminator_scales=2,
        steps=2,
    )
    train(config, pairs, folder)
    return folder


def weights(folder, kind="generator"):
    return load_file(folder / f"{kind}.safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def finer(source, **changes):
    return preset("demo", **(settings_of(source, changes.get("enhancers")) | changes))


def test_a_checkpoint_tells_the_settings_of_a_run_one_step_finer(g1):
    assert settings_of(g1, 1) == {
        "variant": "modified",
        "width": 4,
        "residual_blocks": 1,
        "norm": "instance",
        "enhancers": 1,
        "boundaries": False,
        "appearance_channels": 0,
        "size": 64,
        "discriminator_width": 2,
        "discriminator_scales": 2,
    }
    assert (settings_of(g1)["width"], settings_of(g1)["enhancers"]) == (8, 0)
    with pytest.raises(FeatvizError, match=r"with 2 enhancers: it has 0, .* expected 0 or 1"):
        settings_of(g1, 2)


def test_an_odd_width_cannot_be_halved(tmp_path, pairs):
    config = preset("demo", size=32, width=1, residual_blocks=0, discriminator_width=1, steps=1)
    train(config, pairs, tmp_path)
    with pytest.raises(FeatvizError, match=r"half the width of .*, and 1 is odd"):
        settings_of(tmp_path, 1)


def test_the_command_line_goes_from_32_to_64_to_128_pixels(tmp_path, monkeypatch, pairs, capsys):
    monkeypatch.chdir(tmp_path)
    data = ["--data", str(pairs.folder), "--steps", "4", "--threads", "1"]
    small = ["--width", "8", "--residual-blocks", "1", "--discriminator-width", "2"]
    main(["train", "--out", "g1", "--size", "32", "--variant", "modified", *small, *data])
    # Fixed to the last step: what was trained before is still there at the end, untouched.
    grow = ["--fixed-steps", "4", *data]
    main(["train", "--out", "g2", "--enhancers", "1", "--start-from", "g1", *grow])
    main(["train", "--out", "g3", "--enhancers", "2", "--start-from", "g2", *grow])
    first, second, third = (weights(tmp_path / name) for name in ("g1", "g2", "g3"))
    for key, value in first.items():
        if not key.startswith("output."):
            assert torch.equal(third[f"global_generator.{key}"], value)
    for key, value in second.items():
        if not key.startswith("output."):
            assert torch.equal(third[key], value)
    loaded = load_generator("g3")
    architecture = loaded.generator.architecture
    assert (architecture.enhancers, architecture.width, architecture.variant) == (2, 2, "modified")
    assert loaded.metadata["sketch_size"] == 128
    assert loaded.generator(torch.zeros(1, 3, 128, 128)).shape == (1, 3, 128, 128)
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["train", "--out", "g4", "--enhancers", "1", "--fixed-steps", "2", *data])
    assert "--fixed-steps keeps the weights of --start-from" in capsys.readouterr().err


@pytest.mark.parametrize("stop", [1, 4])
def test_a_run_stopped_while_weights_are_fixed_or_later_ends_with_the_same_weights(
    tmp_path, pairs, g1, monkeypatch, stop
):
    config = finer(g1, enhancers=1, fixed_steps=2, steps=5, ema=0.9)
    train(config, pairs, tmp_path / "whole", start_from=g1)
    original = loop.train_step

    def kill(run, *arguments):
        if run.step == stop:
            raise KeyboardInterrupt
        return original(run, *arguments)

    monkeypatch.setattr(loop, "train_step", kill)
    schedule = loop.Schedule(save_every=1)
    with pytest.raises(KeyboardInterrupt):
        train(config, pairs, tmp_path / "stopped", start_from=g1, schedule=schedule)
    monkeypatch.setattr(loop, "train_step", original)
    train(config, pairs, tmp_path / "stopped", resume=True)
    for kind in ("generator", "discriminator"):
        assert same(weights(tmp_path / "whole", kind), weights(tmp_path / "stopped", kind))


def test_a_start_brings_the_discriminator_and_the_average_along(g1):
    run = start_run(finer(g1, enhancers=1, ema=0.9), CPU)
    taken = take_weights(run, g1)
    assert same(run.models.discriminator.state_dict(), weights(g1, "discriminator"))
    assert same(run.averages["generator"].state_dict(), run.models.generator.state_dict())
    assert (taken["name"], taken["step"], taken["discriminator"]) == ("g1", 2, True)


def test_a_pth_of_pix2pixhd_starts_a_run_as_the_variant_it_is_said_to_be(tmp_path, g1):
    export_pix2pixhd(load_generator(g1).generator, tmp_path / "G.pth")
    settings = settings_of(tmp_path / "G.pth", 1, "modified")
    assert settings["size"] is None
    config = preset("demo", **(settings | {"size": 64, "discriminator_width": 2}))
    run = start_run(config, CPU)
    take_weights(run, tmp_path / "G.pth")
    expected = weights(g1)["front_end.L0.conv.weight"]
    assert torch.equal(run.models.generator.global_generator.front_end.L0.conv.weight, expected)


def test_weights_that_do_not_fit_are_refused_naming_both_architectures(g1):
    config = finer(g1, enhancers=1)
    wider = start_run(dataclasses.replace(config, width=5), CPU)
    with pytest.raises(FeatvizError, match=r"cannot start from .*g1: .*width=10.*width=8"):
        take_weights(wider, g1)
    plain = start_run(dataclasses.replace(config, enhancers=0, width=7, size=32), CPU)
    with pytest.raises(FeatvizError, match=r"cannot start from .*g1: .*width=8.*width=7"):
        take_weights(plain, g1)
    with pytest.raises(FeatvizError, match="is a front-end alone"):
        take_weights(plain, "paper-modified")


def test_the_size_must_suit_all_levels_and_fixed_steps_need_an_enhancer():
    preset("demo", size=64, enhancers=1)
    with pytest.raises(FeatvizError, match="multiple of 32 and at least 64; got 48"):
        preset("demo", size=48, enhancers=1)
    with pytest.raises(FeatvizError, match="without an enhancer nothing would learn in 5"):
        preset("demo", fixed_steps=5)


def test_the_name_of_a_shipped_checkpoint_brings_no_discriminator_of_a_folder_so_called(
    tmp_path, g1, monkeypatch, capsys, pairs
):
    shutil.copytree(g1, tmp_path / "baseline")
    monkeypatch.chdir(tmp_path)
    assert "discriminator_width" not in settings_of("baseline")
    assert settings_of("./baseline")["discriminator_width"] == 2
    data = ["--data", str(pairs.folder), "--size", "32", "--steps", "1", "--threads", "1"]
    main(["train", "--out", "run", "--start-from", "./baseline", *data])
    assert load_generator("run").metadata["start"]["digest"] == load_generator(g1).digest
