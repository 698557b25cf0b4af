"""A training run from its first step to its last, in one folder.

RUN/config.json               the settings, a fingerprint of the data, what the run started from
RUN/generator.safetensors     the generator as of the last save (its moving average, if one is kept)
RUN/discriminator.safetensors
RUN/encoder.safetensors, RUN/appearances.safetensors    if there is an encoder
RUN/training_state.pt         everything a resume needs, complete by itself
RUN/losses.csv                mean losses of every `_LOG_EVERY` steps
RUN/steps/RUN-000500.safetensors    the generator as it was along the way, if asked for
RUN/samples/                  held-out sketches, generated faces, photos
RUN/tensorboard/              the same for TensorBoard, if asked for
"""

import dataclasses
import json
import platform
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from featviz.base.errors import FeatvizError
from featviz.base.files import atomic_write
from featviz.base.progress import progress_bar
from featviz.base.provenance import VERSION, VERSION_KEY
from featviz.faces.pairs import PairSet
from featviz.generators.appearances import FILE as APPEARANCES
from featviz.generators.appearances import write_appearances
from featviz.generators.checkpoint_files import save_network, save_pickle
from featviz.probing.activations import require_finite_weights
from featviz.training.data import PairTensors, training_batches
from featviz.training.distributed import Processes, any_process, joined_processes, wait_for_all
from featviz.training.features import cluster_features, encode_photos
from featviz.training.folder import read_folder, read_losses, read_state
from featviz.training.pair import Pair
from featviz.training.presets import TrainingConfig
from featviz.training.records import LossLog, sample_grid, tensorboard_writer, write_picture
from featviz.training.run import Run, start_run, train_step
from featviz.training.start import take_weights

_LOG_EVERY = 20
_SAMPLE_COUNT = 4


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


def train(
    config: TrainingConfig,
    pairs: PairSet,
    out: Path,
    *,
    resume: bool = False,
    extend: bool = False,
    start_from: str | Path | None = None,
    vgg19: Path | None = None,
    schedule: Schedule | None = None,
) -> Path:
    """Train a generator on the train split of `pairs` and return the path of its checkpoint.

    start_from: a checkpoint whose weights the run begins with instead of fresh ones. vgg19:
    weights of the perceptual loss instead of the asset's. Refuses a folder that holds a run unless
    `resume`, and refuses to resume a run with other settings or data; with `extend`,
    `config.steps` may lie beyond the end planned before. Ctrl-C and SIGTERM end the step and save.
    A loss that is not finite stops the run; the last save stays. Started by torchrun, all its
    processes train one model. Raises FeatvizError for all of these.
    """
    with joined_processes() as (processes, device):
        return _train(
            config,
            pairs,
            Path(out),
            resume,
            extend,
            start_from,
            vgg19,
            schedule or Schedule(),
            processes,
            device,
        )


def _train(
    config: TrainingConfig,
    pairs: PairSet,
    out: Path,
    resume: bool,
    extend: bool,
    start_from: str | Path | None,
    vgg19: Path | None,
    schedule: Schedule,
    processes: Processes,
    device: torch.device,
) -> Path:
    training, held_out = pairs.split("train"), pairs.split("test")
    _check_shares(config, training, processes)
    fingerprint = training.fingerprint()
    description = {VERSION_KEY: VERSION, "data": fingerprint, **config.to_json()}
    before = _read_before(out, description, resume, extend)
    # The first process writes to the folder soon; the others must have seen it as it was.
    wait_for_all(processes)
    run = start_run(config, device, vgg19)
    description["perceptual_weights"] = run.perceptual_weights
    description["start"] = _take_up(run, config, out, before, start_from, device)
    dataset = PairTensors(
        training, config.size, config.augmentation, config.seed, config.conditions
    )
    details = {
        "training": config.to_json(),
        "perceptual_weights": run.perceptual_weights,
        "start": description["start"],
        "data": {"fingerprint": fingerprint, "pairs": len(training)},
        "seed": config.seed,
        "sketch_size": config.size,
        "conditions": dataclasses.asdict(config.conditions),
    }
    test_pairs = PairTensors(held_out, config.size, conditions=config.conditions)
    samples = [test_pairs[index] for index in range(min(_SAMPLE_COUNT, len(held_out)))]
    batches = training_batches(
        dataset, config.batch_size, run.step, schedule.workers, processes.rank, processes.count
    )
    writer = _Writer(run, config, out, details, dataset, samples, schedule, processes, device)
    _take_steps(run, config, batches, writer, description, processes, device)
    if processes.is_first and run.best.encoder is not None:
        features = encode_photos(run.best.encoder, dataset, device)
        write_appearances(cluster_features(*features), out / APPEARANCES)
    return out / "generator.safetensors"


def _check_shares(config: TrainingConfig, training: PairSet, processes: Processes) -> None:
    """Raise FeatvizError without pairs, or if a batch cannot be shared and cut as asked."""
    if len(training) == 0:
        raise FeatvizError(f"{training.folder} has no pairs in its train split")
    pairs_at_once = config.batch_size // processes.count
    if pairs_at_once % config.accumulation:
        raise FeatvizError(
            f"a batch of {config.batch_size} shared by {processes.count} processes cannot be cut "
            f"into {config.accumulation} equal parts each"
        )


def _take_up(
    run: Run,
    config: TrainingConfig,
    out: Path,
    before: dict[str, Any],
    start_from: str | Path | None,
    device: torch.device,
) -> dict[str, Any] | None:
    """Let a run go on from its last save or begin with a checkpoint; say what it started from."""
    seen_with = before.get("perceptual_weights", run.perceptual_weights)
    if seen_with != run.perceptual_weights:
        raise FeatvizError(
            f"cannot resume {out} with other VGG19 weights: {seen_with} -> {run.perceptual_weights}"
        )
    start: dict[str, Any] | None = before.get("start")
    if before and start_from is not None and start is None:
        raise FeatvizError(
            f"cannot resume {out} with --start-from {start_from}: it began with fresh weights"
        )
    if (path := out / "training_state.pt").is_file():
        run.load_state(read_state(path, run, config.steps, device))
    elif start_from is not None:
        return take_weights(run, start_from)
    elif start is not None:
        raise FeatvizError(
            f"{out} ended before its first save; it begins again from "
            f"'{start['name']}' if --start-from names that too"
        )
    return start


def _take_steps(
    run: Run,
    config: TrainingConfig,
    batches: Iterator[Pair],
    writer: "_Writer",
    description: dict[str, Any],
    processes: Processes,
    device: torch.device,
) -> None:
    """Take what steps are left; raises FeatvizError if the run is stopped before its end."""
    # Asked for the first batch now, a batch that cannot be had leaves no folder behind.
    batch = next(batches)
    writer.begin(description)
    with _progress(config, run.step, processes) as report, _stop_signals() as stop_asked:
        while run.step < config.steps and not any_process(stop_asked(), processes, device):
            losses = train_step(run, config, batch, device, processes)
            report(run.step, losses)
            writer.after_step(losses)
            batch = next(batches)
        writer.finish()
    if run.step < config.steps:
        raise FeatvizError(
            f"stopped and saved at step {run.step} of {config.steps}; continue with --resume"
        )


class _Writer:
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
        kept = read_losses(losses, self.run.step, self.config.perceptual > 0)
        if self.schedule.tensorboard:
            self.board = tensorboard_writer(self.out / "tensorboard", self.run.step)
        with atomic_write(self.out / "config.json") as temporary:
            temporary.write_text(json.dumps(description, indent=2) + "\n")
        self.log = LossLog(losses, kept)
        if self.schedule.keep_every is not None and self.run.step == 0:
            self._keep()

    def after_step(self, losses: dict[str, float]) -> None:
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


def _read_before(
    out: Path, description: dict[str, Any], resume: bool, extend: bool
) -> dict[str, Any]:
    """The description of the run that the folder holds, if it is the same; empty without one."""
    if extend and not resume:
        raise FeatvizError("--extend continues a run; give --resume too")
    before = read_folder(out, resume)
    if not before:
        return {}
    changed = [
        f"{key}: {before.get(key)} -> {value}"
        for key, value in description.items()
        if key not in ("featviz_version", "start")
        and before.get(key) != value
        and not (extend and key == "steps" and value > before[key])
    ]
    if changed:
        hint = " (more steps: --extend)" if changed[0].startswith("steps") else ""
        raise FeatvizError(f"cannot resume {out} with other settings: {', '.join(changed)}{hint}")
    return before


_Report = Callable[[int, dict[str, float]], None]


@contextmanager
def _progress(config: TrainingConfig, first_step: int, processes: Processes) -> Iterator[_Report]:
    """A live bar on a terminal; elsewhere one line now and then; one process speaks for all."""
    if not processes.is_first:
        yield lambda _step, _losses: None
        return
    with progress_bar("{task.fields[losses]}") as progress:
        if progress is None:

            def report_line(step: int, losses: dict[str, float]) -> None:
                if step % 100 == 0 or step == config.steps:
                    line = f"step {step}/{config.steps}  {_summary(losses)}"
                    print(line, file=sys.stderr, flush=True)

            yield report_line
            return
        task = progress.add_task(
            f"training {config.variant}", total=config.steps, completed=first_step, losses=""
        )

        def report_bar(step: int, losses: dict[str, float]) -> None:
            progress.update(task, completed=step, losses=_summary(losses))

        yield report_bar


def _summary(losses: dict[str, float]) -> str:
    return "  ".join(f"{name} {loss:.3f}" for name, loss in losses.items())


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C and SIGTERM into a wish that is asked for between steps.

    An exception in the middle of a step would leave one network updated and the other not.
    """
    asked: list[int] = []
    before: dict[signal.Signals, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        # Only the main thread may set handlers; elsewhere the caller has its own way to stop.
        with suppress(ValueError):
            before[number] = signal.signal(number, lambda received, _: asked.append(received))
    try:
        yield lambda: bool(asked)
    finally:
        for restored, handler in before.items():
            signal.signal(restored, handler)
