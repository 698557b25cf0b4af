"""`featviz generate`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional, UseAppendAction

from featviz.base.errors import FeatvizError
from featviz.commands.correcting import CorrectionOptions
from featviz.commands.models import ImageOptions, ModelOptions
from featviz.commands.shared import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from featviz.generators.appearances import Vectors
    from featviz.generators.checkpoint import Checkpoint


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
