"""An evaluation as text: small tables for the terminal."""

import math
from collections.abc import Sequence
from typing import Any

from featviz.analysis.evaluation.local import (
    EDITED_MEASURE,
    ELSEWHERE_MEASURE,
    FOUND_MEASURE,
    KERNEL_MEASURE,
    LPIPS_MEASURE,
    SEAM_MEASURE,
)
from featviz.analysis.evaluation.locality import EYES_MEASURE, RATIO_MEASURE
from featviz.analysis.evaluation.table import ALL_GROUPS, EvaluationTable

_QUALITY = {"lpips": "LPIPS", "ssim": "SSIM", "psnr": "PSNR, dB", "kernel distance": "kernel dist."}
_LOCALITY = ("inside", "outside", RATIO_MEASURE, EYES_MEASURE)
_DECIMALS = {"psnr": 2, "kernel distance": 4, "inside": 2, "outside": 2, EYES_MEASURE: 2}
_DECIMALS |= {LPIPS_MEASURE: 4, EDITED_MEASURE: 2, ELSEWHERE_MEASURE: 2, FOUND_MEASURE: 2}
_UNITS = {"shift": "px", "rotation": "deg"}
_LOCAL = (*_LOCALITY, LPIPS_MEASURE, SEAM_MEASURE, KERNEL_MEASURE)
_FOLLOWING = (EDITED_MEASURE, ELSEWHERE_MEASURE, FOUND_MEASURE)


def evaluation_summary(table: EvaluationTable) -> str:
    """The tables of all parts that were measured, each under a line that says what it shows."""
    parts = {
        "quality": _quality,
        "locality": _locality,
        "robustness": _robustness,
        "local": _local,
    }
    return "\n\n".join(parts[part](table) for part in parts if part in table.parts)


def _quality(table: EvaluationTable) -> str:
    data = table.metadata["data"]
    head = (
        f"Quality on {data['pairs']} held-out pairs of {data['folder']}, +- standard error; "
        f"LPIPS at {table.metadata['lpips']['size']} px or less"
    )
    columns = [(title, {"measure": measure}) for measure, title in _QUALITY.items()]
    return f"{head}\n{_grid(table, 'quality', '', columns, with_error=True)}"


def _locality(table: EvaluationTable) -> str:
    sketches = table.metadata["sketches"]
    head = (
        f"Edit locality on {sketches['folder']}: mean absolute change, grey levels of 255, in the "
        f"edited area (edit + {sketches['margin']:g} px at 512), outside, and at unedited eyes; "
        "means over groups"
    )
    columns: _Columns = [(name, {"measure": name, "group": ALL_GROUPS}) for name in _LOCALITY]
    grids = [_grid(table, "locality", "", columns, with_error=True)]
    of_part = table.values(part="locality")
    groups = [group for group in of_part["group"].drop_duplicates() if group != ALL_GROUPS]
    for measure in (RATIO_MEASURE, EYES_MEASURE):
        columns = [(group, {"measure": measure, "group": group}) for group in groups]
        grids.append(_grid(table, "locality", measure, columns))
    return "\n".join([head, *grids])


def _local(table: EvaluationTable) -> str:
    sketches = table.metadata["sketches"]
    head = (
        f"Local editing on {sketches['folder']}, way by way: mean absolute change, grey levels of "
        f"255, in the edited area (edit + {sketches['margin']:g} px at 512), outside, and at "
        "unedited eyes; LPIPS outside; gradient across the area's border against the free face's; "
        "kernel distance from the free faces; means over groups"
    )
    measured = set(table.values(part="local")["measure"])
    grids = [_ways(table, [name for name in _LOCAL if name in measured])]
    if FOUND_MEASURE in measured:
        grids.append(
            "Landmarks found in the faces to the nearest drawn line of their part, px at 512: of "
            "edited parts, of the others; share of the faces in which one was found\n"
            + _ways(table, _FOLLOWING)
        )
    return "\n".join([head, *grids])


def _ways(table: EvaluationTable, measures: Sequence[str]) -> str:
    """One row for every checkpoint and way, one column a measure."""
    of_part = table.values(part="local", group=ALL_GROUPS)
    found = of_part[of_part["measure"].isin(measures)][["checkpoint", "way"]].drop_duplicates()
    rows = [
        (f"{name}, {way}", {"checkpoint": name, "way": way})
        for name, way in found.itertuples(index=False)
    ]
    columns = [(name, {"measure": name, "group": ALL_GROUPS}) for name in measures]
    return _grid(table, "local", "", columns, with_error=True, rows=rows)


def _robustness(table: EvaluationTable) -> str:
    grids = []
    for measure in ("lpips", "ssim", "kernel distance"):
        found = table.values(part="robustness", measure=measure)[["move", "amount"]]
        places = [
            (str(move), float(amount))
            for move, amount in found.drop_duplicates().itertuples(index=False)
        ]
        columns: _Columns = [
            (
                f"{amount:g} {_UNITS[move]}",
                {"measure": measure, "move": move, "amount": amount},
            )
            for move, amount in places
            # At rest both kinds of move are the same: shown once.
            if amount or move == "shift"
        ]
        grids.append(_grid(table, "robustness", _QUALITY[measure], columns))
    head = (
        f"Shift robustness on {table.metadata['data']['moved_pairs']} pairs: contours moved (px at "
        "512, degrees), photos not; loss: mean over all amounts against unmoved"
    )
    losses: _Columns = [
        (f"{_QUALITY[measure]}, {move}", {"measure": f"{measure} loss", "move": move})
        for measure in ("lpips", "ssim")
        for move in _UNITS
    ]
    grids.append(_grid(table, "robustness", "loss", losses, with_error=True))
    return "\n".join([head, *grids])


_Columns = Sequence[tuple[str, dict[str, Any]]]
"""Titles, and the conditions of `EvaluationTable.estimate`."""


def _grid(
    table: EvaluationTable,
    part: str,
    corner: str,
    columns: _Columns,
    with_error: bool = False,
    rows: _Columns | None = None,
) -> str:
    """Lines of numbers; rows: one for every checkpoint if not given."""
    lines = [[corner, *(title for title, _ in columns)]]
    for name, of_row in rows or [(name, {"checkpoint": name}) for name in table.checkpoints]:
        cells = [name]
        for _, conditions in columns:
            found = table.estimate(part=part, **of_row, **conditions)
            decimals = _DECIMALS.get(conditions["measure"], 3)
            text = "-" if math.isnan(found.value) else f"{found.value:.{decimals}f}"
            if with_error and not math.isnan(found.standard_error):
                text += f" +- {found.standard_error:.{decimals}f}"
            cells.append(text)
        lines.append(cells)
    return aligned(lines)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines: the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
