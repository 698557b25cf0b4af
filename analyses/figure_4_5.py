"""Figure 4.5: edits of the mouth, and what they change in the face."""

from matplotlib.figure import Figure

from analyses.edits import edits_figure
from analyses.study import Sources


def draw(sources: Sources) -> Figure:
    """Group G8 by the baseline and the modified generator."""
    return edits_figure(sources, "G8", "mouth")
