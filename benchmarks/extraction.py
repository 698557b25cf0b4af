"""Sketches to activation vectors in three ways: the usual script, the dense and the sparse engine.

The script runs the whole generator with hooks that keep whole maps. The dense engine is the same
network cut off behind L4, of each map one cell kept. The sparse engine computes each distinct
window of a map once.

python -m benchmarks.extraction [--checkpoints paper-baseline paper-modified] [--sketches 200]

All three read the same sketches of the repository, rasterised before the clock starts, at 48
filters with the checkpoint's own front end; what a checkpoint lacks behind it is untrained, which
costs the same. Targets: sparse at most 0.03 s a sketch, at least 50 times as fast as the script
and 8 (baseline) or 6 (modified) times as fast as the dense engine, and under 1.5 GB, whether it
reads 200 sketches or 20 000.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import describe_machine, peak_memory, seconds, summary
from featviz.base.feature_table import FeatureTable
from featviz.base.points import PROBE_POINT
from featviz.extraction import FRONT_END_LAYERS, extract
from featviz.extraction.engines import EngineName
from featviz.extraction.sparse import SparseReader, make_plan
from featviz.generators.checkpoint_files import load_generator
from featviz.generators.networks.generators import FrontEnd, GlobalGenerator
from featviz.probing.activations import record_activations
from featviz.probing.receptive_field import trace_geometry
from featviz.sketches.sketch_set import read_sketches
from featviz.sketches.tensors import encode_image

SECONDS_TARGET = 0.03
SCRIPT_TARGET = 50.0
DENSE_TARGETS = {"baseline": 8.0, "modified": 6.0}
MEMORY_TARGET = 1.5
GROWTH_TARGET = 0.3
AGREEMENT_TARGET = 1e-4

Images = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True)
class Extraction:
    """Measure the engines against each other."""

    checkpoints: tuple[str, ...] = ("paper-baseline", "paper-modified")
    """Front ends or whole generators."""
    sketches: int = 200
    """Sketches of the repository, evenly spread over its groups."""
    script_sketches: int = 0
    """Sketches for the script, the slowest by far; all if 0."""
    runs: int = 1
    """Repetitions; the three ways take turns."""
    many: int = 20_000
    """Sketches of the memory measurement of the sparse engine; 0 leaves all of memory out."""
    speed: bool = True
    """Measure speed."""


def whole_generator(name: str) -> GlobalGenerator:
    """The checkpoint's generator, or one around its front end."""
    loaded: nn.Module = load_generator(name).generator
    if isinstance(loaded, GlobalGenerator):
        return loaded.eval()
    assert isinstance(loaded, FrontEnd)
    torch.manual_seed(0)
    generator = GlobalGenerator(replace(loaded.architecture, residual_blocks=9))
    generator.front_end.load_state_dict(loaded.state_dict())
    return generator.eval()


def study_sketches(count: int) -> list[NDArray[np.uint8]]:
    sketches = read_sketches(Path("sketches"))
    numbers = np.linspace(0, len(sketches) - 1, min(count, len(sketches))).round().astype(int)
    return [sketches.image(number) for number in numbers.tolist()]


def variations(count: int) -> Iterator[NDArray[np.uint8]]:
    """Sketches moved about, with a stroke of their own."""
    images = study_sketches(50)
    random = np.random.default_rng(0)
    for number in range(count):
        down, right = random.integers(-25, 26, 2)
        image = np.roll(images[number % len(images)], (down, right), (0, 1))
        x, y, length = random.integers(20, 400, 3)
        image[y : y + 2, x : x + length // 4] = 0
        yield image


def run_script(model: nn.Module, images: Images) -> dict[str, NDArray[np.float32]]:
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


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of the processor, of which every thread has its own."""
    start, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - start, time.process_time() - processor


def multiplication_rate() -> float:
    """GFLOP/s of large float32 matrix products with all threads, the best of several."""
    a, b = torch.randn(2, 3072, 3072).unbind()
    best = min(seconds(lambda: a @ b) for _ in range(8))
    return 2 * 3072**3 / best / 1e9


def sparse_work(model: nn.Module, images: Images) -> float:
    """GFLOP a sketch that the sparse engine's matrix products have, counted by torch."""
    geometry = trace_geometry(model, FRONT_END_LAYERS, (512, 512))
    cells = {layer: [geometry[layer].position(PROBE_POINT)] for layer in FRONT_END_LAYERS}
    reader = SparseReader(make_plan(model, FRONT_END_LAYERS, (512, 512)), cells)
    encoded: Iterator[Tensor] = map(encode_image, images)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        for image in encoded:
            reader(image)
    return float(counter.get_total_flops()) / len(images) / 1e9


def measure_speed(name: str, settings: Extraction, images: Images, rate: float) -> None:
    model = whole_generator(name)
    script_images = images
    if settings.script_sketches:
        step = max(1, len(images) // settings.script_sketches)
        script_images = images[::step]
    for warm in (lambda: run_script(model, images[:1]), lambda: extract(model, images[:2])):
        warm()
    times: dict[str, list[tuple[float, float]]] = {"script": [], "dense": [], "sparse": []}
    tables: dict[str, FeatureTable] = {}

    def run(engine: EngineName) -> None:
        tables[engine] = extract(model, images, engine=engine)

    for _ in range(settings.runs):
        times["script"].append(timed(lambda: run_script(model, script_images)))
        times["dense"].append(timed(lambda: run("dense")))
        times["sparse"].append(timed(lambda: run("sparse")))
    counts = {"script": len(script_images), "dense": len(images), "sparse": len(images)}
    wall = {key: [clock / counts[key] for clock, _ in entry] for key, entry in times.items()}
    processor = {key: [cpu / counts[key] for _, cpu in entry] for key, entry in times.items()}
    script, dense, sparse = (float(np.median(wall[key])) for key in times)
    variant = model.architecture.variant
    work = sparse_work(model, images)
    print(f"\n{name}, {model.architecture.width} filters, {len(images)} sketches of 512x512")
    for key, label in [
        ("script", f"whole generator, hooks keep whole maps ({len(script_images)} sketches)"),
        ("dense", "extract(engine='dense')"),
        ("sparse", "extract(engine='sparse')"),
    ]:
        print(f"{key:10} {summary(wall[key])} a sketch, {label}")
        print(f"           {np.median(processor[key]):.3f} s of processor time, all threads")
    print(f"sparse     {verdict(sparse, SECONDS_TARGET, 'at most', ' s')}")
    print(f"script     {verdict(script / sparse, SCRIPT_TARGET, 'at least')} times the time")
    target = DENSE_TARGETS.get(variant, DENSE_TARGETS["baseline"])
    print(f"dense      {verdict(dense / sparse, target, 'at least')} times the time")
    print(
        f"bound      {work:.2f} GFLOP of matrix products a sketch, done at {work / sparse:.0f} "
        f"GFLOP/s over all; large products reach {rate:.0f}: {work / sparse / rate:.0%}"
    )
    error = largest_error(tables["sparse"], tables["dense"])
    print(f"agreement  {verdict(error, AGREEMENT_TARGET, 'at most', '', '.1e')}, sparse and dense")


def largest_error(found: FeatureTable, expected: FeatureTable) -> float:
    """The largest difference of a vector as a share of its largest value."""
    errors = []
    for layer in expected.layers:
        difference = np.abs(found.vectors[layer] - expected.vectors[layer]).max(axis=1)
        errors.append((difference / np.abs(expected.vectors[layer]).max(axis=1)).max())
    return float(max(errors))


def verdict(value: float, target: float, sense: str, unit: str = "", form: str = ".3g") -> str:
    met = value <= target if sense == "at most" else value >= target
    return f"{value:{form}}{unit} (target {sense} {target:g}{unit}: {'met' if met else 'MISSED'})"


def memory_of(name: str, way: str, count: int) -> tuple[float, float]:
    """GB at the worst moment of a process that reads `count` sketches, and GB of its result."""
    model = whole_generator(name) if way == "script" else load_generator(name).generator
    result = 0
    if way == "script":
        run_script(model, list(variations(count)))
    elif count:
        table = extract(model, variations(count), engine="dense" if way == "dense" else "sparse")
        result = sum(vectors.nbytes for vectors in table.vectors.values())
    return peak_memory(), result / 1e9


def measure_memory(name: str, settings: Extraction) -> None:
    context = multiprocessing.get_context("spawn")
    print(f"\n{name}, memory on variations of the sketches")
    peaks: dict[int, float] = {}
    for way, counts in [("script", (10,)), ("dense", (20,)), ("sparse", (0, 200, settings.many))]:
        for count in counts:
            with context.Pool(1) as pool:
                peak, result = pool.apply(memory_of, (name, way, count))
            told = f", {result:.2f} GB of vectors" if result > 0.01 else ""
            print(f"memory     {peak:.2f} GB at peak, {way}, {count} sketches{told}", flush=True)
            peaks[count] = peak - result
    print(f"           {verdict(peak, MEMORY_TARGET, 'at most', ' GB')}")
    growth = peaks[settings.many] - peaks[200]
    print(
        f"growth     {verdict(growth, GROWTH_TARGET, 'at most', ' GB')}, from 200 to "
        f"{settings.many} sketches without their vectors"
    )


def main(settings: Extraction) -> None:
    print(describe_machine(("torch", "numpy")))
    rate = multiplication_rate()
    print(f"threads    {torch.get_num_threads()}; float32 products {rate:.0f} GFLOP/s")
    images = study_sketches(settings.sketches)
    for name in settings.checkpoints if settings.speed else ():
        measure_speed(name, settings, images, rate)
    if settings.many:
        for name in settings.checkpoints:
            measure_memory(name, settings)


if __name__ == "__main__":
    main(tyro.cli(Extraction, description=__doc__))
