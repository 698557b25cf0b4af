"""Figure 2.4: photos and their contours."""

from matplotlib.figure import Figure

from analyses.study import SAMPLES, Sources
from featviz.faces.pairs import read_pairs
from featviz.figures.style import draw_caption, draw_image, draw_sketch, wrap_caption
from featviz.sketches.drawing import rasterize

SIDE = 0.9


def draw(_: Sources) -> Figure:
    """Sampled faces above, the lines through their 68 landmarks below."""
    pairs = read_pairs(SAMPLES)
    text = (
        "Above: faces sampled from a GAN. Below: their 68 landmarks joined by lines 2 px wide at "
        f"{pairs.size} x {pairs.size} px, which is what a generator is trained on."
    )
    gap = 0.06
    width = 0.24 + len(pairs) * SIDE + (len(pairs) - 1) * gap
    lines = wrap_caption(text, width)
    height = 0.12 + 2 * SIDE + gap + 0.15 + 0.135 * len(lines)
    figure = Figure(figsize=(width, height))
    for i in range(len(pairs)):
        x, y = 0.12 + i * (SIDE + gap), height - 0.12 - SIDE
        above = figure.add_axes((x / width, y / height, SIDE / width, SIDE / height))
        draw_image(pairs.photo(i, 256), above)
        below = figure.add_axes((x / width, (y - gap - SIDE) / height, SIDE / width, SIDE / height))
        draw_sketch(rasterize(pairs.contour(i)), below)
    draw_caption(figure, lines)
    return figure
