"""One offline HTML page to look around in: maps, sketches, faces, claims and leakage together.

Data flows one way: `gather` reads files; `maps`, `neighbours`, `sketches`, `faces`, `columns` and
`leakage` make of them what is shown; `boards` says how Bokeh draws it, `page_data` what the page's
scripts are given; `page` puts all into one text.
"""

from featviz.report.contents import (
    Contents,
    KeptFace,
    Leak,
    Movement,
    PanelRow,
    ReportedColumn,
    ReportedGenerator,
    ReportedLeakage,
    ReportedSketch,
)
from featviz.report.gather import ReportRequest, gather
from featviz.report.page import LARGEST_LARGE_REPORT, LARGEST_REPORT, render_report

__all__ = [
    "LARGEST_LARGE_REPORT",
    "LARGEST_REPORT",
    "Contents",
    "KeptFace",
    "Leak",
    "Movement",
    "PanelRow",
    "ReportRequest",
    "ReportedColumn",
    "ReportedGenerator",
    "ReportedLeakage",
    "ReportedSketch",
    "gather",
    "render_report",
]
