"""Contents -> one HTML file that loads nothing."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from featviz.base.errors import FeatvizError
from featviz.base.provenance import VERSION
from featviz.report.boards import board, bokeh_script
from featviz.report.contents import (
    Contents,
)
from featviz.report.page_data import in_base64, page_data
from featviz.report.sections import (
    about,
    claims_head,
    claims_table,
    leakage_frame,
    leakage_head,
    note,
)

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
        "contents": _json(page_data(contents)),
        "policy": _policy(script, *filter(None, [bokeh])),
        "version": VERSION,
        "title": escape(contents.title),
        "subtitle": escape(_subtitle(contents)),
        "methods_note": note(contents.notes.get("methods")),
        "sketches_note": note(contents.notes.get("sketches")),
        "claims_head": claims_head(contents.claims),
        "claims": claims_table(contents.claims) or note(contents.notes.get("claims")),
        "leakage_head": leakage_head(contents.leakage),
        "leakage": leakage_frame(contents.leakage) or note(contents.notes.get("leakage")),
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
    text = "".join(in_base64(sketch.picture) for sketch in contents.sketches)
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
