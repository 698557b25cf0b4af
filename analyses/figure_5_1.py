"""Figure 5.1: what generators make of a badly drawn sketch."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analyses.faces import Cell, Change, Face, Sketch, change, faces_of, gallery, held_out, load
from analyses.study import Sources
from featviz.drawing import rasterize

NAMES = ("baseline", "modified")
AMOUNTS = (0.0, 0.25, 0.5, 0.75, 1.0)
CHOSEN = 1
"""Which of the five evenly spaced held-out faces is deformed."""


def draw(sources: Sources) -> Figure:
    """One held-out contour, more and more deformed, and the faces of both generators."""
    pairs, chosen = held_out(sources, 5)
    index = chosen[CHOSEN]
    deformed = [deform(pairs.landmarks[index], amount) for amount in AMOUNTS]
    sketches = [rasterize(pairs.contour(index, landmarks=points)) for points in deformed]
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


def deform(landmarks: NDArray[np.float32], amount: float) -> NDArray[np.float32]:
    """Landmarks (68, 2) of a 512 photo as a clumsy hand draws them; amount 0 leaves them."""
    points = landmarks.astype(np.float64)
    eye, mouth, jaw = slice(36, 42), slice(48, 68), slice(2, 8)
    middle = points[eye].mean(axis=0)
    points[eye] = middle + (points[eye] - middle) * (1 + 0.6 * amount) + [-6 * amount, 22 * amount]
    middle, angle = points[mouth].mean(axis=0), np.radians(14 * amount)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points[mouth] = middle + (points[mouth] - middle) @ turn + [26 * amount, 6 * amount]
    bulge = np.sin(np.linspace(0, np.pi, jaw.stop - jaw.start + 2))[1:-1]
    points[jaw, 0] -= 38 * amount * bulge
    return points.astype(np.float32)
