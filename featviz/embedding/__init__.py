"""Two-dimensional maps of activation vectors: a feature table in, an embedding table out.

Identical vectors are merged before any method sees them and keep their multiplicity: t-SNE draws
many copies of one vector as a ball as large as the rest of the map, and "these sketches have the
same vector" is the finding, not a detail.

A map is for looking. Distances are measured on the vectors, and each panel's metadata holds them.
"""

from featviz.embedding.mapping import METHODS, embed
from featviz.embedding.orientation import orient
from featviz.embedding.projection import Projection, fit_projection
from featviz.embedding.settings import PERPLEXITY, Settings
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
    "Projection",
    "Settings",
    "Ties",
    "effective_perplexity",
    "embed",
    "fit_projection",
    "join",
    "merge_ties",
    "orient",
    "read_embedding",
    "write_embedding",
]
