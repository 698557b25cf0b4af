"""Contents -> what the page's scripts are given, as plain values."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from featviz.analysis.embedding import METHODS
from featviz.analysis.embedding.plots import group_styles
from featviz.base.ordering import natural_key
from featviz.figures.change import BRIGHTEST, heat
from featviz.report.boards import MARKERS, POINT, RING
from featviz.report.contents import (
    Contents,
    PanelRow,
    ReportedColumn,
    ReportedGenerator,
    ReportedLeakage,
    ReportedSketch,
)
from featviz.report.faces import FACE_SIDE
from featviz.report.maps import Panel, PanelMap
from featviz.report.pictures import FACE_NOISE

_PNG = b"\x89PNG"
"""How a file begins that is one; all other pictures of a page are WebP."""


def page_data(contents: Contents) -> dict[str, Any]:
    """All that is shown but Bokeh's plots, for JSON; of a large report without its pictures."""
    groups = sorted({sketch.group for sketch in contents.sketches}, key=natural_key)
    styles = group_styles(groups)
    numbers = {sketch.name: number for number, sketch in enumerate(contents.sketches)}
    members: dict[str, list[ReportedSketch]] = {name: [] for name in groups}
    for sketch in contents.sketches:
        members[sketch.group].append(sketch)
    return {
        "large": contents.is_large,
        "size": contents.size,
        "point_size": POINT,
        "ring_size": RING,
        "methods": [
            {"id": method, "name": METHODS[method].label, "caption": caption}
            for method, caption in contents.captions.items()
        ],
        "groups": [
            {
                "name": name,
                "label": name or "no group",
                "meaning": _meaning(members[name]),
                "color": styles[name].color,
                "shape": styles[name].marker,
                "marker": MARKERS[styles[name].marker],
            }
            for name in groups
        ],
        "sketches": _columns(contents.sketches, groups)
        if contents.is_large
        else [_sketch(sketch, groups) for sketch in contents.sketches],
        "generators": [_generator(made, contents.sketches) for made in contents.generators],
        "faces": {
            "side": FACE_SIDE,
            "noise": FACE_NOISE,
            "brightest": BRIGHTEST,
            "colors": _hex(heat(np.arange(BRIGHTEST + 1)[None])[0]),
        },
        "scale": _hex(np.round(255 * colormaps["viridis"](np.linspace(0, 1, 33)))),
        "columns": [_column(column) for column in contents.columns],
        "movements": [[move.one, move.other, _numbers(move.far, 2)] for move in contents.movements],
        "selected": [numbers[name] for name in contents.selected],
        "faces_note": contents.notes.get("faces", ""),
        "sketches_note": contents.notes.get("sketches", ""),
        "rows": [_row(row, contents) for row in contents.rows],
        "leakage": _leakage(contents.leakage),
    }


def _sketch(sketch: ReportedSketch, groups: Sequence[str]) -> dict[str, Any]:
    return {
        "name": sketch.name,
        "group": groups.index(sketch.group),
        "base": sketch.base,
        "part": readable_parts(sketch.edited_part),
        "picture": _uri(sketch.picture),
        "added": sketch.added,
        "removed": sketch.removed,
        "inside": sketch.inside,
        "outline": sketch.outline,
    }


def _columns(sketches: Sequence[ReportedSketch], groups: Sequence[str]) -> dict[str, Any]:
    """What `_sketch` says of each, column by column, with each part said once.

    lengths: of the pictures in base64, in characters. inside: a list for each box.
    """
    number = {name: i for i, name in enumerate(groups)}
    words = [readable_parts(sketch.edited_part) for sketch in sketches]
    parts = list(dict.fromkeys(words))
    part = {word: i for i, word in enumerate(parts)}
    boxes = max((len(sketch.inside) for sketch in sketches), default=0)
    return {
        "name": [sketch.name for sketch in sketches],
        "group": [number[sketch.group] for sketch in sketches],
        "base": [sketch.base for sketch in sketches],
        "parts": parts,
        "part": [part[word] for word in words],
        "added": [sketch.added for sketch in sketches],
        "removed": [sketch.removed for sketch in sketches],
        "inside": [
            [sketch.inside[box] if sketch.inside else None for sketch in sketches]
            for box in range(boxes)
        ],
        "lengths": [4 * -(-len(sketch.picture) // 3) for sketch in sketches],
    }


def _generator(made: ReportedGenerator, sketches: Sequence[ReportedSketch]) -> dict[str, Any]:
    """Faces and what changed in them, in the order of the sketches; null where there is none."""
    names = [sketch.name for sketch in sketches]
    kept = [made.kept.get(name) for name in names]
    return {
        "name": made.name,
        "faces": [_uri(made.faces.get(name)) for name in names],
        "changes": [_change(made.changes.get(name)) for name in names],
        "kept": [
            each
            and {"picture": _uri(each.picture), "box": each.box, "change": _change(each.change)}
            for each in kept
        ]
        if any(kept)
        else None,
    }


def _change(change: tuple[float, float] | None) -> list[float | None] | None:
    return None if change is None else _numbers(np.array(change), 3)


def _column(column: ReportedColumn) -> dict[str, Any]:
    """A column of words as numbers of a list, which says each once."""
    words = sorted({value for value in column.values if isinstance(value, str)}, key=natural_key)
    number = {word: i for i, word in enumerate(words)}
    values = [number[value] if isinstance(value, str) else value for value in column.values]
    return {"name": column.name, "words": words or None, "values": values}


def _near(near: Sequence[tuple[tuple[int, float], ...]]) -> list[list[float]]:
    """The neighbours of each sketch, flat: number, distance, number, distance, ..."""
    return [[value for at, far in found for value in (at, float(f"{far:.2g}"))] for found in near]


def _hex(colors: NDArray[Any]) -> list[str]:
    return [f"#{int(r):02x}{int(g):02x}{int(b):02x}" for r, g, b, *_ in colors]


def _row(row: PanelRow, contents: Contents) -> dict[str, Any]:
    return {
        "checkpoint": row.checkpoint,
        "variant": str(row.metadata.get("variant") or ""),
        "digest": str(row.metadata.get("digest") or "")[:8],
        "step": row.metadata.get("step"),
        "point": row.point,
        "panels": [
            {**_panel(panel, contents), "near": _near(near)}
            for panel, near in zip(row.panels, row.near or [()] * len(row.panels), strict=True)
        ],
    }


def _panel(panel: Panel, contents: Contents) -> dict[str, Any]:
    return {
        "layer": panel.layer,
        "channels": panel.channels,
        "box": panel.box,
        "inside": None if panel.box is None else list(contents.boxes).index(panel.box),
        "extent": panel.extent,
        "sees_all": panel.sees_whole_map,
        "moved": _values(panel.moved, 3, contents),
        "maps": {method: _map(drawn, contents) for method, drawn in panel.maps.items()},
    }


def _map(drawn: PanelMap, contents: Contents) -> dict[str, Any]:
    if drawn.problem:
        return {"problem": drawn.problem}
    return {
        "x": _values(drawn.x, 5, contents),
        "y": _values(drawn.y, 5, contents),
        "sizes": _values(drawn.sizes, 3, contents),
        "ties": [[*_numbers(np.array([tie.x, tie.y]), 5), tie.members] for tie in drawn.ties],
        "centre": drawn.centre,
        "half": drawn.half_width,
        "axes": drawn.axes,
        "facts": drawn.facts,
        "unit": drawn.has_unit,
    }


def _values(
    values: NDArray[np.float64], digits: int, contents: Contents
) -> list[float | None] | str:
    """Numbers, of a large report as float32 in base64, which the page reads when it needs them."""
    if contents.is_large:
        return in_base64(values.astype("<f4").tobytes())
    return _numbers(values, digits)


def _numbers(values: NDArray[np.float64], digits: int) -> list[float | None]:
    return [None if np.isnan(value) else float(f"{value:.{digits}g}") for value in values.tolist()]


def _meaning(sketches: Sequence[ReportedSketch]) -> str:
    """What is edited in a group: its three commonest parts."""
    counts: dict[str, int] = {}
    for sketch in sketches:
        for part in filter(None, readable_parts(sketch.edited_part).split(", ")):
            counts[part] = counts.get(part, 0) + 1
    common = sorted(counts, key=lambda part: -counts[part])
    return ", ".join(common[:3]) + (" …" if len(common) > 3 else "")


def readable_parts(edited_part: str) -> str:
    """`left-eye right-eye` as `eyes`; what is no pair of sides stays, with commas."""
    parts = edited_part.split()
    found: dict[str, None] = {}
    for part in parts:
        side, _, rest = part.partition("-")
        other = {"left": "right", "right": "left"}.get(side)
        both = rest and other and f"{other}-{rest}" in parts
        found[f"{rest}s" if both else part.replace("-", " ")] = None
    return ", ".join(found)


def _uri(picture: bytes | None) -> str:
    if not picture:
        return ""
    kind = "png" if picture.startswith(_PNG) else "webp"
    return f"data:image/{kind};base64,{in_base64(picture)}"


def _leakage(leakage: ReportedLeakage | None) -> dict[str, Any] | None:
    if leakage is None:
        return None
    return {
        "scale": leakage.scale,
        "colors": list(leakage.colors),
        "maps": [
            {
                "checkpoint": leak.checkpoint,
                "mode": leak.mode,
                "group": leak.group,
                "layer": leak.layer,
                "picture": _uri(leak.picture),
                "mean": leak.mean if np.isfinite(leak.mean) else None,
                "untouched": leak.untouched,
                "reached": leak.reached,
            }
            for leak in leakage.maps
        ],
    }


def in_base64(data: bytes) -> str:
    """Bytes as text, a third longer."""
    return base64.b64encode(data).decode("ascii")
