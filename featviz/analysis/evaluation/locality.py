"""Edit locality: how much of an image changes where its sketch was edited, and elsewhere."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from featviz.analysis.evaluation.estimates import Estimate, mean_estimate, mean_of, ratio_estimate
from featviz.analysis.evaluation.table import ALL_GROUPS, row
from featviz.base.errors import FeatvizError
from featviz.base.progress import track
from featviz.generators.image_models import ImageModel
from featviz.sketches.drawing import CANVAS
from featviz.sketches.edits import (
    MARGIN,
    Mask,
    Pixels,
    absolute_change,
    at_size,
    edits_of,
    near,
    read_edits,
)
from featviz.sketches.photo_set import PhotoSet
from featviz.sketches.sketch_set import SketchSet

RATIO_MEASURE = "outside / inside"
EYES_MEASURE = "eyes"

UNITS = {
    "inside": "grey levels",
    "outside": "grey levels",
    RATIO_MEASURE: "",
    EYES_MEASURE: "grey levels",
}

SEEN = 2.55
"""Grey levels, one per cent of the range: about the smallest change that is seen."""

_CHANGE_COLUMNS = ("sketch", "group", "base", "inside", "outside", "eyes", "area", "beyond")


@dataclass(frozen=True, eq=False)
class Locality:
    """What edits changed.

    changes: one row an edit, columns sketch, group, base, inside, outside, eyes: mean absolute
    change of the image in grey levels of 255, in the edited area, outside of it, and at the eyes as
    far as they lie outside of it (NaN where the eyes themselves were edited, the area covers them
    or the drawing names none); area: the edited area's share of the picture; beyond: the share of
    the pixels outside of it that change by more than SEEN. skipped: one line for every edit that
    could not be measured.
    """

    changes: pd.DataFrame
    skipped: tuple[str, ...]


def measure_locality(
    paint: Callable[[Pixels], Tensor],
    sketches: SketchSet,
    size: int,
    margin: float = MARGIN,
    most: int | None = None,
    description: str = "edits",
) -> Locality:
    """Change of the image by every edit of a sketch set, with its base's image as reference.

    paint: sketch (size, size) -> image (1, 3, size, size) in [-1, 1]. margin: pixels at 512.
    """
    rows: dict[int, _Row] = {}
    skipped, painted = [], -1
    pairs = edits_of(sketches, most)
    edits = read_edits(sketches, pairs, size, margin)
    for edit in track(edits, description, len(pairs)):
        name, group, base = sketches.index[["sketch", "group", "base"]].iloc[edit.number]
        if not edit.area.any() or edit.area.all():
            reason = "equals its base" if not edit.area.any() else "is edited everywhere"
            skipped.append(f"sketch {name} {reason} at {size} px")
            continue
        if edit.base_number != painted:
            base_image, painted = paint(edit.base), edit.base_number
        change = absolute_change(paint(edit.edited), base_image)
        numbers = _numbers(change, edit.area, edit.around_eyes)
        rows[edit.number] = (str(name), str(group), str(base), *numbers)
    return _locality(rows, skipped)


def measure_photo_locality(
    model: ImageModel,
    photos: PhotoSet,
    margin: float = MARGIN,
    most: int | None = None,
    description: str = "edits",
) -> Locality:
    """The same of photos and any network: edited is what differs in what it is given.

    Where its image has another size, the area lies in it at the same share. Photos name no eyes.
    """
    rows: dict[int, _Row] = {}
    skipped, painted = [], -1
    pairs = edits_of(photos, most)
    for number, base_number in track(pairs, description, len(pairs)):
        name, group, base_name = photos.index[["sketch", "group", "base"]].iloc[number]
        if base_number != painted:
            base, painted = model.read(photos.path(base_number)), base_number
            base_image = model.run(base)
        edited = model.read(photos.path(number))
        if edited.shape != base.shape:
            sizes = [f"{each.shape[3]}x{each.shape[2]}" for each in (edited, base)]
            raise FeatvizError(
                f"photo {name} is {sizes[0]}; expected {sizes[1]} as {base_name} is "
                "(--resize WIDTH HEIGHT makes all alike)"
            )
        changed = (edited != base)[0].any(dim=0).cpu().numpy()
        area = near(changed, margin * changed.shape[1] / CANVAS)
        if not area.any() or area.all():
            reason = "equals its base" if not area.any() else "is edited everywhere"
            skipped.append(f"photo {name} {reason}")
            continue
        change = model.change(model.run(edited), base_image)
        there = at_size(area, change.shape)
        numbers = _numbers(change, there, np.zeros_like(there))
        rows[number] = (str(name), str(group), str(base_name), *numbers)
    return _locality(rows, skipped)


_Row = tuple[str, str, str, float, float, float, float, float]


def _numbers(
    change: NDArray[np.float64], area: Mask, eyes: Mask
) -> tuple[float, float, float, float, float]:
    """The last columns of a row."""
    at_eyes = change[eyes & ~area]
    return (
        float(change[area].mean()),
        float(change[~area].mean()),
        float(at_eyes.mean()) if at_eyes.size else np.nan,
        float(area.mean()),
        float((change[~area] > SEEN).mean()),
    )


def _locality(rows: Mapping[int, _Row], skipped: Sequence[str]) -> Locality:
    in_order = [rows[number] for number in sorted(rows)]
    return Locality(pd.DataFrame(in_order, columns=list(_CHANGE_COLUMNS)), tuple(skipped))


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
            row(name, "locality", measure, estimate, UNITS[measure], group=str(group))
            for measure, estimate in groups[-1].items()
        ]
    for measure, unit in UNITS.items():
        estimate = mean_of([estimates[measure] for estimates in groups])
        rows.append(row(name, "locality", measure, estimate, unit, group=ALL_GROUPS))
    return rows
