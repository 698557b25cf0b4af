"""`python -m analyses`: make the study's figures as PNG and PDF."""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from analyses.making import make_figures
from analyses.pictures import MADE
from analyses.study import Sources, of_other_weights
from featviz.base.errors import ending_in_one_line


@dataclass(frozen=True)
class Options(Sources):
    """Make the study's figures as PNG and PDF."""

    only: tuple[str, ...] = ()
    """Numbers of the figures to make, such as 3.3; all if none is given."""
    out: Path = MADE
    """Folder the figures go to."""
    processes: int | None = None
    """How many figures to draw at once; one a core, at most 4, unless given."""


def main(arguments: list[str] | None = None) -> None:
    """Parse and run; exit 2 with one line on stderr if the input is at fault."""
    options = tyro.cli(Options, prog="python -m analyses", args=arguments)
    with ending_in_one_line("analyses"):
        for remark in of_other_weights(options):
            print(f"analyses: {remark}", file=sys.stderr)
        sources = Sources(options.features, options.sketches, options.landmarks)
        for path in make_figures(sources, options.out, options.only, options.processes):
            print(path)


if __name__ == "__main__":
    main()
