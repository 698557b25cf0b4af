"""`featviz similarity`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from featviz.commands.shared import say
from featviz.commands.tables import TableOptions


@dataclass(frozen=True)
class SimilarityCommand(TableOptions):
    """Compare layers and checkpoints: a heat map of CKA or RSA between all of them."""

    features: Positional[tuple[Path, ...]]
    """Feature tables of the same sketches, that `featviz extract` wrote."""
    measure: Literal["cka", "rsa"] = "cka"
    """cka: debiased linear CKA; rsa: Spearman correlation of distances."""
    metric: Literal["euclidean", "cosine"] = "euclidean"
    """Distances of RSA."""
    out: Path | None = None
    """The figure, .png, .pdf or .svg; default: named after tables and measure, in this folder."""
    save_table: Path | None = None
    """Write the numbers to this .csv or .parquet too."""

    def run(self) -> None:
        """Compare, draw and print where the figure is and its caption."""
        from featviz.analysis.similarity.compare import SimilarityTable, compare
        from featviz.analysis.similarity.plots import similarity_caption, similarity_figure
        from featviz.figures.style import figure_format, save_figure, style

        out = self.out or Path(f"{'_'.join(p.stem for p in self.features)}-{self.measure}.png")
        figure_format(out)
        if self.save_table is not None:
            SimilarityTable.check_ending(self.save_table)
        table = compare(self.tables(), self.measure, self.layers or None, metric=self.metric)
        with style():
            figure = similarity_figure(table)
        if self.save_table is not None:
            table.write(self.save_table)
            say(self.save_table)
        save_figure(figure, out)
        say(out)
        say(similarity_caption(table))
