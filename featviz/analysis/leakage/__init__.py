"""Leakage: what an edit changes where it cannot reach by convolutions, and which way it came.

An instance norm takes its statistics over the whole map, so a local edit changes every position.
Convolutions carry an edit only as far as their receptive field. Both are measured here, and told
apart by holding the statistics at the values that they have for the base sketch.
"""

from featviz.analysis.leakage.change import relative_change
from featviz.analysis.leakage.corners import Corners, Shares
from featviz.analysis.leakage.decomposition import four_corners
from featviz.analysis.leakage.maps import LeakageMaps, read_maps, write_maps
from featviz.analysis.leakage.measure import Leakage, measure_leakage
from featviz.analysis.leakage.modes import default_modes, freed_too
from featviz.analysis.leakage.single import edit_changes, edit_corners, edit_reach
from featviz.analysis.leakage.summary import leakage_summary, summarize
from featviz.analysis.leakage.table import LeakageTable, join_leakage, read_leakage, write_leakage
from featviz.probing.reach import reach
from featviz.probing.statistics import Statistics, hold_statistics, record_statistics

__all__ = [
    "Corners",
    "Leakage",
    "LeakageMaps",
    "LeakageTable",
    "Shares",
    "Statistics",
    "default_modes",
    "edit_changes",
    "edit_corners",
    "edit_reach",
    "four_corners",
    "freed_too",
    "hold_statistics",
    "join_leakage",
    "leakage_summary",
    "measure_leakage",
    "reach",
    "read_leakage",
    "read_maps",
    "record_statistics",
    "relative_change",
    "summarize",
    "write_leakage",
    "write_maps",
]
