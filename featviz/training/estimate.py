"""What a run would take on this machine, measured by its own first steps."""

import resource
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from featviz.faces.pairs import PairSet
from featviz.training.data import PairTensors, training_batches
from featviz.training.presets import TrainingConfig
from featviz.training.run import start_run, train_step

_MEASURED_STEPS = 3
_MEGA = 1e6
_GIGA = 1e9


@dataclass(frozen=True)
class RunEstimate:
    """What a run takes. parameters: counts by network. Times in seconds, memory in bytes."""

    parameters: dict[str, int]
    device: str
    threads: int
    step_seconds: float
    loading_seconds: float
    peak_memory: int
    steps: int

    @property
    def total_seconds(self) -> float:
        """The whole run, loading included as if it were done in the training process."""
        return self.steps * (self.step_seconds + self.loading_seconds)

    def lines(self) -> list[str]:
        """The estimate for people to read."""
        where = self.device if self.device != "cpu" else f"the CPU with {self.threads} threads"
        counts = [
            f"{name:<14} {count / _MEGA:8.2f} M parameters"
            for name, count in self.parameters.items()
        ]
        return [
            *counts,
            f"memory         {self.peak_memory / _GIGA:8.2f} GB at the peak",
            f"step           {self.step_seconds:8.2f} s on {where}",
            f"loading        {self.loading_seconds:8.2f} s a batch, without --workers",
            f"total          {duration(self.total_seconds):>8} for {self.steps} steps",
        ]


def estimate_run(
    config: TrainingConfig, pairs: PairSet, device: torch.device, vgg19: Path | None = None
) -> RunEstimate:
    """Take a few real steps on the train split and say what the whole run would take.

    vgg19: weights of the perceptual loss instead of the asset's. Writes nothing. The first step is
    not counted: it sets up what the others use. Memory is the peak of this process (of the GPU's,
    on one).
    """
    run = start_run(config, device, vgg19)
    dataset = PairTensors(
        pairs.split("train"),
        config.size,
        config.augmentation,
        config.seed,
        config.conditions,
        edits=config.locality > 0,
    )
    batches = training_batches(dataset, config.batch_size, first_step=0, workers=0)
    loading, stepping = [], []
    for _ in range(1 + _MEASURED_STEPS):
        started = time.perf_counter()
        batch = next(batches)
        loaded = time.perf_counter()
        train_step(run, config, batch, device)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        loading.append(loaded - started)
        stepping.append(time.perf_counter() - loaded)
    networks = [
        ("generator", run.models.generator),
        ("discriminator", run.models.discriminator),
        ("VGG19, fixed", run.models.perceptual),
        ("encoder", run.models.encoder),
    ]
    return RunEstimate(
        {name: _parameter_count(network) for name, network in networks if network is not None},
        torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        torch.get_num_threads(),
        statistics.median(stepping[1:]),
        statistics.median(loading[1:]),
        _peak_memory(device),
        config.steps,
    )


def _parameter_count(network: nn.Module) -> int:
    """Numbers in all weights of a network."""
    return sum(tensor.numel() for tensor in network.state_dict().values())


def duration(seconds: float) -> str:
    """A time to plan with: 45 s, 38 min, 5.2 h, 12 days."""
    steps: Sequence[tuple[float, float, str]] = (
        (100, 1, "{:.0f} s"),
        (100 * 60, 60, "{:.0f} min"),
        (48 * 3600, 3600, "{:.1f} h"),
        (float("inf"), 86400, "{:.0f} days"),
    )
    unit, text = next((unit, text) for limit, unit, text in steps if seconds < limit)
    return text.format(seconds / unit)


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
