"""Dense extraction against a full forward with hooks, and its peak memory.

Targets: at least 5 times as fast, and under 2 GB for 200 sketches at 48 filters.

python -m benchmarks.extraction [--checkpoint NAME] [--runs 3] [--sketches 8]

The generator is untrained unless a checkpoint is given: neither time nor memory depends on the
values of the weights. The sketches are random lines, made before the clock starts.
"""

import multiprocessing
import resource
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import nn

from benchmarks.machine import describe_machine, seconds, summary
from featviz.activations import record_activations
from featviz.checkpoints import load_generator
from featviz.drawing import Drawing, Stroke, rasterize
from featviz.encoding import encode_image
from featviz.extraction import FRONT_END_LAYERS, extract
from featviz.networks.generators import GeneratorArchitecture, build_generator
from featviz.points import PROBE_POINT

SPEED_TARGET = 5.0
MEMORY_TARGET = 2.0


@dataclass(frozen=True)
class Extraction:
    """Measure the dense engine."""

    checkpoint: str | None = None
    """A whole generator; an untrained one if not given."""
    width: int = 48
    """Filters of L0 of the untrained generator; the study has 48."""
    runs: int = 3
    """Repetitions; the two ways take turns."""
    sketches: int = 8
    """Sketches a repetition."""
    memory_sketches: int = 200
    """Sketches of the memory measurement; 0 leaves it out."""


def generator(settings: Extraction) -> nn.Module:
    if settings.checkpoint is not None:
        return load_generator(settings.checkpoint).generator
    torch.manual_seed(0)
    return build_generator(GeneratorArchitecture("baseline", settings.width)).eval()


def sketches(count: int) -> Iterator[NDArray[np.uint8]]:
    for seed in range(count):
        points = np.random.default_rng(seed).uniform(100, 400, (12, 8, 2))
        yield rasterize(Drawing(tuple(Stroke("line", line) for line in points)))


def full_forward(
    model: nn.Module, images: list[NDArray[np.uint8]]
) -> dict[str, NDArray[np.float32]]:
    """What one would write without featviz: hooks, the whole network, pick the vectors."""
    vectors: dict[str, list[NDArray[np.float32]]] = {layer: [] for layer in FRONT_END_LAYERS}
    x, y = PROBE_POINT
    with torch.inference_mode(), record_activations(model, FRONT_END_LAYERS) as activations:
        for image in images:
            model(encode_image(image)[None])
            for k, layer in enumerate(FRONT_END_LAYERS):
                column, row = -(-x // 2**k), -(-y // 2**k)
                vectors[layer].append(activations[layer][0, :, row, column].numpy().copy())
    return {layer: np.stack(rows) for layer, rows in vectors.items()}


def measure_speed(settings: Extraction) -> None:
    model, images = generator(settings), list(sketches(settings.sketches))
    extract(model, images[:1])
    full_forward(model, images[:1])
    dense, full = [], []
    for _ in range(settings.runs):
        dense.append(seconds(lambda: extract(model, images)) / len(images))
        full.append(seconds(lambda: full_forward(model, images)) / len(images))
    table, reference = extract(model, images), full_forward(model, images)
    equal = all(
        table.vectors[layer].tobytes() == reference[layer].tobytes() for layer in FRONT_END_LAYERS
    )
    ratio = statistics.median(full) / statistics.median(dense)
    verdict = "met" if ratio >= SPEED_TARGET else "missed"
    print(f"full       {summary(full)} a sketch, whole forward with hooks")
    print(f"dense      {summary(dense)} a sketch, all of `extract` included")
    print(f"ratio      {ratio:.1f}; target >= {SPEED_TARGET:g}: {verdict}")
    print(f"vectors    {'equal to the last bit' if equal else 'NOT EQUAL'}")


def peak_memory(settings: Extraction, count: int) -> float:
    """GB of resident memory at the worst moment of a process that extracts `count` sketches."""
    if count:
        extract(generator(settings), sketches(count))
    else:
        generator(settings)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def measure_memory(settings: Extraction) -> None:
    context = multiprocessing.get_context("spawn")
    for count in (0, 10, settings.memory_sketches):
        with context.Pool(1) as pool:
            peak = pool.apply(peak_memory, (settings, count))
        if count == 0:
            print(f"memory     {peak:.2f} GB, generator loaded, nothing extracted")
        else:
            print(f"memory     {peak:.2f} GB at peak for {count} sketches")
    verdict = "met" if peak < MEMORY_TARGET else "missed"
    print(f"           target < {MEMORY_TARGET:g} GB: {verdict}")


def main(settings: Extraction) -> None:
    print(describe_machine(("torch", "numpy")))
    what = settings.checkpoint or f"untrained, {settings.width} filters, speed is not in the values"
    print(f"generator  {what}; {torch.get_num_threads()} threads, images of 512x512")
    measure_speed(settings)
    if settings.memory_sketches:
        measure_memory(settings)


if __name__ == "__main__":
    main(tyro.cli(Extraction, description=__doc__))
