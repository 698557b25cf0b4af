"""Sketch set -> the sketches of the report, with what was edited in each."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from featviz.base.progress import track
from featviz.report.contents import ReportedSketch
from featviz.report.pictures import Frame, edit_of, sketch_picture
from featviz.sketches.sketch_set import SketchSet


def picture_sketches(
    groups: Mapping[str, str], sketches: SketchSet | None, boxes: Sequence[Frame]
) -> list[ReportedSketch]:
    """The sketches of the tables, pictured where the set has them.

    groups: sketch -> group, in the order of the report. boxes: receptive fields in which to count
    changed pixels.
    """
    if sketches is None:
        return [ReportedSketch(name, group) for name, group in groups.items()]
    index = sketches.index
    number = {name: i for i, name in enumerate(index["sketch"])}
    # Bases are asked for again and again; a set has few of them.
    base_image = lru_cache(maxsize=64)(sketches.image)
    pictured = []
    for name, group in track(groups.items(), "drawing sketches", len(groups)):
        if name not in number:
            pictured.append(ReportedSketch(name, group))
            continue
        row = index.iloc[number[name]]
        image = sketches.image(number[name])
        edit = None
        if row["base"] and row["base"] != name:
            edit = edit_of(image, base_image(number[row["base"]]))
        pictured.append(
            ReportedSketch(
                name,
                group,
                base=row["base"],
                edited_part=row["edited_part"],
                picture=sketch_picture(image, edit),
                added=None if edit is None else int(edit.added.sum()),
                removed=None if edit is None else int(edit.removed.sum()),
                inside=() if edit is None else tuple(edit.inside(box) for box in boxes),
            )
        )
    return pictured
