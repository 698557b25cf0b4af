"""`featviz report`."""

import gc
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from featviz.base.errors import FeatvizError, needing
from featviz.commands.shared import SKETCHES, remark, say
from featviz.commands.tables import TableOptions

if TYPE_CHECKING:
    from featviz.report import ReportRequest


@dataclass(frozen=True)
class ReportCommand(TableOptions):
    """Write one HTML page to look around in: maps, sketches, faces, claims, leakage; offline."""

    features: Positional[tuple[Path, ...]]
    """Feature tables that `featviz extract` wrote; one row of panels each."""
    sketches: Path | None = None
    """Folder of the sketch set; unless given, `sketches` in this folder, if there is one."""
    methods: tuple[str, ...] = ("pca", "tsne")
    """Methods of the maps, see `featviz plot`; the page switches between them."""
    generators: tuple[str, ...] | None = None
    """Whole generators whose faces are shown; none if given without a name. Unless given, those
    that come with featviz for the checkpoints of the tables."""
    kept: bool = False
    """Show the face of each edit once more, with everything kept that was not edited."""
    large: bool = False
    """Make the page of very many sketches: small pictures, no faces, at most 100 MB. Of more than
    5000 sketches it is made anyway."""
    columns: Path | None = None
    """A CSV with a column `sketch`; points can be coloured by its other columns."""
    select: Path | None = None
    """A selection that the page opens with: its own JSON, a CSV with a column `sketch`, or a text
    with a name a line."""
    claims: Path | None = None
    """What `featviz claims --out FILE.json` wrote."""
    leakage: Path | None = None
    """Folder of the maps (.npz) that `featviz leakage` wrote."""
    title: str = "Does an edit stay where it was drawn?"
    """Title of the page."""
    perplexity: float = 15.0
    """Perplexity of tsne and sne; lowered where sketches are too few."""
    seed: int = 0
    """Seed of the methods that have one."""
    out: Path = Path("report.html")
    """The page."""

    def run(self) -> None:
        """Gather, render, write; print where the page is and what it lacks."""
        from featviz.base.files import atomic_write, require_writable

        with _nothing_freed(), needing("the report", "report"):
            from featviz.report import gather, render_report

        if self.out.suffix.lower() not in (".html", ".htm"):
            raise FeatvizError(f"a report is a page: expected --out NAME.html; got {self.out}")
        require_writable(self.out)
        with _nothing_freed():
            contents = gather(self._request())
            page = render_report(contents)
        with atomic_write(self.out) as temporary:
            temporary.write_text(page, encoding="utf-8")
        for part, note in contents.notes.items():
            remark(f"{part}: {note.replace('`', '')}")
        say(f"{self.out} ({len(page.encode()) / 1e6:.1f} MB)")

    def _request(self) -> "ReportRequest":
        from featviz.report import ReportRequest

        sketches = self.sketches
        if sketches is None and SKETCHES.is_dir():
            sketches = SKETCHES
        return ReportRequest(
            features=self.features,
            sketches=sketches,
            methods=self.methods,
            layers=self.layers,
            point=self.point,
            generators=self.generators,
            kept=self.kept,
            large=self.large,
            columns=self.columns,
            select=self.select,
            claims=self.claims,
            leakage=self.leakage,
            title=self.title,
            perplexity=self.perplexity,
            seed=self.seed,
            # Called from Python there is no command to repeat.
            command=shlex.join(["featviz", *sys.argv[1:]]) if "report" in sys.argv[1:2] else "",
        )


@contextmanager
def _nothing_freed() -> Iterator[None]:
    """Inside the `with` nobody looks for objects that refer to each other alone.

    Hundreds of modules and Bokeh's models stay until the command ends; the search among them took
    4 % of its time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
