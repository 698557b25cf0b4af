"""Similarity of representations: do two layers, or two checkpoints, order the sketches alike?"""

from featviz.analysis.similarity.compare import SIMILARITY_MEASURES, SimilarityTable, compare
from featviz.analysis.similarity.measures import linear_cka, rsa

__all__ = ["SIMILARITY_MEASURES", "SimilarityTable", "compare", "linear_cka", "rsa"]
