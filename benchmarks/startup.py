"""How long `featviz --help` takes; target: under 0.5 s.

python -m benchmarks.startup [--runs 11]
"""

import statistics
import subprocess
import sys
from dataclasses import dataclass

import tyro

from benchmarks.machine import describe_machine, seconds, summary

TARGET = 0.5


@dataclass(frozen=True)
class Startup:
    """Measure the start of the command line, each time in a new process."""

    runs: int = 11
    """Measured runs, after one that warms the disk cache."""


def main(settings: Startup) -> None:
    print(describe_machine(("tyro",)))
    for arguments in (["--help"], ["extract", "--help"]):
        command = [sys.executable, "-m", "featviz", *arguments]

        def run(command: list[str] = command) -> None:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

        run()
        times = [seconds(run) for _ in range(settings.runs)]
        verdict = "met" if statistics.median(times) < TARGET else "missed"
        text = " ".join(["featviz", *arguments])
        print(f"{text:24} {summary(times)}; target < {TARGET} s: {verdict}")


if __name__ == "__main__":
    main(tyro.cli(Startup, description=__doc__))
