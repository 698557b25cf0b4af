from collections import Counter

import numpy as np
import pytest

from featviz.base.errors import FeatvizError
from featviz.faces.augmentation import Augmentation
from featviz.faces.contours import contours
from featviz.faces.unfinished import first_half, unfinished
from featviz.sketches.drawing import INK, Drawing, Stroke, rasterize


def length(strokes):
    return sum(np.hypot(*np.diff(stroke.points, axis=0).T).sum() for stroke in strokes)


@pytest.fixture
def whole(pairs):
    return contours(pairs.landmarks[0], pairs.size)


def test_each_part_is_whole_or_half_of_its_length_or_left_out_and_at_most_one_is_in_half(whole):
    random = np.random.default_rng(0)
    ink = rasterize(whole) == INK
    halves, states = Counter(), Counter()
    for _ in range(700):
        drawing = unfinished(whole, random)
        shares = {
            part: length(drawing.part(part)) / length(whole.part(part)) for part in whole.parts
        }
        told = [
            next(s for s in (0, 0.5, 1) if share == pytest.approx(s)) for share in shares.values()
        ]
        assert told.count(0.5) <= 1
        halves[sum(told) * 2] += 1
        states.update(zip(whole.parts, told, strict=True))
        assert drawing.size == whole.size
    # What stays is where it was; a cut end may round by a pixel.
    assert ((rasterize(drawing) == INK) & ~ink).sum() <= 4
    # Every number of halves is as likely, none at all never comes, and no part has it otherwise.
    assert sorted(halves) == list(range(1, 15))
    assert max(halves.values()) < 2 * min(halves.values())
    for part in whole.parts:
        assert 280 < states[part, 1] < 420
        assert 25 < states[part, 0.5] < 85


def test_strokes_stay_in_their_order_and_whole_ones_as_they_are(whole):
    place = {id(stroke): number for number, stroke in enumerate(whole.strokes)}
    for seed in range(20):
        kept = unfinished(whole, np.random.default_rng(seed)).strokes
        known = [place[id(stroke)] for stroke in kept if id(stroke) in place]
        assert known == sorted(known)
        assert len(kept) - len(known) <= 1  # the one that is cut


def test_half_of_several_strokes_is_the_first_of_them_and_a_piece_of_the_next():
    first = Stroke("nose", np.array([[0, 0], [0, 10]]))
    second = Stroke("nose", np.array([[0, 10], [10, 10], [30, 10]]))
    kept = first_half((first, second))
    assert kept[0] is first
    np.testing.assert_allclose(kept[1].points, [[0, 10], [10, 10]])
    np.testing.assert_allclose(first_half((second, first))[0].points, [[0, 10], [10, 10], [20, 10]])
    dot = Stroke("scar", np.array([[5, 5]]))
    assert first_half((dot,)) == (dot,)


def test_so_many_of_the_contours_are_unfinished_as_was_asked_and_none_without(whole):
    random = np.random.default_rng(0)
    part = Augmentation(0, 0, parts=0.5)
    # One in 14 of those that are unfinished lacks nothing.
    same = [part.leave_out(whole, random) is whole for _ in range(1000)]
    assert 440 < sum(same) < 560
    before = random.bit_generator.state
    assert Augmentation().leave_out(whole, random) is whole
    assert random.bit_generator.state == before
    empty = Drawing(())
    assert unfinished(empty, random) is empty


@pytest.mark.parametrize("share", [-0.1, 1.1, np.nan])
def test_a_senseless_share_is_refused(share):
    with pytest.raises(FeatvizError, match=r"parts .*got"):
        Augmentation(parts=share)
