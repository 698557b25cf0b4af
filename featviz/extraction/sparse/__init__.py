"""The exact-sparse engine: see `engine`."""

from featviz.extraction.sparse.engine import SparseReader
from featviz.extraction.sparse.heap import trim_heap
from featviz.extraction.sparse.layout import Layouts, lay_out
from featviz.extraction.sparse.parallel import in_parallel
from featviz.extraction.sparse.plan import Plan, UnsuitedError, make_plan
from featviz.extraction.sparse.trial import try_plan

__all__ = [
    "Layouts",
    "Plan",
    "SparseReader",
    "UnsuitedError",
    "in_parallel",
    "lay_out",
    "make_plan",
    "trim_heap",
    "try_plan",
]
