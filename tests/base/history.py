"""Lines of an export's history that are almost right."""

import json
from typing import Any

from hypothesis import strategies as st

from featviz.studio.exporting import EXPORT_FORMAT
from tests.base.strategies import json_values, mostly

TIME = "2026-01-02T03:04:05+00:00"
TIMES = st.sampled_from([TIME, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "", 0])
STROKE = {"id": "s", "part": "mouth", "order": 1.0, "points": [1, 2, 3, 4], "present": True}
EVENT = {"id": "e", "kind": "stroke", "of": None, "add": ["s"], "remove": [], "time": TIME}
AUTHOR = {"id": "a", "nickname": "Ann", "created": TIME}
HIDDEN = {
    "label": "x",
    "group": "g",
    "file": "g/x.svg",
    "edited_part": "",
    "suffix": ".svg",
    "strokes": [{"part": "mouth", "points": [1, 2]}],
    "original": "00ff",
}
DRAWING = {
    "id": "d",
    "author": "a",
    "base": None,
    "page_version": "1",
    "created": TIME,
    "updated": TIME,
    "deleted": None,
    "strokes": [STROKE],
    "events": [EVENT],
}
SKETCH = {
    "id": "k",
    "label": "x",
    "base": None,
    "author": "a",
    "drawing": "d",
    "revision": 1,
    "page_version": "1",
    "saved": TIME,
    "deleted": None,
    "place": 0,
    "origin": "page",
    "sha256": "",
    "hidden": HIDDEN,
}
WRONG = st.one_of(
    json_values, TIMES, st.sampled_from(["\0", "zz", "0f0", "a" * 90, [1], [1, 2, 3], 1e999, -1])
)


@st.composite
def spoiled(draw: Any, right: Any) -> Any:
    """A copy of an object in which some value, at any depth, is another, missing or further."""
    if isinstance(right, list) and right and draw(st.booleans()):
        return [draw(spoiled(right[0])), *right[1:]]
    if not isinstance(right, dict):
        return draw(WRONG)
    key = draw(st.sampled_from([*right, "further"]))
    value = draw(spoiled(right.get(key)))
    return {k: v for k, v in {**right, key: value}.items() if value != "" or k != key}


@st.composite
def lines(draw: Any) -> bytes:
    """A file of a format and some lines; one in two is right."""
    records: list[Any] = [{"format": draw(mostly(st.just(EXPORT_FORMAT)))}]
    for name, right in (("author", AUTHOR), ("drawing", DRAWING), ("sketch", SKETCH)):
        records.append({name: draw(st.just(right) | st.just(right) | spoiled(right))})
    texts = [json.dumps(record).encode() for record in records]
    bad = [b"", b"{", b"[" * 9999, b"\xff\xfe", b"null", b"1" * 5000, b'{"format": NaN}']
    if draw(st.integers(0, 5)) == 5:
        texts.insert(draw(st.integers(0, len(texts))), draw(st.sampled_from(bad)))
    return b"\n".join(texts) + b"\n"
