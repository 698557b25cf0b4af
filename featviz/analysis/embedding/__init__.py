"""Two-dimensional maps of activation vectors: a feature table in, an embedding table out.

Identical vectors are merged before any method sees them and keep their multiplicity: t-SNE draws
many copies of one vector as a ball as large as the rest of the map, and "these sketches have the
same vector" is the finding, not a detail.

A map is for looking. Distances are measured on the vectors, and each panel's metadata holds them.
"""

from featviz.analysis.embedding.mapping import embed, embed_all
from featviz.analysis.embedding.methods import METHODS
from featviz.analysis.embedding.orientation import orient
from featviz.analysis.embedding.projection import Projection, fit_projection
from featviz.analysis.embedding.quality import neighbourhood_quality
from featviz.analysis.embedding.seeds import seed_spread, spread_all, spread_table
from featviz.analysis.embedding.settings import PERPLEXITY, Method, MethodSettings
from featviz.analysis.embedding.t_sne import effective_perplexity
from featviz.analysis.embedding.table import (
    EMBEDDING_COLUMNS,
    EmbeddingTable,
    join,
    read_embedding,
    write_embedding,
)
from featviz.analysis.embedding.ties import Ties, merge_ties

__all__ = [
    "EMBEDDING_COLUMNS",
    "METHODS",
    "PERPLEXITY",
    "EmbeddingTable",
    "Method",
    "MethodSettings",
    "Projection",
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
