"""`python -m analyses.local_editing`: free and kept faces of four edits, with their change maps."""

from dataclasses import dataclass
from pathlib import Path

import tyro
from matplotlib.figure import Figure

from analyses.faces import Cell, Face, Sketch, edit_change, gallery
from analyses.pictures import MADE
from analyses.study import ROOT
from featviz.base.errors import FeatvizError, ending_in_one_line
from featviz.editing import edit
from featviz.editing.engine import StatisticsOf
from featviz.figures.style import save_figure, style
from featviz.generators.checkpoint_files import LoadedGenerator, load_generator
from featviz.generators.generation import generate
from featviz.sketches.edits import MARGIN, read_edits
from featviz.sketches.sketch_set import SketchSet, read_sketches

COLUMNS = ("edited sketch", "base", "free", "its change", "kept", "its change")


@dataclass(frozen=True)
class Row:
    """An edit that is drawn: a sketch of the study's, and whose statistics the kept face takes."""

    title: str
    sketch: str
    statistics: StatisticsOf = "base"


ROWS = (
    Row("mouth", "G8/026"),
    Row("nose", "G9/013"),
    Row("brows", "G4/002"),
    # Much more ink than the base's: under the base's statistics hair takes the colour of skin.
    Row("hair", "G1/018", "edit"),
)
SHARP = 256
"""Pixels of a shown face's side: this picture stands on a page's top."""


@dataclass(frozen=True)
class Options:
    """Draw what four edits change in a face, as the generator is and with the rest kept."""

    checkpoint: str = "modified"
    """A shipped generator by name, or a file."""
    sketches: Path = ROOT / "sketches"
    """Folder of the sketch set."""
    out: Path = ROOT / MADE
    """Folder the figure goes to."""


def cells(loaded: LoadedGenerator, sketches: SketchSet, row: Row) -> list[Cell]:
    """The cells of an edit, as COLUMNS names them."""
    names = sketches.index["sketch"].to_list()
    if row.sketch not in names:
        raise FeatvizError(f"{sketches.folder} has no sketch {row.sketch}")
    number = names.index(row.sketch)
    base = str(sketches.index["base"].iloc[number])
    (drawn,) = read_edits(sketches, [(number, names.index(base))])
    kept = edit(loaded, drawn.base, drawn.edited, statistics=row.statistics)
    free = generate(loaded.generator, drawn.edited)
    return [
        Sketch(drawn.edited, drawn.area),
        Face(kept.base_pixels),
        Face(free),
        edit_change(free, kept.base_pixels, drawn.edited, drawn.base),
        Face(kept.pixels),
        edit_change(kept.pixels, kept.base_pixels, drawn.edited, drawn.base),
    ]


def draw(loaded: LoadedGenerator, sketches: SketchSet) -> Figure:
    """Four edits, a row each: sketch, base, free and kept face, and what changed in these."""
    other = " and ".join(row.title for row in ROWS if row.statistics == "edit")
    text = (
        f"Edits of one part, and what {loaded.name} makes of them. Free: as the generator is. "
        "Kept: outside of the edited area every layer keeps what it computed of the base, whose "
        f"statistics its norms use too (in the row {other}: the edit's). Maps: "
        f"change against the base's face; outlined is the edited area, {MARGIN:.0f} px around "
        "every pixel of the sketch that differs, and below it the mean change in and out of it."
    )
    rows = {row.title: cells(loaded, sketches, row) for row in ROWS}
    return gallery(rows, text, COLUMNS, shown=SHARP)


def main(arguments: list[str] | None = None) -> None:
    """Draw and write; exit 2 with one line on stderr if the input is at fault."""
    options = tyro.cli(Options, prog="python -m analyses.local_editing", args=arguments)
    with ending_in_one_line("analyses.local_editing"):
        loaded = load_generator(options.checkpoint)
        with style():
            figure = draw(loaded, read_sketches(options.sketches))
        save_figure(figure, options.out / "local-editing.png")
        print(options.out / "local-editing.png")


if __name__ == "__main__":
    main()
