"""`featviz edit`: faces of edited sketches in which everything else stays."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from featviz.base.errors import FeatvizError
from featviz.commands.shared import Edits, most_edits, remark, say, use_threads

if TYPE_CHECKING:
    from featviz.editing.files import EditFile, MadeEdit


@dataclass(frozen=True)
class EditCommand:
    """Make faces of edited sketches that keep the base's face outside of the edited area.

    Of each edit: its face, its change against the base's face, and numbers, beside those of the
    generator by itself.
    """

    checkpoint: Positional[str]
    """A shipped checkpoint's name, a run folder, a .safetensors or a .pth of pix2pixHD."""
    drawings: Positional[tuple[Path, ...]] = ()
    """The base, and one or more sketches that were made from it: SVG or PNG files."""
    sketches: Path | None = None
    """Instead: a folder of a sketch set, whose index says which sketch is an edit of which base."""
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
    checkpoint's training if it tells, else 512."""
    variant: str | None = None
    """For a .pth of pix2pixHD: which layers have no norm."""
    threads: int | None = None
    """CPU threads; all cores unless given."""

    def run(self) -> None:
        """Edit, write, print."""
        from featviz.base.files import require_folder
        from featviz.base.progress import track
        from featviz.editing.files import edits_table, make_edits
        from featviz.editing.local import EVERYWHERE
        from featviz.generators.checkpoint import open_checkpoint

        require_folder(self.out)
        files, statistics = self._files(), self._statistics()
        use_threads(self.threads)
        if self.size is not None and self.size < 1:
            raise FeatvizError(f"expected a size of at least 1 px; got {self.size}")
        checkpoint = open_checkpoint(self.checkpoint, self.variant)
        checkpoint.require_whole()
        size = self.size or checkpoint.size
        keep: Any = self.keep[0] if self.keep in (("layers",), ("trunk",)) else self.keep
        made = make_edits(checkpoint, files, size, self.margin, keep, statistics)
        rows: list[tuple[Any, ...]] = []
        bases: set[str] = set()
        for each in track(made, f"editing with {checkpoint.name}", len(files)):
            self._write(each, checkpoint.name, bases)
            rows += each.rows
            if each.kept.area.all():
                remark(f"{each.file.name} {EVERYWHERE}")
            elif not each.kept.area.any():
                remark(f"{each.file.name} equals its base")
        table = edits_table(checkpoint, rows, size, self.margin, keep)
        table.write(self.out / "edits.csv")
        say(self.out / "edits.csv", "", *_summary(rows))

    def _files(self) -> "list[EditFile]":
        from featviz.editing.files import files_of, files_of_set
        from featviz.sketches.sketch_set import read_sketches

        if self.sketches is None:
            return files_of(self.drawings)
        if self.drawings:
            raise FeatvizError("give drawings or --sketches FOLDER, not both")
        return files_of_set(read_sketches(self.sketches), most_edits(self.edits))

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

    def _write(self, made: "MadeEdit", checkpoint: str, bases: set[str]) -> None:
        from PIL import Image

        from featviz.base.files import atomic_write
        from featviz.figures.change import heat
        from featviz.sketches.edits import absolute_change
        from featviz.sketches.tensors import decode_image

        pictures = {f"{made.file.name}-{checkpoint}.png": decode_image(made.kept.image[0])}
        change = absolute_change(made.kept.image, made.base)
        pictures[f"{made.file.name}-{checkpoint}-change.png"] = heat(change)
        if made.file.base_name not in bases:
            bases.add(made.file.base_name)
            pictures[f"{made.file.base_name}-{checkpoint}.png"] = decode_image(made.base[0])
        for name, picture in pictures.items():
            with atomic_write(self.out / name) as temporary:
                Image.fromarray(picture).save(temporary)
            say(self.out / name)


def _summary(rows: list[tuple[Any, ...]]) -> list[str]:
    """A line for each way: the means over edits."""
    import pandas as pd

    from featviz.editing.files import EditTable

    frame = pd.DataFrame(rows, columns=list(EditTable.columns))
    lines = [f"{len(frame) // 2} edits, mean change in grey levels of 255:"]
    for way, of_way in frame.groupby("way", sort=False):
        inside, outside, eyes, equal = (
            of_way[name].mean() for name in ("inside", "outside", "eyes", "equal")
        )
        told = f"  {way}: {inside:.1f} in the edited area, {outside:.2f} outside"
        told += "" if pd.isna(eyes) else f", {eyes:.2f} at the eyes"
        lines.append(f"{told}; {equal:.1%} of the pixels as the base's to the last bit")
    return lines
