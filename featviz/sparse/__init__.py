"""The exact-sparse engine: see `engine`."""

from featviz.sparse.engine import SparseReader
from featviz.sparse.heap import trim_heap
from featviz.sparse.layout import Layouts, lay_out
from featviz.sparse.parallel import in_parallel
from featviz.sparse.plan import Plan, UnsuitedError, make_plan
from featviz.sparse.trial import try_plan

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
