"""`featviz edit`: images of edited sketches and photos in which everything else stays."""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from featviz.base.errors import FeatvizError
from featviz.commands.correcting import CorrectionOptions
from featviz.commands.models import (
    ImageOptions,
    ModelOptions,
    one_model,
    require_fitting,
)
from featviz.commands.shared import Edits, most_edits, remark, say, use_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from featviz.editing.files import EditFile, MadeEdit


@dataclass(frozen=True)
class EditCommand:
    """Make faces of edited sketches that keep the base's face outside of the edited area.

    Of each edit: its face, its change against the base's face, and numbers, beside those of the
    generator by itself.
    """

    checkpoint: Positional[str]
    """A shipped checkpoint's name, a run folder, a .safetensors or a .pth of pix2pix(HD). Or a
    network of anybody's that makes an image: package.module:function (or a class; its code runs),
    timm:NAME, diffusers:FOLDER, transformers:FOLDER, or a class of these two by name; see
    docs/models.md."""
    drawings: Positional[tuple[Path, ...]] = ()
    """The base, and one or more sketches that were made from it: SVG or PNG files; for a network
    of anybody's photos too, all of one size."""
    sketches: Path | None = None
    """Instead: a folder of a sketch set, whose index says which sketch is an edit of which base."""
    images: Path | None = None
    """Instead, for a network of anybody's: a folder of photos in groups, see `featviz extract`; an
    index.csv may name the base of each in a column base."""
    base: str | None = None
    """Of that folder: what the photo in each group is called, without its ending, that the others
    are edits of; the column base of an index.csv, else `base`, else the first, if not given."""
    edits: Edits = "all"
    """Of a set: at most so many edits of a group, evenly spaced, or all."""
    out: Path = Path("edited")
    """Folder of the pictures and of edits.csv."""
    margin: float = 16.0
    """Pixels (at 512) around what differs that are edited too."""
    keep: tuple[str, ...] = ("layers",)
    """Where the base's maps are kept: layers (every layer: nothing else changes), trunk (only
    those of the smallest maps: a stronger edit, a little of which leaves the area), or names of
    layers."""
    statistics: str = "auto"
    """What instance norms normalise with: base, edit, composite (those of the map as kept), or a
    number from 0 (base) to 1 (edit). auto: base where ink changes by less than a fifth, else edit,
    as for hair and beards."""
    size: int | None = None
    """Side of the faces, and of sketches of pixels, while drawings fit any; that of the
    checkpoint's training if it tells, else 512. Photos are scaled with --resize."""
    variant: str | None = None
    """For a .pth: which layers have no norm, or of pix2pix batch-of-one; see docs/systems.md."""
    threads: int | None = None
    """CPU threads; all cores unless given."""
    correction: CorrectionOptions = field(default_factory=CorrectionOptions)
    photos: ImageOptions = field(default_factory=ImageOptions)
    network: ModelOptions = field(default_factory=ModelOptions)

    def run(self) -> None:
        """Edit, write, print."""
        from featviz.base.files import require_folder
        from featviz.base.progress import track
        from featviz.editing.files import edits_table
        from featviz.editing.local import EVERYWHERE

        require_folder(self.out)
        word = one_model([self.checkpoint])
        if word is None:
            self.network.require_none(self.checkpoint)
            self.photos.require_none()
        require_fitting(word, self.images, self.base, self.variant)
        files, statistics = self._files(), self._statistics()
        use_threads(self.threads)
        if self.size is not None and self.size < 1:
            raise FeatvizError(f"expected a size of at least 1 px; got {self.size}")
        keep: Any = self.keep[0] if self.keep in (("layers",), ("trunk",)) else self.keep
        files = self._corrected(files)
        prepare = self._of_model if word else self._of_checkpoint
        subject = prepare(files, keep, statistics)
        rows: list[tuple[Any, ...]] = []
        bases: set[str] = set()
        for each in track(subject.made, f"editing with {subject.name}", len(files)):
            self._write(each, subject, bases)
            rows += each.rows
            if each.kept.area.all():
                remark(f"{each.file.name} {EVERYWHERE}")
            elif not each.kept.area.any():
                remark(f"{each.file.name} equals its base")
        table = edits_table(subject.provenance, rows, subject.size, self.margin, keep)
        table.write(self.out / "edits.csv")
        summary = _summary(rows)
        say(self.out / "edits.csv", *([""] if summary else []), *summary)

    def _of_checkpoint(self, files: "list[EditFile]", keep: Any, statistics: Any) -> "_Subject":
        from featviz.editing.files import make_edits
        from featviz.generators.checkpoint import open_checkpoint
        from featviz.sketches.tensors import decode_image

        checkpoint = open_checkpoint(self.checkpoint, self.variant)
        checkpoint.require_whole()
        size = self.size or checkpoint.size
        made = make_edits(checkpoint, files, size, self.margin, keep, statistics)
        return _Subject(
            checkpoint.name,
            checkpoint.provenance(),
            size,
            made,
            lambda image: decode_image(image[0]),
        )

    def _of_model(self, files: "list[EditFile]", keep: Any, statistics: Any) -> "_Subject":
        from featviz.editing.files import make_image_edits

        model = self.network.of_images(self.checkpoint, self.photos, self.size)
        height, width = model.read(files[0].base).shape[-2:]
        made = make_image_edits(model, files, self.margin, keep, statistics)
        return _Subject(model.name, model.provenance(), f"{width}x{height}", made, model.picture)

    def _files(self) -> "list[EditFile]":
        from featviz.editing.files import files_of, files_of_set
        from featviz.sketches.photo_set import read_photos
        from featviz.sketches.sketch_set import read_sketches

        given = [*self.drawings[:1], *filter(None, (self.sketches, self.images))]
        if len(given) > 1:
            raise FeatvizError("give drawings, --sketches FOLDER or --images FOLDER, not both")
        if self.images is not None:
            photos = read_photos(self.images, base=self.base)
            return files_of_set(photos, most_edits(self.edits))
        if self.sketches is None:
            return files_of(self.drawings)
        return files_of_set(read_sketches(self.sketches), most_edits(self.edits))

    def _corrected(self, files: "list[EditFile]") -> "list[EditFile]":
        """The same edits, of drawings whose parts were corrected first."""
        named = {file.base: file.base_name for file in files}
        named |= {file.edited: file.name for file in files}
        bases = {file.edited: file.base for file in files}
        drawn = self.correction.files(named, self.out, bases)
        return [replace(file, base=drawn[file.base], edited=drawn[file.edited]) for file in files]

    def _statistics(self) -> Any:
        if self.statistics in ("auto", "base", "edit", "composite"):
            return self.statistics
        with suppress(ValueError):
            if 0 <= (share := float(self.statistics)) <= 1:
                return share
        raise FeatvizError(
            f"cannot normalise with the statistics of '{self.statistics}'; expected auto, base, "
            "edit, composite or a number from 0 to 1"
        )

    def _write(self, made: "MadeEdit", subject: "_Subject", bases: set[str]) -> None:
        from PIL import Image

        from featviz.base.files import atomic_write
        from featviz.figures.change import heat

        pictures = {f"{made.file.name}-{subject.name}.png": subject.picture(made.kept.image)}
        pictures[f"{made.file.name}-{subject.name}-change.png"] = heat(made.change)
        if made.file.base_name not in bases:
            bases.add(made.file.base_name)
            pictures[f"{made.file.base_name}-{subject.name}.png"] = subject.picture(made.base)
        for name, picture in pictures.items():
            with atomic_write(self.out / name) as temporary:
                Image.fromarray(picture).save(temporary)
            say(self.out / name)


@dataclass(frozen=True, eq=False)
class _Subject:
    """What edits are made with, and these. picture: an image of its as uint8 (H, W, 3)."""

    name: str
    provenance: "Mapping[str, Any]"
    size: int | str
    made: "Iterator[MadeEdit]"
    picture: "Callable[[Tensor], NDArray[np.uint8]]"


def _summary(rows: list[tuple[Any, ...]]) -> list[str]:
    """A line for each way: the means over edits that differ from their base; none without any."""
    import pandas as pd

    from featviz.editing.files import EditTable

    frame = pd.DataFrame(rows, columns=list(EditTable.columns)).dropna(subset="inside")
    if frame.empty:
        return []
    lines = [f"{len(frame) // 2} edits, mean change in grey levels of 255:"]
    for way, of_way in frame.groupby("way", sort=False):
        inside, outside, eyes, equal = (
            of_way[name].mean() for name in ("inside", "outside", "eyes", "equal")
        )
        told = f"  {way}: {inside:.1f} in the edited area, {outside:.2f} outside"
        told += "" if pd.isna(eyes) else f", {eyes:.2f} at the eyes"
        lines.append(f"{told}; {equal:.1%} of the pixels as the base's to the last bit")
    return lines
