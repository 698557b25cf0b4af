"""Two-dimensional maps of activation vectors: a feature table in, an embedding table out.

Identical vectors are merged before any method sees them and keep their multiplicity: t-SNE draws
many copies of one vector as a ball as large as the rest of the map, and "these sketches have the
same vector" is the finding, not a detail.

A map is for looking. Distances are measured on the vectors, and each panel's metadata holds them.
"""

from featviz.embedding.mapping import embed, embed_all
from featviz.embedding.methods import METHODS
from featviz.embedding.orientation import orient
from featviz.embedding.projection import Projection, fit_projection
from featviz.embedding.quality import neighbourhood_quality
from featviz.embedding.seeds import seed_spread, spread_all, spread_table
from featviz.embedding.settings import PERPLEXITY, Method, Settings
from featviz.embedding.t_sne import effective_perplexity
from featviz.embedding.table import (
    COLUMNS,
    EmbeddingTable,
    join,
    read_embedding,
    write_embedding,
)
from featviz.embedding.ties import Ties, merge_ties

__all__ = [
    "COLUMNS",
    "METHODS",
    "PERPLEXITY",
    "EmbeddingTable",
    "Method",
    "Projection",
    "Settings",
    "Ties",
    "effective_perplexity",
    "embed",
    "embed_all",
    "fit_projection",
    "join",
    "merge_ties",
    "neighbourhood_quality",
    "orient",
    "read_embedding",
    "seed_spread",
    "spread_all",
    "spread_table",
    "write_embedding",
]
