"""Generators that are kept along the way."""

import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from featviz.base.errors import FeatvizError
from featviz.base.feature_table import read_features
from featviz.cli import main
from featviz.generators.checkpoint_files import load_generator
from featviz.training import loop
from featviz.training.loop import train
from featviz.training.run import start_run
from featviz.training.saving import Schedule, keep_generator

from .small import CPU, same, small_config, weights

SKETCHES = Path(__file__).parents[2] / "sketches"
KEEP = Schedule(keep_every=4)


def kept(folder):
    return sorted(path.name for path in (folder / "steps").iterdir())


def test_the_first_the_last_and_every_nth_generator_are_kept_and_say_their_step(
    tmp_path, small_pairs
):
    out = tmp_path / "net"
    train(small_config(steps=10), small_pairs, out, schedule=KEEP)
    assert kept(out) == [f"net-{step:06d}.safetensors" for step in (0, 4, 8, 10)]
    for path in (out / "steps").iterdir():
        loaded = load_generator(path)
        assert loaded.metadata["step"] == int(path.stem.removeprefix("net-"))
        assert loaded.metadata["data"] == load_generator(out).metadata["data"]
    fresh = start_run(small_config(steps=10), CPU).models.generator.state_dict()
    assert same(load_file(out / "steps" / "net-000000.safetensors"), dict(fresh))
    assert same(load_file(out / "steps" / "net-000010.safetensors"), weights(out))
    assert not same(load_file(out / "steps" / "net-000004.safetensors"), weights(out))


def test_keeping_changes_no_weight(tmp_path, small_pairs):
    train(small_config(steps=6), small_pairs, tmp_path / "with", schedule=KEEP)
    train(small_config(steps=6), small_pairs, tmp_path / "without")
    assert same(weights(tmp_path / "with"), weights(tmp_path / "without"))
    assert not (tmp_path / "without" / "steps").exists()


def test_of_a_run_with_an_average_the_average_is_kept(tmp_path, small_pairs):
    config = small_config(steps=8, ema=0.9)
    train(config, small_pairs, tmp_path / "net", schedule=KEEP)
    state = torch.load(tmp_path / "net" / "training_state.pt", weights_only=True)
    last = load_file(tmp_path / "net" / "steps" / "net-000008.safetensors")
    assert same(last, dict(state["average"]))
    assert not same(last, dict(state["generator"]))


def test_a_run_that_was_stopped_keeps_the_generators_of_one_that_was_not(
    tmp_path, small_pairs, monkeypatch
):
    train(small_config(), small_pairs, tmp_path / "a" / "net", schedule=KEEP)
    original = loop.train_step

    def stop_at_five(run, *arguments):
        losses = original(run, *arguments)
        if run.step == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return losses

    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", stop_at_five)
        with pytest.raises(FeatvizError, match="stopped and saved at step 5"):
            train(small_config(), small_pairs, tmp_path / "b" / "net", schedule=KEEP)
    assert kept(tmp_path / "b" / "net") == ["net-000000.safetensors", "net-000004.safetensors"]
    train(small_config(), small_pairs, tmp_path / "b" / "net", resume=True, schedule=KEEP)
    assert kept(tmp_path / "b" / "net") == kept(tmp_path / "a" / "net")
    for name in kept(tmp_path / "a" / "net"):
        a, b = (load_file(tmp_path / side / "net" / "steps" / name) for side in "ab")
        assert same(a, b)


def test_a_generator_whose_weights_are_not_finite_is_not_kept(tmp_path):
    run = start_run(small_config(), CPU)
    with torch.no_grad():
        next(run.models.generator.parameters())[0] = torch.nan
    with pytest.raises(FeatvizError, match="generator"):
        keep_generator(run, tmp_path, {}, {})
    assert not (tmp_path / "steps").exists()


def test_the_kept_generators_of_two_runs_have_feature_tables_of_their_own(tmp_path, small_pairs):
    for name in ("one", "two"):
        train(small_config(steps=1), small_pairs, tmp_path / name, schedule=KEEP)
    sources = sorted(str(path) for path in tmp_path.glob("*/steps/*.safetensors"))
    folder = tmp_path / "set" / "G6"
    folder.mkdir(parents=True)
    shutil.copy(SKETCHES / "G6" / "001.svg", folder)
    features = tmp_path / "features"
    options = ["--sketches", str(folder.parent), "--layers", "L0", "--out", str(features)]
    main(["extract", *sources, *options])
    tables = {path.stem: read_features(path) for path in sorted(features.glob("*.parquet"))}
    assert list(tables) == ["one-000000", "one-000001", "two-000000", "two-000001"]
    assert [table.metadata["step"] for table in tables.values()] == [0, 1, 0, 1]
