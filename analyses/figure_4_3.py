"""Figure 4.3: faces by three variants of the generator from the same held-out contours."""

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from analyses.study import Sources
from featviz.checkpoints import load_generator
from featviz.drawing import rasterize
from featviz.errors import FeatvizError
from featviz.faces.pairs import read_pairs
from featviz.figures import draw_caption, draw_image, draw_sketch, wrap_caption
from featviz.generation import generate

VARIANTS = ("baseline", "modified", "no-norm")
COUNT = 6
SIDE, GAP, LABELS = 0.95, 0.06, 0.75
SHOWN = 256


def draw(sources: Sources) -> Figure:
    """Contours on top, then a row of faces for each variant."""
    pairs = read_pairs(sources.landmarks).split("test")
    if len(pairs) < COUNT:
        raise FeatvizError(
            f"{sources.landmarks} has {len(pairs)} faces in its test split; "
            f"expected at least {COUNT}"
        )
    chosen = np.linspace(0, len(pairs) - 1, COUNT).astype(int)
    sketches = [rasterize(pairs.contour(index)) for index in chosen]
    loaded = {variant: load_generator(variant) for variant in VARIANTS}
    facts = loaded["baseline"].metadata
    text = (
        f"{COUNT} of {len(pairs)} held-out contours, evenly spaced. Generators of "
        f"{facts['architecture']['width']} filters, {facts['step']} steps on the same "
        f"{facts['data']['pairs']} sampled faces with the same seed. Contours carry no hair."
    )
    rows = 1 + len(VARIANTS)
    width = 0.12 + LABELS + COUNT * (SIDE + GAP) + 0.06
    lines = wrap_caption(text, width)
    height = 0.12 + rows * (SIDE + GAP) + 0.12 + 0.135 * len(lines)
    figure = Figure(figsize=(width, height))
    for row, name in enumerate(("contour", *VARIANTS)):
        y = height - 0.12 - row * (SIDE + GAP) - SIDE
        figure.text(0.12 / width, (y + SIDE / 2) / height, name, va="center", size=8)
        for column, sketch in enumerate(sketches):
            x = 0.12 + LABELS + column * (SIDE + GAP)
            ax = figure.add_axes((x / width, y / height, SIDE / width, SIDE / height))
            if name == "contour":
                draw_sketch(sketch, ax)
            else:
                image = Image.fromarray(generate(loaded[name].generator, sketch))
                draw_image(np.asarray(image.resize((SHOWN, SHOWN), Image.Resampling.LANCZOS)), ax)
    draw_caption(figure, lines)
    return figure
