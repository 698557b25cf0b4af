"""Dense extraction on a GPU: sketches per second, and what they are bound by.

python -m benchmarks.extraction_gpu [--width 48] [--sketches 256] [--batch-size 8]

Each precision is measured three ways: the whole of `extract`, whose loading and computing overlap;
the loading alone (rasterised sketches are encoded, stacked and copied to the GPU); the computing
alone (images that are on the GPU already). The slower of the two is the bound. The generator is
untrained: time is not in the values. Where PyTorch finds no GPU this says so and measures nothing.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.machine import describe_machine, seconds, summary
from featviz.extraction import FRONT_END_LAYERS, extract
from featviz.extraction.inputs import Input, read_inputs
from featviz.extraction.loading import load_batches, place
from featviz.generators.networks.generators import FrontEnd, GeneratorArchitecture
from featviz.generators.networks.names import Precision
from featviz.probing.activations import truncated_forward
from featviz.probing.device import exactly
from featviz.sketches.drawing import Drawing, Stroke, rasterize
from featviz.sketches.tensors import encode_image

_DRAWN = 32


@dataclass(frozen=True)
class Settings:
    """Measure the dense engine on a GPU."""

    device: str = "cuda"
    """The GPU's name in PyTorch; cpu shows that the benchmark works, not how fast a GPU is."""
    variant: str = "baseline"
    """Which layers are normalised."""
    width: int = 48
    """Filters of L0; the study has 48."""
    sketches: int = 256
    """Sketches of a repetition."""
    batch_size: int = 8
    """Sketches of a forward."""
    runs: int = 5
    """Repetitions, after one that is not counted."""


def main(settings: Settings) -> None:
    """Print the measurements."""
    where = torch.device(settings.device)
    if where.type == "cuda" and not torch.cuda.is_available():
        print("no GPU: PyTorch finds no CUDA device here; nothing was measured")
        return
    print(describe_machine(("torch",)))
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else "none: on the CPU"
    print(f"gpu        {name}")
    print(f"sketches   {settings.sketches} of 512x512 a run, {settings.batch_size} a forward")
    images = list(_images(settings.sketches))
    for precision in ("float32", "bfloat16"):
        _measure(settings, precision, images)


def _measure(settings: Settings, precision: Precision, images: list[NDArray[np.uint8]]) -> None:
    torch.manual_seed(0)
    model = FrontEnd(GeneratorArchitecture(settings.variant, settings.width)).eval()
    place(model, settings.device, precision)
    where, dtype = torch.device(settings.device), next(model.parameters()).dtype

    def batches() -> Iterator[list[Input]]:
        inputs = read_inputs(images, None, None, encode_image)
        while batch := list(itertools.islice(inputs, settings.batch_size)):
            yield batch

    def whole() -> None:
        extract(model, images, engine="dense", batch_size=settings.batch_size)

    def loading() -> None:
        for _ in load_batches(batches(), where, dtype):
            pass
        _wait(where)

    _, there = next(load_batches(batches(), where, dtype))
    rates = {
        name: _rate(run, settings)
        for name, run in (
            ("whole", whole),
            ("loading", loading),
            ("computing", lambda: _compute(model, there, settings)),
        )
    }
    for name, times in rates.items():
        per_second = settings.sketches / float(np.median(times))
        print(f"{precision:<10} {name:<10} {per_second:8.1f} sketches/s; {summary(times)}")
    bound = max(("loading", "computing"), key=lambda name: float(np.median(rates[name])))
    print(f"{precision:<10} bound by {bound}")


def _rate(run: Callable[[], Any], settings: Settings) -> list[float]:
    run()
    return [seconds(run) for _ in range(settings.runs)]


def _compute(model: nn.Module, images: Tensor, settings: Settings) -> None:
    """As many forwards as a run has, on images that lie on the GPU."""

    def keep(_: str, output: Tensor) -> Tensor:
        return output[:, :, 0, 0].float()

    with (
        torch.inference_mode(),
        exactly(images.device),
        truncated_forward(model, FRONT_END_LAYERS, "activation", keep=keep) as forward,
    ):
        for _ in range(-(-settings.sketches // settings.batch_size)):
            forward(images)
    _wait(images.device)


def _wait(device: torch.device) -> None:
    """Until the GPU has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _images(count: int) -> Iterator[NDArray[np.uint8]]:
    """Random line drawings; a few are drawn and come again."""
    drawn = []
    for seed in range(min(count, _DRAWN)):
        points = np.random.default_rng(seed).uniform(100, 400, (12, 8, 2))
        drawn.append(rasterize(Drawing(tuple(Stroke("line", line) for line in points))))
    yield from itertools.islice(itertools.cycle(drawn), count)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
