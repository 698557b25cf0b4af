"""Figure 4.1: the mean face, the average of all training contours."""

from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from analyses.study import POINT, Sources
from featviz.faces.mean_face import mean_face
from featviz.faces.pairs import read_pairs
from featviz.figures.style import draw_caption, draw_image, wrap_caption


def draw(sources: Sources) -> Figure:
    """The share of faces that have ink at each pixel."""
    pairs = read_pairs(sources.landmarks).split("train")
    ink = 1 - mean_face(pairs.landmarks, pairs.size)
    width, height, side = 4.6, 4.35, 3.75
    figure = Figure(figsize=(width, height))
    ax = figure.add_axes((0.12 / width, 0.5 / height, side / width, side / height))
    draw_image(100 * ink, ax, cmap="gray_r", norm=PowerNorm(0.5, 0, 100 * ink.max()))
    ax.plot(*POINT, marker="+", color="#D55E00", markersize=9, markeredgewidth=1.0)
    bar = figure.add_axes(((0.22 + side) / width, 0.5 / height, 0.1 / width, side / height))
    figure.colorbar(ax.images[0], cax=bar, label="faces with ink here (%)")
    text = (
        f"Average of the contours of {len(pairs)} training faces: features sit in the same place "
        f"in every image. Grey follows the square root. Cross: the probe point {POINT}."
    )
    draw_caption(figure, wrap_caption(text, width))
    return figure
