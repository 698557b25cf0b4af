"""One offline HTML page to look around in: maps, sketches, faces, claims and leakage together.

Data flows one way: `gather` reads files; `maps`, `sketches`, `faces` and `leakage` make of them
what is shown; `boards` says how Bokeh draws it; `page` puts all into one text.
"""

from featviz.report.contents import Contents, Generator, Leak, Leakage, Row, Sketch
from featviz.report.gather import Request, gather
from featviz.report.page import LARGEST_REPORT, render_report

__all__ = [
    "LARGEST_REPORT",
    "Contents",
    "Generator",
    "Leak",
    "Leakage",
    "Request",
    "Row",
    "Sketch",
    "gather",
    "render_report",
]
