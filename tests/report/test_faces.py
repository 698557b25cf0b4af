"""The faces of a report are those of `generate`."""

import numpy as np

from featviz.generators.checkpoint import open_checkpoint
from featviz.generators.generation import generate
from featviz.report import faces
from featviz.report.faces import paint_sketches
from featviz.report.sketches import SketchReader
from featviz.sketches.sketch_set import read_sketches
from tests.report.conftest import Study


def test_faces_are_those_of_generate_within_a_grey_level(study: Study, monkeypatch) -> None:
    shown = []
    monkeypatch.setattr(faces, "face_picture", lambda face, side: shown.append(face) or b"")
    source = study.generators[0]
    checkpoint = open_checkpoint(source)
    sketches = read_sketches(study.sketches, checkpoint.size)
    names = sketches.index["sketch"].to_list()[:3]
    assert list(paint_sketches(source, sketches, names, SketchReader()).faces) == names
    for number, face in enumerate(shown):
        expected = generate(checkpoint.generator, sketches.image(number))
        assert np.abs(face.astype(int) - expected).max() <= 1
        assert expected.std() > 1
