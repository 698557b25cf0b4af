"""Runs that begin, continue and end in other ways than from fresh weights to the planned step."""

import copy
import json
import resource

import numpy as np
import pytest
import torch
from torch import nn

from featviz.base.errors import FeatvizError
from featviz.generators.checkpoint_files import load_generator
from featviz.training import loop, saving
from featviz.training.data import PairTensors, training_batches
from featviz.training.loop import train
from featviz.training.run import start_run, train_step
from featviz.training.saving import Schedule

from .small import CPU, same, small_config, weights


def kill(*_):
    raise KeyboardInterrupt


def batches(pairs, config):
    dataset = PairTensors(pairs.split("train"), config.size, config.augmentation, config.seed)
    return training_batches(dataset, config.batch_size, 0, 0)


def test_an_extended_run_goes_on_with_its_own_optimiser_state(tmp_path, small_pairs):
    # In the first half of 12 steps the learning rate is constant, so 6 steps that were planned
    # as the first 6 of 12 are those of the whole run up to the plan's own decay.
    train(small_config(steps=3), small_pairs, tmp_path / "run")
    with pytest.raises(FeatvizError, match=r"steps: 3 -> 6 \(more steps: --extend\)"):
        train(small_config(steps=6), small_pairs, tmp_path / "run", resume=True)
    train(small_config(steps=6), small_pairs, tmp_path / "run", resume=True, extend=True)
    loaded = load_generator(tmp_path / "run")
    assert loaded.metadata["step"] == 6
    assert json.loads((tmp_path / "run" / "config.json").read_text())["steps"] == 6
    state = torch.load(tmp_path / "run" / "training_state.pt", weights_only=True)
    moments = state["optimizers"]["generator"]["state"]
    assert {float(entry["step"]) for entry in moments.values()} == {6.0}


def test_extending_cannot_shorten_a_run_or_change_anything_else(tmp_path, small_pairs):
    train(small_config(steps=3), small_pairs, tmp_path / "run")
    with pytest.raises(FeatvizError, match="steps: 3 -> 2"):
        train(small_config(steps=2), small_pairs, tmp_path / "run", resume=True, extend=True)
    with pytest.raises(FeatvizError, match="width: 2 -> 3"):
        train(
            small_config(steps=5, width=3), small_pairs, tmp_path / "run", resume=True, extend=True
        )
    with pytest.raises(FeatvizError, match="give --resume too"):
        train(small_config(steps=5), small_pairs, tmp_path / "run", extend=True)


def test_a_run_can_begin_with_another_ones_weights_and_says_whose(tmp_path, small_pairs):
    train(small_config(steps=4), small_pairs, tmp_path / "first")
    tiny = small_config(steps=1, learning_rate=1e-12, seed=5)
    train(tiny, small_pairs, tmp_path / "second", start_from=tmp_path / "first")
    for kind in ("generator", "discriminator"):
        a, b = (weights(tmp_path / name, kind) for name in ("first", "second"))
        assert all(torch.allclose(a[key], b[key], atol=1e-9) for key in a)
    start = load_generator(tmp_path / "second").metadata["start"]
    assert (start["name"], start["step"], start["discriminator"]) == ("first", 4, True)
    assert start["digest"] == load_generator(tmp_path / "first").digest
    # A resume keeps what the run started from, and does not take those weights again.
    train(
        small_config(steps=3, learning_rate=1e-12, seed=5),
        small_pairs,
        tmp_path / "second",
        resume=True,
        extend=True,
        start_from=tmp_path / "first",
    )
    assert load_generator(tmp_path / "second").metadata["start"] == start


def test_a_run_that_ended_before_its_first_save_never_begins_with_other_weights(
    tmp_path, small_pairs, monkeypatch
):
    train(small_config(steps=1), small_pairs, tmp_path / "first")
    config = small_config(steps=1, learning_rate=1e-12, seed=5)
    arguments = {"config": config, "pairs": small_pairs, "out": tmp_path / "second"}
    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", kill)
        with pytest.raises(KeyboardInterrupt):
            train(**arguments, start_from=tmp_path / "first")
    with pytest.raises(FeatvizError, match="begins again from 'first' if --start-from names"):
        train(**arguments, resume=True)
    train(**arguments, resume=True, start_from=tmp_path / "first")
    a, b = (weights(tmp_path / name) for name in ("first", "second"))
    assert all(torch.allclose(a[key], b[key], atol=1e-9) for key in a)
    with pytest.raises(FeatvizError, match="it began with fresh weights"):
        train(
            small_config(steps=1),
            small_pairs,
            tmp_path / "first",
            resume=True,
            start_from=tmp_path / "second",
        )


def test_a_kill_between_the_files_of_the_last_save_is_made_good_by_a_resume(
    tmp_path, small_pairs, monkeypatch
):
    config = small_config(steps=3)
    train(config, small_pairs, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(saving, "save_network", kill)
        with pytest.raises(KeyboardInterrupt):
            train(config, small_pairs, tmp_path / "killed")
    assert not (tmp_path / "killed" / "generator.safetensors").exists()
    train(config, small_pairs, tmp_path / "killed", resume=True)
    assert same(weights(tmp_path / "killed"), weights(tmp_path / "whole"))
    losses = [load_generator(tmp_path / name).metadata["losses"] for name in ("whole", "killed")]
    assert losses[0] == losses[1] != {}


def test_a_line_of_losses_that_was_cut_off_is_left_out_by_a_resume(tmp_path, small_pairs):
    train(small_config(steps=2), small_pairs, tmp_path)
    path = tmp_path / "losses.csv"
    whole = path.read_text()
    path.write_text(whole + "1,0")
    train(small_config(steps=2), small_pairs, tmp_path, resume=True)
    assert path.read_text() == whole


def test_weights_of_another_architecture_are_refused_naming_both(tmp_path, small_pairs):
    train(small_config(steps=1), small_pairs, tmp_path / "first")
    with pytest.raises(FeatvizError, match=r"cannot start from .*width=2.*width=3"):
        train(
            small_config(width=3), small_pairs, tmp_path / "second", start_from=tmp_path / "first"
        )
    assert not (tmp_path / "second").exists()


def test_the_average_is_what_its_recurrence_gives_and_is_what_is_saved(tmp_path, small_pairs):
    config = small_config(steps=5, ema=0.6)
    run = start_run(config, CPU)
    expected = copy.deepcopy(run.models.generator.state_dict())
    stream = batches(small_pairs, config)
    for step in range(5):
        train_step(run, config, next(stream), CPU)
        decay = min(0.6, (1 + step) / (10 + step))
        for key, value in run.models.generator.state_dict().items():
            expected[key] = decay * expected[key] + (1 - decay) * value
    for key, value in run.averages["generator"].state_dict().items():
        torch.testing.assert_close(value, expected[key])
    train(config, small_pairs, tmp_path / "run")
    assert same(weights(tmp_path / "run"), dict(run.averages["generator"].state_dict()))
    state = torch.load(tmp_path / "run" / "training_state.pt", weights_only=True)
    assert not same(weights(tmp_path / "run"), state["generator"])


def test_a_batch_in_parts_gives_the_gradient_of_the_whole(small_pairs):
    gradients = []
    for parts in (1, 2, 4):
        config = small_config(batch_size=4, accumulation=parts, precision="float32")
        run = start_run(config, CPU)
        losses = train_step(run, config, next(batches(small_pairs, config)), CPU)
        gradients.append(
            [p.grad for p in run.models.generator.parameters()]
            + [p.grad for p in run.models.discriminator.parameters()]
            + [torch.tensor(list(losses.values()))]
        )
    for other in gradients[1:]:
        for a, b in zip(gradients[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    with pytest.raises(FeatvizError, match="batch of 4 cannot be cut into 3"):
        small_config(batch_size=4, accumulation=3)


def test_compiled_networks_learn_the_same_up_to_rounding(small_pairs, monkeypatch):
    # Capturing the graphs and their gradients is what can go wrong here; turning them into C++
    # is PyTorch's work and takes minutes.
    compile_with = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self: compile_with(self, backend="aot_eager"))
    runs = []
    for compiled in (False, True):
        config = small_config(steps=3, compile=compiled, precision="float32", ema=0.9)
        run = start_run(config, CPU)
        stream = batches(small_pairs, config)
        runs.append([train_step(run, config, next(stream), CPU) for _ in range(3)])
        assert (run.models.generator._compiled_call_impl is not None) == compiled
    for plain, compiled in zip(*runs, strict=True):
        assert plain == pytest.approx(compiled, rel=1e-3)


def test_one_corrupt_photo_is_skipped_counted_and_said(tmp_path, small_pairs, capfd):
    folder = tmp_path / "pairs"
    (folder / "photos").mkdir(parents=True)
    for name in small_pairs.names:
        content = (small_pairs.folder / "photos" / name).read_bytes()
        cut = len(content) // 2 if name == small_pairs.names[0] else len(content)
        (folder / "photos" / name).write_bytes(content[:cut])
    damaged = type(small_pairs)(
        folder, small_pairs.names, small_pairs.landmarks, small_pairs.splits, small_pairs.size
    )
    train(small_config(steps=10), damaged, tmp_path / "run", schedule=Schedule(workers=1))
    assert load_generator(tmp_path / "run").metadata["data"]["skipped"] == [small_pairs.names[0]]
    said = [line for line in capfd.readouterr().err.splitlines() if "skipped" in line]
    assert len(said) == 1
    assert small_pairs.names[0] in said[0]
    assert "(1 so far)" in said[0]


def test_photos_none_of_which_can_be_read_stop_the_run(tmp_path, small_pairs):
    empty = type(small_pairs)(
        tmp_path, small_pairs.names, small_pairs.landmarks, small_pairs.splits, small_pairs.size
    )
    with pytest.raises(FeatvizError, match="photos in a row cannot be read"):
        train(small_config(steps=2), empty, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_disk_that_is_full_leaves_the_last_save_valid(tmp_path, small_pairs):
    folder = tmp_path / "run"
    train(small_config(steps=2), small_pairs, folder)
    longer = {"config": small_config(steps=6), "pairs": small_pairs, "out": folder}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    state = (folder / "training_state.pt").stat().st_size
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (state // 2, hard)
    )  # what is larger cannot be written
    try:
        with pytest.raises(OSError, match="training_state"):
            train(**longer, resume=True, extend=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert torch.load(folder / "training_state.pt", weights_only=True)["step"] == 2
    assert load_generator(folder).metadata["step"] == 2
    assert not [path for path in folder.iterdir() if ".tmp" in path.name]
    train(**longer, resume=True)
    assert load_generator(folder).metadata["step"] == 6


def test_tensorboard_shows_every_loss_and_the_held_out_pictures(tmp_path, small_pairs):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is optional"
    )
    schedule = Schedule(sample_every=2, tensorboard=True)
    train(small_config(steps=4), small_pairs, tmp_path / "run", schedule=schedule)
    events = accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert [e.step for e in events.Scalars("loss/adversarial")] == [1, 2, 3, 4]
    assert [e.step for e in events.Images("held-out")] == [2, 4]
    assert np.isfinite([e.value for e in events.Scalars("loss/feature-matching")]).all()
