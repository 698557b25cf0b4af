"""`python -m analyses`: make the study's figures as PNG and PDF."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import tyro
from matplotlib.figure import Figure

from analyses.study import Sources, of_other_weights
from featviz.errors import FeatvizError
from featviz.figures import save_figure, style
from featviz.progress import track

FIGURES: tuple[str, ...] = ("2.4", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7", "3.8")
FIGURES += ("4.1", "4.2", "4.3", "4.4", "4.5", "4.6", "5.1")


@dataclass(frozen=True)
class Options(Sources):
    """Make the study's figures as PNG and PDF."""

    only: tuple[str, ...] = ()
    """Numbers of the figures to make, such as 3.3; all if none is given."""
    out: Path = Path("figures")
    """Folder the figures go to."""


def make_figures(options: Options) -> list[Path]:
    """Draw all figures that are asked for, then write them: an error leaves nothing behind."""
    if unknown := [number for number in options.only if number not in FIGURES]:
        raise FeatvizError(f"unknown figure '{unknown[0]}'; there are {', '.join(FIGURES)}")
    drawn = {}
    for number in track(options.only or FIGURES, "drawing figures"):
        with style():
            drawn[number] = _script(number)(options)
    paths = []
    for number, figure in drawn.items():
        for suffix in (".png", ".pdf"):
            paths.append(options.out / f"figure-{number}{suffix}")
            save_figure(figure, paths[-1])
    return paths


def _script(number: str) -> Callable[[Sources], Figure]:
    module = import_module(f"analyses.figure_{number.replace('.', '_')}")
    draw: Callable[[Sources], Figure] = module.draw
    return draw


def main(arguments: list[str] | None = None) -> None:
    """Parse and run; exit 2 with one line on stderr if the input is at fault."""
    options = tyro.cli(Options, prog="python -m analyses", args=arguments)
    try:
        for remark in of_other_weights(options):
            print(f"analyses: {remark}", file=sys.stderr)
        for path in make_figures(options):
            print(path)
    except (FeatvizError, OSError) as error:
        print(f"analyses: error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
