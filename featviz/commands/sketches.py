"""`featviz sketches`: between the drawing page's database and folders of sketches."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, subcommand

from featviz.base.errors import FeatvizError, needing, printable
from featviz.commands.correcting import CorrectionOptions
from featviz.commands.shared import remark, say

if TYPE_CHECKING:
    from featviz.studio.database import Database


@dataclass(frozen=True)
class ExportSketches:
    """Write saved sketches as a sketch set, ready for `featviz extract --sketches FOLDER`."""

    database: Positional[str]
    """The database's file, as `featviz draw` prints it, or its URL."""
    folder: Positional[Path]
    """A new folder."""
    group: str | None = None
    """Only the sketches of this group, and those they were made from."""
    everything: bool = False
    """Also drafts and deleted sketches, in history.jsonl: a complete copy."""

    def run(self) -> None:
        """Export and report."""
        database = _open(self.database, must_exist=True)

        from featviz.studio.exporting import export_sketches

        report = export_sketches(database, self.folder, self.group, self.everything)
        database.close()
        say(
            f"{printable(str(self.folder))}: {report.sketches} sketches "
            f"({report.bases} only because others were made from them)"
        )
        if report.drafts or report.deleted:
            say(
                f"left out: {report.drafts} drawings never saved, {report.deleted} deleted "
                "sketches (--everything keeps them in history.jsonl)"
            )
        if report.orphans:
            remark(f"{report.orphans} sketches are written without their base, which is deleted")


@dataclass(frozen=True)
class ImportSketches:
    """Take a sketch set, such as an export, into a database; what is there already stays."""

    folder: Positional[Path]
    """Folder of the sketch set."""
    database: Positional[str]
    """The database's file (made if there is none) or its URL."""

    def run(self) -> None:
        """Import and report."""
        database = _open(self.database, must_exist=False)

        from featviz.studio.importing import import_sketches

        report = import_sketches(self.folder, database)
        database.close()
        name = printable(database.name)
        say(f"{name}: {report.new} sketches imported, {report.known} were there already")


@dataclass(frozen=True)
class CorrectSketches:
    """Correct parts of drawings by what faces look like, and write them beside as they were."""

    drawings: Positional[tuple[Path, ...]]
    """SVG files."""
    out: Path = Path()
    """Folder of the new ones, in a folder `corrected`."""
    correction: CorrectionOptions = field(default_factory=CorrectionOptions)

    def run(self) -> None:
        """Correct and report."""
        from featviz.base.files import require_folder
        from featviz.generators.generation import output_names

        require_folder(self.out)
        if not self.drawings or not self.correction.correct:
            raise FeatvizError("expected drawings, and what to correct, as --correct outline=0.7")
        names = output_names(self.drawings)
        self.correction.files(dict(zip(self.drawings, names, strict=True)), self.out)


@dataclass(frozen=True)
class SketchesCommand:
    """Between the drawing page's database and folders of sketches; corrected drawings."""

    command: (
        Annotated[ExportSketches, subcommand("export")]
        | Annotated[ImportSketches, subcommand("import")]
        | Annotated[CorrectSketches, subcommand("correct")]
    )

    def run(self) -> None:
        """Run the chosen one."""
        self.command.run()


def _open(source: str, must_exist: bool) -> "Database":
    with needing("the sketch database", "draw"):
        from featviz.studio.database import Database, database_url
    url = database_url(source)
    if must_exist and url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        raise FeatvizError(f"there is no database {url.database}")
    return Database(source)
