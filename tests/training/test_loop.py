import csv
import dataclasses
import hashlib
import json
import os
import signal

import pytest
import torch
from PIL import Image

from featviz.base.assets import asset_files
from featviz.base.errors import FeatvizError
from featviz.generators.checkpoint_files import load_generator
from featviz.training import loop
from featviz.training.loop import train
from featviz.training.pair import Pair
from featviz.training.presets import preset
from featviz.training.run import learning_rate_factor, start_run, train_step
from featviz.training.saving import Schedule, save_run
from tests.forks import featviz_process

from .small import CPU, same, small_config, weights


def test_a_run_learns_and_leaves_all_its_files(tmp_path, small_pairs):
    config = small_config(steps=60)
    path = train(config, small_pairs, tmp_path / "run", schedule=Schedule(30, 30))
    loaded = load_generator(path)
    assert loaded.metadata["step"] == 60
    assert loaded.metadata["data"]["pairs"] == len(small_pairs) - 1
    rows = list(csv.DictReader((tmp_path / "run" / "losses.csv").open()))
    assert [int(row["step"]) for row in rows] == [20, 40, 60]
    assert float(rows[-1]["feature-matching"]) < float(rows[0]["feature-matching"])
    samples = sorted((tmp_path / "run" / "samples").iterdir())
    assert [s.name for s in samples] == ["step_000030.png", "step_000060.png"]
    assert Image.open(samples[0]).size == (32, 96)


def test_the_same_settings_give_the_same_weights(tmp_path, small_pairs):
    for name in ("a", "b"):
        train(small_config(), small_pairs, tmp_path / name)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))


def test_a_run_that_was_stopped_ends_with_the_weights_of_one_that_was_not(
    tmp_path, small_pairs, monkeypatch
):
    train(small_config(), small_pairs, tmp_path / "whole")
    original = loop.train_step

    def stop_at_five(run, *arguments):
        losses = original(run, *arguments)
        if run.step == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return losses

    monkeypatch.setattr(loop, "train_step", stop_at_five)
    with pytest.raises(FeatvizError, match="stopped and saved at step 5 of 12"):
        train(small_config(), small_pairs, tmp_path / "stopped")
    monkeypatch.setattr(loop, "train_step", original)
    train(small_config(), small_pairs, tmp_path / "stopped", resume=True)
    for kind in ("generator", "discriminator"):
        assert same(weights(tmp_path / "whole", kind), weights(tmp_path / "stopped", kind))


def test_a_run_that_was_killed_resumes_from_its_last_save(tmp_path, small_pairs):
    folder = tmp_path / "run"
    options = "--size 32 --width 2 --residual-blocks 1 --discriminator-width 2 --steps 3000"
    words = ["train", "--out", folder, "--save-every", "5", "--data", small_pairs.folder]
    words += ["--threads", "1", *options.split()]
    process = featviz_process(words)
    process.wait_until((folder / "training_state.pt").exists)
    process.kill()
    process.wait()
    state = torch.load(folder / "training_state.pt", weights_only=True)
    step = state["step"]
    assert step % 5 == 0
    run = start_run(small_config(steps=3000), CPU)
    run.load_state(state)
    assert run.step == step

    def saved_step():
        return torch.load(folder / "training_state.pt", weights_only=True)["step"]

    again = featviz_process([*words, "--resume"])
    again.wait_until(lambda: saved_step() > step)
    again.send_signal(signal.SIGTERM)
    assert again.wait() == 2
    assert f"stopped and saved at step {saved_step()} of 3000" in again.stderr.read()
    leftovers = [p for p in folder.iterdir() if ".tmp" in p.name]
    # A kill may leave one temporary file; it never has the name of a real one.
    assert all(p.name.startswith(".") for p in leftovers)


def test_a_folder_with_a_run_is_not_overwritten(tmp_path, small_pairs):
    train(small_config(steps=1), small_pairs, tmp_path / "run")
    with pytest.raises(FeatvizError, match="holds a run already; continue it with --resume"):
        train(small_config(steps=1), small_pairs, tmp_path / "run")


def test_resuming_with_other_settings_is_refused_naming_the_difference(tmp_path, small_pairs):
    train(small_config(steps=1), small_pairs, tmp_path / "run")
    with pytest.raises(FeatvizError, match="other settings: width: 2 -> 3"):
        train(small_config(steps=1, width=3), small_pairs, tmp_path / "run", resume=True)
    with pytest.raises(FeatvizError, match="holds no run to resume"):
        train(small_config(steps=1), small_pairs, tmp_path / "other", resume=True)


def test_a_run_that_could_not_start_leaves_no_folder(tmp_path, small_pairs, monkeypatch):
    monkeypatch.setenv("FEATVIZ_CACHE", str(tmp_path / "cache"))
    with pytest.raises(FeatvizError, match="featviz assets get vgg19"):
        train(small_config(perceptual=10.0), small_pairs, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_training_state_that_cannot_be_read_is_an_error_of_one_line(tmp_path, small_pairs):
    train(small_config(steps=1), small_pairs, tmp_path / "run")
    path = tmp_path / "run" / "training_state.pt"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(FeatvizError, match=r"training_state\.pt cannot be read"):
        train(small_config(steps=1), small_pairs, tmp_path / "run", resume=True)


def test_a_diverging_run_stops_naming_the_loss_and_updates_nothing(small_pairs):
    config = small_config(precision="float32")
    run = start_run(config, CPU)
    sketch, photo = torch.zeros(1, 3, 32, 32), torch.full((1, 3, 32, 32), torch.nan)
    before = [p.clone() for p in run.models.generator.parameters()]
    with pytest.raises(FeatvizError, match="loss is nan at step 0: the run diverged"):
        train_step(run, config, Pair(sketch, photo), CPU)
    after = list(run.models.generator.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_weights_that_are_not_finite_never_replace_a_good_save(tmp_path, small_pairs):
    config = small_config(steps=2)
    train(config, small_pairs, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    run = start_run(config, CPU)
    with torch.no_grad():
        run.models.discriminator.scales[0].layers[0][0].weight[0] = torch.inf
    with pytest.raises(FeatvizError, match=r"discriminator.*scales\.0\.layers\.0\.0\.weight"):
        save_run(run, tmp_path, {}, {})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_the_learning_rate_is_constant_then_falls_linearly_to_zero():
    factors = [learning_rate_factor(step, 100) for step in range(101)]
    assert factors[:51] == [1.0] * 51
    assert factors[75] == pytest.approx(0.5)
    assert factors[100] == 0.0


def test_unknown_presets_and_senseless_settings_are_refused():
    with pytest.raises(FeatvizError, match="unknown preset 'huge'; there are demo, paper"):
        preset("huge")
    with pytest.raises(FeatvizError, match="steps must be a whole number, 1 or more; got 0"):
        preset("demo", steps=0)


def test_none_leaves_a_setting_of_the_preset_as_it_is():
    assert preset("paper", width=None, seed=4) == dataclasses.replace(preset("paper"), seed=4)


def test_the_perceptual_loss_is_logged_when_it_is_used(tmp_path, small_pairs):
    config = small_config(steps=2, perceptual=10.0, perceptual_scale=1.0)
    train(config, small_pairs, tmp_path / "run")
    (row,) = csv.DictReader((tmp_path / "run" / "losses.csv").open())
    assert float(row["perceptual"]) > 0


def test_a_run_from_before_a_setting_existed_resumes_at_its_default(tmp_path, small_pairs):
    train(small_config(steps=2), small_pairs, tmp_path)
    path = tmp_path / "config.json"
    settings = json.loads(path.read_text())
    del settings["ema"], settings["accumulation"]
    path.write_text(json.dumps(settings))
    train(small_config(steps=2), small_pairs, tmp_path, resume=True)
    path.write_text(json.dumps(settings))
    with pytest.raises(FeatvizError, match=r"other settings: ema: 0\.0 -> 0\.5"):
        train(small_config(steps=2, ema=0.5), small_pairs, tmp_path, resume=True)


def test_a_checkpoint_says_which_vgg19_it_was_trained_with_and_a_resume_keeps_to_it(
    tmp_path, small_pairs
):
    config = small_config(steps=1, perceptual=10.0, perceptual_scale=1.0)
    train(config, small_pairs, tmp_path / "run")
    weights = load_generator(tmp_path / "run").metadata["perceptual_weights"]
    assert weights["weights"] == "vgg19-normalised"
    file = asset_files("vgg19")["vgg_normalized.pth"]
    assert weights["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    other = torch.load(file, weights_only=True)
    other["0.bias"] = other["0.bias"] + 1
    torch.save(other, tmp_path / "other.pth")
    longer = small_config(steps=2, perceptual=10.0, perceptual_scale=1.0)
    with pytest.raises(FeatvizError, match="with other VGG19 weights"):
        train(
            longer,
            small_pairs,
            tmp_path / "run",
            resume=True,
            extend=True,
            vgg19=tmp_path / "other.pth",
        )
    train(small_config(steps=1), small_pairs, tmp_path / "without")
    assert load_generator(tmp_path / "without").metadata["perceptual_weights"] is None
