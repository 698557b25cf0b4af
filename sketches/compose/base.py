"""The unedited faces: landmarks of a face, drawn with a pen."""

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from featviz.base.points import PROBE_POINT
from featviz.faces.landmarks import LEFT_EYE_CORNER
from featviz.sketches.drawing import Drawing, Stroke
from sketches.compose.pen import Points, curve, hand, pull

PROBE = PROBE_POINT
"""Where the study reads its activation vectors; the left-eye corner of every face is put here."""
FACES = Path(__file__).parent.parent / "faces.csv"
_CLOSED_MOUTH = 4.0


@dataclass(frozen=True, eq=False)
class Face:
    """A face to draw on. landmarks: (68, 2) pixels, landmark 36 at `PROBE`."""

    name: str
    landmarks: Points

    @cached_property
    def centre(self) -> Points:
        """The middle between the outer eye corners."""
        middle: Points = self.landmarks[[36, 45]].mean(axis=0)
        return middle

    @cached_property
    def half_width(self) -> float:
        """Half the width of the face at the height of the ears, in pixels."""
        return float(self.landmarks[16, 0] - self.landmarks[0, 0]) / 2

    def at(self, points: ArrayLike) -> Points:
        """Pixels of `points` (n, 2) in half face widths from the centre: (-1, 0) is a temple."""
        middle = np.array([self.landmarks[[0, 16], 0].mean(), self.centre[1]])
        return middle + self.half_width * np.asarray(points, dtype=np.float64)

    @cached_property
    def head(self) -> Points:
        """The closed outline of face and skull: what hides things behind the head."""
        angle = np.radians(np.linspace(85, -85, 40))
        skull = np.column_stack([np.sin(angle), 0.05 - 1.47 * np.cos(angle)])
        return np.vstack([self.landmarks[:17], self.at(skull)])


def read_faces() -> dict[str, Face]:
    """The faces of faces.csv by the name of their photo."""
    table = np.loadtxt(FACES, delimiter=",", skiprows=1, dtype=str)
    faces = {}
    for name, *numbers in table.tolist():
        landmarks = np.array(numbers, dtype=np.float64).reshape(68, 2)
        faces[name] = Face(name, landmarks + PROBE - landmarks[LEFT_EYE_CORNER])
    return faces


@cache
def draw_face(face: Face) -> Drawing:
    """The face as a person would trace it: one drawing, the same at every call."""
    points = face.landmarks
    jaw = points[:17].copy()
    jaw[1:-1] = (points[:15] + 2 * points[1:16] + points[2:17]) / 4
    lines: list[tuple[str, Points, float, float]] = [
        ("face-shape", jaw, 1.5, 6),
        ("left-eyebrow", points[17:22], 0.8, 3),
        ("right-eyebrow", points[22:27], 0.8, 3),
        ("nose", points[27:31], 0.9, 3),
        ("nose", points[31:36], 0.6, 2),
        ("left-eye", points[[36, 37, 38, 39]], 0.5, 2),
        ("left-eye", points[[39, 40, 41, 36]], 0.5, 2),
        ("right-eye", points[[42, 43, 44, 45]], 0.5, 2),
        ("right-eye", points[[45, 46, 47, 42]], 0.5, 2),
        ("mouth", points[48:55], 0.6, 2),
        ("mouth", points[[54, 55, 56, 57, 58, 59, 48]], 0.7, 2),
        ("mouth", points[60:65], 0.5, 2),
    ]
    if np.abs(points[61:64, 1] - points[[67, 66, 65], 1]).max() > _CLOSED_MOUTH:
        lines.append(("mouth", points[[64, 65, 66, 67, 60]], 0.5, 2))
    strokes = [
        pull(part, curve(knots), hand(face.name, part, index), wobble, overshoot)
        for index, (part, knots, wobble, overshoot) in enumerate(lines)
    ]
    return Drawing(tuple(strokes))


def draw(
    part: str,
    lines: list[Points],
    key: tuple[object, ...],
    wobble: float = 0.7,
    overshoot: float = 2.0,
) -> list[Stroke]:
    """Pen lines of one part along `lines`, each with its own unsteadiness."""
    return [
        pull(part, line, hand(*key, part, index), wobble, overshoot)
        for index, line in enumerate(lines)
    ]
