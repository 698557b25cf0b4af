"""Runs of other generators than pix2pixHD's, each as its paper trains it."""

import os
import signal
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from featviz.base.errors import FeatvizError
from featviz.cli import main
from featviz.generators.checkpoint_files import export_pix2pix, load_generator
from featviz.training import loop
from featviz.training.loop import train
from featviz.training.pair import Pair
from featviz.training.presets import preset
from featviz.training.run import start_run, train_step
from featviz.training.saving import Schedule
from featviz.training.start import settings_of, take_weights
from featviz.training.steps import LossSettings, Models, backward, compute_losses

from .small import CPU, same, weights

SMALL = {
    "unet": {"levels": 5, "width": 2, "discriminator_width": 2},
    "crn": {"width": 2, "perceptual": 0.0},
}


def small(generator, **changes):
    settings = {"size": 32, "steps": 6, **SMALL[generator]}
    return preset("demo", generator=generator, **(settings | changes))


def test_a_unet_learns_from_its_judge_and_the_absolute_difference(rng):
    config = small("unet", precision="float32")
    run = start_run(config, CPU)
    generator, judge = run.models.generator.eval(), run.models.discriminator
    sketch, photo = (torch.from_numpy(rng.uniform(-1, 1, (2, 3, 32, 32))).float() for _ in "ab")
    settings = LossSettings(config.adversarial_form, config.feature_matching, l1=config.l1)
    step = compute_losses(run.models, Pair(sketch, photo), settings)
    backward(run.models, step)
    assert tuple(step.named) == config.losses

    def called(image, label):
        scores = judge(torch.cat([sketch, image], 1))
        assert len(scores) == 1
        target = torch.full_like(scores[0][-1], label)
        return F.binary_cross_entropy(scores[0][-1].sigmoid(), target)

    image = generator(sketch)
    loss = called(image, 1.0) + 100 * (image - photo).abs().mean()
    wanted = torch.autograd.grad(loss, list(generator.parameters()))
    for parameter, gradient in zip(generator.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-5)
    loss = (called(generator(sketch).detach(), 0.0) + called(photo, 1.0)) / 2
    wanted = torch.autograd.grad(loss, list(judge.parameters()))
    for parameter, gradient in zip(judge.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-5)


def test_the_judge_of_a_unet_gives_a_score_for_patches_of_70_pixels():
    judge = start_run(small("unet", size=32, precision="float32"), CPU).models.discriminator
    pair = torch.randn(1, 6, 256, 256, requires_grad=True)
    # Without norms a score depends on its patch alone.
    for module in judge.modules():
        if hasattr(module, "eps"):
            module.forward = lambda maps: maps
    scores = judge(pair)[0][-1]
    assert scores.shape == (1, 1, 30, 30)
    scores[0, 0, 15, 15].backward()
    seen = pair.grad.abs().sum(dim=(0, 1)) > 0
    assert (int(seen.any(0).sum()), int(seen.any(1).sum())) == (70, 70)


@pytest.mark.parametrize(("generator", "norm"), [("unet", "batch-affine"), ("crn", "layer-affine")])
def test_a_run_that_was_stopped_and_drew_samples_ends_as_one_that_did_neither(
    tmp_path, small_pairs, monkeypatch, generator, norm
):
    config = small(generator, norm=norm)
    train(config, small_pairs, tmp_path / "whole")
    original = loop.train_step

    def stop_at_three(run, *arguments):
        losses = original(run, *arguments)
        if run.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return losses

    sampling = Schedule(sample_every=1)
    monkeypatch.setattr(loop, "train_step", stop_at_three)
    with pytest.raises(FeatvizError, match="stopped and saved at step 3 of 6"):
        train(config, small_pairs, tmp_path / "stopped", schedule=sampling)
    monkeypatch.setattr(loop, "train_step", original)
    path = train(config, small_pairs, tmp_path / "stopped", resume=True, schedule=sampling)
    for kind in ("generator", *(["discriminator"] if config.adversarial else [])):
        assert same(weights(tmp_path / "whole", kind), weights(tmp_path / "stopped", kind))
    loaded = load_generator(path)
    assert loaded.architecture == config.architecture
    assert loaded.metadata["training"]["generator"] == generator


def test_a_unet_goes_on_from_a_run_and_from_a_file_of_pix2pix(tmp_path, small_pairs):
    config = small("unet", steps=1)
    path = train(config, small_pairs, tmp_path / "first")
    export_pix2pix(load_generator(path).generator, tmp_path / "G.pth")
    settings = settings_of(tmp_path / "first")
    assert preset("demo", **(settings | {"size": 32, "steps": 1})) == config
    for source in (tmp_path / "first", tmp_path / "G.pth"):
        run = start_run(small("unet", seed=5), CPU)
        take_weights(run, source)
        assert same(run.models.generator.state_dict(), weights(tmp_path / "first"))
    with pytest.raises(FeatvizError, match=r"cannot start from .*first: its network is Unet"):
        take_weights(start_run(small("unet", width=3), CPU), tmp_path / "first")
    with pytest.raises(FeatvizError, match="this run's is GeneratorArchitecture"):
        take_weights(start_run(preset("demo", size=32, width=2), CPU), tmp_path / "first")


def test_settings_that_a_generator_does_not_have_are_refused_in_one_line(capsys, tmp_path):
    for changes, words in (
        ({"variant": "modified"}, "variant is modified, which the generator 'unet' does not have"),
        ({"residual_blocks": 3}, "residual_blocks is 3"),
        ({"enhancers": 1}, "enhancers is 1"),
        ({"size": 48}, "size must be a multiple of 32 and at least 32; got 48"),
        ({"norm": "front=pixel"}, "unknown normalisation 'front=pixel'"),
        ({"adversarial": 0.0, "l1": 0.0}, "their weights are all 0"),
    ):
        with pytest.raises(FeatvizError, match=words):
            small("unet", **changes)
    with pytest.raises(FeatvizError, match="unknown generator 'vae'; there are global, unet, crn"):
        preset("demo", generator="vae")
    with pytest.raises(SystemExit):
        main(["train", "--out", str(tmp_path / "run"), "--levels", "8"])
    assert "levels is 8, which the generator 'global' does not have" in capsys.readouterr().err


@pytest.mark.parametrize(("size", "levels"), [(512, 8), (256, 8), (128, 7), (96, 5)])
def test_a_unet_has_the_levels_of_its_paper_or_as_many_as_its_size_allows(size, levels):
    config = preset("demo", generator="unet", size=size)
    assert config.levels == levels and size % config.architecture.size_multiple == 0
    assert preset("demo", generator="unet", size=size, levels=2).levels == 2


def test_a_refinement_network_learns_from_layers_that_count_alike_without_a_judge():
    config = small("crn", size=64, perceptual=1.0, precision="float32", perceptual_scale=1.0)
    assert config.losses == ("l1", "perceptual")
    run = start_run(config, CPU)
    assert set(run.learning) == {"generator"}
    pair = Pair(*(2 * torch.rand(2, 1, 3, 64, 64) - 1))
    losses = train_step(run, replace(config, learning_rate=1e-30), pair, CPU)
    with torch.no_grad():
        image = run.models.generator(pair.sketch)
        maps = zip(run.models.perceptual(image), run.models.perceptual(pair.photo), strict=True)
        expected = sum((one - other).abs().mean() for one, other in maps)
    assert losses["perceptual"] == pytest.approx(float(expected), rel=1e-4)
    assert losses["l1"] == pytest.approx(float((image - pair.photo).abs().mean()), rel=1e-4)


def test_without_a_judge_there_is_nothing_to_learn_for_one():
    run = start_run(preset("demo", size=32, width=2, adversarial=0.0, l1=1.0), CPU)
    assert set(run.learning) == {"generator"}
    models = Models(run.models.generator)
    step = compute_losses(models, Pair(*torch.rand(2, 1, 3, 32, 32)), LossSettings(l1=2.0))
    backward(models, step)
    assert step.discriminator is None
    torch.testing.assert_close(step.generator.detach(), 2 * step.named["l1"])
