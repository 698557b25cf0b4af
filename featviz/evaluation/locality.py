"""Edit locality: how much of an image changes where its sketch was edited, and elsewhere."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from featviz.drawing import CANVAS, INK, Drawing, rasterize, read_svg
from featviz.errors import FeatvizError
from featviz.evaluation.estimates import Estimate, mean_estimate, mean_of, ratio_estimate
from featviz.evaluation.table import ALL_GROUPS, row
from featviz.progress import track
from featviz.sketches import BASE, INDEX, SketchSet, read_sketch

Sketch = NDArray[np.uint8]
Mask = NDArray[np.bool_]

MARGIN = 16.0
"""Pixels at 512 around an edit that count as edited: one cell of L4's map."""

EYES = ("left-eye", "right-eye")
"""The parts of a drawing that are eyes."""

RATIO_MEASURE = "outside / inside"
EYES_MEASURE = "eyes"

_UNITS = {
    "inside": "grey levels",
    "outside": "grey levels",
    RATIO_MEASURE: "",
    EYES_MEASURE: "grey levels",
}

CHANGE_COLUMNS = ("sketch", "group", "base", "inside", "outside", "eyes", "area")


@dataclass(frozen=True, eq=False)
class Locality:
    """What edits changed.

    changes: one row an edit, columns sketch, group, base, inside, outside, eyes: mean absolute
    change of the image in grey levels of 255, in the edited area, outside of it, and at the eyes as
    far as they lie outside of it (NaN where the eyes themselves were edited, the area covers them
    or the drawing names none); area: the edited area's share of the picture. skipped: one line for
    every edit that could not be measured.
    """

    changes: pd.DataFrame
    skipped: tuple[str, ...]


def near(mask: Mask, margin: float) -> Mask:
    """The pixels whose centres are at most `margin` px from one of the mask, (H, W) bool."""
    if not mask.any():
        return np.zeros_like(mask)
    return np.asarray(distance_transform_edt(~mask) <= margin)


def edited_area(sketch: Sketch, base: Sketch, margin: float) -> Mask:
    """Where two sketches (H, W) differ, and `margin` px around."""
    return near(sketch != base, margin)


def edits_of(sketches: SketchSet, most: int | None = None) -> list[tuple[int, int]]:
    """Edits as pairs of rows (sketch, base), those of one base one after the other.

    Sketches without a base and the bases themselves are no edits. most: keep at most so many of a
    group, evenly spaced. Raises FeatvizError if there is no edit, or one whose base is missing.
    """
    index = sketches.index
    row_of = {name: row for row, name in enumerate(index["sketch"])}
    edits = index[(index["base"] != "") & (index["base"] != index["sketch"])]
    if len(edits) == 0:
        raise FeatvizError(
            f"{sketches.folder} holds no edit: no sketch has a base, so nothing can be measured of "
            f"edits; name bases in {INDEX}, or call each group's unedited sketch '{BASE}'"
        )
    if missing := [base for base in edits["base"] if base not in row_of]:
        raise FeatvizError(
            f"sketch '{missing[0]}' is the base of an edit and not among these sketches of "
            f"{sketches.folder}; keep its group"
        )
    pairs = []
    for _, group in edits.groupby("group", sort=False):
        rows = group.index.to_numpy()
        if most is not None and len(rows) > most:
            rows = rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]
        pairs += [(int(row), row_of[str(index["base"].iloc[row])]) for row in rows]
    return sorted(pairs, key=lambda pair: pair[1])


def measure_locality(
    paint: Callable[[Sketch], Tensor],
    sketches: SketchSet,
    size: int,
    margin: float = MARGIN,
    most: int | None = None,
    description: str = "edits",
) -> Locality:
    """Change of the image by every edit of a sketch set, with its base's image as reference.

    paint: sketch (size, size) -> image (1, 3, size, size) in [-1, 1]. margin: pixels at 512.
    """
    rows: dict[int, tuple[str, str, str, float, float, float, float]] = {}
    skipped, loaded = [], -1
    margin = margin * size / CANVAS
    for number, base_number in track(edits_of(sketches, most), description):
        name, group = sketches.index[["sketch", "group"]].iloc[number]
        if base_number != loaded:
            base, loaded = image_of(sketches, base_number, size), base_number
            base_painted, base_eyes = paint(base), ink_of_eyes(sketches, base_number, size)
            around_eyes = near(base_eyes, margin)
        sketch = image_of(sketches, number, size)
        area = edited_area(sketch, base, margin)
        if not area.any() or area.all():
            reason = "equals its base" if not area.any() else "is edited everywhere"
            skipped.append(f"sketch {name} {reason} at {size} px")
            continue
        change = absolute_change(paint(sketch), base_painted)
        eyes_edited = not np.array_equal(ink_of_eyes(sketches, number, size), base_eyes)
        at_eyes = change[around_eyes & ~area]
        rows[number] = (
            str(name),
            str(group),
            str(sketches.index["sketch"].iloc[base_number]),
            float(change[area].mean()),
            float(change[~area].mean()),
            np.nan if eyes_edited or at_eyes.size == 0 else float(at_eyes.mean()),
            float(area.mean()),
        )
    in_order = [rows[number] for number in sorted(rows)]
    return Locality(pd.DataFrame(in_order, columns=list(CHANGE_COLUMNS)), tuple(skipped))


def absolute_change(image: Tensor, base: Tensor) -> NDArray[np.float64]:
    """Mean over channels of the absolute difference, in grey levels of 255.

    Images (1, 3, H, W) in [-1, 1]; returns (H, W) float64. Nothing is rounded to whole levels.
    """
    change = (image - base).abs()[0].mean(dim=0).double() * 127.5
    return np.asarray(change.cpu().numpy())


def summarize_changes(changes: pd.DataFrame) -> dict[str, Estimate]:
    """Of the edits of one group: inside, outside, eyes (means over edits) and their ratio.

    `outside / inside` is the ratio of the means: 0 if an edit changes nothing elsewhere, 1 if the
    place of the edit makes no difference.
    """
    return {
        "inside": mean_estimate(changes["inside"]),
        "outside": mean_estimate(changes["outside"]),
        RATIO_MEASURE: ratio_estimate(changes["outside"], changes["inside"]),
        EYES_MEASURE: mean_estimate(changes["eyes"]),
    }


def locality_rows(name: str, locality: Locality) -> list[tuple[Any, ...]]:
    """Rows of an evaluation table: every group, and the mean over groups."""
    rows, groups = [], []
    for group, changes in locality.changes.groupby("group", sort=False):
        groups.append(summarize_changes(changes))
        rows += [
            row(name, "locality", measure, estimate, _UNITS[measure], group=str(group))
            for measure, estimate in groups[-1].items()
        ]
    for measure, unit in _UNITS.items():
        estimate = mean_of([estimates[measure] for estimates in groups])
        rows.append(row(name, "locality", measure, estimate, unit, group=ALL_GROUPS))
    return rows


def check_edits(sketches: SketchSet, sizes: Iterable[int], most: int | None = None) -> None:
    """Read every sketch that `measure_locality` will; raises FeatvizError as it would."""
    edits = edits_of(sketches, most)
    for size in sizes:
        for number in sorted({number for edit in edits for number in edit}):
            image_of(sketches, number, size)


def image_of(sketches: SketchSet, number: int, size: int) -> Sketch:
    """A sketch at any size if it is a drawing, at its own if it is made of pixels."""
    file = sketches.index["file"].iloc[number]
    path = sketches.folder / file
    if path.suffix.lower() == ".svg":
        return rasterize(read_svg(path).scaled(size))
    return read_sketch(path, size, name=f"sketch {file}")


def ink_of_eyes(sketches: SketchSet, number: int, size: int) -> Mask:
    """The ink of a drawing's eyes; nothing for a sketch that is made of pixels."""
    file = sketches.folder / sketches.index["file"].iloc[number]
    if file.suffix.lower() != ".svg":
        return np.zeros((size, size), dtype=bool)
    drawing = read_svg(file).scaled(size)
    strokes = tuple(stroke for stroke in drawing.strokes if stroke.part in EYES)
    return np.asarray(rasterize(Drawing(strokes, size)) == INK)
