"""A training run from its first step to its last, in one folder.

RUN/config.json               the settings and a fingerprint of the data
RUN/generator.safetensors     the generator as of the last save
RUN/discriminator.safetensors
RUN/training_state.pt         everything a resume needs, complete by itself
RUN/losses.csv                mean losses of every `LOG_EVERY` steps
RUN/samples/                  held-out sketches, generated faces, photos
"""

import csv
import json
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from featviz import __version__
from featviz.activations import require_finite_weights
from featviz.checkpoints import save_network, save_pickle
from featviz.encoding import decode_image
from featviz.errors import FeatvizError, one_line
from featviz.faces.pairs import PairSet
from featviz.files import atomic_write
from featviz.networks.discriminators import DiscriminatorArchitecture, MultiScaleDiscriminator
from featviz.networks.generators import GeneratorArchitecture, GlobalGenerator
from featviz.networks.perceptual import load_vgg19
from featviz.progress import progress_bar
from featviz.training.data import INPUT_CHANNELS, PairTensors, training_batches
from featviz.training.presets import TrainingConfig
from featviz.training.steps import LossSettings, Models, backward, compute_losses

LOG_EVERY = 20
SAMPLE_COUNT = 4


@dataclass
class Run:
    """What changes while training: networks, optimisers, where it stands."""

    models: Models
    optimizers: dict[str, torch.optim.Optimizer]
    step: int = 0
    seconds: float = 0.0
    recent: list[dict[str, float]] = field(default_factory=list)
    """Losses since the last line of the log."""

    def state(self) -> dict[str, Any]:
        """Everything that a resume needs."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "generator": self.models.generator.state_dict(),
            "discriminator": self.models.discriminator.state_dict(),
            "optimizers": {key: value.state_dict() for key, value in self.optimizers.items()},
            "random_state": torch.get_rng_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up a state that `state` returned."""
        self.step, self.seconds = state["step"], state["seconds"]
        self.models.generator.load_state_dict(state["generator"])
        self.models.discriminator.load_state_dict(state["discriminator"])
        for key, value in self.optimizers.items():
            value.load_state_dict(state["optimizers"][key])
        torch.set_rng_state(state["random_state"])


def train(
    config: TrainingConfig,
    pairs: PairSet,
    out: Path,
    resume: bool = False,
    save_every: int = 500,
    sample_every: int = 250,
    workers: int = 0,
) -> Path:
    """Train a generator on the train split of `pairs` and return the path of its checkpoint.

    save_every, sample_every: steps between saves and sample pictures. workers: processes that load
    pairs; 0 loads in this one. Refuses a folder that holds a run unless `resume`, and refuses to
    resume a run with other settings or data. Ctrl-C and SIGTERM end the step and save. A loss
    that is not finite stops the run; the last save stays. Raises FeatvizError for all of these.
    """
    out = Path(out)
    if save_every < 1 or sample_every < 1 or workers < 0:
        raise FeatvizError(
            "expected at least 1 step between saves and between samples and no fewer than 0 "
            f"workers; got {save_every}, {sample_every}, {workers}"
        )
    training, held_out = pairs.split("train"), pairs.split("test")
    if len(training) == 0:
        raise FeatvizError(f"{pairs.folder} has no pairs in its train split")
    fingerprint = training.fingerprint()
    description = {"featviz_version": __version__, "data": fingerprint, **config.to_json()}
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    _check_folder(out, description, resume)
    run = start_run(config, device)
    if (out / "training_state.pt").is_file():
        run.load_state(_read_state(out / "training_state.pt", device))
    details = {
        "training": config.to_json(),
        "data": {"fingerprint": fingerprint, "pairs": len(training)},
        "seed": config.seed,
        "sketch_size": config.size,
    }
    samples = [
        PairTensors(held_out, config.size)[i] for i in range(min(SAMPLE_COUNT, len(held_out)))
    ]
    batches = training_batches(
        training, config.size, config.batch_size, config.seed, run.step, workers
    )
    # Only what has passed every check so far becomes a run.
    with atomic_write(out / "config.json") as temporary:
        temporary.write_text(json.dumps(description, indent=2) + "\n")
    log = _Log(out / "losses.csv", run.step)
    saved = run.step
    with _progress(config, run.step) as report, _stop_signals() as stop_asked:
        while run.step < config.steps and not stop_asked():
            losses = train_step(run, config, *next(batches), device)
            report(run.step, losses)
            last = run.step == config.steps
            if run.step % LOG_EVERY == 0 or last:
                log.write(run)
            if samples and (run.step % sample_every == 0 or last):
                path = out / "samples" / f"step_{run.step:06d}.png"
                write_samples(run.models.generator, samples, path, config, device)
            if run.step % save_every == 0 or last:
                save_run(run, out, details, log.last)
                saved = run.step
        if saved < run.step:
            save_run(run, out, details, log.last)
    if run.step < config.steps:
        raise FeatvizError(
            f"stopped and saved at step {run.step} of {config.steps}; continue with --resume"
        )
    return out / "generator.safetensors"


def start_run(config: TrainingConfig, device: torch.device) -> Run:
    """Networks with fresh weights from the seed, and their optimisers."""
    torch.manual_seed(config.seed)
    generator = GlobalGenerator(
        GeneratorArchitecture(
            variant=config.variant,
            width=config.width,
            residual_blocks=config.residual_blocks,
            norm=config.norm,
            input_channels=INPUT_CHANNELS,
        )
    )
    discriminator = MultiScaleDiscriminator(
        DiscriminatorArchitecture(
            input_channels=INPUT_CHANNELS + 3,
            width=config.discriminator_width,
            scales=config.discriminator_scales,
            norm=config.norm,
        )
    )
    perceptual = load_vgg19() if config.perceptual > 0 else None
    for network in (generator, discriminator, perceptual):
        if network is not None:
            network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizers: dict[str, torch.optim.Optimizer] = {
        name: torch.optim.Adam(
            network.parameters(), lr=config.learning_rate, betas=(0.5, 0.999), fused=True
        )
        for name, network in (("generator", generator), ("discriminator", discriminator))
    }
    return Run(Models(generator, discriminator, perceptual), optimizers)


def train_step(
    run: Run, config: TrainingConfig, sketch: Tensor, photo: Tensor, device: torch.device
) -> dict[str, float]:
    """One update of both networks; returns the losses by name.

    Raises FeatvizError naming the loss if one is not finite; nothing is updated then.
    """
    started = time.perf_counter()
    settings = LossSettings(
        config.adversarial_form,
        config.feature_matching,
        config.perceptual,
        config.perceptual_scale,
    )
    sketch, photo = (
        x.to(device, memory_format=torch.channels_last, non_blocking=True) for x in (sketch, photo)
    )
    with torch.autocast(device.type, torch.bfloat16, enabled=config.use_bfloat16):
        step = compute_losses(run.models, sketch, photo, settings)
    losses = {name: float(loss) for name, loss in step.named.items()}
    for name, loss in losses.items():
        if not np.isfinite(loss):
            raise FeatvizError(
                f"the {name} loss is {loss} at step {run.step}: the run diverged; the last save is "
                "kept (a lower learning rate may help)"
            )
    for optimizer in run.optimizers.values():
        optimizer.zero_grad(set_to_none=True)
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * learning_rate_factor(run.step, config.steps)
    backward(run.models, step)
    for optimizer in run.optimizers.values():
        optimizer.step()
    run.step += 1
    run.seconds += time.perf_counter() - started
    run.recent.append(losses)
    return losses


def learning_rate_factor(step: int, steps: int) -> float:
    """1 for the first half of a run, then linearly to 0 (pix2pixHD: 100 + 100 epochs)."""
    return min(1.0, 2.0 * (1.0 - step / steps))


def save_run(run: Run, out: Path, details: dict[str, Any], losses: dict[str, float]) -> None:
    """Write the networks for use and the state for resuming; each file complete or not at all.

    Raises FeatvizError, and writes nothing, if a weight is not finite: a finite loss can have a
    gradient that is not, and the save before must stay the last good one.
    """
    for name, network in (
        ("generator", run.models.generator),
        ("discriminator", run.models.discriminator),
    ):
        require_finite_weights(network, name)
    described = details | {
        "step": run.step,
        "seconds": round(run.seconds, 1),
        "losses": losses,
        "torch_version": torch.__version__,
        "machine": platform.machine(),
    }
    save_pickle(run.state(), out / "training_state.pt")
    for kind, network in (
        ("generator", run.models.generator),
        ("discriminator", run.models.discriminator),
    ):
        save_network(network, out / f"{kind}.safetensors", kind, described, torch.float32)  # type: ignore[arg-type]


def write_samples(
    generator: nn.Module,
    samples: list[tuple[Tensor, Tensor]],
    path: Path,
    config: TrainingConfig,
    device: torch.device,
) -> None:
    """A picture with one column a pair: sketch, generated face, photo."""
    sketches = torch.stack([sketch for sketch, _ in samples])
    photos = torch.stack([photo for _, photo in samples])
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=config.use_bfloat16):
        images = torch.cat(
            [generator(s[None].to(device, memory_format=torch.channels_last)) for s in sketches]
        )
    rows = torch.stack([sketches, images.float().cpu(), photos])
    grid = rows.permute(2, 0, 3, 1, 4).reshape(3, 3 * config.size, len(samples) * config.size)
    with atomic_write(path) as temporary:
        Image.fromarray(decode_image(grid)).save(temporary)


class _Log:
    """losses.csv: one line every LOG_EVERY steps, each the mean since the line before."""

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        self.last: dict[str, float] = {}
        if path.is_file():
            # A run that was stopped between a line and a save does those steps again.
            with path.open(newline="") as file:
                kept = [row for row in csv.DictReader(file) if int(row["step"]) <= step]
            with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
                if kept:
                    writer = csv.DictWriter(file, list(kept[0]))
                    writer.writeheader()
                    writer.writerows(kept)

    def write(self, run: Run) -> None:
        names = list(run.recent[0])
        self.last = {
            name: round(float(np.mean([losses[name] for losses in run.recent])), 5)
            for name in names
        }
        run.recent.clear()
        row = {"step": run.step, "seconds": round(run.seconds, 1), **self.last}
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(row)


def _check_folder(out: Path, description: dict[str, Any], resume: bool) -> None:
    path = out / "config.json"
    if not path.is_file():
        if resume:
            raise FeatvizError(f"{out} holds no run to resume")
        return
    if not resume:
        raise FeatvizError(f"{out} holds a run already; continue it with --resume")
    try:
        before = dict(json.loads(path.read_text()))
    except ValueError:
        raise FeatvizError(f"{path} cannot be read: not the settings of a run") from None
    changed = [
        f"{key}: {before.get(key)} -> {value}"
        for key, value in description.items()
        if key != "featviz_version" and before.get(key) != value
    ]
    if changed:
        raise FeatvizError(f"cannot resume {out} with other settings: {', '.join(changed)}")


def _read_state(path: Path, device: torch.device) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        raise FeatvizError(f"{path} cannot be read ({one_line(error)})") from None
    return state


Report = Callable[[int, dict[str, float]], None]


@contextmanager
def _progress(config: TrainingConfig, first_step: int) -> Iterator[Report]:
    """A live bar on a terminal; elsewhere one line now and then."""
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
