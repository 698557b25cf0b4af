"""`featviz plot`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from featviz.base.errors import FeatvizError
from featviz.commands.shared import say
from featviz.commands.tables import TableOptions

if TYPE_CHECKING:
    from featviz.analysis.embedding import EmbeddingTable
    from featviz.base.feature_table import FeatureTable


@dataclass(frozen=True)
class PlotCommand(TableOptions):
    """Map the vectors of feature tables to two dimensions and draw them, a panel a layer."""

    features: Positional[tuple[Path, ...]]
    """Feature tables that `featviz extract` wrote; one row of panels each."""
    method: str = "pca"
    """pca, tsne, mds, isomap, lle, sne or umap (which needs featviz[umap])."""
    layers: tuple[str, ...] = ()
    """Which layers; all of the first table if none is given."""
    perplexity: float | None = None
    """Of tsne and sne, default 15; lowered, and said so, where ties leave too few vectors."""
    neighbours: int | None = None
    """Of isomap, lle and umap, default 15; lowered, and said so, where there are fewer."""
    min_dist: float | None = None
    """Of umap, default 0.1: the least distance of two points on the map."""
    start: str | None = None
    """Of tsne, mds, sne and umap: pca (default) or random."""
    share_start: bool = False
    """Start all panels of a layer from one map, so that they lie alike; same methods."""
    seed: int = 0
    """Seed of tsne, sne and umap, and of random starts."""
    seeds: int | None = None
    """Of tsne and sne: draw the median of this many seeds and how far the others differ."""
    out: Path | None = None
    """The figure, .png, .pdf or .svg; default: named after tables and method, in this folder."""
    save_embedding: Path | None = None
    """Write the coordinates to this parquet file too."""

    def run(self) -> None:
        """Embed, draw and print where the figure is and its caption."""
        from featviz.analysis.embedding import write_embedding
        from featviz.analysis.embedding.captions import embedding_caption
        from featviz.analysis.embedding.plots import embedding_figure
        from featviz.base.files import require_writable
        from featviz.figures.style import figure_format, save_figure, style

        out = self.out or Path(f"{'_'.join(p.stem for p in self.features)}-{self.method}.png")
        figure_format(out)
        if self.save_embedding is not None:
            require_writable(self.save_embedding)
        settings = self._settings()
        tables = self.tables()
        embedding = self._embed(tables, settings)
        with style():
            figure = embedding_figure(embedding)
        if self.save_embedding is not None:
            write_embedding(embedding, self.save_embedding)
            say(self.save_embedding)
        save_figure(figure, out)
        say(out)
        say(embedding_caption(embedding))

    def _settings(self) -> dict[str, Any]:
        """What was given for the method; raises FeatvizError for what the method has no use for."""
        from featviz.analysis.embedding import METHODS
        from featviz.analysis.embedding.methods import method_named

        options = method_named(self.method).options
        given = {
            name: getattr(self, name)
            for name in ("perplexity", "neighbours", "min_dist", "start")
            if getattr(self, name) is not None
        }
        for name in given:
            if name not in options:
                takers = [label for label, method in METHODS.items() if name in method.options]
                raise FeatvizError(
                    f"--{name.replace('_', '-')} is for {', '.join(takers)}; "
                    f"got --method {self.method}"
                )
        return given

    def _embed(self, tables: "list[FeatureTable]", settings: dict[str, Any]) -> "EmbeddingTable":
        from featviz.analysis.embedding import embed_all, spread_all

        layers = self.layers or tables[0].layers
        if self.seeds is None:
            return embed_all(
                tables,
                self.method,
                layers,
                share_start=self.share_start,
                seed=self.seed,
                **settings,
            )
        if self.seeds < 2:
            raise FeatvizError(f"--seeds must be 2 or more; got {self.seeds}")
        return spread_all(
            tables,
            layers,
            range(self.seed, self.seed + self.seeds),
            method=self.method,
            share_start=self.share_start,
            **settings,
        )
