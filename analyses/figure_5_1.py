"""Figure 5.1: what generators make of a badly drawn sketch."""

from matplotlib.figure import Figure

from analyses.faces import Cell, Change, Face, Sketch, change, faces_of, gallery, held_out, load
from analyses.study import Sources
from featviz.analysis.claims.deformation import deform
from featviz.sketches.drawing import rasterize

NAMES = ("baseline", "modified")
AMOUNTS = (0.0, 0.25, 0.5, 0.75, 1.0)
CHOSEN = 1
"""Which of the five evenly spaced held-out faces is deformed."""


def draw(sources: Sources) -> Figure:
    """One held-out contour, more and more deformed, and the faces of both generators."""
    pairs, chosen = held_out(sources, 5)
    index = chosen[CHOSEN]
    deformed = [deform(pairs.landmarks[index], amount) for amount in AMOUNTS]
    sketches = [rasterize(pairs.contour(index, points=points)) for points in deformed]
    rows: dict[str, list[Cell]] = {"contour": [Sketch(sketch) for sketch in sketches]}
    facts = []
    for name, loaded in load(NAMES).items():
        images = faces_of(loaded, sketches)
        levels = [change(image, images[0]) for image in images[1:]]
        rows[name] = [Face(image) for image in images]
        rows[f"change\n{name}"] = [
            None,
            *(Change(level, label=f"{level.mean():.1f}") for level in levels),
        ]
        facts.append(f"{name} {levels[-1].mean():.1f}")
    text = (
        "A held-out contour drawn worse and worse: one eye grows and sinks, the mouth slides and "
        "tilts, the jaw bulges on one side. Who follows the drawing changes the face more; who "
        "corrects it, less. Change against the face of the contour as it was."
    )
    titles = [f"{amount:.0%} deformed" for amount in AMOUNTS]
    remark = f"Mean change by the worst drawing: {', '.join(facts)} grey levels."
    return gallery(rows, text, titles, remark)
