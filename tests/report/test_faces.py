"""The faces of a report are those of `generate`, and of `edit` where all else is kept."""

from pathlib import Path

import numpy as np
import torch

from featviz.editing.local import edit, suited_statistics
from featviz.generators.checkpoint import open_checkpoint
from featviz.generators.checkpoint_files import save_network
from featviz.generators.generation import generate
from featviz.generators.networks.unet import Unet, UnetArchitecture
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


def test_a_kept_face_smaller_than_the_page_shows_it_has_its_place_there(
    study: Study, tmp_path: Path
) -> None:
    size, source = 64, tmp_path / "small.safetensors"
    torch.manual_seed(0)
    network = Unet(UnetArchitecture(levels=4, width=2, norm="instance-affine"))
    save_network(network, source, "generator", {"sketch_size": size}, torch.float32)
    sketches, names = read_sketches(study.sketches, size), ["G8/001", "G8/003"]
    made = paint_sketches(str(source), sketches, names, SketchReader(), keeps=True)
    drawn = [sketches.image(list(sketches.index["sketch"]).index(name)) for name in names]
    reach = edit(network, *drawn, statistics=suited_statistics(Edit(*drawn))).reach
    left, top, right, bottom = np.array(made.kept["G8/003"].box) * size / FACE_SIDE
    rows, columns = np.nonzero(reach)
    assert left <= columns.min() and columns.max() < right
    assert top <= rows.min() and rows.max() < bottom
    assert (right - left) * (bottom - top) < 4 * reach.sum()
