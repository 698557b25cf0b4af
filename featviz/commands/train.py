"""`featviz train`."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from featviz.base.errors import FeatvizError
from featviz.commands.shared import given, none_given, say, use_threads
from featviz.training.settings import TrainingSettings


@dataclass(frozen=True)
class TrainCommand:
    """Train a generator on pairs of contours and photos."""

    out: Path
    """Folder of the run."""
    data: Path = Path("data/faces")
    """Folder of the pairs; see `featviz faces`."""
    resume: bool = False
    """Continue the run that `out` holds."""
    extend: bool = False
    """With --resume: go on to --steps, beyond the end planned before."""
    start_from: str | None = None
    """A checkpoint whose weights the run begins with instead of fresh ones. What it tells
    (generator, variant, norm, widths, residual blocks) need not be said again."""
    vgg19: Path | None = None
    """VGG19 weights of the perceptual loss, such as torchvision's file; the asset unless given."""
    dry_run: bool = False
    """Take a few steps, print parameters, memory and time of the whole run, and write nothing."""
    tensorboard: bool = False
    """Log losses and samples for TensorBoard too."""
    threads: int | None = None
    """CPU threads; all cores unless given."""
    workers: int = 0
    """Processes that load pairs; 0 loads in the training process."""
    save_every: int = 500
    """Steps between saves."""
    keep_every: int | None = None
    """Keep the generator every so many steps, and at the first and the last one, in OUT/steps, to
    see later how it came to be; see `featviz trajectory`."""
    settings: TrainingSettings = field(default=none_given(TrainingSettings, preset="demo"))

    def run(self) -> None:
        """Train and report."""
        from featviz.base.files import require_folder
        from featviz.faces.hair import with_hair
        from featviz.faces.pairs import read_pairs
        from featviz.probing.device import device_at_hand
        from featviz.training.loop import train
        from featviz.training.presets import preset
        from featviz.training.saving import Schedule
        from featviz.training.start import settings_of

        require_folder(self.out)
        settings = given(self.settings)
        if settings.get("fixed_steps") and self.start_from is None and not self.resume:
            raise FeatvizError("--fixed-steps keeps the weights of --start-from; give that too")
        if self.start_from is not None:
            enhancers, variant = settings.get("enhancers"), settings.get("variant")
            settings = settings_of(self.start_from, enhancers, variant) | settings
        if "precision" not in settings:
            settings["precision"] = self._precision()
        config = preset(settings.pop("preset"), **settings)
        if self.vgg19 is not None and config.perceptual == 0:
            raise FeatvizError(
                "--vgg19 is for the perceptual loss, whose weight is 0; give --perceptual too"
            )
        use_threads(self.threads)
        pairs = read_pairs(self.data)
        if config.hair:
            pairs = with_hair(pairs)
        if self.dry_run:
            from featviz.training.estimate import estimate_run

            say("\n".join(estimate_run(config, pairs, device_at_hand(), self.vgg19).lines()))
            return
        path = train(
            config,
            pairs,
            self.out,
            resume=self.resume,
            extend=self.extend,
            start_from=self.start_from,
            vgg19=self.vgg19,
            schedule=Schedule(
                save_every=self.save_every,
                workers=self.workers,
                tensorboard=self.tensorboard,
                keep_every=self.keep_every,
            ),
        )
        if int(os.environ.get("RANK", "0")) == 0:  # torchrun starts several; one speaks for all
            say(f"{path}: {config.called}, {config.steps} steps")

    def _precision(self) -> str | None:
        """That of the run to resume; else the faster one here, or for several processes None."""
        from featviz.probing.device import device_at_hand, fastest_precision
        from featviz.training.folder import read_folder

        if self.resume:
            return str(read_folder(self.out, resume=True)["precision"])
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            return None  # each would measure by itself, and all have to agree
        return fastest_precision(device_at_hand())
