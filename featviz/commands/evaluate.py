"""`featviz evaluate`: what trained generators are worth, in numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from featviz.commands.shared import (
    SKETCHES,
    Edits,
    most_edits,
    remark,
    require_sketches,
    say,
    use_threads,
)


@dataclass(frozen=True)
class EvaluateCommand:
    """Measure generators: quality on held-out pairs, edit locality, robustness to shifts.

    With --local instead: edits that stay, made free, with statistics held and with maps kept.
    """

    checkpoints: Positional[tuple[str, ...]]
    """Shipped ones by name, run folders, .safetensors, or .pth of pix2pixHD; whole generators."""
    measures: tuple[Literal["quality", "locality", "robustness"], ...] = (
        "quality",
        "locality",
        "robustness",
    )
    """What to measure."""
    local: bool = False
    """Instead of all that: what keeping the rest of a face wins outside of an edit, and costs."""
    keep: tuple[Literal["layers", "trunk"], ...] = ("layers", "trunk")
    """With --local: where maps are kept, a way each."""
    statistics: tuple[Literal["base", "edit", "composite"] | float, ...] = ("base",)
    """With --local: whose statistics norms use where maps are kept, a way each."""
    data: Path = Path("data/faces")
    """Folder of pairs whose test split is used; see `featviz faces`."""
    count: int = 100
    """Pairs for the quality; all of the test split if it has fewer."""
    moved_count: int = 24
    """Pairs, of the same, whose contours are moved for the robustness."""
    sketches: Path = SKETCHES
    """Folder of the sketch set whose edits are measured."""
    edits: Edits = "all"
    """At most so many edits of a group, evenly spaced, or all."""
    margin: float = 16.0
    """Pixels (at 512) around an edit that count as edited."""
    size: int | None = None
    """Side of sketches and images; that of each checkpoint's training if it tells, else 512."""
    lpips_size: int = 256
    """Larger images are averaged down to this side for LPIPS and the kernel distance."""
    seed: int = 0
    """Which pairs, and in which directions contours move."""
    variant: str | None = None
    """For .pth of pix2pixHD: which layers have no norm."""
    threads: int | None = None
    """CPU threads; all cores unless given."""
    out: Path | None = None
    """Write all numbers to this .csv, .parquet or .json."""
    plot: Path | None = None
    """Draw them into this .png, .pdf or .svg."""

    def run(self) -> None:
        """Measure, print, write."""
        from featviz.analysis.evaluation.checkpoints import EvaluationSettings, evaluate
        from featviz.analysis.evaluation.plots import evaluation_figure
        from featviz.analysis.evaluation.summary import evaluation_summary
        from featviz.analysis.evaluation.table import EvaluationTable
        from featviz.faces.pairs import read_pairs
        from featviz.figures.style import figure_format, save_figure, style
        from featviz.generators.checkpoint import distinct_names
        from featviz.sketches.sketch_set import read_sketches

        if self.out is not None:
            EvaluationTable.check_ending(self.out)
        if self.plot is not None:
            figure_format(self.plot)
        distinct_names(self.checkpoints)
        use_threads(self.threads)
        settings = EvaluationSettings(
            parts=("local",) if self.local else self.measures,
            count=self.count,
            moved_count=self.moved_count,
            edits=most_edits(self.edits),
            size=self.size,
            lpips_size=self.lpips_size,
            margin=self.margin,
            seed=self.seed,
            keep=self.keep,
            statistics=self.statistics,
        )
        pairs = read_pairs(self.data) if settings.needs_pairs else None
        sketches = None
        if settings.of_edits:
            other = "; or leave edit locality out: --measures quality robustness"
            require_sketches(self.sketches, "" if self.local else other)
            sketches = read_sketches(self.sketches)
        table, skipped = evaluate(self.checkpoints, settings, pairs, sketches, self.variant)
        for line in skipped:
            remark(f"skipped {line}")
        say(evaluation_summary(table))
        if self.out is not None:
            table.write(self.out)
            say(self.out)
        if self.plot is not None:
            with style():
                figure = evaluation_figure(table)
            save_figure(figure, self.plot)
            say(self.plot)
