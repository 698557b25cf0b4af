"""Figure 3.3: PCA of v0 and v1. Groups with the same eyes are single points (claims C1, C3)."""

from matplotlib.figure import Figure

from analyses.study import Sources, chapter_3_figure


def draw(sources: Sources) -> Figure:
    """All 11 groups, `modified`."""
    return chapter_3_figure(sources, "pca", ("L0", "L1"))
