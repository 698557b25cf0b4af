import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import sem

from featviz.analysis.evaluation.checkpoints import EvaluationSettings, evaluate
from featviz.analysis.evaluation.distributions import kernel_distance
from featviz.analysis.evaluation.images import load_whole_generator, painter
from featviz.analysis.evaluation.locality import locality_rows, measure_locality
from featviz.analysis.evaluation.lpips import load_lpips
from featviz.analysis.evaluation.pairs import (
    choose_pairs,
    measure_pairs,
    quality_rows,
    robustness_rows,
)
from featviz.analysis.evaluation.table import make_table
from featviz.base.errors import FeatvizError
from featviz.generators.checkpoint_files import save_network
from featviz.generators.generation import generate
from featviz.generators.network_input import encode_drawing
from featviz.generators.networks.generators import GeneratorArchitecture, build_generator
from featviz.sketches.sketch_set import read_sketches

SETTINGS = EvaluationSettings(count=4, moved_count=3, edits=2, lpips_size=32)


@pytest.fixture(scope="module")
def sketches(request):
    return read_sketches(request.config.rootpath / "sketches").of_groups("G5", "G8", "G7")


@pytest.fixture(scope="module")
def result(checkpoint, held_out, sketches):
    table, skipped = evaluate([checkpoint], SETTINGS, held_out, sketches)
    assert skipped == []
    return table


def test_everything_is_measured_and_described(result, checkpoint, held_out):
    assert result.checkpoints == ("tiny",)
    assert result.parts == ("quality", "locality", "robustness")
    assert set(result.values(part="locality")["group"]) == {"G5", "G8", "all"}
    assert not result.rows[result.rows["measure"] != "eyes"]["value"].isna().any()
    facts = result.metadata
    told = {
        "source": str(checkpoint),
        "digest": load_whole_generator(checkpoint).digest,
        "variant": "modified",
        "step": 7,
        "trained_on": "abc",
        "size": 64,
    }
    assert facts["checkpoints"]["tiny"].items() >= told.items()
    assert (facts["data"]["pairs"], facts["data"]["moved_pairs"]) == (4, 3)
    assert facts["lpips"]["size"] == 32


def test_a_part_alone_gives_the_numbers_it_gives_among_others(
    result, checkpoint, held_out, sketches
):
    for part in ("quality", "locality", "robustness"):
        settings = EvaluationSettings((part,), 4, 3, edits=2, lpips_size=32)
        alone, _ = evaluate([checkpoint], settings, held_out, sketches)
        rows = result.values(part=part).reset_index(drop=True)
        assert alone.rows.equals(rows)
        assert ("data" in alone.metadata) == (part != "locality")


def test_numbers_are_means_over_pairs_with_their_standard_errors(checkpoint, held_out):
    paint, lpips = painter(load_whole_generator(checkpoint)), load_lpips()
    measures = measure_pairs(paint, lpips, held_out, lpips_size=32, moved=4, seed=0)
    table = make_table(quality_rows("a", measures) + robustness_rows("a", measures), {})
    images = measures.images

    at_rest = images[images["move"] == ""]
    got = table.estimate(part="quality", measure="ssim")
    assert (got.value, got.standard_error, got.count) == pytest.approx(
        (at_rest["ssim"].mean(), sem(at_rest["ssim"]), 6)
    )
    got = table.estimate(part="quality", measure="kernel distance")
    at_rest_seen = measures.descriptors[(images["move"] == "").to_numpy()]
    assert got == kernel_distance(at_rest_seen, measures.of_photos)

    at = images[(images["move"] == "shift") & (images["amount"] == 25)]
    where = {"part": "robustness", "move": "shift", "amount": 25.0}
    assert table.estimate(**where, measure="lpips").value == pytest.approx(at["lpips"].mean())
    seen = measures.descriptors[at.index.to_numpy()]
    got = table.estimate(**where, measure="kernel distance")
    assert got == kernel_distance(seen, measures.of_photos[:4])
    # At rest the robustness looks at the moved pairs alone.
    got = table.estimate(part="robustness", measure="lpips", move="shift", amount=0.0)
    assert got.value == pytest.approx(at_rest["lpips"].iloc[:4].mean())

    losses = [
        images[(images["pair"] == i) & (images["move"] == "shift")]["lpips"].mean()
        - at_rest["lpips"].iloc[i]
        for i in range(4)
    ]
    got = table.estimate(part="robustness", measure="lpips loss", move="shift")
    assert (got.value, got.standard_error) == pytest.approx((np.mean(losses), sem(losses)))
    gains = [
        images[(images["pair"] == i) & (images["move"] == "rotation")]["ssim"].mean()
        - at_rest["ssim"].iloc[i]
        for i in range(4)
    ]
    got = table.estimate(part="robustness", measure="ssim loss", move="rotation")
    assert got.value == pytest.approx(-np.mean(gains))


def test_the_mean_over_groups_gives_every_group_the_same_weight(checkpoint, sketches):
    paint = painter(load_whole_generator(checkpoint))
    locality = measure_locality(paint, sketches, 64, most=3)
    table = make_table(locality_rows("a", locality), {})
    of_groups = locality.changes.groupby("group")[["inside", "outside"]].mean()
    assert table.estimate(group="all", measure="inside").value == pytest.approx(
        of_groups["inside"].mean()
    )
    ratios = of_groups["outside"] / of_groups["inside"]
    assert table.estimate(group="all", measure="outside / inside").value == pytest.approx(
        ratios.mean()
    )
    # G5's eyes are edited: the mean at the eyes is G8's alone.
    assert table.estimate(group="all", measure="eyes").count == 1


def test_checkpoints_of_one_name_are_told_apart(checkpoint, tmp_path, sketches):
    other = tmp_path / "tiny.safetensors"
    other.write_bytes(checkpoint.read_bytes())
    settings = EvaluationSettings(("locality",), edits=1)
    table, _ = evaluate([checkpoint, other], settings, None, sketches)
    names = tuple(f"{path.parent.name}-tiny" for path in (checkpoint, other))
    assert table.checkpoints == names
    first, second = (table.values(checkpoint=name)["value"] for name in names)
    assert second.equals(first.set_axis(second.index))
    with pytest.raises(FeatvizError, match="is given twice"):
        evaluate([checkpoint, checkpoint], settings, None, sketches)


def test_boundaries_are_given_to_who_needs_them_but_edit_locality_takes_sketches_alone(
    tmp_path, held_out, sketches
):
    torch.manual_seed(0)
    network = build_generator(GeneratorArchitecture(width=2, residual_blocks=0, input_channels=4))
    details = {
        "sketch_size": 64,
        "conditions": {"boundaries": True, "appearance_channels": 0},
    }
    path = tmp_path / "four.safetensors"
    save_network(network, path, "generator", details, torch.float32)
    table, _ = evaluate([path], EvaluationSettings(("quality",), count=3), held_out)
    assert table.estimate(measure="psnr").count == 3
    chosen, _ = choose_pairs(held_out, 3, 0)
    values = []
    for index in range(3):
        drawn = encode_drawing(chosen.contour(index, 64), boundaries=True)
        image = generate(network.eval(), drawn).astype(float)
        error = ((image - chosen.photo(index, 64)) ** 2).mean()
        values.append(10 * np.log10(255**2 / error))
    assert table.estimate(measure="psnr").value == pytest.approx(np.mean(values), rel=1e-3)
    with pytest.raises(FeatvizError, match=r"takes 4 channels; .* to tell what an edit changes"):
        evaluate([path], EvaluationSettings(("locality",)), None, sketches)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 2}, "count must be a whole number, 3 or more; got 2"),
        ({"moved_count": 0}, "moved_count must be"),
        ({"edits": 0}, "edits must be a whole number, 1 or more"),
        ({"size": 0}, "size must be"),
        ({"lpips_size": 8}, "lpips_size must be a whole number, 32 or more"),
        ({"margin": -1.0}, "the margin must be 0 px or more"),
        ({"margin": float("nan")}, "the margin must be 0 px or more"),
        ({"parts": ("beauty",)}, "unknown part 'beauty'; there are quality, locality"),
        ({"parts": ()}, "expected one or more parts of quality, locality"),
    ],
)
def test_senseless_settings_are_refused(changes, message):
    with pytest.raises(FeatvizError, match=message):
        EvaluationSettings(**changes)


def test_missing_input_is_refused(checkpoint):
    with pytest.raises(FeatvizError, match="no checkpoint given"):
        evaluate([], SETTINGS)
    with pytest.raises(FeatvizError, match="need pairs"):
        evaluate([checkpoint], EvaluationSettings(("quality",)))
    with pytest.raises(FeatvizError, match="needs sketches"):
        evaluate([checkpoint], EvaluationSettings(("locality",)))


def test_everything_is_checked_before_anything_is_measured(
    checkpoint, tmp_path, held_out, sketches, monkeypatch
):
    def measures_nothing(*_, **__):
        raise AssertionError("measured before all was checked")

    monkeypatch.setattr("featviz.analysis.evaluation.checkpoints.measure_pairs", measures_nothing)
    monkeypatch.setattr(
        "featviz.analysis.evaluation.checkpoints.measure_locality", measures_nothing
    )
    with pytest.raises(FeatvizError, match=r"'baseline' takes sketches .* got 72"):
        evaluate(["baseline", checkpoint], replace(SETTINGS, size=72), held_out, sketches)
    with pytest.raises(FeatvizError, match="no checkpoint 'gone'"):
        evaluate([checkpoint, "gone"], SETTINGS, held_out, sketches)
    with pytest.raises(FeatvizError, match="holds no edit"):
        evaluate([checkpoint], SETTINGS, held_out, sketches.of_groups("G7"))
    broken = tmp_path / "set"
    (broken / "G").mkdir(parents=True)
    (broken / "index.csv").write_text("sketch,group,file,base\na,G,G/a.svg,a\nb,G,G/b.svg,a\n")
    shutil.copy(sketches.folder / "G8" / "001.svg", broken / "G" / "a.svg")
    (broken / "G" / "b.svg").write_text("nothing")
    with pytest.raises(FeatvizError, match=r"b\.svg: not an SVG drawing"):
        evaluate([checkpoint], SETTINGS, held_out, read_sketches(broken))
