"""`featviz plot`."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from featviz.errors import FeatvizError


@dataclass(frozen=True)
class Plot:
    """Map the vectors of feature tables to two dimensions and draw them, a panel a layer."""

    features: Positional[tuple[Path, ...]]
    """Feature tables that `featviz extract` wrote; one row of panels each."""
    method: str = "pca"
    """pca or tsne."""
    layers: tuple[str, ...] = ()
    """Which layers; all of the first table if none is given."""
    point: tuple[int, int] | None = None
    """Which point, if the tables hold several."""
    perplexity: float = 15.0
    """Perplexity of t-SNE; lowered, and said so, where ties leave too few distinct vectors."""
    seed: int = 0
    """Seed of t-SNE."""
    out: Path | None = None
    """The figure, .png, .pdf or .svg; default: named after tables and method, in this folder."""
    save_embedding: Path | None = None
    """Write the coordinates to this parquet file too."""

    def run(self) -> None:
        """Embed, draw and print where the figure is and its caption."""
        from featviz.embedding import embed, join, write_embedding
        from featviz.figures import figure_format, save_figure, style
        from featviz.plots import caption, embedding_figure
        from featviz.tables import read_features

        if not self.features:
            raise FeatvizError("expected at least one feature table; `featviz extract` makes them")
        out = self.out or Path(f"{'_'.join(p.stem for p in self.features)}-{self.method}.png")
        figure_format(out)
        tables = [read_features(path) for path in self.features]
        points = None if self.point is None else [self.point]
        layers = self.layers or tables[0].layers
        embedding = join(
            embed(
                table.select(points=points),
                self.method,
                layers,
                seed=self.seed,
                perplexity=self.perplexity,
            )
            for table in tables
        )
        with style():
            figure = embedding_figure(embedding)
        if self.save_embedding is not None:
            write_embedding(embedding, self.save_embedding)
            print(self.save_embedding)
        save_figure(figure, out)
        print(out)
        print(caption(embedding))
