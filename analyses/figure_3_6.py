"""Figure 3.6: PCA of v2 to v4 against v'2 to v'4. Which keeps groups tighter (claim C7)?"""

from matplotlib.figure import Figure

from analyses.study import BASELINE, MODIFIED, SAME_EYES, Sources, chapter_3_figure


def draw(sources: Sources) -> Figure:
    """The groups with the same eyes, `modified` above `baseline`."""
    return chapter_3_figure(sources, "pca", ("L2", "L3", "L4"), (MODIFIED, BASELINE), SAME_EYES)
