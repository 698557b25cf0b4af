"""The crossed set, every pair of eyes on every face: it tells eyes from the faces around them."""

from collections.abc import Iterator

from featviz.sketches.drawing import Drawing
from sketches.compose.base import draw_face, read_faces

FOLDER = "crossed"
EYES = ("left-eye", "right-eye")


def compose_crossed() -> Iterator[tuple[str, Drawing, str, tuple[str, ...]]]:
    """The set in order: id (F2/E5, face 2 with the eyes of face 5), drawing, base, edited parts.

    Faces are those of faces.csv, in its order. Eyes are carried over stroke by stroke and stay
    where they are: the corner at the probe is the same in every face, and no other corner lies
    more than 10 px from where another face has it. The base of a sketch is the face with its own
    eyes.
    """
    faces = [draw_face(face) for face in read_faces().values()]
    for row, face in enumerate(faces, start=1):
        for column, other in enumerate(faces, start=1):
            drawing = face
            for part in EYES:
                drawing = drawing.with_part(part, list(other.part(part)))
            edited = () if row == column else EYES
            yield f"F{row}/E{column}", drawing, f"F{row}/E{row}", edited
