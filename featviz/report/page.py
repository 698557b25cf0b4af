"""Contents -> one HTML file that loads nothing."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from featviz.analysis.embedding import METHODS
from featviz.analysis.embedding.plots import group_styles
from featviz.base.errors import FeatvizError
from featviz.base.ordering import natural_key
from featviz.base.provenance import VERSION
from featviz.figures.change import BRIGHTEST, heat
from featviz.report.boards import MARKERS, POINT, RING, board, bokeh_script
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
from featviz.report.sections import about, claims_head, claims_table, note

LARGEST_REPORT = 8_000_000
"""Bytes. A larger page is slow to open and no mail takes it."""

LARGEST_LARGE_REPORT = 100_000_000
"""Bytes of a page of very many sketches; see `Contents.is_large`."""

_SCRIPTS = (
    "state.js",
    "colors.js",
    "marks.js",
    "boards.js",
    "room.js",
    "near.js",
    "card.js",
    "drawer.js",
    "faces.js",
    "sheet.js",
    "thumbs.js",
    "find.js",
    "moved.js",
    "leakage.js",
    "share.js",
)
_DRAWN_BY_BOKEH = ("bokeh.js",)
_DRAWN_ON_CANVAS = ("canvas.js", "pointing.js")


def render_report(contents: Contents) -> str:
    """The page as text. Raises FeatvizError if it would be too large, saying what takes the room.

    The page's policy forbids every connection; the scripts that run are named by their digests.
    """
    drawn_by = _DRAWN_ON_CANVAS if contents.is_large else _DRAWN_BY_BOKEH
    unpacked_by = ("packed.js",) if contents.is_large else ()
    names = (*unpacked_by, *_SCRIPTS, *drawn_by, "main.js")
    script = "\n".join(_static(name) for name in names)
    # Text that ends a script early would end the page.
    script = f"(() => {{\n'use strict';\n{script}\n}})();".replace("</script", "<\\/script")
    bokeh = "" if contents.is_large else bokeh_script().replace("</script", "<\\/script")
    parts = {
        "drawn": _pictures(contents) if contents.is_large else _boards(contents, bokeh),
        "script": script,
        "style": _static("style.css"),
        "contents": _json(_data(contents)),
        "policy": _policy(script, *filter(None, [bokeh])),
        "version": VERSION,
        "title": escape(contents.title),
        "subtitle": escape(_subtitle(contents)),
        "methods_note": note(contents.notes.get("methods")),
        "sketches_note": note(contents.notes.get("sketches")),
        "claims_head": claims_head(contents.claims),
        "claims": claims_table(contents.claims) or note(contents.notes.get("claims")),
        "leakage_head": _leakage_head(contents.leakage),
        "leakage": _leakage_frame(contents.leakage) or note(contents.notes.get("leakage")),
        "about": about(contents),
    }
    page = Template(_static("page.html")).substitute(parts)
    most = LARGEST_LARGE_REPORT if contents.is_large else LARGEST_REPORT
    if (size := len(page.encode())) > most:
        raise FeatvizError(_too_large(size, most, contents, len(bokeh)))
    return page


def _boards(contents: Contents, bokeh: str) -> str:
    """Bokeh, and what it is to draw."""
    boards = [board(len(row.panels)) for row in contents.rows]
    told = _json([{"document": made.document, "roots": made.roots} for made in boards])
    return f'<script type="application/json" id="boards">{told}</script>\n<script>{bokeh}</script>'


def _pictures(contents: Contents) -> str:
    """The pictures of a large report one after another, each in base64 by itself.

    They are no part of the JSON: the page takes a piece of the text when a sketch is looked at.
    """
    text = "".join(_base64(sketch.picture) for sketch in contents.sketches)
    return f'<script type="text/plain" id="pictures">{text}</script>'


def _static(name: str) -> str:
    return (files("featviz.report") / "static" / name).read_text(encoding="utf-8")


def _policy(*scripts: str) -> str:
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    # BokehJS puts its styles into the page by itself.
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _subtitle(contents: Contents) -> str:
    groups = len({sketch.group for sketch in contents.sketches})
    layers = len(dict.fromkeys(panel.layer for row in contents.rows for panel in row.panels))
    counted = (
        (len(contents.sketches), "sketch", "sketches"),
        (groups, "group", "groups"),
        (layers, "layer", "layers"),
        (len(contents.rows), "checkpoint", "checkpoints"),
    )
    return " · ".join(f"{n} {one if n == 1 else many}" for n, one, many in counted)


def _data(contents: Contents) -> dict[str, Any]:
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
        return _base64(values.astype("<f4").tobytes())
    return _numbers(values, digits)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


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


def _uri(webp: bytes | None) -> str:
    return f"data:image/webp;base64,{_base64(webp)}" if webp else ""


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


def _leakage_head(leakage: ReportedLeakage | None) -> str:
    if leakage is None:
        return ""
    return (
        '<p class="faint">Where the edits of a group changed a layer, averaged over its edits; '
        "empty where nothing changed, to the last bit. A change of 1 is as large as a typical "
        "vector of the layer, in the image from black to white. Inside the outline an edit can "
        "arrive by convolutions; outside it came through normalisation. A map that is all in reach "
        "has no outline, and does not tell the two apart.</p>"
    )


def _leakage_frame(leakage: ReportedLeakage | None) -> str:
    if leakage is None:
        return ""
    return (
        '<div class="controls"><label class="slider"><span>Layer</span>'
        '<input type="range" id="leak-layer" min="0" step="1" value="0">'
        '<output id="leak-name" for="leak-layer"></output></label>'
        '<fieldset class="segments" id="leak-modes"><legend>Statistics</legend></fieldset></div>'
        '<div id="leak-scale" class="scale"></div><div id="leaks"></div>'
    )


def _too_large(size: int, most: int, contents: Contents, bokeh: int) -> str:
    def encoded(pictures: Sequence[bytes]) -> int:
        return 4 * sum(map(len, pictures)) // 3

    share: Mapping[str, int] = {
        "sketches": encoded([sketch.picture for sketch in contents.sketches]),
        "faces": encoded([face for made in contents.generators for face in made.faces.values()]),
        "kept faces": encoded(
            [face.picture for made in contents.generators for face in made.kept.values()]
        ),
        "leakage maps": encoded(
            [leak.picture for leak in (contents.leakage.maps if contents.leakage else ())]
        ),
        "Bokeh": bokeh,
    }
    share = {**share, "coordinates": max(0, size - sum(share.values()))}
    largest = sorted(share.items(), key=lambda item: -item[1])
    told = ", ".join(f"{name} {taken / 1e6:.1f}" for name, taken in largest if taken > 50_000)
    further = "" if contents.is_large else "generators (--generators), "
    instead = "" if contents.is_large else ", or make a large one (--large)"
    return (
        f"the report would take {size / 1e6:.1f} MB, at most {most / 1e6:g} are allowed "
        f"({told}); leave out {further}leakage maps, layers, methods or tables{instead}"
    )
