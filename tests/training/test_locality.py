"""The loss on locality: what it is of, by hand, and runs with it."""

import csv
import signal

import pytest
import torch
from torch import nn

from featviz.base.errors import FeatvizError
from featviz.cli import main
from featviz.generators.networks.perceptual import load_vgg19
from featviz.training import loop
from featviz.training.data import PairTensors, training_batches
from featviz.training.loop import train
from featviz.training.losses import difference_where, perceptual_loss
from featviz.training.run import start_run, train_step
from featviz.training.steps import LossSettings, Models, backward, compute_losses

from .small import CPU, same, small_config, weights

ALONE = LossSettings(feature_matching=0.0, adversarial=0.0, locality=3.0)


class Brightness(nn.Module):
    """A generator that is not local: each image is a times the mean of its sketch, plus the sketch.

    Of an edit every pixel learns, so outside of it changes a (m' - m).
    """

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(0.7))

    def forward(self, sketch):
        return sketch + self.a * sketch.mean(dim=(1, 2, 3), keepdim=True)


@pytest.fixture
def batch(pairs):
    return next(training_batches(PairTensors(pairs, 64, edits=True), 3, 0, workers=0))


def test_a_difference_somewhere_by_hand():
    first, second = torch.zeros(2, 2, 1, 3), torch.zeros(2, 2, 1, 3)
    first[0, :, 0] = torch.tensor([[1.0, 2.0, 100.0], [3.0, -4.0, 100.0]])
    first[1] = 8.0
    where = torch.tensor([[[[True, True, False]]], [[[False, False, False]]]])
    # (1 + 2 + 3 + 4) / 4 and nothing.
    assert difference_where(first, second, where).item() == pytest.approx(1.25)


def test_a_local_network_has_no_loss_and_another_has(batch):
    local = nn.Conv2d(3, 3, 3, padding=1)  # reaches 1 px of the 2 px around an edit
    far = nn.Conv2d(3, 3, 9, padding=4)
    found = [
        compute_losses(Models(network), batch, ALONE).named["locality"].item()
        for network in (local, far)
    ]
    assert found[0] == 0 < found[1]


def test_the_gradient_is_the_one_written_out_by_hand(batch):
    generator = Brightness()
    step = compute_losses(Models(generator), batch, ALONE)
    backward(Models(generator), step)
    means = [sketch.mean(dim=(1, 2, 3)) for sketch in (batch.sketch, batch.edited)]
    off = 0.7 * (means[1] - means[0])
    torch.testing.assert_close(step.named["locality"], off.abs().mean())
    # Of |a m' - image of the sketch| alone: the sketch's own image is what the edit is held to.
    assert generator.a.grad.item() == pytest.approx(3 * (off.sign() * means[1]).mean().item(), 1e-4)
    torch.testing.assert_close(step.generator.detach(), 3 * step.named["locality"])


def test_perception_sees_the_edited_image_with_the_edited_area_as_it_was(batch):
    network = load_vgg19()
    models = Models(nn.Conv2d(3, 3, 9, padding=4), perceptual=network)
    settings = LossSettings(adversarial=0.0, perceptual=2.0, locality=5.0)
    with torch.no_grad():
        step = compute_losses(models, batch, settings)
        before, after = models.generator(batch.sketch), models.generator(batch.edited)
        mixed = before + (after - before) * batch.kept
        expected = perceptual_loss(network(mixed), network(before))
    torch.testing.assert_close(step.named["locality-perceptual"], expected, rtol=1e-3, atol=1e-5)
    named = step.named
    total = 2 * named["perceptual"] + 5 * (named["locality"] + named["locality-perceptual"])
    torch.testing.assert_close(step.generator, total)


def after_steps(pairs, config, edits, steps=3):
    run = start_run(config, CPU)
    dataset = PairTensors(pairs, config.size, seed=config.seed, edits=edits)
    batches = training_batches(dataset, config.batch_size, 0, workers=0)
    for _ in range(steps):
        losses = train_step(run, config, next(batches), CPU)
    assert tuple(losses) == config.losses
    return run.models.generator.state_dict()


def test_without_weight_every_weight_is_as_without_edits_and_with_it_is_not(pairs):
    without, unused = (after_steps(pairs, small_config(), edits) for edits in (False, True))
    assert same(without, unused)
    used = after_steps(pairs, small_config(locality=10.0), edits=True)
    assert not any(torch.equal(used[key], without[key]) for key in used if "weight" in key)


def test_a_batch_in_parts_learns_as_the_whole(pairs):
    whole, parts = (
        after_steps(
            pairs,
            small_config(locality=10.0, batch_size=2, accumulation=count, precision="float32"),
            edits=True,
            steps=1,
        )
        for count in (1, 2)
    )
    for key in whole:
        # A bias before a norm has no gradient but rounding, of which Adam makes whole steps.
        if "weight" in key:
            close = torch.isclose(whole[key], parts[key], rtol=1e-3, atol=1e-5)
            assert close.float().mean() > 0.99


@pytest.mark.parametrize(("precision", "accumulation"), [("float32", 1), ("bfloat16", 2)])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    tmp_path, small_pairs, monkeypatch, precision, accumulation
):
    config = small_config(
        steps=4, batch_size=2, locality=10.0, precision=precision, accumulation=accumulation
    )
    train(config, small_pairs, tmp_path / "whole")

    def stopped_after_two(run, *arguments):
        losses = train_step(run, *arguments)
        if run.step == 2:
            signal.raise_signal(signal.SIGTERM)
        return losses

    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", stopped_after_two)
        with pytest.raises(FeatvizError, match="stopped and saved at step 2"):
            train(config, small_pairs, tmp_path / "parts")
    train(config, small_pairs, tmp_path / "parts", resume=True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    with (tmp_path / "parts" / "losses.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["locality"]) > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--boundaries", "locality compares images of plain sketches"),
        ("--appearance-channels 2", "locality compares images of plain sketches"),
        ("--generator unet", "with dropout 0.5 no image of a U-Net is like another"),
        ("--locality -1", "locality must be 0 or more"),
        ("--adversarial 0", "learns from its losses; their weights are all 0"),
        ("", "has no landmarks.parquet"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(tmp_path, capsys, options, said):
    (tmp_path / "sketch.png").write_bytes(b"")
    words = ["train", "--out", tmp_path / "run", "--data", tmp_path, "--locality", 5]
    with pytest.raises(SystemExit):
        main([*map(str, words), *options.split()])
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()
