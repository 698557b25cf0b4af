"""Figure 3.5: PCA of v0, v1 against v'0, v'1. Points against clouds (claims C1, C2, C6)."""

from matplotlib.figure import Figure

from analyses.study import BASELINE, MODIFIED, SAME_EYES, Sources, chapter_3_figure


def draw(sources: Sources) -> Figure:
    """The groups with the same eyes, `modified` above `baseline`."""
    return chapter_3_figure(sources, "pca", ("L0", "L1"), (MODIFIED, BASELINE), SAME_EYES)
