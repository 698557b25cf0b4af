"""The report of the paper checkpoints and the study's figures, beside another checkout.

python -m benchmarks.report --reference DIR [--rounds 1] [--features features] [--only report]

DIR is another checkout of featviz, as by `git worktree add DIR COMMIT`. Both run in turn, each in
new processes, on the same feature tables: `featviz report` on one thread, of which the processor
time counts, and `python -m analyses`, of which the wall time does, so that the machine must have
nothing else to do.
"""

import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import tyro

from benchmarks.machine import children_time, describe_machine, seconds, summary

TARGETS = {"report": 0.4, "analyses": 0.6}


@dataclass(frozen=True)
class Report:
    """Measure the report and the figures of two checkouts in turn."""

    reference: Path
    """The other checkout."""
    rounds: int = 1
    """How often each runs."""
    features: Path = Path("features")
    """Folder of the feature tables of `paper-baseline` and `paper-modified`."""
    only: Literal["report", "analyses"] | None = None
    """One of the two; both unless given."""


def main(settings: Report) -> None:
    print(describe_machine(("torch", "openTSNE", "matplotlib")))
    sides = {"reference": settings.reference.resolve(), "this": Path.cwd()}
    features = settings.features.resolve()
    for what in [settings.only] if settings.only else TARGETS:
        times: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(settings.rounds):
            for name, checkout in sides.items():
                times[name].append(_time(what, checkout, features))
        for name, found in times.items():
            print(f"{what:10} {name:10} {summary(found)}")
        ratio = statistics.median(times["this"]) / statistics.median(times["reference"])
        verdict = "met" if ratio <= TARGETS[what] else "missed"
        print(f"{what:10} {ratio:.2f} of the reference; target {TARGETS[what]}: {verdict}")


def _time(what: str, checkout: Path, features: Path) -> float:
    """Seconds of the processor for the report, by the clock for the figures."""
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    with TemporaryDirectory() as folder:
        if what == "analyses":
            command = ["analyses", "--features", str(features), "--out", folder]
        else:
            tables = [str(features / f"paper-{name}.parquet") for name in ("baseline", "modified")]
            command = ["featviz", "report", *tables, "--out", str(Path(folder) / "report.html")]
            environment["OMP_NUM_THREADS"] = "1"

        def run() -> None:
            subprocess.run(
                [sys.executable, "-m", *command],
                check=True,
                cwd=checkout,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

        before = children_time()
        elapsed = seconds(run)
        return elapsed if what == "analyses" else children_time() - before


if __name__ == "__main__":
    main(tyro.cli(Report, description=__doc__))
