"""The command line: parsing, and turning bad input into one line."""

import sys
from collections.abc import Callable
from typing import Protocol

import tyro

from featviz.base.errors import FeatvizError, one_line, printed_warnings
from featviz.commands.assets import Assets
from featviz.commands.claims import Claims
from featviz.commands.draw import Draw
from featviz.commands.evaluate import Evaluate
from featviz.commands.export import Export
from featviz.commands.extract import Extract
from featviz.commands.faces import Faces
from featviz.commands.leakage import Leakage
from featviz.commands.networks import Convert, Generate, Train
from featviz.commands.plot import Plot
from featviz.commands.report import Report
from featviz.commands.shared import with_present_words
from featviz.commands.similarity import Similarity
from featviz.commands.sketches import Sketches
from featviz.commands.structure import Structure
from featviz.commands.trajectory import Trajectory


class Command(Protocol):
    """What every command can do."""

    def run(self) -> None:
        """Do the work; raise FeatvizError on bad input."""


COMMANDS: dict[str, Callable[..., Command]] = {
    "faces": Faces,
    "train": Train,
    "generate": Generate,
    "evaluate": Evaluate,
    "convert": Convert,
    "extract": Extract,
    "plot": Plot,
    "claims": Claims,
    "report": Report,
    "structure": Structure,
    "similarity": Similarity,
    "trajectory": Trajectory,
    "leakage": Leakage,
    "export": Export,
    "draw": Draw,
    "sketches": Sketches,
    "assets": Assets,
}


def main(arguments: list[str] | None = None) -> None:
    """Parse and run; exit 2 with one line on stderr if the input is at fault."""
    command = tyro.extras.subcommand_cli_from_dict(
        COMMANDS,
        prog="featviz",
        description="Does an edit stay where it was drawn? "
        "Activation vectors of image-to-image generators, measured and shown.",
        args=with_present_words(sys.argv[1:] if arguments is None else arguments),
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
    )
    try:
        with printed_warnings():
            command.run()
    except (FeatvizError, OSError) as error:
        # A full disk, a read-only folder: the user's to mend, not a defect to trace.
        print(f"featviz: error: {one_line(error, 2000)}", file=sys.stderr)
        sys.exit(2)
