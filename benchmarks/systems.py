"""Training steps of a U-Net and a CRN beside the same written plainly in torch, in one process.

Target: at most 1.1 times as long in float32.

python -m benchmarks.systems [--generators unet crn] [--size 256] [--runs 5]

Both sides have the same architecture, losses, batch and optimiser. The plain one lies as torch has
it (NCHW, float32) and takes its steps as the papers' code does: for the U-Net the discriminator
learns first and judges the image again. They take turns. Times are of the clock and, in brackets,
of the processor, which tells more where other work is under way.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import tyro
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.machine import describe_machine
from benchmarks.plain_networks import PlainCrn, PlainPatches, PlainUnet
from benchmarks.training import SAMPLES
from featviz.base.errors import FeatvizError, require_whole
from featviz.faces.pairs import read_pairs
from featviz.generators.networks.perceptual import load_vgg19
from featviz.training.data import PairTensors
from featviz.training.pair import Pair, batch_of
from featviz.training.presets import TrainingConfig, preset
from featviz.training.run import start_run, train_step

TARGET = 1.1

Step = Callable[[], object]


@dataclass(frozen=True)
class Systems:
    """Measure training steps."""

    generators: tuple[Literal["unet", "crn"], ...] = ("unet", "crn")
    size: int = 256
    """Side of sketch and photo in pixels."""
    width: int | None = None
    """Channels of the finest layer; the demo preset's if not given."""
    runs: int = 5
    """Measured steps of each side, after one that warms up."""
    threads: int | None = None
    """Threads; torch's own choice if not given."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of our side."""


def config(settings: Systems, generator: str) -> TrainingConfig:
    """Our side, batches of one by their own statistics."""
    return preset(
        "demo",
        generator=generator,
        size=settings.size,
        width=settings.width,
        precision=settings.precision,
        perceptual_scale=1.0,
    )


def our_step(configuration: TrainingConfig, pair: Pair) -> tuple[Step, nn.Module]:
    """One step as `featviz train` takes it, and its generator."""
    run = start_run(configuration, torch.device("cpu"))
    step = lambda: train_step(run, configuration, pair, torch.device("cpu"))  # noqa: E731
    return step, run.models.generator


def plain_unet_step(configuration: TrainingConfig, pair: Pair) -> tuple[Step, nn.Module]:
    """pix2pix's step: the discriminator, then the generator."""
    generator = PlainUnet(configuration.levels, configuration.width, dropouts=3)
    judge = PlainPatches(configuration.discriminator_width)
    optimizers = [_adam(network, configuration) for network in (generator, judge)]

    def loss(image: Tensor, label: float) -> Tensor:
        scores = judge(torch.cat([pair.sketch, image], 1))
        return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, label))

    def step() -> None:
        image = generator(pair.sketch)
        judge.requires_grad_(True)
        optimizers[1].zero_grad()
        ((loss(image.detach(), 0.0) + loss(pair.photo, 1.0)) / 2).backward()  # type: ignore[no-untyped-call]
        optimizers[1].step()
        judge.requires_grad_(False)
        optimizers[0].zero_grad()
        absolute = F.l1_loss(image, pair.photo)
        (loss(image, 1.0) + configuration.l1 * absolute).backward()  # type: ignore[no-untyped-call]
        optimizers[0].step()

    return step, generator


def plain_crn_step(configuration: TrainingConfig, pair: Pair) -> tuple[Step, nn.Module]:
    """The step of the cascaded refinement network: its one loss."""
    generator, vgg19 = PlainCrn(configuration.levels, configuration.width), load_vgg19()
    optimizer = _adam(generator, configuration)

    def step() -> None:
        optimizer.zero_grad()
        image = generator(pair.sketch)
        with torch.no_grad():
            wanted = [pair.photo, *vgg19(pair.photo)]
        made = [image, *vgg19(image)]
        loss = sum(F.l1_loss(one, other) for one, other in zip(made, wanted, strict=True))
        loss.backward()  # type: ignore[union-attr]
        optimizer.step()

    return step, generator


def _adam(network: nn.Module, configuration: TrainingConfig) -> torch.optim.Adam:
    parameters = network.parameters()
    return torch.optim.Adam(parameters, lr=configuration.learning_rate, betas=(0.5, 0.999))


def measure(settings: Systems, generator: str) -> None:
    """Both sides of one generator in turn."""
    pair = batch_of([PairTensors(read_pairs(SAMPLES), settings.size)[0]])
    configuration = config(settings, generator)
    plain = {"unet": plain_unet_step, "crn": plain_crn_step}[generator]
    sides = {"plain": plain(configuration, pair), "featviz": our_step(configuration, pair)}
    counts = {sum(each.numel() for each in network.parameters()) for _, network in sides.values()}
    if len(counts) > 1:
        raise FeatvizError(f"two steps of different networks are no comparison: {counts}")
    times: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for run in range(-1, settings.runs):
        for side, (step, _) in sides.items():
            begun = time.perf_counter(), time.process_time()
            step()
            if run >= 0:
                times[side].append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
    found = {
        side: [statistics.median(column) for column in zip(*rows, strict=True)]
        for side, rows in times.items()
    }
    print(f"{generator}: {configuration.levels} levels, width {configuration.width}", *counts)
    for side, (clock, processor) in found.items():
        print(f"  {side:8} {clock:.3f} s a step ({processor:.3f} s of the processor)")
    clock, processor = (
        ours / theirs for ours, theirs in zip(found["featviz"], found["plain"], strict=True)
    )
    met = "met" if clock <= TARGET else "missed"
    print(f"  ratio    {clock:.2f} ({processor:.2f}); target <= {TARGET:g}: {met}")


def main(settings: Systems) -> None:
    require_whole(settings, 1, "runs")
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    print(describe_machine(("torch",)))
    print(
        f"step       batch 1, {settings.size}x{settings.size}, featviz in {settings.precision}; "
        f"{torch.get_num_threads()} threads"
    )
    for generator in settings.generators:
        measure(settings, generator)


if __name__ == "__main__":
    main(tyro.cli(Systems, description=__doc__))
