"""`featviz retrieve`: faces out of parts of photos."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, subcommand

from featviz.base.errors import FeatvizError
from featviz.commands.shared import plain_table, remark, say

if TYPE_CHECKING:
    from featviz.retrieval.faces import RetrievedFace


@dataclass(frozen=True)
class BuildDatabase:
    """Describe every part of every training face of a pairs folder; continues if stopped."""

    pairs: Positional[Path]
    """Folder of pairs; see `featviz faces`. The photos stay there."""
    out: Path
    """Folder of the data base."""

    def run(self) -> None:
        """Build and report."""
        from featviz.faces.pairs import read_pairs
        from featviz.retrieval.database import build_database

        database, is_new = build_database(read_pairs(self.pairs), self.out)
        say(f"{self.out}: {len(database)} faces" + ("" if is_new else ", there already"))


@dataclass(frozen=True)
class RetrieveFaces:
    """Make faces of sketches out of the parts of a data base's photos."""

    database: Positional[Path]
    """Folder of a data base, see `featviz retrieve build`."""
    sketches: Positional[tuple[Path, ...]]
    """SVG drawings with named parts; with --parts place also PNG files and other drawings."""
    out: Path = Path("retrieved")
    """Folder of the faces."""
    parts: Literal["name", "place"] = "name"
    """What tells the part that a stroke is of: its name, or where it lies in the mean face."""
    size: int | None = None
    """Side of the faces, and of sketches of pixels; that of the data base's photos if not given."""
    photos: Path | None = None
    """The pairs folder, if it is not any more where it was when the data base was built."""
    table: Path | None = None
    """Write which photo every part comes from, its distance and its seam to this .csv, .parquet or
    .json."""
    plot: Path | None = None
    """Draw sketch, found parts and face of the first sketches into this .png, .pdf or .svg."""

    def run(self) -> None:
        """Search, fuse, write, report."""
        from PIL import Image

        from featviz.base.files import atomic_write, require_folder, require_writable
        from featviz.base.progress import track
        from featviz.figures.style import figure_format, save_figure, style
        from featviz.generators.generation import output_names
        from featviz.retrieval.database import open_database
        from featviz.retrieval.drawn_parts import read_parts
        from featviz.retrieval.faces import Retriever
        from featviz.retrieval.plots import retrieval_figure
        from featviz.retrieval.table import (
            SUMMARY_TITLES,
            RetrievalTable,
            retrieval_table,
            summary_rows,
        )

        require_folder(self.out)
        if not self.sketches:
            raise FeatvizError("retrieve generate takes one or more sketches; given none")
        if self.table is not None:
            RetrievalTable.check_ending(self.table)
        if self.plot is not None:
            figure_format(self.plot)
        database = open_database(self.database, self.photos)
        retrieve = Retriever(database, self.size)
        names = output_names(self.sketches)
        targets = [self.out / f"{name}-{database.name}.png" for name in names]
        for target in targets:
            require_writable(target)
        # All are read before the first is written: a bad one leaves nothing half done.
        drawn = [
            read_parts(path, self.parts, database.mean, retrieve.size) for path in self.sketches
        ]
        for path, (parts, _) in zip(self.sketches, drawn, strict=True):
            if not parts:
                raise FeatvizError(f"sketch {path}: no line lies near a part of a face")
        faces = {}
        for name, target, (parts, _) in zip(
            names, targets, track(drawn, "retrieving"), strict=False
        ):
            faces[name] = retrieve.face(parts)
            with atomic_write(target) as temporary:
                Image.fromarray(faces[name].image).save(temporary)
            say(target)
            _remark(name, faces[name], database.pairs.names)
        table = retrieval_table(faces, database)
        say(plain_table(SUMMARY_TITLES, summary_rows(table), SUMMARY_TITLES[1:]))
        if self.table is not None:
            table.write(self.table)
            say(self.table)
        if self.plot is not None:
            pixels = (image for _, image in drawn)
            shown = {n: (image, faces[n]) for n, image in zip(names, pixels, strict=True)}
            with style():
                figure = retrieval_figure(shown, database.pairs.names)
            save_figure(figure, self.plot)
            say(self.plot)


@dataclass(frozen=True)
class RetrieveCommand:
    """Faces out of parts of photos: a data base, and faces of sketches by it."""

    command: (
        Annotated[BuildDatabase, subcommand("build")]
        | Annotated[RetrieveFaces, subcommand("generate")]
    )

    def run(self) -> None:
        """Run the chosen one."""
        self.command.run()


def _remark(name: str, face: "RetrievedFace", photos: tuple[str, ...]) -> None:
    """A line for each part without a match."""
    from featviz.retrieval.search import MOST_DISTANCE
    from featviz.retrieval.shapes import OUTLINE

    for part, match in face.matches.items():
        if match.state == "no match":
            kept = "is the base all the same" if part == OUTLINE else "is not taken"
            remark(
                f"{name}: no match for {part}: the nearest, {photos[match.face]}, is off by "
                f"{match.relative:.3f} of its radius, where {MOST_DISTANCE:g} is the most, and "
                f"{kept}"
            )
