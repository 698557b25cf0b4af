"""Sketch set -> the sketches of the report, with what was edited in each."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featviz.base.progress import track
from featviz.figures.outlines import area_outlines
from featviz.report.contents import ReportedSketch
from featviz.report.pictures import Frame, edit_of, sketch_picture
from featviz.sketches.drawing import INK, PAPER
from featviz.sketches.edits import Edit, Mask
from featviz.sketches.sketch_set import SketchSet, read_sketch

_OUTLINE_TOLERANCE = 1.5
"""Pixels of a sketch by which the outline of an edited area may be off: the page shows it small."""


class SketchReader:
    """Reads sketches as `read_sketch` does, each once: of one that was read a bit a pixel is kept.

    The page draws each sketch, the base of each, and what every generator makes of it. most: how
    many are kept, the latest; all if None.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._papers: dict[tuple[Path, int], NDArray[np.uint8]] = {}
        self._areas: dict[tuple[Path, Path, int], NDArray[np.uint8]] = {}

    def __call__(self, path: Path, size: int, name: str | None = None) -> NDArray[np.uint8]:
        """(size, size) uint8, paper 255 and ink 0; raises FeatvizError as `read_sketch` does."""
        if (path, size) not in self._papers:
            if self._most is not None and len(self._papers) >= self._most:
                self._papers.pop(next(iter(self._papers)))
            self._papers[path, size] = np.packbits(read_sketch(path, size, name) != INK)
        paper = np.unpackbits(self._papers[path, size], count=size * size).reshape(size, size)
        return paper * np.uint8(PAPER)

    def area(self, base: Path, edited: Path, size: int) -> Mask:
        """The edited area, (size, size) bool, found once too."""
        known = base, edited, size
        if known not in self._areas:
            area = Edit(self(base, size), self(edited, size)).area
            self._areas[known] = np.packbits(area)
        return np.unpackbits(self._areas[known], count=size * size).reshape(size, size) > 0


def picture_sketches(
    groups: Mapping[str, str],
    sketches: SketchSet | None,
    boxes: Sequence[Frame],
    read: SketchReader,
    side: int | None = None,
) -> list[ReportedSketch]:
    """The sketches of the tables, pictured where the set has them.

    groups: sketch -> group, in the order of the report. boxes: receptive fields in which to count
    changed pixels. side: of small pictures, which come without outlines; None for whole ones.
    """
    if sketches is None:
        return [ReportedSketch(name, group) for name, group in groups.items()]
    index = sketches.index
    number = {name: i for i, name in enumerate(index["sketch"])}
    pictured = []
    for name, group in track(groups.items(), "drawing sketches", len(groups)):
        if name not in number:
            pictured.append(ReportedSketch(name, group))
            continue
        row = index.iloc[number[name]]
        image = _image(sketches, number[name], read)
        edit, outline = None, ""
        if row["base"] and row["base"] != name:
            base = number[row["base"]]
            edit = edit_of(image, _image(sketches, base, read))
            if side is None:
                paths = sketches.path(base), sketches.path(number[name])
                outline = _outline(read.area(*paths, sketches.size))
        pictured.append(
            ReportedSketch(
                name,
                group,
                base=row["base"],
                edited_part=row["edited_part"],
                picture=sketch_picture(image, edit, side),
                added=None if edit is None else int(edit.added.sum()),
                removed=None if edit is None else int(edit.removed.sum()),
                inside=() if edit is None else tuple(edit.inside(box) for box in boxes),
                outline=outline,
            )
        )
    return pictured


def _outline(area: Mask) -> str:
    """The borders of an area as the path of an SVG, in whole pixels, each from the one before."""
    path = ""
    for line in area_outlines(area, _OUTLINE_TOLERANCE) if area.any() else ():
        corners = np.array(line).reshape(-1, 2).round().astype(int)
        steps = " ".join(f"{x} {y}" for x, y in np.diff(corners, axis=0))
        path += f"M{corners[0][0]} {corners[0][1]}l{steps}z"
    return path.replace(" -", "-")


def _image(sketches: SketchSet, number: int, read: SketchReader) -> NDArray[np.uint8]:
    file = sketches.index["file"].iloc[number]
    return read(sketches.path(number), sketches.size, f"sketch {file}")
