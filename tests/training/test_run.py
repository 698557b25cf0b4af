import pytest
import torch

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
        networks = [run.models.generator] + ([run.average] if ema else [])
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
