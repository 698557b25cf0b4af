import numpy as np
import pytest

from featviz.analysis.evaluation.robustness import ROTATIONS, SHIFTS, moves_for
from featviz.faces.augmentation import STUDY_ROTATION, STUDY_SHIFT

NAMES = [f"{i:06d}.jpg" for i in range(400)]


def test_every_amount_up_to_the_studys_occurs_once():
    moves = moves_for("000001.jpg", 0)
    assert [move.amount for move in moves if move.kind == "shift"] == [5, 10, 15, 20, 25]
    assert [move.amount for move in moves if move.kind == "rotation"] == [3.5, 7]
    assert (max(SHIFTS), max(ROTATIONS)) == (STUDY_SHIFT, STUDY_ROTATION)


@pytest.mark.parametrize("name", NAMES[:20])
def test_the_larger_shift_is_the_amount_and_the_direction_is_shared(name):
    shifts = [move for move in moves_for(name, 0) if move.kind == "shift"]
    for move in shifts:
        assert np.abs(move.shift).max() == pytest.approx(move.amount)
        assert move.degrees == 0
        np.testing.assert_allclose(
            np.array(move.shift) / move.amount, np.array(shifts[0].shift) / shifts[0].amount
        )
    turns = [move for move in moves_for(name, 0) if move.kind == "rotation"]
    assert all(abs(move.degrees) == move.amount and move.shift == (0, 0) for move in turns)
    assert len({move.degrees > 0 for move in turns}) == 1


def test_directions_of_many_photos_cancel_out():
    shifts = np.array([moves_for(name, 0)[4].shift for name in NAMES])
    # A coordinate on the edge of the square has variance 2/3; four standard errors.
    assert np.abs(shifts.mean(axis=0)).max() < 4 * STUDY_SHIFT * np.sqrt(2 / 3 / len(NAMES))
    for axis in (0, 1):
        for side in (-STUDY_SHIFT, STUDY_SHIFT):
            assert 60 < (shifts[:, axis] == side).sum() < 140
    turns = np.array([moves_for(name, 0)[-1].degrees for name in NAMES])
    assert 150 < (turns > 0).sum() < 250


def test_moves_depend_on_name_and_seed_alone():
    assert moves_for("a.jpg", 3) == moves_for("a.jpg", 3)
    assert moves_for("a.jpg", 3) != moves_for("a.jpg", 4)
    assert moves_for("a.jpg", 3) != moves_for("b.jpg", 3)
