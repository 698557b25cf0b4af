"""What exact instance norm costs a training step beside the norm of an older checkout.

python -m benchmarks.norm --before DIR [--steps 9]

DIR is a checkout of the last commit whose norm was torch's batch norm (git worktree add DIR
c0b785b). Two runs of the same settings, one with each norm, take their steps in turns; the
processor's time is told because others that load the machine do not change it as much. Target: at
most 5 % more.
"""

import importlib.util
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import tyro
from torch import nn

from benchmarks.machine import describe_machine
from featviz.base import errors
from featviz.faces.pairs import read_pairs
from featviz.generators.networks.instance_norm import InstanceNorm
from featviz.training.data import PairTensors, training_batches
from featviz.training.presets import preset
from featviz.training.run import Run, start_run, train_step

DEARER = 1.05
"""Target: a step with the norm of now over one with that of before."""

SAMPLES = Path(__file__).parents[1] / "analyses" / "samples"


@dataclass(frozen=True)
class NormCost:
    """Measure training steps with two norms in turns."""

    before: Path
    """Checkout of the older commit."""
    steps: int = 9
    """Steps of each that count, after one that does not."""
    size: int = 512
    """Pixels of a side."""
    precision: Literal["bfloat16", "float32"] = "float32"
    """As in `featviz train`."""
    threads: int = 2
    """CPU threads."""


def main(settings: NormCost) -> None:
    torch.set_num_threads(settings.threads)
    print(describe_machine(("torch",)))
    config = preset("demo", size=settings.size, precision=settings.precision)
    cpu = torch.device("cpu")
    runs = {side: start_run(config, cpu) for side in ("before", "now")}
    count = take_norm(runs["before"], old_norm(settings.before))
    print(f"step       {config.size} px, {config.width} filters, {config.precision}; {count} norms")
    pairs = PairTensors(read_pairs(SAMPLES), config.size)
    batches = {side: training_batches(pairs, 1, 0, workers=0) for side in runs}
    wall: dict[str, list[float]] = {side: [] for side in runs}
    processor: dict[str, list[float]] = {side: [] for side in runs}
    for number in range(settings.steps + 1):
        for side in list(runs)[:: 1 if number % 2 else -1]:
            batch = next(batches[side])
            begun = time.perf_counter(), time.process_time()
            train_step(runs[side], config, batch, cpu)
            if number:
                wall[side].append(time.perf_counter() - begun[0])
                processor[side].append(time.process_time() - begun[1])
    for name, times in (("wall", wall), ("processor", processor)):
        before, now = (statistics.median(times[side]) for side in ("before", "now"))
        ratios = [b / a for a, b in zip(times["before"], times["now"], strict=True)]
        verdict = "met" if statistics.median(ratios) <= DEARER else "missed"
        print(
            f"{name:10} {before:.3f} s before, {now:.3f} s now; now / before "
            f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}); target "
            f"{DEARER}: {verdict}"
        )


def old_norm(checkout: Path) -> type[nn.Module]:
    """The class of instance norm of an older checkout."""
    path = checkout / "featviz" / "networks" / "normalization.py"
    spec = importlib.util.spec_from_file_location("older_normalization", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where errors were then.
    sys.modules["featviz.errors"] = errors
    spec.loader.exec_module(module)
    del sys.modules["featviz.errors"]
    found: type[nn.Module] = module.InstanceNorm
    return found


def take_norm(run: Run, kind: type[nn.Module]) -> int:
    """Put norms of another class in the place of a run's, and tell how many."""
    count = 0
    for network in run.learning.values():
        for parent in list(network.modules()):
            for name, module in list(parent.named_children()):
                if isinstance(module, InstanceNorm):
                    setattr(parent, name, kind(module.num_features, affine=module.affine))
                    count += 1
    return count


if __name__ == "__main__":
    main(tyro.cli(NormCost, description=__doc__))
