"""Figure 3.1: the sketch groups."""

import numpy as np
from matplotlib.figure import Figure

from analyses.study import MEANINGS, SAME_EYES, Sources
from featviz.figures.style import draw_caption, draw_sketch, wrap_caption
from featviz.sketches.sketch_set import read_sketches

SHOWN = 8
SIDE = 0.74


def draw(sources: Sources) -> Figure:
    """One row a group: its first and last sketch and some between, evenly spaced."""
    sketches = read_sketches(sources.sketches)
    groups = sketches.groups
    text = (
        f"{len(sketches)} sketches in {len(groups)} groups, up to {SHOWN} of each, evenly spaced. "
        "Composed by a seeded script from landmark contours; they stand in for the study's "
        "drawings, which are unpublished."
    )
    left, top, gap = 1.5, 0.1, 0.05
    width = left + SHOWN * (SIDE + gap) + 0.1
    lines = wrap_caption(text, width)
    height = top + len(groups) * (SIDE + gap) + 0.15 + 0.135 * len(lines)
    figure = Figure(figsize=(width, height))
    for row, group in enumerate(groups):
        members = np.flatnonzero((sketches.index["group"] == group).to_numpy())
        y = height - top - row * (SIDE + gap) - SIDE
        eyes = "same eyes" if group in SAME_EYES else "eyes change"
        figure.text(
            0.12 / width, (y + SIDE * 0.92) / height, group, weight="bold", va="top", size=10
        )
        figure.text(
            0.12 / width,
            (y + SIDE * 0.68) / height,
            f"{MEANINGS.get(group, '')}\n{len(members)} sketches\n{eyes}",
            va="top",
            linespacing=1.25,
        )
        shown = np.unique(np.linspace(0, len(members) - 1, SHOWN).round().astype(int))
        for column, member in enumerate(members[shown]):
            x = left + column * (SIDE + gap)
            ax = figure.add_axes((x / width, y / height, SIDE / width, SIDE / height))
            draw_sketch(sketches.image(int(member)), ax)
    draw_caption(figure, lines)
    return figure
