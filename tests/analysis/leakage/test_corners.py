"""Whose the change is: known by construction, of maps and of networks."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from featviz.analysis.leakage import Corners, edit_corners, measure_leakage
from featviz.sketches.edits import edits_of, ink_of_eyes, near
from featviz.sketches.tensors import encode_image

SIZE, FAR = 32, np.zeros((32, 32), dtype=bool)
FAR[20:, 20:] = True


def corners(base, content, statistics, edit):
    return Corners(*(each[None] for each in (base, content, statistics, edit)))


@pytest.fixture
def pixels(rng):
    """A sheet of grey values and the same with a corner drawn over."""
    base = torch.from_numpy(rng.normal(size=(1, 1, SIZE, SIZE)).astype(np.float32))
    edited = base.clone()
    edited[..., 4:8, 4:8] += 5
    return base, edited


def shares_of(model, pixels, cells=FAR):
    return edit_corners(model.eval(), *pixels, ["image"])["image"].shares(cells)


@pytest.mark.parametrize(
    ("content", "statistics", "together", "first", "last"),
    [
        *((1, 3, 4, 0.75, 0.75), (4, 0, 4, 0, 0), (0, 4, 4, 1, 1)),
        *((2, -1, 1, -1, -1), (1, 1, 4, 0.25, 0.75)),
    ],
)
def test_shares_along_one_direction_are_shares_of_its_length(
    rng, content, statistics, together, first, last
):
    base, way = (torch.from_numpy(rng.normal(size=(3, 4, 5))) for _ in range(2))
    found = corners(
        base, base + content * way, base + statistics * way, base + together * way
    ).shares()
    assert (found.first, found.last) == pytest.approx((first, last))
    assert found.statistics == pytest.approx((first + last) / 2)
    assert found.statistics + found.content == 1
    assert found.interaction == pytest.approx((together - content - statistics) / together)


def test_what_lies_across_the_change_has_no_part_in_it():
    base, along, across = torch.zeros(2, 1, 1), torch.zeros(2, 1, 1), torch.zeros(2, 1, 1)
    along[0], across[1] = 1, 5
    found = corners(base, along + across, along - across, 2 * along).shares()
    assert (found.first, found.last) == (0.5, 0.5)


def test_equal_maps_have_no_shares_and_unrelated_ones_halves(rng):
    equal = torch.from_numpy(rng.normal(size=(8, 64, 64)))
    found = corners(equal, equal, equal, equal).shares()
    assert math.isnan(found.statistics) and math.isnan(found.content)
    unrelated = corners(*torch.from_numpy(rng.normal(size=(4, 8, 64, 64)))).shares()
    assert (unrelated.first, unrelated.last) == pytest.approx((0.5, 0.5), abs=0.02)


def test_only_the_cells_asked_for_count():
    base, edit = torch.zeros(1, 2, 2), torch.ones(1, 2, 2)
    statistics = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    cells = np.array([[True, False], [False, False]])
    of = corners(base, edit - statistics, statistics, edit)
    assert of.shares(cells).statistics == 1
    assert of.shares(~cells).statistics == 0
    assert of.shares().statistics == 0.25
    assert math.isnan(of.shares(np.zeros_like(cells)).statistics)


def test_where_convolutions_do_not_reach_all_is_the_statistics(pixels):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.InstanceNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3)
    )
    found = edit_corners(model, *pixels, ["3"])["3"].shares(FAR[1:-1, 1:-1])
    assert (found.first, found.last, found.content) == (1, 1, 0)


def test_of_convolutions_alone_nothing_is_the_statistics(pixels):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    found = shares_of(model, pixels, None)
    assert (found.first, found.last, found.content) == (0, 0, 1)


def test_an_edit_that_keeps_the_statistics_comes_by_content(pixels):
    base, _ = pixels
    found = shares_of(nn.Sequential(nn.InstanceNorm2d(1)), (base, base.roll(3, -1)), None)
    assert found.statistics == pytest.approx(0, abs=1e-5)


class Both(nn.Module):
    """What a norm makes of the sheet, and the sheet itself, carried over from the far corner."""

    def __init__(self, share):
        super().__init__()
        self.norm, self.share = nn.InstanceNorm2d(1), share

    def forward(self, x):
        return self.norm(x) + self.share * x.roll((18, 18), (-2, -1))


@pytest.mark.parametrize("weight", [0.0, 0.01, -0.01, 0.2])
def test_a_network_of_both_ways_has_the_shares_that_were_put_in(pixels, weight):
    base, edited = (each.numpy()[0, 0].astype(float) for each in pixels)
    normed = [(base - each.mean()) / np.sqrt(each.var() + 1e-5) for each in (base, edited)]
    by_statistics = (normed[1] - normed[0])[FAR]
    by_content = weight * np.roll(edited - base, (18, 18), (0, 1))[FAR]
    change = by_statistics + by_content
    found = shares_of(Both(weight), pixels)
    expected = by_statistics @ change / (change @ change)
    assert (found.first, found.last) == pytest.approx((expected, expected), rel=1e-3)


def test_a_table_holds_the_shares_at_the_eyes_and_outside(make, shipped):
    part, model = shipped.of_groups("G8"), make()
    found = measure_leakage(
        model, part, ["L4", "image"], ["all", "statistics"], point=(42, 62), size=128, most=1
    ).table
    ((number, base),) = edits_of(part, 1)
    sketches = [part.at(128).image(row) for row in (base, number)]
    inputs = [encode_image(sketch)[None] for sketch in sketches]
    of = edit_corners(model, *inputs, ["L4", "image"])
    area = near(sketches[0] != sketches[1], 4)
    eyes = near(ink_of_eyes(part.path(base), 128), 4) & ~area
    row = found.row(layer="image", mode="statistics")
    for region, cells in (("eyes", eyes), ("outside", ~area)):
        expected = of["image"].shares(cells)
        told = [row[f"{region}_statistics_{order}"] for order in ("first", "last")]
        assert told == pytest.approx([expected.first, expected.last], abs=1e-5)
    corner = of["image"]
    assert row["eyes"] == pytest.approx(
        float((corner.statistics - corner.base)[0][:, eyes].abs().mean() / 2), rel=1e-4
    )
    others = found.values(layer="image").set_index("mode").loc[["free", "all"]]
    assert others.filter(like="_statistics_").isna().all(axis=None)


def test_what_each_layers_statistics_make_is_measured_in_both_orders(make, shipped):
    part = shipped.of_groups("G8")
    modes = ("all", "L2", "all-but-L2", "all-but-front-end")
    found = measure_leakage(
        make(), part, ["L2", "L4"], modes, point=(42, 62), size=128, most=1
    ).table
    of = found.values(layer="L4").set_index("mode")
    # Up to L4 nothing but the front end has a part.
    assert of["eyes"]["all-but-front-end"] == of["eyes"]["free"]
    assert of["eyes_by_free_statistics"]["all-but-front-end"] == of["eyes_by_statistics"]["all"]
    assert of["eyes_by_free_statistics"]["all"] == of["eyes_by_statistics"]["free"] == 0
    assert of["eyes_by_free_statistics"]["free"] == of["eyes_by_statistics"]["all"] > 0
    # Nothing but statistics comes to the eyes of L2, first or last.
    at_l2 = found.values(layer="L2").set_index("mode")
    assert at_l2["eyes"]["all-but-L2"] == at_l2["eyes_by_free_statistics"]["all-but-L2"] > 0
    assert at_l2["eyes_by_statistics"]["all-but-L2"] != at_l2["eyes_by_statistics"]["L2"]
