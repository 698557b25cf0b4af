"""Our training step beside the step of NVIDIA's pix2pixHD, in one run.

Targets: at least 8 times as fast on 2 CPU cores, 2 times on a GPU; losses equal to 1e-4.

python -m benchmarks.training --reference DIR [--runs 5]

DIR is a checkout of NVIDIA's pix2pixHD. Its step runs as it was released (its own model class,
options and losses, float32), ours as `featviz train` takes it (channels_last, bfloat16 autocast
or float32, whichever is faster here); widths, discriminators, batch and images are the same,
neither has the perceptual loss. Each side has a process of its own; they take turns. Before that,
both start from the reference's weights in float32 and have to give the same losses for the same
pair.
"""

import multiprocessing
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch
import tyro
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import machine
from benchmarks.machine import describe_machine, seconds, summary
from benchmarks.reference import ReferenceSettings, check_checkout, load_reference
from featviz.base.errors import FeatvizError, require_whole
from featviz.faces.pairs import read_pairs
from featviz.generators.networks import pix2pixhd
from featviz.probing.device import device_at_hand, fastest_precision
from featviz.training.data import PairTensors
from featviz.training.pair import Pair, batch_of
from featviz.training.presets import TrainingConfig, preset
from featviz.training.run import Run, start_run, train_step

SPEED_TARGETS = {"cpu": 8.0, "cuda": 2.0}
LOSS_TARGET = 1e-4
SIDES = ("reference", "featviz")

SAMPLES = Path(__file__).parent.parent / "analyses" / "samples"

KINDS = {
    "convolution": ("conv",),
    "normalisation": ("batch_norm", "instance_norm", "median"),
    "padding": ("pad",),
    "optimiser": ("adam", "Optimizer", "_foreach"),
    "activation": ("relu", "tanh", "threshold", "clamp_min"),
    "pooling": ("pool",),
    "copy": ("copy_", "contiguous", "clone", "::to", "cat"),
}
"""What a part of an operator's name says of it; the first that fits counts."""

Step = Callable[[Pair], dict[str, Tensor]]
"""One update of both networks; the losses by our names."""


@dataclass(frozen=True)
class Training:
    """Measure the training step."""

    reference: Path
    """A checkout of NVIDIA's pix2pixHD."""
    width: int = 48
    """Filters of the generator's first layer."""
    discriminator_width: int = 64
    """Filters of the discriminators' first layer."""
    discriminators: int = 3
    size: int = 256
    """Side of sketch and photo in pixels."""
    runs: int = 5
    """Measured steps of each side, after two that warm up."""
    threads: int | None = None
    """Threads of each side; torch's own choice if not given."""

    @property
    def shared(self) -> ReferenceSettings:
        """What both sides have in common."""
        return ReferenceSettings(self.width, self.discriminator_width, self.discriminators)


def config(settings: Training) -> TrainingConfig:
    """Our side as the paper preset has it, at the size asked for."""
    return preset(
        "paper",
        size=settings.size,
        width=settings.width,
        discriminator_width=settings.discriminator_width,
        discriminator_scales=settings.discriminators,
        perceptual=0.0,
        precision=fastest_precision(device_at_hand()),
    )


def batch_of_one(settings: Training) -> Pair:
    """A sketch and its photo, each (1, 3, size, size)."""
    return batch_of([PairTensors(read_pairs(SAMPLES), settings.size)[0]])


def our_step(run: Run, configuration: TrainingConfig, device: torch.device) -> Step:
    def step(batch: Pair) -> dict[str, Tensor]:
        losses = train_step(run, configuration, batch, device)
        return {name: torch.tensor(loss) for name, loss in losses.items()}

    return step


def reference_step(settings: Training, device: torch.device) -> Step:
    reference = load_reference(settings.reference, settings.shared, device)
    return lambda batch: reference.step(batch.sketch, batch.photo)


def loss_differences(settings: Training, steps: int = 1) -> list[dict[str, float]]:
    """Relative differences of every loss, one dict a step; both sides in float32 on the CPU.

    Our networks take the reference's weights before the first step. Then each side goes its own
    way, so the second step tells of the first update too; less exactly, for Adam's first update
    is as large for a gradient that is zero but for rounding as for any other.
    """
    device = torch.device("cpu")
    reference = load_reference(settings.reference, settings.shared, device)
    configuration = config(settings)
    configuration = preset("paper", **configuration.to_json() | {"precision": "float32"})
    run = start_run(configuration, device)
    weights = reference.generator.state_dict()
    names = pix2pixhd.generator_names(pix2pixhd.generator_architecture(weights))
    run.models.generator.load_state_dict(pix2pixhd.rename(weights, names))
    weights = reference.discriminator.state_dict()
    names = pix2pixhd.discriminator_names(pix2pixhd.discriminator_architecture(weights))
    run.learning["discriminator"].load_state_dict(pix2pixhd.rename(weights, names))
    batch = batch_of_one(settings)
    differences = []
    for _ in range(steps):
        wanted = reference.step(batch.sketch, batch.photo)
        got = train_step(run, configuration, batch, device)
        if set(got) != set(wanted):
            raise FeatvizError(f"losses differ by name: {sorted(got)} and {sorted(wanted)}")
        differences.append(
            {
                name: abs(got[name] - float(value)) / abs(float(value))
                for name, value in wanted.items()
            }
        )
    return differences


def serve(side: str, settings: Training, device_name: str, orders: Connection) -> None:
    """One side in a process of its own: a step for every "step", then what else is asked."""
    torch.set_num_threads(settings.threads or torch.get_num_threads())
    device = torch.device(device_name)
    step = (
        reference_step(settings, device)
        if side == "reference"
        else our_step(start_run(config(settings), device), config(settings), device)
    )
    batch = batch_of_one(settings)

    def once() -> None:
        step(batch)
        if device.type == "cuda":
            torch.cuda.synchronize()

    while (order := orders.recv()) != "end":
        match order:
            case "step":
                orders.send(seconds(once))
            case "work":
                with FlopCounterMode(display=False) as counter:
                    once()
                orders.send(counter.get_total_flops() / 1e9)
            case "rate":
                ours = getattr(torch, config(settings).precision)
                precision = torch.float32 if side == "reference" else ours
                orders.send(product_rate(precision, device))
            case "memory":
                orders.send(peak_memory(device))
            case "profile":
                orders.send(profile_step(once, device))


def peak_memory(device: torch.device) -> float:
    """GB that this process held at its worst moment: resident, or allocated on the GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    return machine.peak_memory()


def product_rate(precision: torch.dtype, device: torch.device) -> float:
    """GFLOP/s of a product of square matrices, the best of several: what the cores can give.

    Larger matrices give more, up to 2048, but where a small product is slow already (bfloat16 on
    processors without it) nobody waits for them.
    """
    best = 0.0
    for size in (256, 512, 1024, 2048):
        left, right = (torch.randn(size, size, device=device).to(precision) for _ in range(2))

        def product(left: Tensor = left, right: Tensor = right) -> None:
            left @ right
            if device.type == "cuda":
                torch.cuda.synchronize()

        fastest = min(seconds(product) for _ in range(10))
        best = max(best, 2 * size**3 / fastest / 1e9)
        if fastest > 0.1:
            break
    return best


def profile_step(once: Callable[[], None], device: torch.device) -> dict[str, float]:
    """Share of each kind of operator in one step, largest first."""
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        once()
    times: dict[str, float] = {}
    for operator in profiler.key_averages():
        if operator.device_type.name != "CPU":
            continue  # a kernel, counted with the operator that launched it
        on_gpu = device.type == "cuda"
        own = operator.self_device_time_total if on_gpu else operator.self_cpu_time_total
        times[kind_of(operator.key)] = times.get(kind_of(operator.key), 0.0) + own
    total = sum(times.values())
    return dict(sorted(((k, t / total) for k, t in times.items()), key=lambda kt: -kt[1]))


def kind_of(operator: str) -> str:
    """The kind an operator belongs to by its name, "the rest" if to none."""
    fitting = (kind for kind, parts in KINDS.items() if any(part in operator for part in parts))
    return next(fitting, "the rest")


def measure(settings: Training, device: str) -> None:
    """Both sides in turn on one device."""
    context = multiprocessing.get_context("spawn")
    ends, processes = {}, []
    for side in SIDES:
        ends[side], end = context.Pipe()
        processes.append(context.Process(target=serve, args=(side, settings, device, end)))
        processes[-1].start()
        end.close()

    def ask(side: str, order: str) -> object:
        ends[side].send(order)
        return ends[side].recv()

    times: dict[str, list[float]] = {side: [] for side in SIDES}
    for run in range(-2, settings.runs):
        for side in SIDES:
            time = ask(side, "step")
            if run >= 0:
                times[side].append(float(time))  # type: ignore[arg-type]
    for side in SIDES:
        rate = 1 / statistics.median(times[side])
        print(
            f"{side:10} {rate:.3f} images/s on {device}: {summary(times[side])} a step; "
            f"peak memory {ask(side, 'memory'):.2f} GB"
        )
    ratio = statistics.median(times["reference"]) / statistics.median(times["featviz"])
    target = SPEED_TARGETS[device]
    verdict = "met" if ratio >= target else "missed"
    print(f"ratio      {ratio:.1f} on {device}; target >= {target:g}: {verdict}")
    for side in SIDES:
        work, rate = (float(ask(side, order)) for order in ("work", "rate"))  # type: ignore[arg-type]
        achieved = work / statistics.median(times[side])
        print(
            f"work       {side}: {work:.3g} GFLOP of convolutions a step, {achieved:.0f} GFLOP/s; "
            f"a matrix product of its precision has {rate:.0f}"
        )
    bound = statistics.median(times["reference"]) * rate / work
    print(f"bound      {bound:.1f} is the ratio if our step were nothing but such products")
    for side in SIDES:
        shares = ask(side, "profile")
        assert isinstance(shares, dict)
        shown = ", ".join(f"{kind} {share:.1%}" for kind, share in shares.items())
        print(f"profile    {side}, bound by {next(iter(shares))}: {shown}")
    for side in SIDES:
        ends[side].send("end")
    for process in processes:
        process.join()


def measure_losses(settings: Training) -> bool:
    """Print the largest difference; whether it is small enough."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        first, second = pool.apply(loss_differences, (settings, 2))
    name = max(first, key=lambda name: first[name])
    met = first[name] <= LOSS_TARGET
    print(
        f"losses     {len(first)} by name, same weights, float32: largest relative difference "
        f"{first[name]:.1e} ({name}); target <= {LOSS_TARGET:g}: {'met' if met else 'missed'}"
    )
    print(f"           {max(second.values()):.1e} after one update on either side")
    return met


def main(settings: Training) -> None:
    require_whole(settings, 1, "runs")
    check_checkout(settings.reference)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    print(describe_machine(("torch",)))
    print(
        f"step       {settings.width}/{settings.discriminator_width} filters, "
        f"{settings.discriminators} discriminators, batch 1, {settings.size}x{settings.size}, no "
        f"VGG19; {torch.get_num_threads()} threads"
    )
    if not measure_losses(settings):
        # The times of two steps that compute different things are no comparison.
        sys.exit(1)
    measure(settings, "cpu")
    if torch.cuda.is_available():
        print(f"gpu        {torch.cuda.get_device_name()}")
        measure(settings, "cuda")
    else:
        print("gpu        none here, not measured")


if __name__ == "__main__":
    try:
        main(tyro.cli(Training, description=__doc__))
    except FeatvizError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
