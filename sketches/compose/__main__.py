"""Compose the 11 groups of sketches and the crossed set: `python -m sketches.compose`, from the
repository's root.

The drawings are always the same. With `--check` nothing is written: it fails if the files in
sketches/ differ from what would be written.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from featviz.base.files import atomic_write
from featviz.sketches.drawing import CANVAS, Drawing, Stroke, to_svg
from featviz.sketches.strokes import STROKE_WIDTH
from sketches.compose.attributes import draw_attributes
from sketches.compose.base import Face, draw_face, read_faces
from sketches.compose.brows import draw_brows
from sketches.compose.crossed import FOLDER as CROSSED
from sketches.compose.crossed import compose_crossed
from sketches.compose.doodles import draw_doodle
from sketches.compose.eyes import draw_eye_shape, draw_eye_size
from sketches.compose.hair import draw_hair
from sketches.compose.mouths import draw_mouth
from sketches.compose.noses import draw_nose
from sketches.compose.outlines import draw_outline

FOLDER = Path(__file__).parent.parent
COLUMNS = "sketch,group,file,base,edited_part"

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_ROUNDING = 0.015


@dataclass(frozen=True)
class Group:
    """One group: `count` sketches, edits of one face by `edit(face, number)`.

    base: id of the unedited sketch; the group holds it as its first sketch if it is its own.
    """

    name: str
    photo: str
    base: str
    count: int
    edit: Callable[[Face, int], list[Stroke]]


GROUPS = (
    Group("G1", "000002.jpg", "G1/001", 26, draw_hair),
    Group("G2", "000104.jpg", "G2/001", 15, draw_attributes),
    Group("G3", "000111.jpg", "G3/001", 12, draw_outline),
    Group("G4", "000247.jpg", "G4/001", 17, draw_brows),
    Group("G5", "000145.jpg", "G5/001", 19, draw_eye_shape),
    Group("G6", "000244.jpg", "G6/001", 9, draw_eye_size),
    Group("G7", "", "", 12, lambda _, number: draw_doodle(number)),
    Group("G8", "000307.jpg", "G8/001", 26, draw_mouth),
    Group("G9", "000004.jpg", "G9/001", 19, draw_nose),
    Group("G10", "000004.jpg", "G9/001", 26, draw_mouth),
    Group("G11", "000307.jpg", "G8/001", 19, draw_nose),
)
"""Names, what is edited and counts: the table of the study, section 4."""


def compose() -> Iterator[tuple[str, Drawing, str, tuple[str, ...]]]:
    """All sketches in order: id, drawing, id of the unedited sketch, edited parts."""
    faces = read_faces()
    for group in GROUPS:
        owns_base = group.base.startswith(f"{group.name}/")
        for position in range(group.count):
            name = f"{group.name}/{position + 1:03d}"
            edited: tuple[str, ...] = ()
            if not group.photo:
                drawing, edited = Drawing(tuple(draw_doodle(position))), ("doodle",)
            else:
                face = faces[group.photo]
                drawing = draw_face(face)
                if name != group.base:
                    strokes = group.edit(face, position - owns_base)
                    edited = tuple(dict.fromkeys(stroke.part for stroke in strokes))
                    for part in edited:
                        drawing = drawing.with_part(
                            part, [stroke for stroke in strokes if stroke.part == part]
                        )
            yield name, _on_canvas(name, drawing), group.base, edited


def _on_canvas(name: str, drawing: Drawing) -> Drawing:
    margin = STROKE_WIDTH / 2
    for stroke in drawing.strokes:
        if stroke.points.min() < margin or stroke.points.max() > CANVAS - 1 - margin:
            low, high = stroke.points.min(axis=0), stroke.points.max(axis=0)
            raise SystemExit(
                f"{name}: a stroke of {stroke.part} leaves the canvas: {low} to {high}"
            )
    return drawing


def files() -> dict[str, str]:
    """The text of every file by its path in sketches/."""
    crossed = {f"{CROSSED}/{path}": text for path, text in _set(compose_crossed()).items()}
    return _set(compose()) | crossed


def _set(sketches: Iterable[tuple[str, Drawing, str, tuple[str, ...]]]) -> dict[str, str]:
    """The files of a sketch set by their path in it: drawings and index."""
    texts, rows = {}, [COLUMNS]
    for name, drawing, base, edited in sketches:
        texts[f"{name}.svg"] = to_svg(drawing)
        rows.append(f"{name},{name.split('/')[0]},{name}.svg,{base},{' '.join(edited)}")
    texts["index.csv"] = "\n".join([*rows, ""])
    return texts


def main() -> None:
    """Write the files, or with `--check` compare them."""
    texts = files()
    stale = [path for path, text in texts.items() if not _same(_read(FOLDER / path), text)]
    extra = [
        path
        for pattern in ("G*/*", f"{CROSSED}/F*/*")
        for path in sorted(str(file.relative_to(FOLDER)) for file in FOLDER.glob(pattern))
        if path not in texts
    ]
    if "--check" in sys.argv[1:]:
        if stale or extra:
            sys.exit(f"sketches/ is not what the script composes: {', '.join(stale + extra)}")
        return
    for path in stale:
        with atomic_write(FOLDER / path) as temporary:
            temporary.write_text(texts[path], encoding="utf-8", newline="\n")
    for path in extra:
        (FOLDER / path).unlink()
    drawings = sum(path.endswith(".svg") for path in texts)
    print(f"{FOLDER}: {drawings} sketches, {len(stale)} files written")


def _same(before: str | None, text: str) -> bool:
    """Equal but for the last digit of coordinates, which libraries may round differently."""
    if before is None or _NUMBER.sub("", before) != _NUMBER.sub("", text):
        return False
    pairs = zip(_NUMBER.findall(before), _NUMBER.findall(text), strict=True)
    return all(abs(float(a) - float(b)) < _ROUNDING for a, b in pairs)


def _read(path: Path) -> str | None:
    return path.read_bytes().decode("utf-8") if path.is_file() else None


if __name__ == "__main__":
    main()
