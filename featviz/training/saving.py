"""What a training run writes, and when: settings, networks, state, losses, pictures."""

import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from featviz.base.errors import FeatvizError
from featviz.base.files import atomic_write
from featviz.generators.checkpoint_files import save_network, save_pickle
from featviz.probing.activations import require_finite_weights
from featviz.training.data import PairTensors
from featviz.training.distributed import Processes
from featviz.training.folder import read_losses
from featviz.training.pair import Pair
from featviz.training.presets import TrainingConfig
from featviz.training.records import LossLog, sample_grid, tensorboard_writer, write_picture
from featviz.training.run import Run

_LOG_EVERY = 20
"""Steps that a row of losses is the mean of."""


@dataclass(frozen=True)
class Schedule:
    """How often a run writes, and how it loads. None of it changes the weights.

    save_every, sample_every: steps between saves and between sample pictures. workers: processes
    that load pairs; 0 loads in the training process. tensorboard: log for TensorBoard too.
    keep_every: steps between generators that are kept for good, those of the first and the last
    step among them; None keeps none.
    """

    save_every: int = 500
    sample_every: int = 250
    workers: int = 0
    tensorboard: bool = False
    keep_every: int | None = None

    def __post_init__(self) -> None:
        if self.save_every < 1 or self.sample_every < 1 or self.workers < 0:
            raise FeatvizError(
                "expected at least 1 step between saves and between samples and no fewer than 0 "
                f"workers; got {self.save_every}, {self.sample_every}, {self.workers}"
            )
        if self.keep_every is not None and self.keep_every < 1:
            raise FeatvizError(
                f"expected at least 1 step between kept generators; got {self.keep_every}"
            )


class Writer:
    """Writes a run's files when they are due; in all processes but the first it does nothing."""

    def __init__(
        self,
        run: Run,
        config: TrainingConfig,
        out: Path,
        details: dict[str, Any],
        dataset: PairTensors,
        samples: list[Pair],
        schedule: Schedule,
        processes: Processes,
        device: torch.device,
    ) -> None:
        self.run, self.config, self.out, self.details = run, config, out, details
        self.dataset, self.samples, self.schedule = dataset, samples, schedule
        self.is_first, self.device = processes.is_first, device
        self.saved: int | None = None
        self.board: Any = None

    def begin(self, description: dict[str, Any]) -> None:
        """Only what has passed every check so far becomes a run."""
        if not self.is_first:
            return
        losses = self.out / "losses.csv"
        kept = read_losses(losses, self.run.step, self.config.losses)
        if self.schedule.tensorboard:
            self.board = tensorboard_writer(self.out / "tensorboard", self.run.step)
        with atomic_write(self.out / "config.json") as temporary:
            temporary.write_text(json.dumps(description, indent=2) + "\n")
        self.log = LossLog(losses, kept)
        if self.schedule.keep_every is not None and self.run.step == 0:
            self._keep()

    def after_step(self, losses: dict[str, float]) -> None:
        """Write what is due behind this step, whose losses these are."""
        if not self.is_first:
            return
        run, schedule = self.run, self.schedule
        last = run.step == self.config.steps
        if self.board is not None:
            for name, loss in losses.items():
                self.board.add_scalar(f"loss/{name}", loss, run.step)
        if run.step % _LOG_EVERY == 0 or last:
            self.log.write(run)
        if self.samples and (run.step % schedule.sample_every == 0 or last):
            use_bfloat16 = self.config.precision == "bfloat16"
            picture = sample_grid(run.best, self.samples, self.device, use_bfloat16)
            write_picture(picture, self.out / "samples" / f"step_{run.step:06d}.png")
            if self.board is not None:
                self.board.add_image("held-out", picture, run.step, dataformats="HWC")
        if schedule.keep_every is not None and (run.step % schedule.keep_every == 0 or last):
            self._keep()
        if run.step % schedule.save_every == 0 or last:
            self._save()

    def finish(self) -> None:
        """Save the last step, unless it is."""
        # A kill between the files of a save leaves some that are older than the state.
        if self.is_first and self.saved != self.run.step:
            self._save()
        if self.board is not None:
            self.board.close()

    def _save(self) -> None:
        save_run(self.run, self.out, self._details(), self.log.last)
        self.saved = self.run.step

    def _keep(self) -> None:
        keep_generator(self.run, self.out, self._details(), self.log.last)

    def _details(self) -> dict[str, Any]:
        data = self.details["data"] | {"skipped": list(self.dataset.skipped)}
        return self.details | {"data": data}


def save_run(run: Run, out: Path, details: dict[str, Any], losses: dict[str, float]) -> None:
    """Write the networks for use and the state for resuming; each file complete or not at all.

    Raises FeatvizError, and writes nothing, if a weight is not finite: a finite loss can have a
    gradient that is not, and the save before must stay the last good one.
    """
    for name, network in run.learning.items():
        require_finite_weights(network, name)
    described = _described(run, details, losses)
    save_pickle(run.state(), out / "training_state.pt")
    for kind, network in (run.learning | run.averages).items():
        save_network(network, out / f"{kind}.safetensors", kind, described, torch.float32)  # type: ignore[arg-type]


def keep_generator(run: Run, out: Path, details: dict[str, Any], losses: dict[str, float]) -> Path:
    """Write the generator of this step, its average if there is one, to stay; return its file.

    The file is `out`/steps/RUN-000500.safetensors with the name of the folder and the step, so
    that feature tables of several steps and runs have names of their own. A run that does some
    steps again after a kill writes the same weights again. Raises FeatvizError, and writes
    nothing, if a weight is not finite.
    """
    generator = run.best.generator
    require_finite_weights(generator, "generator")
    path = out / "steps" / f"{out.resolve().name}-{run.step:06d}.safetensors"
    described = _described(run, details, losses)
    save_network(generator, path, "generator", described, torch.float32)
    return path


def _described(run: Run, details: dict[str, Any], losses: dict[str, float]) -> dict[str, Any]:
    """What a checkpoint tells of the step it was written at."""
    return details | {
        "step": run.step,
        "seconds": round(run.seconds, 1),
        "losses": losses,
        "torch_version": torch.__version__,
        "machine": platform.machine(),
    }
