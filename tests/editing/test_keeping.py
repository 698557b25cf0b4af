import numpy as np
import pytest
import torch
from torch import nn

from featviz.base.errors import FeatvizError
from featviz.editing import edit, keep_outside, record_base
from featviz.editing.keeping import reach_of_edit
from featviz.probing.activations import record_activations
from featviz.probing.statistics import hold_statistics, record_statistics


@pytest.fixture
def inputs(edit):
    return edit


@pytest.fixture
def area(inputs):
    area = np.zeros((128, 128), dtype=bool)
    area[70:100, 40:90] = True
    return area


NOWHERE, EVERYWHERE = np.zeros((128, 128), bool), np.ones((128, 128), bool)


def test_an_area_of_everything_leaves_a_network_with_held_statistics(make, inputs):
    model, (base, edited) = make(), inputs
    recorded = record_base(model, base)
    with keep_outside(model, recorded, EVERYWHERE, recorded.statistics):
        kept = model(edited)
    with hold_statistics(model, record_statistics(model, base)):
        assert torch.equal(model(edited), kept)


def test_an_area_of_everything_with_own_statistics_is_the_free_network(make, inputs):
    model, (base, edited) = make(), inputs
    with keep_outside(model, record_base(model, base), EVERYWHERE):
        assert torch.equal(model(edited), model(edited))
        kept = model(edited)
    assert torch.equal(model(edited), kept)


@pytest.mark.parametrize("variant", ["baseline", "modified", "no-norm"])
def test_an_area_of_nothing_is_the_base_whatever_is_edited(make, inputs, variant):
    model, (base, edited) = make(variant), inputs
    recorded = record_base(model, base)
    for statistics in (recorded.statistics, None):
        with keep_outside(model, recorded, NOWHERE, statistics):
            assert torch.equal(model(edited), model(base))
    assert not torch.equal(model(edited), recorded.image)


def test_in_each_layer_cells_that_stand_for_the_area_are_new_and_all_others_the_bases(
    make, inputs, area
):
    model, (base, edited) = make(), inputs
    recorded = record_base(model, base)
    with (
        keep_outside(model, recorded, area, recorded.statistics),
        record_activations(model, ["L0", "L3", "R1", "U1", "U3"]) as after,
    ):
        model(edited)
        after = dict(after)
    with record_activations(model, list(after)) as before:
        model(base)
    for layer, map_after in after.items():
        # The study's cell of a pixel c behind k halvings is ceil(c / 2^k), at most the last.
        scale = 128 // map_after.shape[-1]
        rows, columns = (-(-at // scale) for at in np.nonzero(area))
        cells = torch.zeros(map_after.shape[-2:], dtype=torch.bool)
        if layer.startswith("U"):
            # In the back end the cell in whose window's middle a pixel lies.
            rows, columns = (np.floor(at / scale + 0.5).astype(int) for at in np.nonzero(area))
        last = map_after.shape[-1] - 1
        cells[rows.clip(max=last), columns.clip(max=last)] = True
        same = (map_after == before[layer])[0].all(dim=0)
        assert same[~cells].all(), layer
        assert not same.all(), layer


def test_composite_statistics_are_those_of_the_map_as_kept(make, inputs, area):
    model, (base, edited) = make(), inputs
    recorded = record_base(model, base)
    with keep_outside(model, recorded, area) as maps:
        model(edited)
    map_before = maps["front_end.L2.conv"]
    normalized = torch.nn.functional.instance_norm(map_before)
    cells = torch.from_numpy(recorded.layers["front_end.L2.norm"].free_cells(area))
    found = maps["front_end.L2.norm"][:, :, cells]
    torch.testing.assert_close(found, normalized[:, :, cells], rtol=1e-4, atol=1e-5)


def test_the_trunk_is_the_smallest_maps_and_one_cell_more(make, inputs, area):
    model, (base, _) = make(), inputs
    recorded = record_base(model, base, "trunk")
    assert {key.partition(".")[0] for key in recorded.layers} == {"front_end", "residual"}
    assert {tuple(each.shape[2:]) for each in recorded.maps.values()} == {(8, 8)}
    every = record_base(model, base)
    tight = every.layers["residual.R0.first.conv"].free_cells(area)
    wide = recorded.layers["residual.R0.first.conv"].free_cells(area)
    near = [np.abs(np.argwhere(tight) - cell).max(axis=1).min() <= 1 for cell in np.ndindex(8, 8)]
    assert (wide == np.reshape(near, (8, 8))).all()


def test_layers_can_be_named(make, inputs, area):
    model, (base, edited) = make(), inputs
    recorded = record_base(model, base, ["L1", "R1"])
    assert list(recorded.layers) == ["L1", "R1"]
    with keep_outside(model, recorded, area, recorded.statistics) as maps:
        model(edited)
    cells = torch.from_numpy(recorded.layers["R1"].free_cells(area))
    assert torch.equal(maps["R1"][:, :, ~cells], recorded.maps["R1"][:, :, ~cells])


class _Twice(nn.Module):
    """One convolution that runs twice, and a last one."""

    def __init__(self):
        super().__init__()
        self.shared, self.last = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return self.last(self.shared(self.shared(x)))


def test_each_run_of_a_module_that_runs_twice_is_kept(inputs, area):
    model, (base, edited) = _Twice(), inputs
    recorded = record_base(model, base)
    assert list(recorded.layers) == ["shared", "shared#2"]
    found = edit(model, recorded, edited[0], area=area)
    reach = np.zeros((128, 128), bool)
    reach[69:101, 39:91] = True
    assert not ((found.image != found.base_image)[0].any(dim=0).numpy() & ~reach).any()
    assert (found.reach <= reach).all()


def test_the_model_is_as_it_was_however_the_block_ends(make, inputs, area):
    model, (base, edited) = make().train(), inputs
    recorded = record_base(model, base)
    with (
        pytest.raises(FeatvizError, match="does not fit"),
        keep_outside(model, recorded, area, recorded.statistics),
    ):
        model(edited[:, :, :100])
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


class _Flipping(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.last(self.first(x.flip(-1)).flip(-1))


class _Turned(nn.Module):
    def forward(self, x):
        return x.flip(-1)


def test_what_cannot_be_kept_is_said_with_the_operation_that_is_in_the_way(make, inputs):
    base, edited = inputs
    with pytest.raises(FeatvizError, match="'first' cannot be kept: operation 'flip'"):
        record_base(_Flipping(), base)
    with pytest.raises(FeatvizError, match="no layer whose map could be kept"):
        record_base(nn.Conv2d(3, 3, 3, padding=1), base)
    with pytest.raises(FeatvizError, match="unknown layer 'L9'"):
        record_base(make(), base, ["L9"])
    with pytest.raises(FeatvizError, match="cannot keep 'everything'; expected layers, trunk"):
        record_base(make(), base, "everything")
    flat = nn.Sequential(nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3), nn.Flatten())
    with pytest.raises(FeatvizError, match=r"output of the model is \(1, 46128\)"):
        record_base(flat, base)
    turned = nn.Sequential(nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3), _Turned())
    with pytest.raises(FeatvizError, match="reaches in the output is not known: operation 'flip'"):
        _ = edit(turned, base[0], edited[0]).reach
    with pytest.raises(FeatvizError, match=r"input of the model is \(2, 3, 128, 128\)"):
        record_base(make(), torch.cat([base, edited]))


def test_a_network_without_instance_norm_has_nothing_to_hold(make, inputs):
    model, (base, edited) = make("no-norm", norm="none"), inputs
    recorded = record_base(model, base)
    assert recorded.statistics == {}
    found = [edit(model, base[0], edited[0], statistics=each).image for each in ("base", "edit")]
    assert torch.equal(*found)


def test_a_held_norm_rounds_otherwise_than_a_free_one_all_over_the_area(inputs, area):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 32, 1), nn.InstanceNorm2d(32), nn.Conv2d(32, 3, 1))
    base, edited = inputs
    recorded = record_base(model, base)
    changed = (edited != base).any(1)[0].numpy()
    with keep_outside(model, recorded, area, recorded.statistics), torch.no_grad():
        image = model(edited)
    differs = (image != recorded.image).any(1)[0].numpy()
    assert differs[area & ~changed].any()
    told = reach_of_edit(model, recorded, changed, area, recorded.statistics)
    assert not differs[~told].any()


def test_layers_behind_a_pixel_shuffle_and_tokens_are_kept_by_their_own_cells(inputs, area):
    class Shuffled(nn.Module):
        def __init__(self):
            super().__init__()
            self.down, self.mix = nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.Linear(16, 16)
            self.up, self.norm = nn.PixelShuffle(2), nn.InstanceNorm2d(4)
            self.out = nn.Conv2d(4, 3, 3, padding=1)

        def forward(self, x):
            x = self.mix(self.down(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            return self.out(self.norm(self.up(x)))

    model, (base, edited) = Shuffled(), inputs
    recorded = record_base(model, base)
    assert list(recorded.layers) == ["down", "mix", "up", "norm"]
    assert np.array_equal(recorded.layers["up"].free_cells(area), area)
    statistics = recorded.statistics
    with keep_outside(model, recorded, area, statistics) as maps, torch.no_grad():
        image = model(edited)
    outside = ~torch.from_numpy(area)
    assert torch.equal(maps["up"][..., outside], recorded.maps["up"][..., outside])
    # Its channels come last.
    behind = ~torch.from_numpy(recorded.layers["mix"].free_cells(area))
    assert torch.equal(maps["mix"][:, behind], recorded.maps["mix"][:, behind])
    assert not torch.equal(maps["mix"], recorded.maps["mix"])
    changed = (edited != base).any(1)[0].numpy()
    reached = reach_of_edit(model, recorded, changed, area, statistics)
    still = ~torch.from_numpy(reached)
    assert still.any()
    assert torch.equal(image[..., still], recorded.image[..., still])


def test_tokens_in_windows_are_kept_by_their_own_cells_rolled_or_not(rng):
    from transformers import SwinConfig, SwinModel

    class Painter(nn.Module):
        def __init__(self):
            super().__init__()
            sizes = {"patch_size": 2, "embed_dim": 8, "depths": [2], "num_heads": [2]}
            self.swin = SwinModel(SwinConfig(image_size=32, window_size=4, **sizes))
            self.last = nn.Linear(8, 12)

        def forward(self, image):
            tokens = self.last(self.swin(image).last_hidden_state)
            return nn.functional.pixel_shuffle(tokens.transpose(1, 2).reshape(1, -1, 16, 16), 2)

    torch.manual_seed(0)
    model = Painter().eval()
    base = torch.from_numpy(rng.normal(size=(1, 3, 32, 32))).float()
    edited, area = base.clone(), np.zeros((32, 32), dtype=bool)
    area[10:17, 3:9] = True
    edited[:, :, area] += 1
    recorded = record_base(model, base)
    with keep_outside(model, recorded, area) as maps, torch.no_grad():
        image = model(edited)
    cells = torch.from_numpy(area).reshape(16, 2, 16, 2).any(dim=3).any(dim=1)
    blocks = "swin.encoder.layers.0.blocks"
    names = (f"{blocks}.0.attention.q_proj", f"{blocks}.0.attention.self.query")
    (query,) = (name for name in names if name in maps)
    for name, rolled in ((query, cells), (query.replace("blocks.0", "blocks.1"),
                                          cells.roll((-2, -2), (0, 1)))):  # fmt: skip
        # Windows of 4x4 tokens, one after the other, as Swin's own code makes them.
        free = rolled.view(4, 4, 4, 4).transpose(1, 2).reshape(16, 16)
        before, after = recorded.maps[name], maps[name]
        assert torch.equal(after[~free], before[~free])
        assert (after[free] != before[free]).any(dim=-1).all()
    # Nothing but the area's own squares of pixels is reached.
    square = torch.kron(cells, torch.ones(2, 2, dtype=torch.bool))
    assert torch.equal((image != recorded.image)[0].any(dim=0), square)
    reached = reach_of_edit(model, recorded, area, area)
    assert np.array_equal(reached, square.numpy())
