"""What figures 4.5 and 4.6 share: edits of one part, and what they change in the face."""

import numpy as np
from matplotlib.figure import Figure

from analyses.faces import Cell, Face, Sketch, edit_change, faces_of, gallery, load
from analyses.study import Sources
from featviz.base.errors import FeatvizError
from featviz.sketches.edits import MARGIN
from featviz.sketches.sketch_set import read_sketches

NAMES = ("baseline", "modified")
SHOWN = 5


def edits_figure(sources: Sources, group: str, part: str) -> Figure:
    """The base sketch of a group and five of its edits, with both generators' faces and changes."""
    sketches = read_sketches(sources.sketches).of_groups(group)
    if len(sketches) < SHOWN + 1:
        raise FeatvizError(
            f"{sources.sketches} has {len(sketches)} sketches in {group}; "
            f"expected at least {SHOWN + 1}"
        )
    chosen = [0, *np.linspace(1, len(sketches) - 1, SHOWN).astype(int).tolist()]
    drawn = [sketches.image(index) for index in chosen]
    names = sketches.index["sketch"].iloc[chosen].to_list()
    rows: dict[str, list[Cell]] = {"sketch": [Sketch(sketch) for sketch in drawn]}
    shares = []
    for name, loaded in load(NAMES).items():
        images = faces_of(loaded, drawn)
        changes = [
            edit_change(image, images[0], sketch, drawn[0])
            for image, sketch in zip(images[1:], drawn[1:], strict=True)
        ]
        rows[name] = [Face(image) for image in images]
        rows[f"change\n{name}"] = [None, *changes]
        inside = np.mean([c.levels[c.area].mean() for c in changes])
        outside = np.mean([c.levels[~c.area].mean() for c in changes])  # type: ignore[operator]
        shares.append(f"{name} {inside:.1f} inside, {outside:.1f} outside ({outside / inside:.2f})")
    text = (
        f"The first sketch of {group} and five edits of its {part}, evenly spaced. Maps: change of "
        f"the face against that of the first sketch; outlined is the edited area, {MARGIN:.0f} px "
        "around every pixel of the sketch that differs, and below it the mean change in and out of "
        "it."
    )
    return gallery(rows, text, names, f"Means of the five: {'; '.join(shares)}.")
