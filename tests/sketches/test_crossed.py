"""The crossed set: every pair of eyes on every face, and nothing else differs."""

from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest

from featviz.sketches.drawing import Drawing
from featviz.sketches.sketch_set import SketchSet, read_sketches

SHIPPED = Path(__file__).parents[2] / "sketches"
NUMBERS = range(1, 9)
OF_GROUPS = ("G1", "G2", "G3", "G4", "G5", "G6", "G8", "G9")
EYES = {"left-eye", "right-eye"}


@pytest.fixture(scope="module")
def crossed() -> SketchSet:
    return read_sketches(SHIPPED / "crossed")


@pytest.fixture(scope="module")
def drawings(crossed) -> dict[str, Drawing]:
    return {name: crossed.drawing(k) for k, name in enumerate(crossed.index["sketch"])}


def strokes(drawing: Drawing, part: str) -> list[list[list[float]]]:
    return [stroke.points.tolist() for stroke in drawing.part(part)]


def test_every_pair_of_eyes_is_on_every_face_once(crossed):
    assert sorted(crossed.index["sketch"]) == sorted(
        f"F{face}/E{eyes}" for face, eyes in product(NUMBERS, NUMBERS)
    )
    assert set(crossed.index["group"]) == {f"F{face}" for face in NUMBERS}


def test_the_same_eyes_are_the_same_strokes_on_every_face(drawings):
    for eyes, part in product(NUMBERS, sorted(EYES)):
        first = strokes(drawings[f"F1/E{eyes}"], part)
        assert len(first) == 2
        assert all(strokes(drawings[f"F{face}/E{eyes}"], part) == first for face in NUMBERS)


def test_a_face_is_the_same_strokes_with_all_eyes(drawings):
    parts = {part for drawing in drawings.values() for part in drawing.parts}
    assert parts > EYES
    for face, part in product(NUMBERS, sorted(parts - EYES)):
        first = strokes(drawings[f"F{face}/E1"], part)
        assert all(strokes(drawings[f"F{face}/E{eyes}"], part) == first for eyes in NUMBERS)


def test_the_faces_are_the_bases_of_the_groups_with_their_own_eyes(drawings):
    shipped = read_sketches(SHIPPED)
    for number, group in zip(NUMBERS, OF_GROUPS, strict=True):
        base, own = (
            shipped.drawing(shipped.number(f"{group}/001")),
            drawings[f"F{number}/E{number}"],
        )
        assert set(base.parts) == set(own.parts)
        for part in base.parts:
            assert strokes(base, part) == strokes(own, part), (group, part)


@pytest.mark.parametrize(("middle", "extent"), [((170, 250), 48), ((176, 256), 37)])
def test_what_the_layers_see_at_the_point_is_the_eyes_alone(crossed, middle, extent):
    """48 px around the point, and the 37 px that L4 sees at its position over (176, 256)."""
    left, top = (c - extent // 2 for c in middle)
    windows: dict[str, set[bytes]] = {}
    for name, image in zip(crossed.index["sketch"], crossed.images(), strict=True):
        seen = image[top : top + extent, left : left + extent].tobytes()
        windows.setdefault(name.split("/")[1], set()).add(seen)
    assert all(len(seen) == 1 for seen in windows.values())
    assert all(windows[a].isdisjoint(windows[b]) for a, b in combinations(windows, 2))


def test_a_sketch_is_made_from_its_face_with_its_own_eyes(crossed):
    for sketch, base, edited in crossed.index[["sketch", "base", "edited_part"]].to_numpy():
        face = sketch.split("/")[0].removeprefix("F")
        assert base == f"F{face}/E{face}"
        assert set(edited.split()) == (set() if sketch == base else EYES)


def test_no_line_of_the_eyes_touches_another(crossed, drawings):
    """On no face do eyes run into a brow, the nose or the outline of the face."""
    for name, drawing in drawings.items():
        eyes, rest = (
            np.vstack([s.points for s in drawing.strokes if (s.part in EYES) == wanted])
            for wanted in (True, False)
        )
        gaps = np.linalg.norm(eyes[:, None] - rest[None], axis=2)
        assert gaps.min() > 4, name
