from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from featviz.analysis.leakage import (
    edit_changes,
    edit_reach,
    hold_statistics,
    measure_leakage,
    record_statistics,
)
from featviz.analysis.leakage.maps import shrink
from featviz.analysis.leakage.runs import PlainRuns
from featviz.base.errors import FeatvizError
from featviz.probing.activations import record_activations
from featviz.probing.receptive_field import trace_geometry
from featviz.sketches.edits import MARGIN, edits_of, ink_of_eyes, near
from featviz.sketches.tensors import encode_image

SIZE, POINT = 128, (42, 62)
LAYERS = ("L0", "L1", "L2", "L3", "L4", "image")


@pytest.fixture(scope="module")
def some(shipped):
    return shipped.of_groups("G4", "G5", "G8", "G9", "G10")


@pytest.fixture(scope="module")
def measured(make, some):
    return measure_leakage(make(), some, LAYERS, name="m", point=POINT, size=SIZE, most=2)


def test_there_is_a_row_for_every_edit_layer_and_mode_in_order(measured, some):
    table = measured.table
    edits = sorted(number for number, _ in edits_of(some, 2))
    assert len(edits) == 10
    expected = [
        (some.index["sketch"].iloc[number], mode, layer)
        for number in edits
        for mode in table.modes
        for layer in LAYERS
    ]
    assert list(table.rows[["sketch", "mode", "layer"]].itertuples(index=False)) == expected
    assert len(table.modes) == 3 + 8
    assert set(table.rows.loc[table.rows["group"] == "G10", "base"]) == {"G9/001"}


def test_with_all_held_nothing_is_out_of_reach_and_with_nothing_held_all_is(measured):
    table = measured.table
    held, free = table.values(mode="all"), table.values(mode="free")
    there = held["reach_share"] < 1
    assert there.sum() > 40
    assert (held["outside_reach"][there] == 0).all()
    assert (held["zero_share_outside"][there] == 1).all()
    assert (free["outside_reach"].dropna() > 0).all()
    assert held["outside_reach"][~there].isna().all()
    assert np.array_equal(held["reach_share"], free["reach_share"])
    # The point stands still exactly if it is out of reach.
    assert np.array_equal(held["at_point"] == 0, ~held["point_in_reach"])


@pytest.mark.parametrize("norm", ["layer", "group", "filter-response"])
def test_norms_of_any_kind_are_held_where_there_is_no_instance_norm(make, some, norm):
    how = {"name": "m", "point": POINT, "size": SIZE, "most": 1}
    table = measure_leakage(make(norm=norm), some, ("L1", "L2"), **how).table
    assert table.modes == ("free", "all", "statistics")
    held, free = table.values(mode="all"), table.values(mode="free")
    there = (held["reach_share"] < 1).to_numpy()
    assert there.any() and (held["outside_reach"][there] == 0).all()
    assert (free["outside_reach"][there] > 0).all()


def test_numbers_are_those_of_a_plain_forward(make, some, measured):
    model, names = make(), list(some.index["sketch"])
    row = measured.table.values(group="G9", mode="free", layer="L3").iloc[0]
    images = [some.at(SIZE).image(names.index(row[key])) for key in ("base", "sketch")]
    maps = []
    for image in images:
        with record_activations(model, ["L3"]) as activations:
            model(encode_image(image)[None])
        maps.append(activations["L3"][0].double().numpy())
    scale = np.sqrt((maps[0] ** 2).sum(axis=0).mean())
    change = np.sqrt(((maps[1] - maps[0]) ** 2).sum(axis=0)) / scale
    geometry = trace_geometry(model, ["L3"], (SIZE, SIZE))["L3"]
    column, line = geometry.position(POINT)
    assert row["at_point"] == pytest.approx(change[line, column], rel=1e-5, abs=1e-6)
    ys, xs = np.nonzero(images[0] != images[1])
    reached = np.zeros(change.shape, dtype=bool)
    for y, x in np.ndindex(change.shape):
        box = geometry.box((x, y))
        reached[y, x] = (
            (xs >= box.left) & (xs <= box.right) & (ys >= box.top) & (ys <= box.bottom)
        ).any()
    assert row["reach_share"] == pytest.approx(reached.mean())
    assert row["inside_reach"] == pytest.approx(change[reached].mean(), rel=1e-5, abs=1e-6)
    assert row["outside_reach"] == pytest.approx(change[~reached].mean(), rel=1e-5, abs=1e-6)


def test_holding_a_layer_does_not_touch_those_before_it(measured):
    numbers = ["at_point", "outside_reach", "eyes"]
    for layer in ("L0", "L1"):
        free, later = (
            measured.table.values(layer=layer, mode=mode)[numbers] for mode in ("free", "L2")
        )
        assert np.array_equal(free, later, equal_nan=True)
    held = measured.table.values(layer="L2", mode="L2")["at_point"].to_numpy()
    assert (held != measured.table.values(layer="L2", mode="free")["at_point"].to_numpy()).any()


def test_eyes_are_measured_unless_they_were_edited(measured):
    eyes = measured.table.values(layer="image").set_index("group")["eyes"]
    assert eyes["G5"].isna().all()
    assert (eyes[["G8", "G9", "G10"]] > 0).all()


def test_the_two_parts_of_a_change_make_up_the_whole(make, some, measured):
    table, keys = measured.table, ["sketch", "layer"]
    free = table.values(mode="free").set_index(keys)
    assert (free["eyes_by_statistics"].dropna() == 0).all()
    for mode in table.modes[1:]:
        held = table.values(mode=mode).set_index(keys)
        rest, part = held["eyes"], held["eyes_by_statistics"]
        known = rest.notna()
        # Lengths of vectors: the whole is at most the sum and at least the difference.
        assert (free["eyes"] <= rest + part + 1e-5)[known].all()
        assert (free["eyes"] >= (rest - part).abs() - 1e-5)[known].all()
        untouched = known & (part == 0)
        assert np.allclose(free["eyes"][untouched], rest[untouched])
    held = table.values(mode="all", group="G8", layer="image").iloc[0]
    model, names = make(), list(some.index["sketch"])
    base, edited = (
        encode_image(some.at(SIZE).image(names.index(held[key])))[None]
        for key in ("base", "sketch")
    )
    with hold_statistics(model, record_statistics(model, base)):
        fixed = model(edited)
    eyes, other = (
        near(mask, MARGIN * SIZE / 512)
        for mask in (
            ink_of_eyes(some.path(names.index(held["base"])), SIZE),
            (base != edited)[0, 0].numpy(),
        )
    )
    expected = (model(edited) - fixed)[0, :, torch.from_numpy(eyes & ~other)].abs().mean() / 2
    assert held["eyes_by_statistics"] == pytest.approx(float(expected), rel=1e-4)


def test_maps_are_means_over_the_edits_of_a_group(measured):
    maps, table = measured.maps, measured.table
    assert (maps.modes, maps.layers) == (("free", "all"), LAYERS)
    assert maps.groups == table.groups
    assert maps.metadata["edits"] == dict.fromkeys(table.groups, 2)
    for (mode, group, layer), change in maps.changes.items():
        rows = table.values(mode=mode, group=group, layer=layer)
        share = rows["reach_share"].to_numpy()
        parts = rows["inside_reach"] * share + (rows["outside_reach"] * (1 - share)).fillna(0)
        assert change.mean() == pytest.approx(parts.mean(), rel=1e-4)
        reached = maps.reach[group, layer]
        assert reached.mean() >= share.max() - 1e-9
        if mode == "all":
            assert (change[~reached] == 0).all()


def test_the_maps_of_a_kept_edit_are_those_of_the_edit_by_itself(make, some):
    model, names = make(), list(some.index["sketch"])
    how = {"point": POINT, "size": SIZE, "most": 2, "keep": ["G9/002"], "runs": PlainRuns}
    found = measure_leakage(model, some, LAYERS, ["all"], **how)
    inputs = [
        encode_image(some.at(SIZE).image(names.index(name)))[None] for name in ("G9/001", "G9/002")
    ]
    maps, reach = found.maps, edit_reach(model, *inputs, LAYERS)
    for mode in ("free", "all"):
        for layer, change in edit_changes(model, *inputs, LAYERS, mode).items():
            assert np.allclose(maps.edit_changes[mode, "G9/002", layer], shrink(change), 1e-5, 1e-6)
    assert {name for name, _ in maps.edit_reach} == {"G9/002"}
    for layer in LAYERS:
        assert np.array_equal(maps.edit_reach["G9/002", layer], shrink(reach[layer]))


def test_an_edit_that_equals_its_base_is_left_out_and_named(make, some):
    index = some.index[some.index["sketch"].isin(["G8/001", "G8/002", "G8/003"])]
    index = index.reset_index(drop=True)
    index.loc[1, "file"] = index.loc[0, "file"]
    few = replace(some, index=index)
    found = measure_leakage(make(), few, ["L0"], ["all"], point=POINT, size=SIZE)
    assert found.unchanged == ("G8/002",)
    assert set(found.table.rows["sketch"]) == {"G8/003"}
    assert found.table.modes == ("free", "all")
    with pytest.raises(FeatvizError, match=r"all edits of .* equal their base at 128 px"):
        measure_leakage(
            make(), replace(few, index=index[:2]), ["L0"], ["all"], point=POINT, size=SIZE
        )


def test_any_torch_module_is_measured(some):
    torch.manual_seed(0)
    blur = nn.Sequential(nn.Conv2d(1, 3, 5, padding=2), nn.InstanceNorm2d(3), nn.Tanh())
    found = measure_leakage(
        blur, some.of_groups("G8"), ["0", "image"], point=POINT, size=SIZE, most=1
    )
    table = found.table
    assert table.modes == ("free", "all", "statistics")
    first = table.values(layer="0")
    assert (first["outside_reach"] == 0).all()
    image = table.values(layer="image").set_index("mode")
    assert (image["zero_share_outside"] == [0, 1, 0]).all()
    assert (image["reach_share"] == first["reach_share"].iloc[0]).all()


def test_the_table_names_what_no_mode_can_hold(some, make):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.InstanceNorm2d(4), nn.GroupNorm(2, 4), nn.Tanh()
    )
    part = some.of_groups("G8")
    found = measure_leakage(model, part, ["3"], point=POINT, size=SIZE, most=1)
    assert found.table.metadata["checkpoints"]["model"]["not_held"] == ["2 (group norm)"]
    assert found.maps.metadata["not_held"] == ["2 (group norm)"]
    # It stands in the way: with "all" held the edit still arrives everywhere.
    assert found.table.values(mode="all")["zero_share_outside"].item() < 0.5
    whole = measure_leakage(make(), part, ["L0", "image"], point=POINT, size=SIZE, most=1)
    assert whole.table.metadata["checkpoints"]["model"]["not_held"] == []


def test_what_cannot_be_measured_is_told(make, some):
    with pytest.raises(FeatvizError, match="lies outside the image of 128x128"):
        measure_leakage(make(), some, ["L0"], point=(170, 250), size=SIZE)
    with pytest.raises(FeatvizError, match="unknown layer 'L7'"):
        measure_leakage(make(), some, ["L7"], point=POINT, size=SIZE)
    with pytest.raises(FeatvizError, match="layer 'L1' has no instance norm"):
        measure_leakage(make("modified"), some, ["L0"], ["L1"], point=POINT, size=SIZE)
    broken = make()
    broken.front_end.L3.conv.weight[0, 0, 0, 0] = torch.nan
    with pytest.raises(FeatvizError, match="layer 'L3' gives NaN or infinity"):
        measure_leakage(broken, some, ["L3"], [], point=POINT, size=SIZE, most=1)


def test_one_name_in_place_of_a_list_of_layers_is_told_by_all_that_take_layers():
    model, image = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)), torch.zeros(1, 3, 16, 16)
    for ask in (
        lambda: edit_changes(model, image, image + 1, "0"),
        lambda: edit_reach(model, image, image + 1, "0"),
        lambda: measure_leakage(model, None, "0", point=(3, 3), size=16),
    ):
        with pytest.raises(FeatvizError, match="layers are the text '0'; expected a list"):
            ask()
