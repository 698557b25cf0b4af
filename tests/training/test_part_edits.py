"""Edits to train with, against least squares and distances computed otherwise."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt
from scipy.spatial import procrustes

from featviz.base.errors import FeatvizError
from featviz.faces.augmentation import Augmentation
from featviz.faces.contours import LANDMARKS_OF
from featviz.sketches.drawing import changed_parts
from featviz.training.data import PairTensors, training_batches
from featviz.training.part_edits import EDITED_PARTS, edited_sketch, exchange_part


@pytest.mark.parametrize("part", EDITED_PARTS)
def test_one_part_has_the_other_faces_shape_at_the_size_and_turn_of_this_face(pairs, part):
    face, other = pairs.landmarks[1].astype(float), pairs.landmarks[4].astype(float)
    exchanged = exchange_part(face, other, part)
    # The similarity by least squares over (a, b, x, y): u = a x - b y + x0, v = b x + a y + y0.
    x, y, one, none = *other.T, np.ones(68), np.zeros(68)
    rows = np.concatenate([np.stack([x, -y, one, none], 1), np.stack([y, x, none, one], 1)])
    a, b = np.linalg.lstsq(rows, face.T.ravel(), rcond=None)[0][:2]
    changed = [index for name in EDITED_PARTS[part] for index in LANDMARKS_OF[name]]
    for name in EDITED_PARTS[part]:
        own, its = exchanged[LANDMARKS_OF[name]], other[LANDMARKS_OF[name]]
        np.testing.assert_allclose(own.mean(0), face[LANDMARKS_OF[name]].mean(0), atol=1e-3)
        assert procrustes(own, its)[2] < 1e-9
        step = its[-1] - its[0]
        turned = (a * step[0] - b * step[1], b * step[0] + a * step[1])
        np.testing.assert_allclose(own[-1] - own[0], turned, atol=1e-3)
    kept = np.setdiff1d(np.arange(68), changed)
    assert np.array_equal(exchanged[kept], pairs.landmarks[1][kept])


def test_a_face_that_lies_elsewhere_turned_and_larger_has_the_same_parts(pairs):
    face = pairs.landmarks[0].astype(float)
    turn = 1.7 * np.array([[np.cos(0.4), np.sin(0.4)], [-np.sin(0.4), np.cos(0.4)]])
    for part in EDITED_PARTS:
        np.testing.assert_allclose(exchange_part(face, face @ turn + (30, -9), part), face, 1e-5)


def test_a_sketch_and_its_edit_differ_in_one_part_that_is_drawn_from_all(pairs, rng):
    drawing = pairs.contour(3, 128)
    seen = set()
    for _ in range(40):
        edited = edited_sketch(drawing, pairs.landmarks[3], pairs, 3, rng)
        seen.add(changed_parts(drawing, edited))
    # Of six faces none is the drawn one, whose parts would change nothing.
    assert seen == {tuple(sorted(names)) for names in EDITED_PARTS.values()}


def test_what_is_kept_lies_outside_of_the_edited_area_and_all_else_of_a_pair_is_as_without(pairs):
    augmentation = Augmentation(25, 7)
    plain, dataset = (
        PairTensors(pairs, 64, augmentation, seed=1, edits=edits) for edits in (False, True)
    )
    edited = []
    for number in range(8):
        before, pair = plain[2, number], dataset[2, number]
        assert torch.equal(pair.sketch, before.sketch) and torch.equal(pair.photo, before.photo)
        changed = (pair.sketch != pair.edited)[0].numpy()
        away = distance_transform_edt(~changed) > 16 * 64 / 512
        assert np.array_equal(pair.kept, away[None])
        assert 0 < pair.kept.sum() < 64 * 64
        assert torch.equal(dataset[2, number].edited, pair.edited)
        edited.append(pair.edited)
    assert len({each.numpy().tobytes() for each in edited}) > 4
    assert dataset[2].edited is None and before.edited is None


def test_a_run_that_begins_later_or_loads_elsewhere_has_the_same_edits(pairs):
    dataset = PairTensors(pairs, 32, seed=4, edits=True)
    batches = training_batches(dataset, 2, 0, workers=0)
    _, _, third = (next(batches) for _ in range(3))
    elsewhere = next(training_batches(dataset, 2, 2, workers=1))
    for name in ("sketch", "edited", "kept"):
        assert torch.equal(getattr(elsewhere, name), getattr(third, name))
    first, second = third.parts(2)
    assert torch.equal(torch.cat([first.edited, second.edited]), third.edited)
    assert torch.equal(torch.cat([first.kept, second.kept]), third.kept)


def test_without_another_face_there_is_no_part_to_take(pairs):
    alone = replace(pairs, names=pairs.names[:1], landmarks=pairs.landmarks[:1], splits=("train",))
    with pytest.raises(FeatvizError, match=r"has 1 pairs in its train split; .* needs 2 or more"):
        PairTensors(alone, 32, edits=True)
