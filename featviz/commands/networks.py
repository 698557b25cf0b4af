"""`featviz train`, `featviz generate` and `featviz convert`."""

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional, UseAppendAction

from featviz.base.errors import FeatvizError
from featviz.commands.correcting import CorrectionOptions
from featviz.commands.models import ImageOptions, ModelOptions
from featviz.commands.shared import say, use_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from featviz.generators.appearances import Vectors
    from featviz.generators.checkpoint import Checkpoint


@dataclass(frozen=True)
class TrainCommand:
    """Train a generator on pairs of contours and photos."""

    out: Path
    """Folder of the run."""
    data: Path = Path("data/faces")
    """Folder of the pairs; see `featviz faces`."""
    generator: Literal["global", "unet", "crn"] | None = None
    """global: pix2pixHD's, which all options are for; unet: pix2pix's, crn: a cascaded refinement
    network, each with its paper's losses; see docs/systems.md. Unless given, that of --start-from,
    or global."""
    variant: str | None = None
    """baseline, modified, no-norm or no-norm-first-N: which of L0, L1, ... have no norm. Unless
    given, that of --start-from, or baseline."""
    norm: str | None = None
    """Of the generator, one for all layers that have one or by section, as
    front=none,residual=pixel,back=instance or L0=none,L1=window-31: instance, batch, group, layer,
    pixel, region, window-N, adaptive, filter-response, demodulation, weight-standardization, none,
    none-scaled; see docs/norms.md."""
    preset: str = "demo"
    """demo (2 cores, hours) or paper (GPUs); the options below change single settings."""
    resume: bool = False
    """Continue the run that `out` holds."""
    size: int | None = None
    """Side of sketches and photos in pixels."""
    width: int | None = None
    """Channels of L0, or with enhancers those of the finest."""
    residual_blocks: int | None = None
    """Residual blocks between front end and back end."""
    levels: int | None = None
    """How often a U-Net halves the side (pix2pix: 8 at 256 px); of crn its modules of refinement,
    of which there are as many as make the first map 4x4."""
    discriminator_width: int | None = None
    """Channels of the discriminators' first layer."""
    steps: int | None = None
    """Updates of the generator."""
    batch_size: int | None = None
    """Pairs a step."""
    learning_rate: float | None = None
    """Adam's learning rate in the first half of the run."""
    adversarial_form: Literal["least-squares", "log"] | None = None
    """Form of the adversarial loss."""
    l1: float | None = None
    """Weight of the mean absolute difference of image and photo (pix2pix: 100)."""
    perceptual: float | None = None
    """Weight of the VGG19 loss; 0 leaves it out."""
    perceptual_scale: float | None = None
    """Size at which VGG19 sees the images, as a share of theirs."""
    vgg19: Path | None = None
    """VGG19 weights of the perceptual loss, such as torchvision's file; the asset unless given."""
    seed: int | None = None
    """Seed of the weights and the order of the pairs."""
    precision: Literal["bfloat16", "float32"] | None = None
    """bfloat16: autocast, with weights in float32."""
    augment_shift: float | None = None
    """Move the sketch, never the photo, by up to so many pixels at 512 (the study: 25)."""
    augment_rotation: float | None = None
    """Turn the sketch, never the photo, by up to so many degrees (the study: 7)."""
    augment_outline: float | None = None
    """Bend the drawn jaw alone, smoothly, by up to so many pixels (at 512)."""
    accumulation: int | None = None
    """Parts a batch is cut into to need less memory."""
    ema: float | None = None
    """Keep a moving average of the generator's weights with this decay, and save that."""
    compile: bool = False
    """Compile the networks first; minutes, then faster steps."""
    start_from: str | None = None
    """A checkpoint whose weights the run begins with instead of fresh ones. What it tells
    (variant, widths, residual blocks) need not be said again."""
    enhancers: int | None = None
    """Local enhancers; one more than --start-from has doubles its size and halves the width."""
    fixed_steps: int | None = None
    """So many steps only the newest enhancer learns, and the weights of --start-from stay."""
    boundaries: bool = False
    """Give the networks one more channel, which shows where parts of the face meet."""
    appearance_channels: int | None = None
    """Train an encoder that tells how each part looks, in so many channels (pix2pixHD: 3)."""
    dry_run: bool = False
    """Take a few steps, print parameters, memory and time of the whole run, and write nothing."""
    extend: bool = False
    """With --resume: go on to --steps, beyond the end planned before."""
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

    def run(self) -> None:
        """Train and report."""
        import torch

        from featviz.base.files import require_folder
        from featviz.faces.pairs import read_pairs
        from featviz.training.loop import train
        from featviz.training.presets import TrainingConfig, preset
        from featviz.training.saving import Schedule
        from featviz.training.start import settings_of

        require_folder(self.out)
        if self.fixed_steps and self.start_from is None and not self.resume:
            raise FeatvizError("--fixed-steps keeps the weights of --start-from; give that too")
        # Options have the names of the settings they change; a flag that is not given changes none.
        options = {field.name: getattr(self, field.name, None) for field in fields(TrainingConfig)}
        settings = {
            name: value
            for name, value in options.items()
            if name != "preset" and value is not None and value is not False
        }
        if self.start_from is not None:
            settings = settings_of(self.start_from, self.enhancers, self.variant) | settings
        config = preset(self.preset, **settings)
        if self.vgg19 is not None and config.perceptual == 0:
            raise FeatvizError(
                "--vgg19 is for the perceptual loss, whose weight is 0; give --perceptual too"
            )
        use_threads(self.threads)
        pairs = read_pairs(self.data)
        if self.dry_run:
            from featviz.training.estimate import estimate_run

            device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
            say("\n".join(estimate_run(config, pairs, device, self.vgg19).lines()))
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


@dataclass(frozen=True)
class GenerateCommand:
    """Generate faces from sketches with a checkpoint, or images with any network."""

    checkpoint: Positional[str]
    """A shipped checkpoint's name, a run folder, a .safetensors or a .pth of pix2pix(HD). Or a
    network of anybody's that makes an image: package.module:function (or a class; its code runs),
    timm:NAME, diffusers:FOLDER, transformers:FOLDER, or a class of these two by name; see
    docs/models.md."""
    sketches: Positional[tuple[Path, ...]]
    """SVG or PNG files; for a network of anybody's photos too."""
    out: Path = Path("generated")
    """Folder of the pictures."""
    size: int | None = None
    """Side of the faces, and of sketches of pixels, while drawings fit any; that of the
    checkpoint's training if it tells, else 512. Photos are scaled with --resize."""
    variant: str | None = None
    """For a .pth: which layers have no norm, or of pix2pix batch-of-one; see docs/systems.md."""
    appearance: UseAppendAction[tuple[str, ...]] = ()
    """How a part is to look, for checkpoints trained with appearances: PART=NUMBER of a cluster
    (0, the default, is the most common), PART=PHOTO for that of a photo, with PART "all" for every
    part, or random. Give it again for more parts."""
    seed: int = 0
    """Seed of --appearance random."""
    correction: CorrectionOptions = field(default_factory=CorrectionOptions)
    photos: ImageOptions = field(default_factory=ImageOptions)
    network: ModelOptions = field(default_factory=ModelOptions)

    def run(self) -> None:
        """Generate and report."""
        from PIL import Image

        from featviz.base.files import atomic_write, require_folder, require_writable
        from featviz.base.progress import track
        from featviz.generators.foreign_models import is_model_word
        from featviz.generators.generation import output_names

        require_folder(self.out)
        if not self.sketches:
            raise FeatvizError("generate takes one or more sketches; given none")
        if self.size is not None and self.size < 1:
            raise FeatvizError(f"expected a size of at least 1 px; got {self.size}")
        prepare = self._of_model if is_model_word(self.checkpoint) else self._of_checkpoint
        name, images = prepare()
        targets = [f"{sketch}-{name}.png" for sketch in output_names(self.sketches)]
        for target in targets:
            require_writable(self.out / target)
        # All are read before the first is written: a bad one leaves nothing half done.
        made = images()
        for target, image in track(
            zip(targets, made, strict=True), f"generating with {name}", len(targets)
        ):
            with atomic_write(self.out / target) as temporary:
                Image.fromarray(image).save(temporary)
            say(self.out / target)

    def _of_checkpoint(self) -> "tuple[str, Callable[[], Iterator[NDArray[np.uint8]]]]":
        from featviz.generators.checkpoint import open_checkpoint
        from featviz.generators.generation import generate, output_names

        self.network.require_none(self.checkpoint)
        self.photos.require_none()
        checkpoint = open_checkpoint(self.checkpoint, self.variant)
        checkpoint.require_whole()
        size = self.size or checkpoint.size

        def images() -> "Iterator[NDArray[np.uint8]]":
            appearance = self._appearance(checkpoint, size)
            names = output_names(self.sketches)
            drawn = self.correction.files(dict(zip(self.sketches, names, strict=True)), self.out)
            sketches = [checkpoint.read(drawn[path], size, appearance) for path in self.sketches]
            return (generate(checkpoint.generator, sketch) for sketch in sketches)

        return checkpoint.name, images

    def _of_model(self) -> "tuple[str, Callable[[], Iterator[NDArray[np.uint8]]]]":
        if self.variant is not None or self.appearance or self.correction.correct:
            raise FeatvizError(
                "--variant, --appearance and --correct are for checkpoints; "
                f"'{self.checkpoint}' is none"
            )
        model = self.network.of_images(self.checkpoint, self.photos, self.size)

        def images() -> "Iterator[NDArray[np.uint8]]":
            given = [model.read(path) for path in self.sketches]
            return (model.picture(model.run(each)) for each in given)

        return model.name, images

    def _appearance(self, checkpoint: "Checkpoint", size: int) -> "Vectors | None":
        """How each part is to look, where the checkpoint leaves the choice."""
        from featviz.generators.appearances import (
            choose_appearance,
            find_appearances,
            find_encoder,
            photo_features,
        )

        if not checkpoint.conditions.appearance_channels:
            if self.appearance:
                raise FeatvizError(
                    f"'{self.checkpoint}' was trained without appearances; leave out --appearance"
                )
            return None
        return choose_appearance(
            find_appearances(self.checkpoint),
            self.appearance,
            self.seed,
            lambda photo: photo_features(find_encoder(self.checkpoint), photo, size),
        )


@dataclass(frozen=True)
class ConvertCommand:
    """Convert a checkpoint between featviz (.safetensors) and pix2pixHD or pix2pix (.pth)."""

    source: Positional[str]
    """A shipped checkpoint's name, a run folder, a .safetensors or a .pth."""
    out: Positional[Path]
    """The new file; its ending, .safetensors or .pth, says in which form."""
    discriminator: bool = False
    """The source is a discriminator, not a generator."""
    front_end: bool = False
    """Keep only the layers L0, L1, ... of a generator."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """How a .safetensors stores its weights; bfloat16 halves the file."""
    variant: str | None = None
    """For a .pth: which layers have no norm, or of pix2pix batch-of-one; see docs/systems.md."""
    boundaries: bool = False
    """For a .pth of pix2pixHD: a channel behind the sketch shows instance boundaries."""
    appearance_channels: int = 0
    """For a .pth of pix2pixHD: so many channels behind those are features from an encoder."""

    def run(self) -> None:
        """Convert and report."""
        from featviz.base.files import require_writable
        from featviz.generators.checkpoint_files import convert
        from featviz.generators.networks.conditions import Conditions

        require_writable(self.out)
        conditions = Conditions(self.boundaries, self.appearance_channels)
        if self.discriminator and conditions.any:
            raise FeatvizError(
                "--boundaries and --appearance-channels tell of a generator; leave them out with "
                "--discriminator"
            )
        convert(
            self.source,
            self.out,
            self.discriminator,
            self.front_end,
            self.dtype,
            self.variant,
            conditions if conditions.any else None,
        )
        say(self.out)
