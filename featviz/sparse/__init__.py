"""The exact-sparse engine: see `engine`."""

from featviz.sparse.engine import SparseReader
from featviz.sparse.plan import Plan, Unsuited, make_plan

__all__ = ["Plan", "SparseReader", "Unsuited", "make_plan"]
