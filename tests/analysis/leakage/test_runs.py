"""Fast runs of generators: the numbers of plain forwards, whatever was kept before."""

import numpy as np
import pytest
import torch
from torch import nn

from featviz.analysis.leakage import default_modes, edit_reach, freed_too, measure_leakage
from featviz.analysis.leakage.generator_runs import GeneratorRuns
from featviz.analysis.leakage.runs import PlainRuns, runs_of
from featviz.analysis.leakage.single import held_statistics
from featviz.analysis.leakage.table import NUMBERS
from featviz.base.errors import FeatvizError
from featviz.generators.networks.generators import (
    FrontEnd,
    GeneratorArchitecture,
    build_generator,
)

LAYERS = ("L0", "L2", "L4", "R1", "image")


@pytest.mark.parametrize("norm", ["instance", "instance-affine"])
@pytest.mark.parametrize("variant", ["baseline", "modified", "no-norm"])
def test_maps_and_statistics_are_those_of_plain_forwards(make, edit, variant, norm):
    model, (base, edited) = make(variant, norm), edit
    plain, fast = PlainRuns(model, LAYERS), runs_of(model, LAYERS)
    assert isinstance(fast, GeneratorRuns)
    statistics = plain.statistics(base)
    found = fast.statistics(base)
    assert found.keys() == statistics.keys()
    for name, own in statistics.items():
        assert torch.allclose(found[name].variance, own.variance.double(), rtol=1e-5, atol=1e-9)
    for mode in freed_too(default_modes(model, LAYERS)):
        expected, _ = plain(edited, held_statistics(model, statistics, mode))
        maps, _ = fast(edited, held_statistics(model, found, mode), keep=mode in ("free", "all"))
        for layer in LAYERS:
            scale = expected[layer].abs().max()
            assert torch.allclose(maps[layer], expected[layer], rtol=0, atol=float(1e-4 * scale))


def test_a_run_is_the_same_to_the_last_bit_whatever_was_kept(make, edit):
    model, (base, edited) = make(), edit
    kept = GeneratorRuns(model, LAYERS)
    statistics = kept.statistics(base)
    modes = freed_too(default_modes(model, LAYERS))
    for mode in (*modes, *modes):
        held = held_statistics(model, statistics, mode)
        maps, _ = kept(edited, held, keep=mode in ("free", "all"))
        fresh = GeneratorRuns(model, LAYERS)
        held = held_statistics(model, fresh.statistics(base), mode)
        assert all(torch.equal(maps[layer], fresh(edited, held)[0][layer]) for layer in LAYERS)
    kept.forget(edited)
    assert torch.equal(kept(edited, {})[0]["image"], kept(edited.clone(), {})[0]["image"])


@pytest.mark.parametrize("variant", ["baseline", "no-norm"])
def test_where_statistics_are_held_only_what_is_reached_is_computed(make, edit, variant):
    model, (base, edited) = make(variant), edit
    run = GeneratorRuns(model, LAYERS)
    statistics = run.statistics(base)
    before, _ = run(base, {})
    after, _ = run(edited, statistics)
    alone, _ = GeneratorRuns(model, LAYERS)(edited, statistics)
    reach = edit_reach(model, base, edited, LAYERS)
    for layer in LAYERS:
        there = torch.from_numpy(reach[layer])
        assert torch.equal(after[layer][..., ~there], before[layer][..., ~there])
        scale = float(alone[layer].abs().max())
        assert torch.allclose(after[layer], alone[layer], rtol=0, atol=1e-4 * scale)
    assert not reach["L2"].all()
    # Nothing at all of an image that differs nowhere.
    same, _ = run(base.clone(), statistics)
    assert all(same[layer] is before[layer] for layer in LAYERS)


def test_an_image_whose_own_statistics_are_held_gives_its_maps_to_the_last_bit(make, edit):
    base = edit[0]
    for run in (PlainRuns(make(), LAYERS), GeneratorRuns(make(), LAYERS)):
        statistics = run.statistics(base)
        free, _ = run(base, {})
        held, own = run(base, statistics)
        assert not own
        assert all(torch.equal(free[layer], held[layer]) for layer in LAYERS)


def test_nothing_is_computed_behind_the_last_layer_and_all_norms_have_statistics(make, edit):
    model = make()
    run = GeneratorRuns(model, ["L1"])
    assert run.statistics(edit[0]).keys() == PlainRuns(model, ["L1"]).statistics(edit[0]).keys()
    assert list(run(edit[0], {}, keep=True)[1]) == ["front_end.L0.norm", "front_end.L1.norm"]


def test_only_what_is_a_row_of_known_blocks_is_run_fast(make):
    assert GeneratorRuns.fits(make(), LAYERS)
    assert GeneratorRuns.fits(FrontEnd(GeneratorArchitecture(width=2)), ["L0", "L4"])
    assert not GeneratorRuns.fits(make(), ["front_end.L0.conv"])
    assert not GeneratorRuns.fits(make().double(), LAYERS)
    assert not GeneratorRuns.fits(nn.Conv2d(1, 1, 1), ["image"])
    enhanced = GeneratorArchitecture(width=2, residual_blocks=1, enhancers=1)
    assert not GeneratorRuns.fits(build_generator(enhanced), ["image"])
    replaced = make()
    replaced.front_end.L1.norm = nn.InstanceNorm2d(8)
    assert not GeneratorRuns.fits(replaced, LAYERS)
    replaced.front_end.L1.norm = nn.GroupNorm(2, 8)
    assert not GeneratorRuns.fits(replaced, LAYERS)


def test_a_table_is_that_of_plain_forwards_in_float64(make, shipped):
    part = shipped.of_groups("G8", "G9")
    tables = [
        measure_leakage(model, part, LAYERS, point=(42, 62), size=128, most=1).table.rows
        for model in (make().double(), make())
    ]
    for number in NUMBERS:
        plain, fast = (table[number].to_numpy() for table in tables)
        scale = np.nanmax(np.abs(plain))
        difference = np.nanmax(np.abs(fast - plain)) / scale
        assert np.array_equal(np.isnan(fast), np.isnan(plain))
        assert difference < 5e-6, (number, difference)


def test_what_is_not_finite_is_told(make, edit):
    broken = make()
    broken.front_end.L3.conv.weight[0, 0, 0, 0] = torch.inf
    with pytest.raises(FeatvizError, match="layer 'L4' gives NaN or infinity"):
        GeneratorRuns(broken, LAYERS)(edit[0], {})
