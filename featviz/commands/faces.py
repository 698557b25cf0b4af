"""`featviz faces`: photos, landmarks, training pairs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, subcommand

from featviz.commands.shared import remark, say

if TYPE_CHECKING:
    from featviz.faces.pairs import PairSet


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
        from featviz.base.files import require_folder
        from featviz.faces.sampling import sample_faces

        require_folder(self.out)
        pairs, skipped = sample_faces(self.count, self.out, self.seed, truncation=self.truncation)
        _report(pairs, skipped)


@dataclass(frozen=True)
class ImportFaces:
    """Align the photos of a folder as CelebA-HQ does and find their landmarks; continues."""

    source: Positional[Path]
    """Folder of photos, searched with its subfolders."""
    out: Path = Path("data/photos")
    """Folder of the new data set."""
    size: int = 512
    """Side of the aligned photos in pixels."""
    keep_alignment: bool = False
    """The photos are aligned already (CelebA-HQ as it comes): only resize them."""
    test_share: float = 0.1
    """Share of the photos that are held out, chosen by their names (the study: 0.25)."""
    workers: int = 1
    """Processes that share the work."""

    def run(self) -> None:
        """Import and report."""
        from featviz.base.files import require_folder
        from featviz.faces.importing import import_photos

        require_folder(self.out)
        pairs, skipped = import_photos(
            self.source, self.out, self.size, self.keep_alignment, self.test_share, self.workers
        )
        _report(pairs, skipped)


@dataclass(frozen=True)
class MeanFace:
    """Average the training contours of a data set into one picture (study, figure 4.1)."""

    data: Path = Path("data/faces")
    """Folder of the data set."""
    out: Path = Path("mean-face.png")
    """The picture."""

    def run(self) -> None:
        """Average, write, report."""
        from featviz.base.files import require_writable
        from featviz.faces.mean_face import mean_face, write_mean_face
        from featviz.faces.pairs import read_pairs

        require_writable(self.out)
        pairs = read_pairs(self.data).split("train")
        write_mean_face(mean_face(pairs.landmarks, pairs.size), self.out)
        say(f"{self.out}: mean of {len(pairs)} contours")


@dataclass(frozen=True)
class FaceContours:
    """Draw the contours of a data set's photos as SVG; with hair, which the data set then keeps."""

    data: Path = Path("data/faces")
    """Folder of the data set."""
    out: Path = Path("contours")
    """Folder of the drawings, one a photo."""
    hair: bool = False
    """Find the hair in each photo too, its border and some strands, and keep it for training."""

    def run(self) -> None:
        """Find hair, draw, report."""
        from featviz.base.files import require_folder
        from featviz.base.progress import track
        from featviz.faces.hair import add_hair
        from featviz.faces.pairs import read_pairs
        from featviz.sketches.drawing import write_svg

        require_folder(self.out)
        pairs = read_pairs(self.data)
        found = ""
        if self.hair:
            pairs, without = add_hair(pairs)
            counts = sorted(len(lines) for lines in pairs.hair)
            found = (
                f", {len(pairs) - len(without)} with hair, of {counts[len(counts) // 2]} lines at "
                f"the median and {counts[-1]} at most"
            )
            for line in without:
                remark(line)
        for index in track(range(len(pairs)), "drawing contours"):
            name = Path(pairs.names[index]).with_suffix(".svg")
            write_svg(pairs.contour(index), self.out / name)
        say(f"{self.out}: {len(pairs)} contours{found}")


@dataclass(frozen=True)
class FacesCommand:
    """Face photos, landmarks, training pairs."""

    command: (
        Annotated[SampleFaces, subcommand("sample")]
        | Annotated[ImportFaces, subcommand("import")]
        | Annotated[FaceContours, subcommand("contours")]
        | Annotated[MeanFace, subcommand("mean-face")]
    )

    def run(self) -> None:
        """Run the chosen one."""
        self.command.run()


def _report(pairs: "PairSet", skipped: list[str]) -> None:
    for line in skipped:
        remark(f"skipped {line}")
    train, test = pairs.splits.count("train"), pairs.splits.count("test")
    say(f"{pairs.folder}: {len(pairs)} faces ({train} train, {test} test), {len(skipped)} skipped")
