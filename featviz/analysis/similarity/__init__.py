"""Similarity of representations: do two layers, or two checkpoints, order the sketches alike?"""

from featviz.analysis.similarity.compare import MEASURES, SimilarityTable, compare
from featviz.analysis.similarity.measures import linear_cka, rsa

__all__ = ["MEASURES", "SimilarityTable", "compare", "linear_cka", "rsa"]
