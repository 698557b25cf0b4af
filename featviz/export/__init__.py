"""Feature tables for other programs: NumPy arrays, text tables, TensorBoard's projector.

pandas, DuckDB and Embedding Atlas need no export, they open featviz's own files.
"""

from featviz.export.formats import FORMATS, export_features
from featviz.export.rows import Labelled, label_rows

__all__ = ["FORMATS", "Labelled", "export_features", "label_rows"]
