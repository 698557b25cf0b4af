"""`featviz similarity`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from featviz.commands.shared import read_tables, say


@dataclass(frozen=True)
class SimilarityCommand:
    """Compare layers and checkpoints: a heat map of CKA or RSA between all of them."""

    features: Positional[tuple[Path, ...]]
    """Feature tables of the same sketches, that `featviz extract` wrote."""
    measure: Literal["cka", "rsa"] = "cka"
    """cka: debiased linear CKA; rsa: Spearman correlation of distances."""
    layers: tuple[str, ...] = ()
    """Which layers; all of each table if none is given."""
    point: tuple[int, int] | None = None
    """Which point, if the tables hold several."""
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
        table = compare(
            read_tables(self.features, self.point),
            self.measure,
            self.layers or None,
            metric=self.metric,
        )
        with style():
            figure = similarity_figure(table)
        if self.save_table is not None:
            table.write(self.save_table)
            say(self.save_table)
        save_figure(figure, out)
        say(out)
        say(similarity_caption(table))
