"""Edit locality: how much of an image changes where its sketch was edited, and elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from featviz.analysis.evaluation.estimates import Estimate, mean_estimate, mean_of, ratio_estimate
from featviz.analysis.evaluation.table import ALL_GROUPS, row
from featviz.base.progress import track
from featviz.sketches.edits import MARGIN, Pixels, absolute_change, edits_of, read_edits
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
    rows: dict[int, tuple[str, str, str, float, float, float, float, float]] = {}
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
        at_eyes = change[edit.around_eyes & ~edit.area]
        rows[edit.number] = (
            str(name),
            str(group),
            str(base),
            float(change[edit.area].mean()),
            float(change[~edit.area].mean()),
            float(at_eyes.mean()) if at_eyes.size else np.nan,
            float(edit.area.mean()),
            float((change[~edit.area] > SEEN).mean()),
        )
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
