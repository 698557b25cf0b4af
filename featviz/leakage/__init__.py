"""Leakage: what an edit changes where it cannot reach by convolutions, and which way it came.

An instance norm takes its statistics over the whole map, so a local edit changes every position.
Convolutions carry an edit only as far as their receptive field. Both are measured here, and told
apart by holding the statistics at the values that they have for the base sketch.
"""

from featviz.leakage.maps import LeakageMaps, read_maps, write_maps
from featviz.leakage.table import LeakageTable, join_leakage, read_leakage, write_leakage

__all__ = [
    "LeakageMaps",
    "LeakageTable",
    "join_leakage",
    "read_leakage",
    "read_maps",
    "write_leakage",
    "write_maps",
]
