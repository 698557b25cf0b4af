"""Figure 3.2: the convolutional receptive fields of L0 to L4 around the probe point."""

from matplotlib.figure import Figure

from analyses.study import POINT, Sources
from featviz.extraction import FRONT_END_LAYERS
from featviz.figures.style import draw_caption, draw_receptive_fields, wrap_caption
from featviz.generators.networks.generators import FrontEnd, GeneratorArchitecture
from featviz.probing.receptive_field import trace_geometry
from featviz.sketches.sketch_set import read_sketches


def draw(sources: Sources) -> Figure:
    """The whole sketch, and the surroundings of the point pixel by pixel."""
    sketches = read_sketches(sources.sketches)
    sketch = sketches.image(0)
    # Where a cell looks depends on kernels and strides alone, so the thinnest front end will do.
    front_end = FrontEnd(GeneratorArchitecture(width=1))
    fields = trace_geometry(front_end, FRONT_END_LAYERS, (sketches.size, sketches.size))
    boxes = {}
    for layer, field in fields.items():
        cell = field.position(POINT)
        box = field.box(cell)
        boxes[f"{layer}: {box.right - box.left + 1} px\ncell {cell}"] = box
    width, height, side, bottom = 7.6, 3.65, 3.05, 0.48
    figure = Figure(figsize=(width, height))
    share = (side / width, side / height)
    whole = figure.add_axes((0.12 / width, bottom / height, *share))
    near = figure.add_axes((0.24 / width + share[0], bottom / height, *share))
    draw_receptive_fields(sketch, boxes, POINT, whole)
    draw_receptive_fields(sketch, boxes, POINT, near, around=28)
    near.legend(
        loc="center left",
        bbox_to_anchor=(1.03, 0.5),
        borderaxespad=0,
        frameon=False,
        handlelength=1.2,
        handleheight=1.7,
        labelspacing=1.4,
    )
    text = (
        f"Cross: the probe point {POINT}. Cells are (column, row) of the layer's map. The fields "
        "are those of the convolutions; after an instance normalisation every pixel has a say."
    )
    draw_caption(figure, wrap_caption(text, width))
    return figure
