from collections import OrderedDict

import pytest
from torch import nn

from featviz.analysis.leakage.modes import default_modes, freed_too, held_norms
from featviz.base.errors import FeatvizError
from featviz.generators.networks.generators import FrontEnd, GeneratorArchitecture

LAYERS = ("L0", "L1", "L2", "L3", "L4", "image")


CORNERS = ("free", "all", "statistics")


def test_the_default_modes_are_those_that_make_a_difference(make):
    front_end = ("L0", "L1", "L2", "L3", "L4")
    later = ("residual", "back-end")
    assert default_modes(make(), LAYERS) == (*CORNERS, "front-end", *front_end, *later)
    modified = (*CORNERS, "front-end", "L2", "L3", "L4", *later)
    assert default_modes(make("modified"), LAYERS) == modified
    assert default_modes(make("no-norm"), LAYERS) == (*CORNERS, *later)
    one_left = make("no-norm-first-4")
    assert "L4" not in default_modes(one_left, LAYERS)
    front_end = FrontEnd(GeneratorArchitecture("modified", width=2))
    assert default_modes(front_end, LAYERS[:-1]) == (*CORNERS, "L2", "L3", "L4")
    assert default_modes(nn.InstanceNorm2d(1), ("image",)) == CORNERS
    assert default_modes(nn.Conv2d(1, 1, 1), ()) == ("free",)


def test_in_both_orders_each_part_is_left_alone_free_besides():
    parts = ("front-end", "L2")
    freed = ("all-but-front-end", "all-but-L2")
    assert freed_too((*CORNERS, *parts)) == (*CORNERS, *parts, *freed)
    assert freed_too(("free",)) == ("free",)


def test_the_parts_hold_all_norms_and_none_twice(make):
    model = make()
    parts = [held_norms(model, mode) for mode in ("front-end", "residual", "back-end")]
    assert sorted(sum(parts, ())) == sorted(held_norms(model, "all"))
    layers = [held_norms(model, layer) for layer in LAYERS[:-1]]
    assert sum(layers, ()) == held_norms(model, "front-end")
    assert held_norms(model, "free") == ()
    assert held_norms(model, "statistics") == held_norms(model, "all")
    for part in ("front-end", "L2", "residual"):
        both = held_norms(model, part) + held_norms(model, f"all-but-{part}")
        assert sorted(both) == sorted(held_norms(model, "all"))


def test_a_mode_that_holds_nothing_is_refused(make):
    with pytest.raises(FeatvizError, match="layer 'front_end' has no instance norm"):
        held_norms(make("no-norm"), "front-end")
    with pytest.raises(FeatvizError, match="unknown layer 'encoder'"):
        held_norms(make(), "encoder")
    with pytest.raises(FeatvizError, match="'all-but-norm' holds nothing: there is no other"):
        held_norms(nn.Sequential(OrderedDict(norm=nn.InstanceNorm2d(1))), "all-but-norm")
    with pytest.raises(FeatvizError, match="unknown layer 'encoder'"):
        held_norms(make(), "all-but-encoder")
    with pytest.raises(FeatvizError, match="this model has no instance norm"):
        held_norms(nn.Conv2d(1, 1, 1), "all")
