import dataclasses
import multiprocessing
import os
import signal
from itertools import islice

import numpy as np
import pytest
import torch

from featviz.base.errors import FeatvizError
from featviz.faces.augmentation import Augmentation
from featviz.faces.instances import boundary_map, instance_map
from featviz.generators.networks.conditions import Conditions
from featviz.sketches.drawing import rasterize
from featviz.training.data import PairTensors, training_batches, training_order


def test_every_epoch_visits_every_pair_once_in_a_new_order():
    batches = list(islice(training_order(10, 2, seed=0, first_step=0), 10))
    drawn = [[index for index, _ in batch] for batch in batches]
    first, second = np.ravel(drawn[:5]), np.ravel(drawn[5:])
    assert sorted(first) == sorted(second) == list(range(10))
    assert list(first) != list(second)


@pytest.mark.parametrize("first_step", [0, 1, 4, 5, 13])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_an_order_that_starts_later_goes_on_as_the_whole_one_does(first_step, batch_size):
    whole = list(islice(training_order(11, batch_size, 7, 0), 30))
    assert (
        list(islice(training_order(11, batch_size, 7, first_step), 10))
        == (whole[first_step : first_step + 10])
    )


def test_more_pairs_a_batch_than_there_are_is_refused():
    with pytest.raises(FeatvizError, match=r"batch of 9 .* has 8"):
        next(training_order(8, 9, 0, 0))


def test_a_pair_is_the_contour_drawn_at_the_asked_size_and_its_photo(pairs):
    pair = PairTensors(pairs, 128)[1]
    drawn = rasterize(pairs.contour(1).scaled(128))
    assert torch.equal(pair.sketch[0], torch.from_numpy(drawn).float() / 127.5 - 1)
    assert pair.sketch.shape == pair.photo.shape == (3, 128, 128)


def test_loading_in_other_processes_gives_the_same_batches(pairs):
    here = list(islice(training_batches(PairTensors(pairs, 32), 2, 0, workers=0), 3))
    there = list(islice(training_batches(PairTensors(pairs, 32), 2, 0, workers=1), 3))
    for a, b in zip(here, there, strict=True):
        assert torch.equal(a.sketch, b.sketch)
        assert torch.equal(a.photo, b.photo)


def test_a_process_that_loads_pairs_survives_ctrl_c(pairs):
    others = set(multiprocessing.active_children())
    batches = training_batches(PairTensors(pairs, 32), 1, 0, workers=1)
    next(batches)
    (loader,) = set(multiprocessing.active_children()) - others
    os.kill(loader.pid, signal.SIGINT)
    # More than it has loaded ahead.
    assert len(list(islice(batches, 6))) == 6


def test_instances_of_the_sketch_move_with_it_and_those_of_the_photo_stay(pairs):
    conditions = Conditions(boundaries=True, appearance_channels=3)
    moved = PairTensors(pairs, 64, Augmentation(25, 7), seed=1, conditions=conditions)
    still = PairTensors(pairs, 64, conditions=conditions)[2]
    pair = moved[2, 5]
    expected = instance_map(pairs.contour(2, 64))
    assert np.array_equal(still.instances[0], expected)
    assert np.array_equal(still.instances[1], expected)
    assert np.array_equal(pair.instances[1], expected)
    assert not np.array_equal(pair.instances[0], expected)
    assert np.array_equal(pair.sketch[3], boundary_map(pair.instances[0].numpy()))


def test_an_unfinished_sketch_has_its_photo_whole_and_depends_on_its_number_alone(pairs):
    data = PairTensors(pairs, 64, Augmentation(0, 0, parts=1.0), seed=3)
    whole = PairTensors(pairs, 64)[2]
    drawn = {}
    for number in range(8):
        pair = data[2, number]
        assert torch.equal(pair.photo, whole.photo)
        drawn[number] = pair.sketch
    ink = {number: int((sketch < 0).sum()) for number, sketch in drawn.items()}
    assert min(ink.values()) > 0 and len(set(ink.values())) > 4
    assert max(ink.values()) <= (whole.sketch < 0).sum() + 3
    # In another order, after a resume, the same.
    later = PairTensors(pairs, 64, Augmentation(0, 0, parts=1.0), seed=3)
    for number in (5, 2):
        assert torch.equal(later[2, number].sketch, drawn[number])


def test_a_batch_is_cut_into_equal_parts_or_not_at_all(pairs):
    conditions = Conditions(appearance_channels=1)
    batch = next(training_batches(PairTensors(pairs, 32, conditions=conditions), 4, 0, workers=0))
    parts = batch.parts(2)
    assert [len(part.photo) for part in parts] == [2, 2]
    for name in ("sketch", "photo", "instances"):
        assert torch.equal(torch.cat([getattr(p, name) for p in parts]), getattr(batch, name))
    with pytest.raises(FeatvizError, match="4 pairs cannot be cut into 3 equal parts"):
        batch.parts(3)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_a_process_that_loads_pairs_has_no_traceback_in_it(tmp_path, pairs, workers):
    empty = PairTensors(dataclasses.replace(pairs, folder=tmp_path), 32)
    said = rf"^{tmp_path}: 6 photos in a row cannot be read; the last: .*: no such photo$"
    with pytest.raises(FeatvizError, match=said):
        next(training_batches(empty, 1, 0, workers))
