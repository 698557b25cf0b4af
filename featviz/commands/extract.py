"""`featviz extract`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.conf import Positional

from featviz.base.errors import FeatvizError
from featviz.base.points import PROBE_POINT, Point, as_point, token_of
from featviz.commands.models import ModelOptions, PhotoOptions, one_model
from featviz.commands.shared import SKETCHES, remark, require_sketches, say
from featviz.generators.networks.names import Precision

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featviz.extraction import Extracted, Settings
    from featviz.extraction.inputs import LabelledImages
    from featviz.sketches.sketch_set import SketchSet

_LAYERS = ("L0", "L1", "L2", "L3", "L4")


@dataclass(frozen=True)
class ExtractCommand:
    """Read activation vectors of generators at points of sketches into feature tables."""

    checkpoints: Positional[tuple[str, ...]]
    """Shipped ones by name, run folders, .safetensors, or .pth of pix2pix(HD). Or one network of
    anybody's: package.module:function (or a class; imported from the current folder or Python's
    path, so its code runs), timm:NAME, diffusers:FOLDER, transformers:FOLDER, or a class of these
    two by name; see docs/models.md. `featviz layers` lists its layers."""
    sketches: Path = SKETCHES
    """Folder of the sketch set. featviz's own is the folder `sketches` of its repository; an
    installed featviz brings none."""
    size: int = 512
    """Width and height in pixels. Drawings are scaled to it; sketches of pixels must have it."""
    point: tyro.conf.UseAppendAction[tuple[tuple[int, int] | str, ...]] = ()
    """A pixel, x to the right and y down; give it again for more points. Of a transformer cls, its
    class token, or register-1, register-2, ..., which stand for no place. 170 250, the left-eye
    corner of featviz's own sketches, if not given."""
    layers: tuple[str, ...] = _LAYERS
    """Layers by name or unique ending of their name; name#2 is the second run of one that runs
    several times; patterns, in quotes, such as 'down.*' and '**.norm2'; or all."""
    stage: Literal["activation", "norm", "conv"] = "activation"
    """What of a layer: its output, or that of its normalisation or convolution."""
    engine: Literal["auto", "dense", "sparse"] = "auto"
    """dense runs the network as it is; sparse computes each distinct window of a map once, the
    same up to rounding; auto takes sparse where that is possible and faster."""
    variant: str | None = None
    """Which layers of a .pth have normalisation, which the file does not tell: baseline (all),
    modified (not L0 and L1), no-norm (none) or no-norm-first-N; baseline if not given. Of pix2pix
    baseline or batch-of-one; see docs/systems.md."""
    device: str = "cpu"
    """Where to compute: cpu, or a GPU by its name in PyTorch, such as cuda or cuda:1."""
    precision: Precision = "float32"
    """Of the network's weights and maps; bfloat16 has 3 digits and is faster on some devices. The
    table holds float32 either way."""
    out: Path = Path("features")
    """Folder for one parquet file a checkpoint, and manifest.json: what came from what. A table
    that is there and was made from the same files with the same settings is kept, so that a call
    that was stopped goes on when it is repeated."""
    name: tuple[str, ...] = ()
    """What to call the checkpoints, and so their tables, in order; by their files and run folders
    if not given, with folders before those that would be called the same."""
    ray: Annotated[tuple[str, ...] | None, tyro.conf.arg(metavar="[ADDRESS]")] = None
    """Divide the work among the workers of a Ray cluster: of the one at this address, such as
    auto or 10.0.0.1:6379, or with --ray alone of this machine. A table is then a folder of parquet
    files. Takes featviz[ray]; see docs/scaling.md."""
    workers: int | None = None
    """Workers on the Ray cluster; as many as it has processors if not given."""
    overwrite: bool = False
    """Replace tables that were made from other files or with other settings, or from a network
    that is no checkpoint."""
    skip_bad: bool = False
    """Leave out sketches that cannot be read, and say which; otherwise they are an error."""
    images: Path | None = None
    """For a network of anybody's, instead of sketches: a folder of photos, RGB or grey, of any one
    size; one group, or a folder a group, or an index.csv with a column file."""
    group_column: str | None = None
    """Of that index.csv: which column tells the groups; `group` if not given."""
    photos: PhotoOptions = field(default_factory=PhotoOptions)
    network: ModelOptions = field(default_factory=ModelOptions)

    def run(self) -> None:
        """Extract and report."""
        if word := one_model(self.checkpoints):
            say(self._of_model(word))
        else:
            self._of_checkpoints()

    def _of_checkpoints(self) -> None:
        from featviz.base.files import require_folder
        from featviz.generators.checkpoint import distinct_names
        from featviz.sketches.sketch_set import read_sketches

        if not self.checkpoints and self.layers != _LAYERS:
            raise FeatvizError(
                "no checkpoint given; name checkpoints before --layers, which takes all that "
                f"follows ({' '.join(self.layers)})"
            )
        if self.checkpoints:
            self.network.require_none(self.checkpoints[0])
        if self.images or self.group_column:
            raise FeatvizError(
                "--images and --group-column are for networks of anybody's; checkpoints of "
                "featviz's are given sketches, as they were trained"
            )
        self.photos.require_none()
        if self.ray is None and self.workers is not None:
            raise FeatvizError("--workers are those of a Ray cluster; give --ray too")
        if self.ray is not None and len(self.ray) > 1:
            raise FeatvizError(
                f"--ray takes one address, not {' '.join(self.ray)}; name checkpoints before it"
            )
        require_folder(self.out)
        distinct_names(self.checkpoints, self.name or None)
        require_sketches(self.sketches)
        sketches = read_sketches(self.sketches, self.size)
        settings = self._settings()
        skipped: tuple[str, ...] = ()
        for result in self._results(sketches, settings):
            say(_line(result, settings))
            skipped = result.skipped or skipped
        if skipped:
            remark(
                f"{len(skipped)} of {len(sketches)} sketches could not be read and are left out: "
                f"{', '.join(skipped)}"
            )

    def _of_model(self, word: str) -> str:
        """Make the table of a network of anybody's; what to say of it."""
        from featviz.base.files import require_folder
        from featviz.extraction.models import extract_model
        from featviz.generators.checkpoint import given_names
        from featviz.generators.foreign_models import literal_inputs
        from featviz.sketches.photo_set import read_photos

        if self.ray is not None or self.workers is not None or self.variant or self.skip_bad:
            raise FeatvizError(
                f"--ray, --workers, --variant and --skip-bad are for checkpoints; '{word}' is none"
            )
        if self.network.output is not None:
            raise FeatvizError(
                "--output chooses an image for `featviz layers` and `certify`; what extract reads "
                "is named with --layers"
            )
        if self.layers == _LAYERS:
            raise FeatvizError(
                f"name layers of '{word}' with --layers, or all; `featviz layers {word}` lists them"
            )
        if not self.point:
            raise FeatvizError("name a pixel to read at with --point X Y")
        if self.images is None and (self.group_column or self.photos.resize):
            raise FeatvizError("--group-column and --resize are for photos; give --images FOLDER")
        require_folder(self.out)
        name = given_names(self.name, 1)[0] if self.name else None
        images: LabelledImages
        if self.images is None:
            from featviz.sketches.sketch_set import read_sketches

            require_sketches(self.sketches, "; photos are --images FOLDER")
            images = read_sketches(self.sketches, self.size)
        else:
            images = read_photos(self.images, self.photos.resize, self.group_column)
        model = self.network.open(word, name)
        settings = self._settings()
        result = extract_model(
            model,
            images,
            self.out,
            settings,
            inputs=literal_inputs(self.network.input),
            normalisation=self.photos.normalisation(),
            overwrite=self.overwrite,
        )
        return _line(result, settings)

    def _settings(self) -> "Settings":
        from featviz.extraction import Settings

        return Settings(
            points=tuple(map(_told, self.point)) or (PROBE_POINT,),
            layers=self.layers,
            stage=self.stage,
            variant=self.variant,
            engine=self.engine,
            device=self.device,
            precision=self.precision,
            skip_bad=self.skip_bad,
        )

    def _results(self, sketches: "SketchSet", settings: "Settings") -> "Iterator[Extracted]":
        if self.ray is None:
            from featviz.extraction import extract_checkpoints

            return extract_checkpoints(
                self.checkpoints, sketches, self.out, settings, self.overwrite, self.name or None
            )
        from featviz.extraction.scale_out import extract_on_ray

        return extract_on_ray(
            self.checkpoints,
            sketches,
            self.out,
            settings,
            self.overwrite,
            self.name or None,
            address=self.ray[0] if self.ray else None,
            workers=self.workers,
        )


def _line(result: "Extracted", settings: "Settings") -> str:
    points = len(settings.points)
    line = (
        f"{result.path}: {result.rows} rows ({result.rows // points} sketches, {points} "
        f"point{'s' if points > 1 else ''}), {', '.join(result.layers)}"
    )
    return f"{line}; was there already" if result.kept else line


def _told(given: tuple[int, int] | str) -> Point:
    """A point as it was asked for: pixels by x and y, and tokens by their names alone."""
    point = as_point(given)
    if not isinstance(given, str) and token_of(point) is not None:
        raise FeatvizError(
            f"point {point} lies outside every image, whose first pixel is (0, 0); tokens that "
            "stand for no place go by name: cls, register-1"
        )
    return point
