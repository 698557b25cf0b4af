"""Figure 3.4: PCA of v2, v3, v4. Do clouds grow and borders blur with depth (claims C4, C5)?"""

from matplotlib.figure import Figure

from analyses.study import SAME_EYES, Sources, chapter_3_figure


def draw(sources: Sources) -> Figure:
    """The groups with the same eyes, `modified`."""
    return chapter_3_figure(sources, "pca", ("L2", "L3", "L4"), groups=SAME_EYES)
