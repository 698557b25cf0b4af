"""What a generator's width costs: parameters, size as shipped, seconds a training step.

python -m benchmarks.width [--widths 8 10 12 16] [--steps 5]

Steps are the demo preset's at 512x512, on random images, without and with the perceptual loss
(VGG19 at a quarter of the size, as the shipped generators had it). The weights do not matter.
"""

import statistics
from dataclasses import dataclass

import torch
import tyro

from benchmarks.machine import describe_machine, seconds
from featviz.base.errors import FeatvizError
from featviz.generators.networks.perceptual import load_vgg19
from featviz.training.pair import Pair
from featviz.training.presets import TrainingConfig, preset
from featviz.training.run import Run, start_run, train_step

BUDGET = 40.0


@dataclass(frozen=True)
class Width:
    """Measure a training step at several widths."""

    widths: tuple[int, ...] = (8, 10, 12, 16)
    """Channels of L0."""
    steps: int = 5
    """Measured steps of each, after one that is not."""


def median_step(run: Run, config: TrainingConfig, steps: int) -> float:
    device = torch.device("cpu")
    sketch, photo = (torch.rand(1, 3, config.size, config.size) * 2 - 1 for _ in range(2))
    batch = Pair(sketch, photo)
    train_step(run, config, batch, device)
    times = [seconds(lambda: train_step(run, config, batch, device)) for _ in range(steps)]
    return statistics.median(times)


def main(settings: Width) -> None:
    print(describe_machine(("torch",)))
    weights: tuple[float, ...] = (0.0, 10.0)
    try:
        load_vgg19()
    except FeatvizError as error:
        print(f"without the perceptual loss: {error}")
        weights = (0.0,)
    print(f"{'width':>5} {'parameters':>11} {'bf16':>9} {'4 fit 40 MB':>12}  seconds a step")
    for width in settings.widths:
        times = []
        for weight in weights:
            config = preset("demo", width=width, perceptual=weight, perceptual_scale=0.25)
            run = start_run(config, torch.device("cpu"))
            times.append(median_step(run, config, settings.steps))
        count = sum(p.numel() for p in run.models.generator.parameters())
        size = 2 * count / 1e6
        fits = "yes" if 4 * size < BUDGET else "no"
        shown = ", ".join(f"{time:.2f}" for time in times)
        print(f"{width:>5} {count / 1e6:>9.2f} M {size:>6.1f} MB {fits:>12}  {shown}")


if __name__ == "__main__":
    main(tyro.cli(Width, description=__doc__))
