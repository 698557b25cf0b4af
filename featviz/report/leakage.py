"""Leakage maps -> pictures on one scale, with the reach of the edits' convolutions drawn in."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from featviz.analysis.leakage import LeakageMaps
from featviz.report.contents import Leak, ReportedLeakage
from featviz.report.pictures import webp

_SIDE = 128
_DECADES = 4.0
_REACH = (255, 62, 165, 255)
_STEPS = 24
"""Colours of the scale; a few flat steps make small files, and can be told apart."""


def picture_leakage(files: Sequence[LeakageMaps]) -> ReportedLeakage:
    """All maps as pictures whose colours mean the same everywhere.

    The scale is logarithmic over four decades below the largest change; smaller changes have its
    darkest colour, and only cells where nothing changed, to the last bit, are left transparent.
    """
    largest = max(
        (
            float(change[np.isfinite(change)].max(initial=0))
            for maps in files
            for change in maps.changes.values()
        ),
        default=0.0,
    )
    most = largest or 1.0
    least = most / 10**_DECADES
    colors = mpl.colormaps["viridis"](np.linspace(0, 1, _STEPS))
    table = np.round(255 * colors).astype(np.uint8)
    pictured = [
        Leak(
            checkpoint=str(maps.metadata.get("checkpoint") or "model"),
            mode=mode,
            group=group,
            layer=layer,
            picture=_picture(change, reach, (least, most), table),
            mean=float(change.mean()),
            untouched=float((change == 0).mean()),
            reached=None if reach is None else float(reach.mean()),
        )
        for maps in files
        for (mode, group, layer), change in maps.changes.items()
        for reach in [maps.reach.get((group, layer))]
    ]
    return ReportedLeakage(pictured, (least, most), [to_hex(color) for color in colors])


def _picture(
    change: NDArray[np.float32],
    reach: NDArray[np.bool_] | None,
    scale: tuple[float, float],
    table: NDArray[np.uint8],
) -> bytes:
    with np.errstate(divide="ignore"):
        level = (np.log10(change) - np.log10(scale[0])) / _DECADES
    step = np.clip(np.nan_to_num(level * (len(table) - 1)), 0, len(table) - 1).astype(int)
    pixels = table[step]
    pixels[change == 0] = 0
    pixels = _enlarge(pixels)
    if reach is not None and reach.any() and not reach.all():
        # Around the reach, not on it: at shallow layers it is a few cells wide.
        inside = _enlarge(reach)
        pixels[binary_dilation(inside) & ~inside] = _REACH
    return webp(pixels)


def _enlarge(values: NDArray[Any]) -> NDArray[Any]:
    """Whole copies of each cell, as many as fit."""
    times = max(1, _SIDE // max(values.shape[:2]))
    return values.repeat(times, axis=0).repeat(times, axis=1)
