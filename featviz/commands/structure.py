"""`featviz structure`."""

from dataclasses import dataclass
from pathlib import Path

from featviz.commands.shared import say
from featviz.commands.tables import TableOptions


@dataclass(frozen=True)
class StructureCommand(TableOptions):
    """Measure how groups of vectors lie: distances, silhouettes, neighbours, permutation tests."""

    merge: tuple[str, ...] = ()
    """Groups to count as others, such as G11=G8 G10=G9."""
    permutations: int = 4999
    """Permutations of each test; 0 leaves the tests out."""
    seed: int = 0
    """Seed of the permutations."""
    out: Path | None = None
    """Write all numbers to this .csv or .parquet, or what is printed to this .md."""
    plot: Path | None = None
    """Draw the distances within and between groups into this .png, .pdf or .svg."""

    def run(self) -> None:
        """Measure, print, write, draw."""
        from featviz.analysis.separation.groups import parse_merge
        from featviz.analysis.separation.measure import measure_structure
        from featviz.analysis.separation.summary import structure_summary
        from featviz.analysis.separation.table import StructureTable

        if self.out is not None:
            StructureTable.check_ending(self.out)
        if self.plot is not None:
            from featviz.figures.style import figure_format

            figure_format(self.plot)
        tables, merge = self.tables(), parse_merge(self.merge)
        table = measure_structure(
            tables,
            self.layers or None,
            merge=merge,
            permutations=self.permutations,
            seed=self.seed,
        )
        text = structure_summary(table)
        say(text)
        if self.out is not None:
            table.write(self.out, text)
            say(self.out)
        if self.plot is not None:
            from featviz.analysis.separation.plots import structure_figure
            from featviz.figures.style import save_figure, style

            with style():
                figure = structure_figure(tables, self.layers or None, merge=merge)
            save_figure(figure, self.plot)
            say(self.plot)
