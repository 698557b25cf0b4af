"""A training run from its first step to its last, in one folder.

RUN/config.json               the settings, a fingerprint of the data, what the run started from
RUN/generator.safetensors     the generator as of the last save (its moving average, if one is kept)
RUN/discriminator.safetensors
RUN/encoder.safetensors, RUN/appearances.safetensors    if there is an encoder
RUN/training_state.pt         everything a resume needs, complete by itself
RUN/losses.csv                mean losses of every few steps
RUN/steps/RUN-000500.safetensors    the generator as it was along the way, if asked for
RUN/samples/                  held-out sketches, generated faces, photos
RUN/tensorboard/              the same for TensorBoard, if asked for
"""

import dataclasses
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from featviz.base.errors import FeatvizError
from featviz.base.progress import progress_bar
from featviz.base.provenance import VERSION, VERSION_KEY
from featviz.faces.pairs import PairSet
from featviz.generators.appearances import FILE as APPEARANCES
from featviz.generators.appearances import write_appearances
from featviz.training.data import PairTensors, training_batches
from featviz.training.distributed import Processes, any_process, joined_processes, wait_for_all
from featviz.training.features import cluster_features, encode_photos
from featviz.training.folder import read_folder, read_state
from featviz.training.pair import Pair
from featviz.training.presets import TrainingConfig
from featviz.training.run import Run, start_run, train_step
from featviz.training.saving import Schedule, Writer
from featviz.training.start import take_weights

_SAMPLE_COUNT = 4


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
        training,
        config.size,
        config.augmentation,
        config.seed,
        config.conditions,
        edits=config.locality > 0,
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
    writer = Writer(run, config, out, details, dataset, samples, schedule, processes, device)
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
    writer: Writer,
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
            f"training {config.called}", total=config.steps, completed=first_step, losses=""
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
