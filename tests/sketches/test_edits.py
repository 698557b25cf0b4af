import numpy as np
import pandas as pd
import pytest
import torch

from featviz.base.errors import FeatvizError
from featviz.sketches.drawing import Drawing, rasterize
from featviz.sketches.edits import MARGIN, Edit, absolute_change, edits_of, near, read_edits
from featviz.sketches.sketch_set import read_sketches


@pytest.fixture(scope="module")
def shipped(pytestconfig):
    return read_sketches(pytestconfig.rootpath / "sketches")


def test_near_means_within_the_margin_of_a_marked_pixel(rng):
    mask = rng.random((20, 30)) < 0.02
    rows, columns = np.nonzero(mask)
    y, x = np.mgrid[:20, :30]
    distances = np.hypot(y[..., None] - rows, x[..., None] - columns).min(axis=2)
    for margin in (0, 1, 2.5, 7):
        assert np.array_equal(near(mask, margin), distances <= margin)
    assert not near(np.zeros((4, 4), bool), 9).any()


def test_more_ink_is_relative_to_the_bases():
    base, edited = np.full((2, 4, 5), 255, np.uint8)
    assert Edit(base, edited).more_ink == 0
    edited[0] = 0
    assert Edit(base, edited).more_ink == 1  # of no ink, any is much
    base[0, :4] = 0
    assert Edit(base, edited).more_ink == pytest.approx(0.25)
    assert Edit(edited, base).more_ink == pytest.approx(-0.2)


def test_edits_are_all_sketches_that_have_another_as_base(shipped):
    index = shipped.index
    pairs = edits_of(shipped)
    assert len(pairs) == 180
    for number, base in pairs:
        assert index["base"][number] == index["sketch"][base] != index["sketch"][number]
    bases = [base for _, base in pairs]
    assert bases == sorted(bases)
    of_groups = pd.Series([index["group"][number] for number, _ in pairs]).value_counts()
    assert "G7" not in of_groups
    assert of_groups["G10"] == 26


def test_fewer_edits_are_spaced_evenly_from_the_first_to_the_last(shipped):
    names = [shipped.index["sketch"][number] for number, _ in edits_of(shipped, 3)]
    assert [name for name in names if name.startswith("G1/")] == ["G1/002", "G1/014", "G1/026"]
    assert len(names) == 30


def test_an_edit_whose_base_was_left_out_is_refused(shipped):
    with pytest.raises(FeatvizError, match="'G9/001' is the base of an edit and not among these"):
        edits_of(shipped.of_groups("G8", "G10"))


def test_changes_are_grey_levels_and_are_not_rounded():
    image = torch.zeros(1, 3, 2, 2)
    change = image.clone()
    change[0, 0, 0, 0] = 2.0
    change[0, 1, 1, 1] = -0.001
    got = absolute_change(change, image)
    assert got[0, 0] == pytest.approx(255 / 3)
    assert got[1, 1] == pytest.approx(0.1275 / 3)
    assert got[0, 1] == 0


def by_hand(mask, margin):
    """Every pixel of (H, W) against every marked one."""
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    near_any = np.zeros_like(mask)
    for row, column in np.argwhere(mask):
        near_any |= (y - row) ** 2 + (x - column) ** 2 <= margin**2
    return near_any


def test_the_edited_area_is_what_differs_and_the_margin_around_at_any_size(shipped):
    part = shipped.of_groups("G8", "G9")
    for size in (512, 128):
        for edit in read_edits(part, edits_of(part, 2), size):
            assert edit.base.shape == (size, size)
            expected = by_hand(edit.base != edit.edited, MARGIN * size / 512)
            assert expected.any()
            assert np.array_equal(edit.area, expected)


def test_an_edit_at_the_canvas_edge_has_an_area_that_ends_there():
    base = np.full((64, 64), 255, np.uint8)
    edited = base.copy()
    edited[0, 63] = edited[63, 0] = 0
    edit = Edit(base, edited, margin=24)
    assert np.array_equal(edit.area, by_hand(edited == 0, 3))
    assert not Edit(base, base).area.any()
    assert Edit(base, edited, margin=1e9).area.all()


def test_edits_of_a_set_know_their_eyes_unless_these_were_drawn_in(shipped):
    part = shipped.of_groups("G5", "G8")
    for edit in read_edits(part, edits_of(part, 1)):
        drawing = part.drawing(edit.base_number)
        strokes = drawing.part("left-eye") + drawing.part("right-eye")
        ink = rasterize(Drawing(strokes, 512)) == 0
        if part.index["group"].iloc[edit.number] == "G5":
            assert edit.eyes is None
            assert not edit.around_eyes.any()
        else:
            assert np.array_equal(edit.around_eyes, by_hand(ink, MARGIN))
