"""What docs/sketches.md guarantees of the shipped set, checked on its pixels."""

import shutil
import subprocess
import sys
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from featviz.sketches.drawing import INK, Drawing, rasterize
from featviz.sketches.sketch_set import SketchSet, read_sketches

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "sketches"
COUNTS = dict(
    zip([f"G{k}" for k in range(1, 12)], [26, 15, 12, 17, 19, 9, 12, 26, 19, 26, 19], strict=True)
)
SAME_EYES = ("G1", "G2", "G3", "G4", "G8", "G9", "G10", "G11")
CHANGED_EYES = ("G5", "G6", "G7")
PARTS = {
    "G1": {"hair"},
    "G2": {"beard", "moustache", "goatee", "stubble", "wrinkles", "ears", "earrings", "sideburns",
           "freckles", "scar", "dimples"},
    "G3": {"face-shape"},
    "G4": {"left-eyebrow", "right-eyebrow"},
    "G5": {"left-eye", "right-eye"},
    "G6": {"left-eye", "right-eye"},
    "G7": {"doodle"},
    "G8": {"mouth"},
    "G9": {"nose"},
    "G10": {"mouth"},
    "G11": {"nose"},
}  # fmt: skip
FACE = {"face-shape", "left-eyebrow", "right-eyebrow", "nose", "left-eye", "right-eye", "mouth"}


@cache
def shipped() -> SketchSet:
    return read_sketches(SHIPPED)


@cache
def images() -> dict[str, np.ndarray]:
    return dict(zip(shipped().index["sketch"], shipped().images(), strict=True))


@cache
def drawings() -> dict[str, Drawing]:
    return {name: shipped().drawing(k) for k, name in enumerate(shipped().index["sketch"])}


def members(group: str) -> list[str]:
    index = shipped().index
    return list(index["sketch"][index["group"] == group])


def window(sketch: str, extent: int = 48, probe: tuple[int, int] = (170, 250)) -> bytes:
    """The square of `extent` pixels around the probe."""
    left, top = (c - extent // 2 for c in probe)
    return images()[sketch][top : top + extent, left : left + extent].tobytes()


def same_part(a: Drawing, b: Drawing, part: str) -> bool:
    left, right = a.part(part), b.part(part)
    return len(left) == len(right) and all(
        np.array_equal(s.points, t.points) for s, t in zip(left, right, strict=True)
    )


# The shipped set.


def test_the_shipped_groups_have_the_counts_of_the_study() -> None:
    assert shipped().groups == tuple(COUNTS)
    assert shipped().index["group"].value_counts().to_dict() == COUNTS
    assert len(shipped()) == sum(COUNTS.values()) == 200


def test_the_eye_window_is_the_same_inside_a_group_of_unchanged_eyes() -> None:
    for group in SAME_EYES:
        assert len({window(sketch) for sketch in members(group)}) == 1, group


def test_groups_on_the_same_face_share_their_eye_window() -> None:
    assert window("G8/001") == window("G11/001")
    assert window("G9/001") == window("G10/001")


def test_all_other_groups_differ_in_the_eye_window() -> None:
    windows = {group: {window(sketch) for sketch in members(group)} for group in COUNTS}
    shared = {(a, b) for a, b in combinations(COUNTS, 2) if not windows[a].isdisjoint(windows[b])}
    assert shared == {("G8", "G11"), ("G9", "G10")}


@pytest.mark.parametrize("group", CHANGED_EYES)
@pytest.mark.parametrize("extent", [7, 48])
def test_changed_eyes_differ_in_every_sketch(group: str, extent: int) -> None:
    # 7 px is what the first layer sees.
    windows = [window(sketch, extent) for sketch in members(group)]
    assert len(set(windows)) == len(windows)


def test_what_the_last_layer_sees_is_the_same_where_the_eyes_are() -> None:
    # Its map position (11, 16) lies over (176, 256), and it sees 37 px: a little more than the
    # window, to the right and below.
    for group in SAME_EYES:
        assert len({window(sketch, 37, (176, 256)) for sketch in members(group)}) == 1, group


@pytest.mark.parametrize("extent", [7, 37])
def test_the_first_and_the_last_layer_see_ink_at_the_probe(extent: int) -> None:
    blank = [sketch for sketch in images() if INK not in window(sketch, extent)]
    assert blank == []


def test_no_two_sketches_are_equal() -> None:
    assert len({image.tobytes() for image in images().values()}) == 200


def test_everything_lies_on_the_canvas() -> None:
    for name, drawing in drawings().items():
        points = np.vstack([stroke.points for stroke in drawing.strokes])
        assert points.min() >= 1, name
        assert points.max() <= 510, name


def test_every_sketch_has_a_base_in_the_set_but_doodles() -> None:
    index = shipped().index
    for row in index.itertuples():
        if row.group == "G7":
            assert row.base == ""
        else:
            assert row.base in set(index["sketch"])
            assert (row.edited_part == "") == (row.base == row.sketch)


def test_only_the_named_parts_differ_from_the_base() -> None:
    for row in shipped().index.itertuples():
        edited = set(row.edited_part.split())
        assert edited <= PARTS[row.group], row.sketch
        if row.group == "G7":
            assert set(drawings()[row.sketch].parts) == {"doodle"}
            continue
        sketch, base = drawings()[row.sketch], drawings()[row.base]
        changed = {
            part for part in {*sketch.parts, *base.parts} if not same_part(sketch, base, part)
        }
        assert changed == edited, row.sketch
        assert set(base.parts) == FACE


def test_pixels_differ_from_the_base_only_under_strokes_of_the_named_parts() -> None:
    for row in shipped().index.itertuples():
        if row.base in ("", row.sketch):
            continue
        strokes = [
            stroke
            for name in (row.sketch, row.base)
            for part in row.edited_part.split()
            for stroke in drawings()[name].part(part)
        ]
        may_differ = rasterize(Drawing(tuple(strokes))) == INK
        differs = images()[row.sketch] != images()[row.base]
        assert differs.any(), row.sketch
        assert not (differs & ~may_differ).any(), row.sketch


def test_a_hand_drew_the_faces_not_a_ruler() -> None:
    # A polygon through landmarks turns by large angles at few points; a pen line turns a little
    # at many.
    jaw = drawings()["G1/001"].part("face-shape")[0].points
    direction = np.unwrap(np.arctan2(*np.diff(jaw, axis=0).T[::-1]))
    assert len(jaw) > 20
    assert abs(np.diff(direction)).max() < np.radians(20)


def test_the_script_composes_the_shipped_files_and_its_check_finds_the_one_we_changed(
    tmp_path,
) -> None:
    shutil.copytree(SHIPPED, tmp_path / "sketches", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "sketches" / "G6" / "005.svg"
    path.write_text(path.read_text().replace("</svg>", " </svg>"))
    command = [sys.executable, "-m", "sketches.compose", "--check"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == "sketches/ is not what the script composes: G6/005.svg\n"
