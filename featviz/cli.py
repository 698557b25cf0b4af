"""The command line: parsing, and turning bad input into one line."""

import sys
from collections.abc import Callable
from typing import Protocol

import tyro

from featviz.base.errors import ending_in_one_line, printed_warnings
from featviz.commands.assets import AssetsCommand
from featviz.commands.certify import CertifyCommand
from featviz.commands.claims import ClaimsCommand
from featviz.commands.convert import ConvertCommand
from featviz.commands.draw import DrawCommand
from featviz.commands.edit import EditCommand
from featviz.commands.evaluate import EvaluateCommand
from featviz.commands.export import ExportCommand
from featviz.commands.extract import ExtractCommand
from featviz.commands.faces import FacesCommand
from featviz.commands.generate import GenerateCommand
from featviz.commands.layers import LayersCommand
from featviz.commands.leakage import LeakageCommand
from featviz.commands.plot import PlotCommand
from featviz.commands.report import ReportCommand
from featviz.commands.retrieve import RetrieveCommand
from featviz.commands.shared import with_present_words
from featviz.commands.similarity import SimilarityCommand
from featviz.commands.sketches import SketchesCommand
from featviz.commands.structure import StructureCommand
from featviz.commands.train import TrainCommand
from featviz.commands.trajectory import TrajectoryCommand


class Command(Protocol):
    """What every command can do."""

    def run(self) -> None:
        """Do the work; raise FeatvizError on bad input."""


COMMANDS: dict[str, Callable[..., Command]] = {
    "faces": FacesCommand,
    "train": TrainCommand,
    "generate": GenerateCommand,
    "edit": EditCommand,
    "retrieve": RetrieveCommand,
    "evaluate": EvaluateCommand,
    "convert": ConvertCommand,
    "layers": LayersCommand,
    "certify": CertifyCommand,
    "extract": ExtractCommand,
    "plot": PlotCommand,
    "claims": ClaimsCommand,
    "report": ReportCommand,
    "structure": StructureCommand,
    "similarity": SimilarityCommand,
    "trajectory": TrajectoryCommand,
    "leakage": LeakageCommand,
    "export": ExportCommand,
    "draw": DrawCommand,
    "sketches": SketchesCommand,
    "assets": AssetsCommand,
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
    with ending_in_one_line("featviz"), printed_warnings():
        command.run()
