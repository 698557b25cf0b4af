import time

import pytest

from featviz.base.assets import asset_files
from featviz.cli import main
from featviz.generators.checkpoint_files import load_generator
from featviz.training.estimate import duration, estimate_run
from featviz.training.loop import train

from .small import CPU, small_config


def test_an_estimate_is_near_what_the_run_then_takes(tmp_path, small_pairs):
    config = small_config(steps=60, size=64)
    guess = estimate_run(config, small_pairs, CPU)
    started = time.perf_counter()
    path = train(config, small_pairs, tmp_path / "run")
    taken = time.perf_counter() - started
    # A factor: other work on the machine may come and go between the two.
    assert guess.total_seconds / 5 < taken < guess.total_seconds * 5
    generator = load_generator(path).generator
    assert guess.parameters["generator"] == sum(p.numel() for p in generator.parameters())
    assert 1e8 < guess.peak_memory < 1e11
    assert "VGG19, fixed" not in guess.parameters


def test_a_dry_run_prints_what_it_takes_and_writes_nothing(tmp_path, pairs, capsys):
    options = "--size 32 --width 2 --residual-blocks 1 --discriminator-width 2 --steps 100"
    out = tmp_path / "run"
    main(["train", "--out", str(out), "--data", str(pairs.folder), "--dry-run", *options.split()])
    said = capsys.readouterr().out
    for word in ("generator", "discriminator", "memory", "step", "loading", "for 100 steps"):
        assert word in said
    assert not out.exists()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4, "4 s"), (99.9, "100 s"), (1800, "30 min"), (36000, "10.0 h"), (86400 * 12, "12 days")],
)
def test_a_duration_is_given_in_the_unit_one_plans_with(seconds, text):
    assert duration(seconds) == text


def test_a_dry_run_takes_the_vgg19_it_is_given(tmp_path, pairs, capsys, monkeypatch):
    file = asset_files("vgg19")["vgg_normalized.pth"]
    monkeypatch.setenv("FEATVIZ_CACHE", str(tmp_path))
    options = "--size 32 --width 2 --residual-blocks 1 --discriminator-width 2 --perceptual 10"
    command = ["train", "--out", str(tmp_path / "run"), "--data", str(pairs.folder), "--dry-run"]
    main([*command, *options.split(), "--perceptual-scale", "1", "--vgg19", str(file)])
    assert "VGG19, fixed" in capsys.readouterr().out
