"""The faces of a report are those of `generate`, and of `edit` where all else is kept."""

import numpy as np

from featviz.editing.local import edit, suited_statistics
from featviz.generators.checkpoint import open_checkpoint
from featviz.generators.generation import generate
from featviz.report import faces
from featviz.report.faces import FACE_SIDE, paint_sketches
from featviz.report.pictures import Frame
from featviz.report.sketches import SketchReader
from featviz.sketches.edits import Edit
from featviz.sketches.sketch_set import read_sketches
from tests.report.conftest import Study


def test_faces_are_those_of_generate_within_a_grey_level(study: Study, monkeypatch) -> None:
    shown = []
    monkeypatch.setattr(faces, "face_picture", lambda face, *_: shown.append(face) or b"")
    source = study.generators[0]
    checkpoint = open_checkpoint(source)
    sketches = read_sketches(study.sketches, checkpoint.size)
    names = sketches.index["sketch"].to_list()[:3]
    assert list(paint_sketches(source, sketches, names, SketchReader()).faces) == names
    for number, face in enumerate(shown):
        expected = generate(checkpoint.generator, sketches.image(number))
        assert np.abs(face.astype(int) - expected).max() <= 1
        assert expected.std() > 1


def test_changes_and_kept_faces_are_those_of_edit(study: Study, monkeypatch) -> None:
    shown: dict[bytes, tuple[np.ndarray, Frame | None]] = {}

    def noted(face: np.ndarray, side: int, box: Frame | None = None) -> bytes:
        shown[key := str(len(shown)).encode()] = face, box
        return key

    monkeypatch.setattr(faces, "face_picture", noted)
    source = study.generators[0]
    network = open_checkpoint(source).generator
    sketches = read_sketches(study.sketches)
    # An edit before its base, which both tables and folders may have.
    names = ["G8/003", "G8/001", "G1/002"]
    made = paint_sketches(source, sketches, names, SketchReader(), keeps=True)
    assert list(made.faces) == [name for name in sketches.index["sketch"] if name in names]
    assert list(made.changes) == list(made.kept) == ["G8/003"]
    drawn = [sketches.image(list(sketches.index["sketch"]).index(name)) for name in names[1::-1]]
    expected = edit(network, *drawn, statistics=suited_statistics(Edit(*drawn)))
    kept = made.kept["G8/003"]
    face, box = shown[kept.picture]
    assert np.abs(face.astype(int) - expected.pixels).max() <= 1
    # All that may differ lies in the box, with what the smaller picture's filter reaches around.
    left, top, right, bottom = np.array(box) * 512 / FACE_SIDE
    rows, columns = np.nonzero(expected.reach)
    assert left <= columns.min() and columns.max() < right
    assert top <= rows.min() and rows.max() < bottom
    assert (right - left) * (bottom - top) < 3 * expected.reach.sum()
    area = Edit(*drawn).area
    before, free = (generate(network, each).astype(float) for each in drawn)
    for image, change in ((free, made.changes["G8/003"]), (expected.pixels, kept.change)):
        difference = np.abs(image - before).mean(axis=2)
        told = difference[area].mean(), difference[~area].mean()
        np.testing.assert_allclose(change, told, rtol=0.05, atol=0.02)
