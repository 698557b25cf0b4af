"""Figure 3.7: t-SNE of v0, v1 against v'0, v'1 (claim C8)."""

from matplotlib.figure import Figure

from analyses.study import BASELINE, MODIFIED, Sources, chapter_3_figure


def draw(sources: Sources) -> Figure:
    """All 11 groups, `modified` above `baseline`."""
    return chapter_3_figure(sources, "tsne", ("L0", "L1"), (MODIFIED, BASELINE))
