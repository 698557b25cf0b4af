"""The command line: parsing, and turning bad input into one line."""

import sys
import warnings
from collections.abc import Callable
from typing import Any, Protocol

import tyro

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
from featviz.commands.similarity import Similarity
from featviz.commands.sketches import Sketches
from featviz.commands.structure import Structure
from featviz.commands.trajectory import Trajectory
from featviz.errors import FeatvizError, FeatvizWarning

_SHOW_WARNING = warnings.showwarning


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
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
    )
    warnings.showwarning = _warn
    try:
        command.run()
    except FeatvizError as error:
        _fail(str(error))
    except OSError as error:
        # A full disk, a read-only folder: the user's to mend, not a defect to trace.
        _fail(str(error))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)


def _warn(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    """Print a warning of ours as one line, and any other as Python does."""
    if issubclass(category, FeatvizWarning):
        print(f"featviz: warning: {' '.join(str(message).split())}", file=sys.stderr)
    else:
        _SHOW_WARNING(message, category, *where, **more)


def _fail(message: str) -> None:
    print(f"featviz: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
