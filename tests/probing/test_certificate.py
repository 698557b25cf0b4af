import json

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from featviz.base.errors import FeatvizError
from featviz.probing.certificate import certify
from featviz.probing.survey import survey


class Tokens(nn.Module):
    """Patches as tokens behind a class token, as a grid with channels last, and as a map."""

    def __init__(self, attend):
        super().__init__()
        self.patches, self.row, self.grid = (
            nn.Conv2d(3, 8, 4, stride=4),
            nn.Identity(),
            nn.Identity(),
        )
        self.heads = nn.MultiheadAttention(8, 2, batch_first=True) if attend else None
        self.first = nn.Parameter(torch.ones(1, 1, 8))
        self.out = nn.ConvTranspose2d(8, 3, 4, stride=4)

    def forward(self, x):
        maps = self.patches(x)
        row = self.row(torch.cat([self.first, maps.flatten(2).transpose(1, 2)], 1))
        if self.heads is not None:
            row = row + self.heads(row, row, row)[0]
        grid = self.grid(row[:, 1:].unflatten(1, maps.shape[2:]))
        return {"image": self.out(grid.permute(0, 3, 1, 2))}


def chain(*norms):
    blocks = []
    for norm in norms:
        blocks += [nn.Conv2d(3, 6, 5, padding=2), norm, nn.GELU(), nn.Conv2d(6, 3, 3, padding=1)]
    torch.manual_seed(0)
    return nn.Sequential(*blocks)


def test_convolutions_alone_are_bounded_by_what_their_kernels_add_up_to():
    found = certify(chain(nn.BatchNorm2d(6), nn.Identity()), (48, 40))
    assert str(found) == "bounded: an edit reaches 6 px"
    assert found.output.reach == found.output.measured == (6, 6)
    assert found.output.extent == (13, 13)
    assert found.output.confirmed
    assert found.edits == 6
    assert [layer.layer for layer in found.layers] == [str(number) for number in range(8)]
    assert [layer.reach[0] for layer in found.layers] == [2, 2, 2, 3, 5, 5, 5, 6]
    assert all(layer.confirmed for layer in found.layers)


def test_each_way_to_everywhere_is_named_by_its_module_from_where_it_lies_on():
    found = certify(chain(nn.InstanceNorm2d(6), nn.GroupNorm(2, 6)), (48, 40))
    assert str(found) == (
        "unbounded: through instance norm in 1 place (1) and group norm in 1 place (5); "
        "without them an edit would reach 6 px"
    )
    assert [layer.verdict for layer in found.layers] == ["bounded"] + ["unbounded"] * 7
    assert [len(layer.ways) for layer in found.layers] == [0, 1, 1, 1, 1, 2, 2, 2]
    assert found.output.confirmed
    assert found.output.beyond > 0


@pytest.mark.parametrize("attend", [False, True])
def test_tokens_are_cells_without_those_that_stand_for_none(attend):
    torch.manual_seed(0)
    found = certify(Tokens(attend), (32, 48))
    rows = {layer.layer: layer for layer in found.layers}
    assert {rows[name].map_size for name in ("patches", "row", "grid")} == {(8, 12)}
    assert rows["row"].verdict == "bounded"
    assert found.output.verdict == ("unbounded" if attend else "bounded")
    assert {way.kind for way in found.output.ways} == ({"attention"} if attend else set())
    assert {way.module for way in found.output.ways} == ({"heads"} if attend else set())
    assert found.output.reach == (3, 3)
    assert all(layer.confirmed for layer in (found.output, *rows.values()) if layer.reach)


class Excited(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.scale, self.end = nn.Conv2d(3, 4, 3), nn.Linear(4, 4), nn.Identity()

    def forward(self, x):
        x = self.conv(x)
        return self.end(x * self.scale(x.mean((2, 3)))[..., None, None])


def test_a_mean_over_the_map_counts_where_it_meets_the_map():
    found = certify(Excited(), (24, 24))
    rows = {layer.layer: layer for layer in found.layers}
    assert rows["conv"].verdict == "bounded"
    assert rows["end"].verdict == "unbounded"
    assert [tuple(way) for way in found.output.ways] == [("", "statistics over the map")]
    assert found.output.confirmed


class Turned(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.end = nn.Conv2d(3, 4, 3), nn.Identity()

    def forward(self, x):
        return self.end(self.conv(x).flip(3))


def test_what_is_not_understood_is_unknown_for_the_layers_behind_it_only():
    found = certify(Turned(), (24, 24))
    assert str(found) == "unknown: operation 'flip' before it is not understood"
    assert [layer.verdict for layer in found.layers] == ["bounded", "unknown"]
    assert found.layers[0].confirmed
    assert found.output.confirmed is None


class Hidden(nn.Module):
    """Reads values where no operation shows it: through NumPy."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        x = self.conv(x)
        if x.is_meta:
            return x * 1
        return x * torch.from_numpy(x.detach().numpy().mean(keepdims=True))


def test_an_edit_that_changes_what_it_should_not_takes_the_confirmation_away():
    found = certify(Hidden(), (24, 24))
    assert found.output.verdict == "bounded"
    assert found.output.beyond > 0
    assert found.output.confirmed is False
    assert found.layers[0].confirmed


def test_a_receptive_field_larger_than_the_image_is_told_as_far_as_larger_ones_are_taken():
    wide = nn.Sequential(*(nn.Conv2d(3, 3, 9, padding=4) for _ in range(5)))
    assert str(certify(wide, (16, 16))) == "bounded: an edit reaches 20 px"

    class Only16(nn.Sequential):
        def forward(self, x):
            return super().forward(x) + torch.zeros(16, 16, device=x.device)

    found = certify(Only16(*wide), (16, 16))
    assert str(found) == "bounded: an edit reaches at least 15 px"
    assert found.output.confirmed is None


def test_a_module_that_runs_twice_has_a_row_for_each_run():
    shared = nn.Conv2d(3, 3, 3, padding=1)
    found = certify(nn.Sequential(shared, nn.Tanh(), shared), (24, 24))
    assert [(layer.layer, layer.reach[0]) for layer in found.layers] == [
        *(("0", 1), ("1", 1), ("0#2", 2))
    ]


def test_all_of_it_goes_into_json_and_images_of_ones_own_are_tried():
    model, own = chain(nn.LayerNorm([6, 24, 32])), torch.zeros(1, 3, 24, 32)
    found = certify(model, (32, 24), images=[own], random_images=0, edits=2)
    read = json.loads(json.dumps(found.to_json()))
    assert read["says"] == str(found)
    assert read["edits"] == 2
    assert read["output"]["ways"] == [{"module": "1", "kind": "layer norm over the map"}]
    assert read["output"]["confirmed"] is True
    with pytest.raises(FeatvizError, match=r"image is \(1, 3, 24, 32\); expected \(1, 3, 32, 32\)"):
        certify(model, (32, 32), images=[own])
    with pytest.raises(FeatvizError, match="cannot run on a 32x32 image of 3 channels"):
        certify(model, (32, 32))


def test_a_map_of_tokens_and_of_channels_last_is_what_its_arrangement_makes_of_it():
    model = Tokens(attend=False)
    layers, given = survey(model, (32, 48)), {}
    for name in ("patches", "row", "grid"):
        model.get_submodule(name).register_forward_hook(
            lambda *each, name=name: given.__setitem__(name, each[2])
        )
    model(torch.rand(1, 3, 48, 32))
    assert [tuple(given[name].shape) for name in given] == [
        *((1, 8, 12, 8), (1, 97, 8), (1, 12, 8, 8))
    ]
    for name, tensor in given.items():
        layer = layers[name]
        assert torch.equal(layer.arrangement.maps(tensor, layer.trace.size), given["patches"])
    assert layers["row"].arrangement == ("NLC", 1, 0)


def test_half_precision_and_an_output_of_tokens_are_compared_bit_by_bit():
    class Row(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x):
            return F.layer_norm(self.conv(x).flatten(2).transpose(1, 2), (4,))

    found = certify(Row().bfloat16(), (24, 24))
    assert found.output.reach == (1, 1)
    assert found.output.confirmed
