"""Figure 4.6: edits of the nose, and what they change in the face."""

from matplotlib.figure import Figure

from analyses.edits import edits_figure
from analyses.study import Sources


def draw(sources: Sources) -> Figure:
    """Group G9 by the baseline and the modified generator."""
    return edits_figure(sources, "G9", "nose")
