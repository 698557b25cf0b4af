"""Figure 4.2: moved contours, seen by a generator trained with augmentation and by one without."""

import numpy as np
from matplotlib.figure import Figure

from analyses.faces import Change, Face, Sketch, change, faces_of, gallery, held_out, load
from analyses.study import Sources
from featviz.faces.augmentation import STUDY_ROTATION, STUDY_SHIFT, move_landmarks
from featviz.sketches.drawing import rasterize

PLAIN, AUGMENTED = "modified", "augmented"
MOVES = {
    "in place": ((0.0, 0.0), 0.0),
    "right 25": ((STUDY_SHIFT, 0.0), 0.0),
    "down 25": ((0.0, STUDY_SHIFT), 0.0),
    "left and up 25": ((-STUDY_SHIFT, -STUDY_SHIFT), 0.0),
    "turned 7°": ((0.0, 0.0), STUDY_ROTATION),
    "turned −7°": ((0.0, 0.0), -STUDY_ROTATION),
}
CHOSEN = 2
"""Which of the five evenly spaced held-out faces is shown."""


def draw(sources: Sources) -> Figure:
    """One held-out contour in six places, and what both generators make of it."""
    pairs, chosen = held_out(sources, 5)
    index = chosen[CHOSEN]
    moved = [
        move_landmarks(pairs.landmarks[index], pairs.size, shift, turn)
        for shift, turn in MOVES.values()
    ]
    sketches = [rasterize(pairs.contour(index, points=points)) for points in moved]
    rows: dict[str, list[Sketch | Face | Change | None]] = {
        "contour": [Sketch(sketch) for sketch in sketches]
    }
    means = {}
    for name, loaded in load((PLAIN, AUGMENTED)).items():
        images = faces_of(loaded, sketches)
        levels = [change(image, images[0]) for image in images[1:]]
        rows[name] = [Face(image) for image in images]
        changes = [Change(level, label=f"{level.mean():.1f}") for level in levels]
        rows[f"change\n{name}"] = [None, *changes]
        means[name] = np.mean([level.mean() for level in levels])
    text = (
        "One held-out contour where it was found, and moved by as much as the augmentation does; "
        f"above `{PLAIN}`, trained on contours in place, below `{AUGMENTED}`, trained on moved "
        "ones, whose photos stay where they are: its face is to stay in place. Change against "
        "the face of the contour in place, mean of all pixels below each map."
    )
    remark = (
        f"Mean of the five moves: {means[PLAIN]:.1f} without, {means[AUGMENTED]:.1f} with "
        "augmentation."
    )
    return gallery(rows, text, list(MOVES), remark)
