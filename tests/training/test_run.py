import copy

import pytest
import torch

from featviz.base.errors import FeatvizError
from featviz.training.data import PairTensors, training_batches
from featviz.training.presets import preset
from featviz.training.run import start_run, train_step

CPU = torch.device("cpu")


def small_config(**changes):
    settings = {"size": 64, "width": 2, "residual_blocks": 1, "discriminator_width": 2, "steps": 6}
    return preset("demo", **(settings | changes))


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_fixed_weights_do_not_move_by_a_bit_and_then_they_do(pairs, ema):
    config = small_config(size=128, enhancers=2, fixed_steps=3, ema=ema)
    run = start_run(config, CPU)
    batches = training_batches(PairTensors(pairs, 128), 1, 0, workers=0)
    fixed_prefixes = ("global_generator.", "enhancers.0.")
    for _ in range(6):
        networks = [run.models.generator] + ([run.averages["generator"]] if ema else [])
        before = [{k: v.clone() for k, v in net.state_dict().items()} for net in networks]
        train_step(run, config, next(batches), CPU)
        for network, old in zip(networks, before, strict=True):
            for key, value in network.state_dict().items():
                should_stay = run.step <= 3 and key.startswith(fixed_prefixes)
                assert torch.equal(value, old[key]) == should_stay, (run.step, key)
    states = run.optimizers["generator"].state
    steps = {
        key: int(states[parameter]["step"])
        for key, parameter in run.models.generator.named_parameters()
    }
    assert {steps[key] for key in steps if key.startswith(fixed_prefixes)} == {3}
    assert {steps[key] for key in steps if not key.startswith(fixed_prefixes)} == {6}


def test_the_encoder_learns_with_the_generator_and_has_an_average_of_its_own(pairs):
    config = small_config(boundaries=True, appearance_channels=2, ema=0.9)
    run = start_run(config, CPU)
    assert run.models.generator.architecture.input_channels == 3 + 1 + 2
    assert run.models.discriminator.architecture.input_channels == 3 + 1 + 3
    before = {k: v.clone() for k, v in run.models.encoder.state_dict().items()}
    batches = training_batches(PairTensors(pairs, 64, conditions=config.conditions), 2, 0, 0)
    for _ in range(3):
        train_step(run, config, next(batches), CPU)
    for key, value in run.models.encoder.state_dict().items():
        assert not torch.equal(value, before[key])
        assert not torch.equal(run.best.encoder.state_dict()[key], value)
    again = start_run(config, CPU)
    again.load_state(copy.deepcopy(run.state()))
    batch = next(batches)
    for which in (run, again):
        train_step(which, config, batch, CPU)
    for key, value in run.models.encoder.state_dict().items():
        assert torch.equal(value, again.models.encoder.state_dict()[key])


def test_an_encoder_stays_as_fixed_as_the_generator_it_came_with(pairs):
    config = small_config(enhancers=1, fixed_steps=1, appearance_channels=2)
    run = start_run(config, CPU)
    before = {k: v.clone() for k, v in run.models.encoder.state_dict().items()}
    batches = training_batches(PairTensors(pairs, 64, conditions=config.conditions), 1, 0, 0)
    for stays in (True, False):
        train_step(run, config, next(batches), CPU)
        for key, value in run.models.encoder.state_dict().items():
            assert torch.equal(value, before[key]) == stays


def test_only_a_run_with_appearances_has_an_encoder():
    plain, conditioned = (start_run(small_config(appearance_channels=n), CPU) for n in (0, 2))
    assert set(plain.learning) == set(plain.optimizers) == {"generator", "discriminator"}
    assert set(conditioned.optimizers) == {"generator", "discriminator", "encoder"}


@pytest.mark.parametrize(
    "norm",
    [
        *("front=pixel,residual=batch,back=demodulation", "window-3"),
        "front=pixel-spade,residual=region,back=weight-standardization",
    ],
)
def test_a_generator_of_other_norms_learns_beside_judges_with_instance_norm(pairs, norm):
    config = small_config(norm=norm, ema=0.9, precision="float32")
    run = start_run(config, CPU)
    before = {key: value.clone() for key, value in run.models.generator.state_dict().items()}
    batches = training_batches(PairTensors(pairs, 64), 1, 0, workers=0)
    for _ in range(2):
        train_step(run, config, next(batches), CPU)
    after, average = run.models.generator.state_dict(), run.averages["generator"].state_dict()
    assert run.models.generator.architecture.norm == norm
    assert run.models.discriminator.architecture.norm == "instance"
    assert not any(torch.equal(after[key], before[key]) for key in after if "weight" in key)
    running = [key for key in after if "running" in key]
    assert bool(running) == ("batch" in norm)
    assert all(torch.equal(average[key], after[key]) for key in running)


def test_a_norm_that_cannot_be_is_refused_before_anything_is_built():
    with pytest.raises(FeatvizError, match="residual=window-5 is larger than the map there, 4x4"):
        small_config(norm="residual=window-5")
    with pytest.raises(FeatvizError, match="unknown normalisation 'blur'"):
        small_config(norm="front=blur")
