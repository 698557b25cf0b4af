"""`featviz trajectory`."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from featviz.commands.shared import SKETCHES, remark, say
from featviz.commands.tables import TableOptions


@dataclass(frozen=True)
class TrajectoryCommand(TableOptions):
    """Draw how features change over the training steps of one or more runs."""

    features: Positional[tuple[Path, ...]]
    """Feature tables of a run's kept generators (`featviz train --keep-every`), any order."""
    merge: tuple[str, ...] = ()
    """Groups to count as others, such as G11=G8 G10=G9."""
    sketches: Path = SKETCHES
    """The sketch set that the tables were made from, which tells the edits that may leak."""
    claims: bool = False
    """Also judge C1 to C9 and C15 at every step that a baseline and a modified run have both;
    seconds a step."""
    save_claims: Path | None = None
    """Write the verdicts, and why, to this .csv or .parquet; judges the claims too."""
    out: Path | None = None
    """The figure, .png, .pdf or .svg; default: RUN-trajectory.png in this folder."""
    save_table: Path | None = None
    """Write the numbers to this .csv or .parquet too."""

    def run(self) -> None:
        """Measure, draw and print where the figure is and its caption."""
        from featviz.analysis.separation.groups import parse_merge
        from featviz.analysis.trajectory import (
            edits_out_of_reach,
            judge_steps,
            measure_trajectory,
            verdicts_table,
        )
        from featviz.analysis.trajectory.plots import trajectory_caption, trajectory_figure
        from featviz.base.files import FRAME_FORMATS, require_ending, write_frame
        from featviz.figures.style import figure_format, save_figure, style
        from featviz.sketches.drawing import CANVAS
        from featviz.sketches.sketch_set import read_sketches

        if self.out is not None:
            figure_format(self.out)
        if self.save_table is not None:
            require_ending(self.save_table, "a trajectory", FRAME_FORMATS)
        if self.save_claims is not None:
            require_ending(self.save_claims, "verdicts", FRAME_FORMATS)
        tables = [table.select(layers=self.layers or None) for table in self.tables()]
        edits = bases = None
        if self.sketches == SKETCHES and not SKETCHES.exists():
            remark(
                f"there is no folder '{SKETCHES}' here, so leakage is left out; name the sketches "
                "with --sketches FOLDER"
            )
        else:
            size = int(tables[0].metadata.get("size") or CANVAS)
            sketches = read_sketches(self.sketches, size)
            bases = dict(zip(sketches.index["sketch"], sketches.index["base"], strict=True))
            edits = edits_out_of_reach(tables[0], sketches)
            if not any(edits.values()):
                remark("no edit lies outside of a receptive field: no leakage")
        table = measure_trajectory(tables, edits=edits, merge=parse_merge(self.merge))
        verdicts = None
        if self.claims or self.save_claims is not None:
            verdicts = judge_steps(tables, bases=bases)
            say(verdicts_table(verdicts))
        out = self.out or Path(f"{'_'.join(table.runs)}-trajectory.png")
        with style():
            figure = trajectory_figure(table, verdicts)
        if self.save_table is not None:
            table.write(self.save_table)
            say(self.save_table)
        if verdicts is not None and self.save_claims is not None:
            write_frame(verdicts, self.save_claims)
            say(self.save_claims)
        save_figure(figure, out)
        say(out)
        say(trajectory_caption(table, verdicts))
