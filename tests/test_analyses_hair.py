"""Painters that are known, in place of generators."""

import numpy as np
import pandas as pd
import pytest
import torch

from analyses.hair import MEASURES, HairTable, Sees, changes, main, printed
from featviz.analysis.evaluation.lpips import load_lpips
from featviz.faces.contours import HAIR
from featviz.sketches.drawing import Drawing, Stroke


def test_a_distance_counts_where_the_images_differ(rng):
    photo = torch.from_numpy(rng.uniform(-1, 1, (1, 3, 128, 128)).astype(np.float32))
    image, mask = photo.clone(), np.zeros((256, 256), bool)
    image[..., :40] *= -1  # the left of the image
    mask[:, :128] = True  # the left half
    inside, outside = Sees(load_lpips(), 64).distances(image, photo, mask)
    assert inside > 5 * outside >= 0


def test_changes_are_told_apart_by_the_edit_and_the_features_outside_of_it():
    base = Drawing(tuple(Stroke(part, np.array([[x, 300.0], [x + 60, 300.0]]))
                         for part, x in (("left-eye", 100), ("right-eye", 300))))  # fmt: skip
    edited = base.with_part(HAIR, [Stroke(HAIR, np.array([[100.0, 60], [400, 60]]))])
    before = torch.zeros(1, 3, 512, 512)
    image = before.clone()
    image[..., 50:70, 100:400] = 1.0
    image[..., 295:305, 100:160] = 0.5  # the left eye alone
    found = changes(image, before, base, edited)
    assert 60 < found["inside"] < 127.5
    # 10 rows of the about 26 around one eye of two, at half a step.
    assert found["features"] == pytest.approx(0.5 * 127.5 * 10 / 26 / 2, rel=0.25)


def test_the_difference_is_taken_face_by_face():
    rows = [
        (generator, "d", measure, number, value)
        for generator, values in (("plain", [1.0, 5.0, 9.0]), ("hair", [2.0, 6.0, 10.0]))
        for measure in MEASURES
        for number, value in enumerate(values)
    ]
    table = HairTable(pd.DataFrame(rows, columns=list(HairTable.columns)), {})
    lines = printed(table).splitlines()
    # All differ by one: the difference is sure, whatever the faces are.
    assert sum("5 ± 2.3" in line and line.rstrip().endswith("1 ± 0") for line in lines) == len(
        MEASURES
    )
    assert "LPIPS in hair: +1.000 ± 0.000" in lines[-1]


def test_faces_without_hair_are_refused_in_one_line(capsys, tmp_path):
    with pytest.raises(SystemExit):
        main(["--data", str(tmp_path)])
    assert capsys.readouterr().err.count("\n") == 1
